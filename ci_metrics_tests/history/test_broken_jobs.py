"""What fails on the default branch now, told alike by both indices."""

from __future__ import annotations

from functools import partial

from ci_metrics.history.broken_jobs import broken_jobs
from ci_metrics.history.time_range import moment_of
from ci_metrics.index.base import DocumentIndex
from ci_metrics_tests.history.history_documents import job, moment

pushed = partial(job, branch="main", event="push")


def test_a_job_is_broken_since_it_passed_last_and_whole_again_when_it_passes(any_index: DocumentIndex) -> None:
    any_index.upsert(
        [
            pushed(1, at=1, status="success"),
            pushed(2, at=2),
            pushed(3, at=3),
            pushed(4, at=4, name="lint"),
            pushed(5, at=5, name="lint", status="success"),
            pushed(6, at=6, name="new", status="cancelled"),
            pushed(7, at=7, name="never passed"),
            job(8, at=8, name="test", status="success"),  # of a pull request
        ]
    )
    any_index.refresh()
    newest, oldest = broken_jobs(any_index, ["acme/shop"], moment(60))
    assert (newest.newest.job, newest.failures, newest.last_good, newest.last_good_at) == ("never passed", 1, "", None)
    assert (oldest.newest.commit, oldest.first.commit, oldest.failures, oldest.last_good) == ("c3", "c2", 2, "c1")
    assert oldest.last_good_at == moment(1) == moment_of("2026-03-02T05:01:00Z")


def test_a_fork_whose_branch_is_called_main_breaks_nothing(any_index: DocumentIndex) -> None:
    any_index.upsert([pushed(1, at=1, status="success"), job(2, at=2, branch="main")])
    any_index.refresh()
    assert broken_jobs(any_index, ["acme/shop"], moment(60)) == []
