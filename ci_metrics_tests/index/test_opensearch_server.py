"""The tests' own OpenSearch: says why it is not there, and never outlives its session."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ci_metrics_tests import opensearch_server

PROJECT = opensearch_server.PROJECT
TEST = "ci_metrics_tests/index/test_opensearch.py::test_creating_what_is_there_leaves_no_warning"


def _environment(**changes: str) -> dict[str, str]:
    names = (opensearch_server.FOLDER_VARIABLE, "CI", "OPENSEARCH_TEST_URL", "PYTEST_ADDOPTS")
    kept = {
        name: value for name, value in os.environ.items() if name not in names and not name.startswith("PYTEST_XDIST")
    }
    return {**kept, **changes}


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("true", "1 error")])
def test_without_java_tests_are_skipped_saying_what_was_not_tested_and_fail_under_ci(
    tmp_path: Path, ci: str, outcome: str
) -> None:
    environment = _environment(OPENSEARCH_JAVA_HOME=str(tmp_path / "no-jdk"), OPENSEARCH_CACHE=str(tmp_path), CI=ci)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", TEST],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in done.stdout
    assert "not tested against a real OpenSearch: start.sh: no JDK of version 17 or newer" in done.stdout
    assert done.returncode == (1 if ci else 0)


@pytest.mark.opensearch
@pytest.mark.slow
def test_a_killed_session_leaves_no_server(opensearch_url: str) -> None:
    if os.environ.get("OPENSEARCH_TEST_URL"):
        pytest.skip("a server that was running before is not ours to end")
    session = (
        "import os, time\n"
        "from ci_metrics_tests import opensearch_server as server\n"
        "server.begin_session(); server.server_url()\n"
        "print(os.environ[server.FOLDER_VARIABLE], flush=True); time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", session], cwd=PROJECT, env=_environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    pid = json.loads((folder / "node.json").read_text())["pid"]
    assert Path(f"/proc/{pid}").exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    while Path(f"/proc/{pid}").exists():  # the test's own timeout ends this
        time.sleep(0.1)
    opensearch_server.remove_left_over(folder.parent)
    assert not folder.exists()
