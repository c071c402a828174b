"""The commands that the documents show are run as they stand there, on the sample day."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ci_metrics_tests.orchestration.conftest import Ingested
from ci_metrics_tests.orchestration.conftest import ingested as ingested  # the fixture

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])

#: Servers that run until they are stopped (each has a test of its own), and the main job itself (test_chain.py).
STAY = {"ui", "browse", "sample", "upload"}

#: What stands in the documents for something of the reader's own.
LOG = "2026-03-02T09:00:00.0000000Z ##[group]Run pytest\n2026-03-02T09:00:01.0000000Z E   ModuleNotFoundError: No module named 'basket'\n"


def documented() -> list[str]:
    found: dict[str, None] = {}
    for document in DOCUMENTS:
        for line in document.read_text().splitlines():
            shown = re.match(r"^ {4}(?:\.venv/bin/)?ci-metrics (.+)$", line)
            if shown is None:
                continue
            command = re.split(r"\s+#\s", shown[1])[0].strip()
            grammar = "[" in command or "…" in command or "&&" in command
            if not grammar and shlex.split(command)[0] not in STAY:
                found[command] = None
    return list(found)


def filled(command: str, folder: Path, day: Ingested) -> list[str]:
    """The command with the reader's own things in it."""
    job = next(document for document in day.parts.index.documents.scan("jobs") if "s_error_type" in document.body)
    run = f"https://github.com/{job.body['s_repo']}/actions/runs/{job.body['s_workflow_id']}/job/{job.body['s_job_id']}"
    (folder / "build.log").write_text(LOG)
    (folder / "ok.log").write_text(LOG.splitlines()[0])
    words = []
    for word in shlex.split(command):
        if word == "*.log":
            word = "build.log"
        elif word == "JOB" or word.startswith("https://github.com/"):
            word = run
        elif re.fullmatch(r"\d{8,}", word):
            word = job.body["s_job_id"]
        elif word.startswith("github-job-"):
            word = job.id
        elif word == "acme/shop":
            word = job.body["s_repo"]
        words.append(word)
    return words


@pytest.mark.parametrize(
    "command",
    [c for c in documented() if not {"DIR", "job.json", "LOG"} & set(c.split()) and not c.startswith("pr-comment")],
)
def test_a_documented_command_runs(command: str, ingested: Ingested, tmp_path: Path) -> None:
    environment = {**os.environ, "CI_METRICS_HOME": str(ingested.settings.ci_metrics_home)}
    for name in ("REPO", "GITHUB_TOKEN", "ANTHROPIC_API_KEY"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", "from ci_metrics.cli import main; main()", *filled(command, tmp_path, ingested)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-1000:]}\n{done.stderr[-2000:]}"
    assert done.stdout.strip()


def test_documents_show_commands_at_all() -> None:
    assert len(documented()) >= 15
