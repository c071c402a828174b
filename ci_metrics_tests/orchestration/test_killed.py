"""A run that was killed and done again leaves the documents of one that nobody disturbed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ci_metrics.index.document_index import Kind
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.sample.scenario import sample_world
from ci_metrics.sample.server import SAMPLE_TOKEN, SampleGitHub
from ci_metrics_tests.llm.model_server import KEY, ModelServer

ROOT = Path(__file__).parents[2]
FIRST, LAST = "2026-03-02T12", "2026-03-02T13"

#: A process that has imported everything and makes a process of each line of settings it reads: the
#: chain, which says what it begins with. Importing takes longer than an hour's work.
PARENT = f"""
import json, os, sys
from ci_metrics.commands.launch import run_hours
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST
from ci_metrics.settings import load_settings

def chain(given):
    settings = load_settings(given)
    with open_instance(settings) as instance:
        return run_hours(
            settings, instance, INGEST, "{FIRST}", "{LAST}", quiet=True,
            on_hour=lambda asset, hour, done, total: print(asset, hour, flush=True),
        ).success

for line in sys.stdin:
    child = os.fork()
    if not child:
        print("process", os.getpid(), flush=True)
        os._exit(0 if chain(json.loads(line)) else 1)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

#: When the process is killed: so many seconds after it has begun with an asset's hour.
MOMENTS = (
    ("workflow_runs", LAST, 0.0),
    ("workflow_jobs", FIRST, 0.05),
    ("job_logs", FIRST, 0.1),
    ("extracted_errors", LAST, 0.0),
    ("classifications", FIRST, 0.1),
    ("classifications", LAST, 0.0),
    ("indexed_documents", FIRST, 0.05),
    ("failure_history", LAST, 0.0),
)

#: What may differ, and why.
VOLATILE = {
    "s_dagster_run_id",  # each run has its own
    # An answer that was on its way when the process died is asked for again, and then reads
    # its prefix from the cache.
    "l_cached_tokens",
    "f_cost_usd",
}
OF_VERDICTS = {"@timestamp", "s_claimed_by"}  # when a model answered, and which process asked


class Chains:
    """Starts the chain in processes of its own, over the servers of the test."""

    def __init__(self, github: SampleGitHub, model: ModelServer, parent: subprocess.Popen[str]) -> None:
        self.model, self._parent = model, parent
        self._settings = {
            "GITHUB_API_URL": github.api_url, "GITHUB_TOKEN": SAMPLE_TOKEN, "REPO": ",".join(github.world.repos),
            "ENABLE_ERROR_CLASSIFICATION": "true", "ANTHROPIC_API_KEY": KEY, "API_BASE_URL": model.url,
            "MODEL_BATCHES": "false", "MAX_RPM": "10000",
        }  # fmt: skip

    def run(self, home: Path, until: tuple[str, str, float] | None = None) -> int:
        """Run it to its end, or kill it some seconds after it began with an
        asset's hour; its exit code.
        """
        assert self._parent.stdin is not None and self._parent.stdout is not None
        self._parent.stdin.write(json.dumps({**self._settings, "CI_METRICS_HOME": str(home)}) + "\n")
        self._parent.stdin.flush()
        process = 0
        for line in self._parent.stdout:
            match line.split():
                case ["process", pid]:
                    process = int(pid)
                case ["ended", code]:
                    return int(code)
                case [asset, hour] if until is not None and (asset, hour) == until[:2]:
                    time.sleep(until[2])
                    os.kill(process, signal.SIGKILL)
        raise AssertionError("the parent process ended")


@pytest.fixture
def chains(tmp_path: Path) -> Iterator[Chains]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    with SampleGitHub(sample_world()) as github, ModelServer() as model:
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT],
            cwd=tmp_path,
            env={**kept, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with parent:
            yield Chains(github, model, parent)


def documents(home: Path) -> dict[tuple[str, str], dict[str, Any]]:
    index = EmbeddedIndex(home / "data" / "index.sqlite")
    kinds: tuple[Kind, ...] = ("workflows", "jobs", "steps", "verdicts")
    found = {(kind, d.id): d.body for kind in kinds for d in index.scan(kind) if "f_spent_usd" not in d.body}
    index.close()
    return {
        key: _plain(body, VOLATILE | (OF_VERDICTS if key[0] == "verdicts" else set())) for key, body in found.items()
    }


def _plain(value: Any, without: set[str]) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each, without) for name, each in value.items() if name not in without}
    return [_plain(each, without) for each in value] if isinstance(value, list) else value


def test_a_run_killed_at_any_moment_and_done_again_gives_the_documents_of_an_undisturbed_one(
    tmp_path: Path, chains: Chains
) -> None:
    assert chains.run(tmp_path / "undisturbed") == 0
    expected = documents(tmp_path / "undisturbed")
    asked = len(chains.model.requests)
    assert {kind for kind, _ in expected} == {"workflows", "jobs", "steps", "verdicts"}
    assert sum("s_error_type" in body for (kind, _), body in expected.items() if kind == "jobs") > 10

    home = tmp_path / "killed"
    for moment in MOMENTS:
        assert chains.run(home, until=moment) == -signal.SIGKILL, moment
    assert chains.run(home) == 0
    found = documents(home)
    assert found.keys() == expected.keys()
    assert [key for key in expected if found[key] != expected[key]] == []
    again = len(chains.model.requests) - asked
    assert asked <= again <= asked + 32, "only what was on its way when a process died was asked for twice"

    assert chains.run(home) == 0
    assert documents(home) == expected, "and once more changes nothing"
    assert len(chains.model.requests) == asked + again
