"""The commands that the documents show are run as they stand there, on the sample,
and each shows something.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from ci_metrics_tests.orchestration.conftest import Ingested
from ci_metrics_tests.orchestration.conftest import ingested as ingested  # the fixture

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])

#: Servers that run until they are stopped, and what writes to GitHub: each has a test of its own.
ELSEWHERE = ("ui", "browse", "sample", "mcp", "pr-comment --repo owner/name", "metrics --listen")

#: What a command says that has found nothing.
NOTHING = re.compile(r"^(No failure|0 failures)|\b0 of 0 jobs", re.M)

LOG = "2026-03-02T09:00:00.0000000Z ##[group]Run pytest\n2026-03-02T09:00:01.0000000Z E   ModuleNotFoundError: No module named 'basket'\n"
JOB = {"id": 7, "steps": [{"number": 2, "name": "Unit tests", "conclusion": "failure"}]}


@dataclass(frozen=True)
class Shown:
    """One command of a document: variables set before it, whether a pipe feeds it, its words."""

    text: str
    variables: tuple[tuple[str, str], ...]
    piped: bool
    words: tuple[str, ...]


def documented() -> list[Shown]:
    """Each command once, in the order of the documents."""
    found: dict[str, Shown] = {}
    for document in DOCUMENTS:
        for line in document.read_text(encoding="utf-8").splitlines():
            shown = re.match(r"^ {4}(.*\| )?((?:[A-Z_]+=\S+ )*)(?:\.venv/bin/)?ci-metrics (.+)$", line)
            if shown:
                command = re.split(r"\s+#\s", shown[3])[0].strip()
                variables = tuple((name, value) for name, _, value in (w.partition("=") for w in shown[2].split()))
                found[command] = Shown(command, variables, bool(shown[1]), tuple(shlex.split(command)))
    return [shown for command, shown in found.items() if not command.startswith(ELSEWHERE)]


def the_readers_own(folder: Path) -> None:
    """What the documents' commands name and the reader is to have: logs, a job's
    JSON, a folder of messages.
    """
    (folder / "DIR").mkdir()
    for name in ("build.log", "DIR/build.log"):
        (folder / name).write_text(LOG)
    (folder / "ok.log").write_text(LOG.splitlines()[0])
    (folder / "results.xml").write_text(
        "<testsuite><testcase name='adds'><failure>AssertionError: 1</failure></testcase></testsuite>"
    )
    (folder / "job.json").write_text(json.dumps(JOB))
    guide = (ROOT / "docs/extending.md").read_text(encoding="utf-8").partition("## A message\n")[2]
    entry = re.search(r"(?:^    .*\n)+", guide, re.M)
    assert entry is not None
    (folder / "messages").mkdir()
    (folder / "messages/panelcheck.toml").write_text(re.sub("^    ", "", entry[0], flags=re.M))


@pytest.fixture(scope="module")
def home(ingested: Ingested, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's data, in a copy of this module's own: some commands change it."""
    copy = tmp_path_factory.mktemp("documented") / "home"
    shutil.copytree(str(ingested.settings.ci_metrics_home), copy)
    return copy


def ran(words: list[str], folder: Path, home: Path, typed: str | None = None, **variables: str) -> str:
    """What `ci-metrics` with these words prints in that folder; that it fails fails the test."""
    environment = {**os.environ, "CI_METRICS_HOME": str(home), **variables}
    for name in ("REPO", "GITHUB_TOKEN", "ANTHROPIC_API_KEY"):
        environment.pop(name, None)
    command = [sys.executable, "-c", "from ci_metrics.cli import main; main()", *words]
    done = subprocess.run(
        command, cwd=folder, env=environment, input=typed, capture_output=True, text=True, timeout=240
    )
    allowed = (0, 3) if words[0] == "health" else (0,)  # the sample's last hour has runs that still go
    assert done.returncode in allowed, f"{done.stdout[-1000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def job(home: Path) -> str:
    """The id of a failed job's document."""
    failure = json.loads(ran(["search", "--json", "--limit", "1"], home, home))[0]
    return str(failure["id"])


@pytest.mark.slow
@pytest.mark.parametrize("shown", documented(), ids=lambda shown: shown.text)
def test_a_documented_command_shows_something_on_the_sample(shown: Shown, home: Path, job: str, tmp_path: Path) -> None:
    the_readers_own(tmp_path)
    if shown.words[0] == "restore":
        ran(["backup", shown.words[1]], tmp_path, home)
    if shown.words[:2] == ("label", "import"):
        ran(["label", "export", shown.words[2]], tmp_path, home)
    words = [{"JOB": job, "*.log": "build.log"}.get(word, word) for word in shown.words]
    said = ran(words, tmp_path, home, LOG if shown.piped else None, **dict(shown.variables))
    assert said.strip() and not NOTHING.search(said), said


def test_documents_show_every_command_that_is_no_server() -> None:
    named = {shown.words[0] for shown in documented()}
    assert named >= {
        "classify",
        "evaluate",
        "explain",
        "fixture",
        "label",
        "learn",
        "pr-comment",
        "reclassify",
        "report",
    }
    assert named >= {
        "cause",
        "search",
        "stale",
        "top",
        "doctor",
        "health",
        "metrics",
        "backup",
        "restore",
        "prune",
        "reindex",
    }
