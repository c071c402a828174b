"""`ci-metrics` in processes of their own that start at once, with what a process
can be given to trip over.

What belongs here: starting the real command, its limits, where it is struck down, what it said.
Does not: what is wrong around it (`cases.py`).

Importing takes longer than an hour's work, so one process imports everything and becomes the
command by forking. Its pauses between tries are cut short, and so are the seconds that an answer
may take: the campaign is about whether they end, not about their length.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).parents[2]

#: Seconds that an answer may take in the campaign, in place of a minute or so.
ANSWER_SECONDS = 1.0

#: Seconds after which a command that has not ended hangs: undisturbed it takes some three.
PATIENCE = 90

#: What the process that starts commands says itself: nothing, unless it is broken.
_ITS_ERRORS = "parent.err"

_PARENT = f"""
import time
_sleep = time.sleep
time.sleep = lambda seconds: _sleep(min(seconds, 0.02))

import errno, json, os, resource, signal, sys, threading
from ci_metrics import cli
from ci_metrics.commands import upload
from ci_metrics.definitions import build_definitions
from ci_metrics.github import client
from ci_metrics.index import open as index_open
from ci_metrics.index import opensearch
from ci_metrics.llm import anthropic_client, endpoint
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.settings import load_settings

client.open_github.__kwdefaults__["grace"] = {ANSWER_SECONDS}
endpoint.EndpointClient.__init__.__kwdefaults__["timeout"] = {ANSWER_SECONDS}

def writes(event, arguments):
    if event == "os.rename":
        return str(arguments[1])
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        mode, flags = arguments[1], arguments[2]
        if (flags or 0) & (os.O_WRONLY | os.O_RDWR):
            return os.fspath(arguments[0])
    return ""

def struck(order):
    home, at, do, where = order["home"], order["at"], order["do"], order["where"]
    seen = 0
    def hook(event, arguments):
        nonlocal seen
        path = str(writes(event, arguments))
        if not path.startswith(home) or where not in path:
            return
        seen += 1
        if seen < at:
            return
        if do == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if do != "count":
            raise OSError(getattr(errno, do), os.strerror(getattr(errno, do)), path)
    sys.addaudithook(hook)
    return lambda: seen

def command(given):
    out, err = (os.open(given[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666) for name in ("out", "err"))
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.environ.update(given["environment"])
    os.chdir(given["folder"])
    index_open.REQUEST_SECONDS = given["index_seconds"]
    if given["file_bytes"]:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (given["file_bytes"], given["file_bytes"]))
    if given["as_nobody"] and os.getuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    seen = struck(given["strike"]) if given["strike"] else (lambda: 0)
    if given["killed_after"]:
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, given["killed_after"])
    sys.argv = ["ci-metrics", *given["words"]]
    code = 70
    try:
        cli.main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        import traceback
        traceback.print_exc()
    sys.stdout.flush()
    print("writes", seen(), file=sys.stderr, flush=True) if given["strike"] else None
    os._exit(code)

def warm():
    # What each process would compile and make anew.
    with open("warm.log", "w") as log:
        log.write("##[group]Run make\\n##[error]Process completed with exit code 1.\\n")
    out, sys.stdout = sys.stdout, sys.stderr
    cli.run(["classify", "--json", "warm.log"])
    settings = load_settings({{"CI_METRICS_HOME": os.path.join(os.getcwd(), "warm")}})
    with open_instance(settings):
        build_definitions(settings=settings)
    sys.stdout = out

warm()
for line in sys.stdin:
    given = json.loads(line)
    child = os.fork()
    if not child:
        command(given)
    timer = threading.Timer({PATIENCE}, os.kill, (child, signal.SIGKILL))
    timer.start()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    hung = not timer.is_alive()
    timer.cancel()
    print(-15 if hung else status, flush=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """What befalls the process at its `at`-th write of a file of its home whose path holds
    `where`, and at each later one.

    `kill`: SIGKILL; `count`: nothing, but it says at its end how many there were;
    else the error of that name.
    """

    at: int = 1
    do: Literal["kill", "count", "ENOSPC", "EROFS"] = "kill"
    where: str = ""


@dataclass(slots=True, kw_only=True)
class Ways:
    """How the command is run. All at their defaults: undisturbed."""

    file_bytes: int = 0  # no file may grow beyond; 0: any size
    as_nobody: bool = False  # without the rights of its home's owner
    killed_after: float = 0  # seconds; 0: never
    strike: Strike | None = None
    index_seconds: float = ANSWER_SECONDS  # that one request to the index may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> dict[str, Any]:
        """Its JSON; {} when it printed none."""
        lines = [line for line in self.out.splitlines() if line.startswith("{")]
        return dict(json.loads(lines[-1])) if lines else {}

    @property
    def state(self) -> str:
        """`complete`, `unfinished` or `failed`, by the exit code; what
        else there is by its name.
        """
        names = {0: "complete", 1: "failed", 2: "refused", 3: "unfinished", -9: "killed", -15: "hanging"}
        return names.get(self.code, f"exit code {self.code}")


@dataclass(slots=True)
class Commands:
    """Starts `ci-metrics` by forking."""

    _parent: subprocess.Popen[str]
    _made: int = field(default=0)

    def run(self, words: list[str], folder: Path, environment: Mapping[str, str], ways: Ways) -> Ended:
        """Run it to its end in `folder`, where what it says is kept."""
        assert self._parent.stdin is not None and self._parent.stdout is not None
        self._made += 1
        out, err = folder / f"{self._made}.out", folder / f"{self._made}.err"
        strike = {**asdict(ways.strike), "home": environment["CI_METRICS_HOME"]} if ways.strike else None
        given = {
            **asdict(ways), "strike": strike, "words": words, "folder": str(folder), "environment": dict(environment),
            "out": str(out), "err": str(err),
        }  # fmt: skip
        self._parent.stdin.write(json.dumps(given) + "\n")
        self._parent.stdin.flush()
        code = self._parent.stdout.readline()
        assert code, f"the process that starts commands ended: {(folder.parent / _ITS_ERRORS).read_text()[-2000:]}"
        return Ended(code=int(code), out=out.read_text(), err=err.read_text())


@contextmanager
def commands(folder: Path) -> Iterator[Commands]:
    """The process that has imported everything, until the block ends. No settings
    of this machine reach it.
    """
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    with (folder / _ITS_ERRORS).open("w") as errors:
        parent = subprocess.Popen(
            [sys.executable, "-c", _PARENT],
            cwd=folder,
            env={**kept, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    with parent:
        yield Commands(parent)
