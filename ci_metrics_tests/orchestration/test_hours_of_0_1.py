"""Hours that version 0.1 wrote are read as they were, and the chain carries on from them.

`hours_0_1/` was written by 0.1's code (an ingested hour of `scaled_world` as
below) and never changes.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ci_metrics.commands.launch import run_hours
from ci_metrics.commands.sample_mode import sample_settings
from ci_metrics.models import Job, JobLog, Run
from ci_metrics.orchestration.due_hours import plan
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST
from ci_metrics.orchestration.new_failures import NewFailure
from ci_metrics.orchestration.parts import open_parts
from ci_metrics.orchestration.storage.rows import IndexedDocument, JobExtraction, JobVerdicts
from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.settings import load_settings

WRITTEN = Path(__file__).parent / "hours_0_1"
HOUR = "2026-03-02T09"
WORLD = scaled_world(runs=3, jobs=2, failure_share=0.5, log_bytes=2000, repos=2, hours=1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Path(shutil.copytree(WRITTEN, tmp_path / "sample" / "hours"))


@pytest.mark.parametrize(
    ("asset", "kind", "count"),
    [
        ("workflow_runs", Run, 3),
        ("workflow_jobs", Job, 6),
        ("job_logs", JobLog, 3),
        ("extracted_errors", JobExtraction, 3),
        ("classifications", JobVerdicts, 3),
        ("indexed_documents", IndexedDocument, 27),
        ("failure_history", NewFailure, 2),
    ],
)
def test_every_assets_rows_are_read_whole(root: Path, asset: str, kind: type, count: int) -> None:
    rows: list[Any] = HourStore(root).read_or_none(asset, HOUR, kind)
    assert len(rows) == count
    assert {type(row) for row in rows} == {kind}


def test_the_state_is_read_with_its_repositories_and_kept_in_the_present_form_once_hours_are_looked_through(
    root: Path,
) -> None:
    store = HourStore(root)
    state = store.state(HOUR)
    assert store.hours() == [HOUR]
    assert state.is_finished
    runs = state.assets["workflow_runs"]
    assert {repo: part.is_finished for repo, part in runs.repos.items()} == dict.fromkeys(WORLD.repos, True)
    assert state.assets["indexed_documents"].said["documents"] == 27
    assert store.states() == {HOUR: state}
    assert not (root / "hours" / HOUR).exists()
    assert HourStore(root).states() == {HOUR: state}
    assert store.hours() == [HOUR]


@pytest.mark.parametrize(
    ("asset", "part"),
    [
        ("workflow_jobs", {"problems": {"a/b run 5": "TransientError: 502"}}),
        ("workflow_jobs", {"unfinished": 2}),
        ("job_logs", {"unfinished": 1}),
        ("classifications", {"open": 3}),
        ("classifications", {"overtaken": True}),
        ("indexed_documents", {"written": 3, "at": "2027-01-01T00:00:00+00:00"}),  # and their history not looked at
        ("workflow_runs", None),  # damaged
    ],
)
def test_what_was_unfinished_is_done_again_for_every_repository_of_which_it_may_be(
    root: Path, asset: str, part: dict[str, object] | None
) -> None:
    file = root / "hours" / HOUR / f"{asset}.json"
    file.write_text("{" if part is None else json.dumps({**json.loads(file.read_text()), **part}))
    state = HourStore(root).states()[HOUR]
    assert not state.is_finished
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    later = now.replace(year=2027, month=2)
    assert [
        r.reason
        for r in plan(later, {"2027-01-31T05": state}, WORLD.repos, now, most_ranges=99)
        if r.first <= "2027-01-31T05" <= r.last
    ] == ["unfinished"]


def test_the_chain_carries_on_and_asks_for_nothing_that_is_there(root: Path, tmp_path: Path) -> None:
    with SampleGitHub(WORLD) as github:
        settings = sample_settings(load_settings({"CI_METRICS_HOME": str(tmp_path)}), github.api_url, WORLD.repos)
        jobs = HourStore(root).read("workflow_jobs", HOUR, Job)
        for _ in range(2):
            with open_instance(settings) as instance:
                assert run_hours(settings, instance, INGEST, HOUR, HOUR, quiet=True).success
            # The listing, and whether the failed jobs have passed before:
            # 0.1 did not look for that.
            assert set(github.stats.total) <= {"runs", "repo", "workflow_runs", "contents"}, "no jobs and logs again"
    with open_parts(settings) as ci:
        assert ci.hours.store.read("workflow_jobs", HOUR, Job) == jobs
        assert ci.hours.store.state(HOUR).is_finished
        states = Counter(
            body["s_error_state"]
            for body in (d.body for d in ci.index.documents.scan("jobs"))
            if "s_error_state" in body
        )
    assert states == {"classified": 3}
