from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest

from ci_metrics.commands.upload import failure_words
from ci_metrics.orchestration.partitions import hour_key
from ci_metrics.orchestration.parts import Parts, open_parts
from ci_metrics.orchestration.storage.rows import IndexedDocument
from ci_metrics.sample.scenario import sample_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.settings import load_settings
from ci_metrics_tests.orchestration.conftest import run_job, tick
from ci_metrics_tests.report.test_pr_comment import NOW, job, run

HOUR = hour_key(NOW)


@pytest.fixture
def github() -> Iterator[SampleGitHub]:
    with SampleGitHub(sample_world()) as server:
        yield server


@contextmanager
def _parts(github: SampleGitHub, home: Path, **more: str) -> Iterator[Parts]:
    token = {"PR_COMMENT_TOKEN": github.token}
    settings = load_settings({"CI_METRICS_HOME": str(home), "GITHUB_API_URL": github.api_url, **token, **more})
    with open_parts(settings, clock=lambda: NOW) as parts:
        yield parts


def _told(place: Parts) -> str:
    """What the sensor says, or what the run that it requests has said of each pull request."""
    with dg.DagsterInstance.ephemeral() as instance:
        asked = tick(place, "pr_comments", instance)
    if isinstance(asked, str):
        return asked
    result = run_job(place, "comment_pull_requests")
    if result.success:
        (output,) = [event for event in result.all_events if event.is_successful_output]
        return str(output.step_output_data.metadata["said"].value)
    return failure_words(result)


def _index(place: Parts, github: SampleGitHub, status: str, attempt: int, at: datetime) -> tuple[str, int]:
    pull = next(p for p in github.world.pulls if p.closed_at is None)
    where = {"s_repo": pull.repo, "s_pr_id": str(pull.number), "s_partition": HOUR}
    error = "f1-sum" if status == "failure" else ""
    place.index.documents.upsert(
        [
            run(2, pull.head_sha, status, 1, attempt, **where),
            job(2, pull.head_sha, "unit", status, error, attempt, **where),
        ]
    )
    for asset in ("workflow_runs", "indexed_documents", "failure_history"):
        place.hours.store.commit(asset, HOUR, [], IndexedDocument, notes={}, status={}, now=at)
    return pull.repo, pull.number


def test_an_indexed_hour_brings_its_pull_requests_comments_up_to_date(github: SampleGitHub, tmp_path: Path) -> None:
    with _parts(github, tmp_path, ENABLE_PR_COMMENTS="true") as place:
        repo, number = _index(place, github, "failure", 1, NOW)
        assert _told(place) == str({f"{repo}#{number}": "created"})
        github.reset_stats()
        assert _told(place) == "No hour was indexed since its pull requests were told."
        assert not github.stats.total, "an hour that was not indexed again asks GitHub nothing"
        _index(place, github, "success", 2, NOW.replace(minute=30))
        assert _told(place) == str({f"{repo}#{number}": "updated"})
        (comment,) = github.comments.of(repo, number)
        assert "all 1 jobs passed" in comment.body


def test_what_github_refuses_is_tried_again(github: SampleGitHub, tmp_path: Path) -> None:
    with _parts(github, tmp_path, ENABLE_PR_COMMENTS="true", PR_COMMENT_TOKEN="wrong") as place:
        repo, number = _index(place, github, "failure", 1, NOW)
        assert f"1 comments will be tried again: {repo}#{number}" in _told(place)
    with _parts(github, tmp_path, ENABLE_PR_COMMENTS="true") as place:
        assert "created" in _told(place)


def test_it_is_off_by_default(github: SampleGitHub, tmp_path: Path) -> None:
    with _parts(github, tmp_path) as place:
        repo, number = _index(place, github, "failure", 1, NOW)
        assert "ENABLE_PR_COMMENTS is not true" in _told(place)
        assert github.comments.of(repo, number) == []
