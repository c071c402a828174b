"""A real OpenSearch node for the tests: one per test session, however many workers it has.

What belongs here: starting, finding and ending it. Does not: fixtures (`conftest.py`), how the node
is made (`deploy/opensearch/`).

The session's first process makes a folder and names it in the environment; its workers inherit
that. Whoever needs the node first starts it, under a lock. It watches the session's process and
ends with it, even when that is killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
START = PROJECT / "deploy" / "opensearch" / "start.sh"

#: Where the session keeps its node's data and address; set by the session's first process.
FOLDER_VARIABLE = "CI_METRICS_TEST_OPENSEARCH"

FOLDER_PREFIX = "ci-metrics-opensearch-"

#: Seconds until the node must answer; the first start also fetches some 70 MB of jars.
FETCH_SECONDS = 420
START_SECONDS = 120

#: Ready sooner on few cores.
_JAVA_OPTS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"

_ADDRESS = re.compile(r"AbstractHttpServerTransport\s*\] publish_address \{(127\.0\.0\.1:\d+)\}")


class NoServerError(Exception):
    """There can be no server on this machine; says why."""


def begin_session() -> None:
    """Called in every process of the session; the first one makes the folder."""
    if FOLDER_VARIABLE not in os.environ:
        memory = Path("/dev/shm")  # each new index syncs its cluster state to the disk, which nobody needs here
        parent = memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
        remove_left_over(parent)
        folder = tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=parent)
        Path(folder, "owner").write_text(str(os.getpid()))
        os.environ[FOLDER_VARIABLE] = folder


def end_session() -> None:
    """Called in every process at its end; the one that began the session ends the
    node and removes its data.
    """
    folder = Path(os.environ.get(FOLDER_VARIABLE, ""))
    owner = folder / "owner"
    if not owner.is_file() or owner.read_text() != str(os.getpid()):
        return
    state = folder / "node.json"
    if state.is_file():
        _end(json.loads(state.read_text()).get("pid"))
    shutil.rmtree(folder, ignore_errors=True)
    del os.environ[FOLDER_VARIABLE]


def server_url() -> str:
    """The address of the session's node, started when this is the first
    call. Raises NoServerError.
    """
    folder = Path(os.environ[FOLDER_VARIABLE])
    state = folder / "node.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not state.is_file():
            state.write_text(json.dumps(_start(folder)))
        known = json.loads(state.read_text())
    if "problem" in known:
        raise NoServerError(known["problem"])
    return str(known["url"])


def remove_left_over(parent: Path) -> None:
    """Folders of sessions that were killed; their nodes ended with them."""
    for owner in parent.glob(f"{FOLDER_PREFIX}*/owner"):
        try:
            os.kill(int(owner.read_text()), 0)
        except (ProcessLookupError, ValueError):
            shutil.rmtree(owner.parent, ignore_errors=True)
        except OSError:
            continue  # somebody else's


def _start(folder: Path) -> dict[str, str | int]:
    fetched = subprocess.run(
        [START, "--fetch"], capture_output=True, text=True, timeout=FETCH_SECONDS, check=False, stdin=subprocess.DEVNULL
    )
    if fetched.returncode:
        return {"problem": fetched.stderr.strip()[-600:] or f"start.sh ended with {fetched.returncode}"}
    log = folder / "node.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [START, "--port", "0", "--home", folder / "home", "--owner", (folder / "owner").read_text()],
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={"OPENSEARCH_JAVA_OPTS": _JAVA_OPTS, **os.environ},
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        address = _ADDRESS.search(log.read_text(errors="replace"))
        if address is not None and _answers(f"http://{address[1]}"):
            process.returncode = 0  # it is ended by its pid, maybe by another process: nobody waits for it here
            return {"url": f"http://{address[1]}", "pid": process.pid}
        time.sleep(0.2)
    _end(process.pid)
    return {"problem": f"the node did not start: {log.read_text(errors='replace')[-600:]}"}


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_cluster/health?wait_for_status=yellow&timeout=1s", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _end(pid: int | None) -> None:
    if pid is None:
        return
    for sign, seconds in ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)):
        try:
            os.kill(pid, sign)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                os.kill(pid, 0)
                if _is_zombie(pid):
                    return
                time.sleep(0.1)
        except ProcessLookupError:
            return


def _is_zombie(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.is_file() and stat.read_text().rpartition(")")[2].split()[0] == "Z"
