"""GitHub's JSON becomes records: strict where it matters, tolerant where GitHub is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ci_metrics.errors import ContractError
from ci_metrics.github import annotation_from_json, job_from_json, run_from_json

JOB: dict[str, Any] = {"id": 5, "run_id": 1, "name": "test", "status": "completed", "conclusion": "failure"}
RUN: dict[str, Any] = {
    "id": 1,
    "event": "push",
    "status": "completed",
    "conclusion": "success",
    "head_sha": "a" * 40,
    "created_at": "2026-03-02T09:00:00Z",
}


def pulls(*bases: str) -> list[dict[str, Any]]:
    """Pull requests 1, 2, ... into these repositories."""
    return [
        {"number": n, "base": {"repo": {"url": f"https://api.github.com/repos/{b}"}}} for n, b in enumerate(bases, 1)
    ]


def test_a_job_with_only_what_must_be_there_is_a_job() -> None:
    job = job_from_json(JOB, "acme/basket", run_attempt=3)
    assert (job.job_id, job.run_id, job.run_attempt, job.name, job.conclusion) == (5, 1, 3, "test", "failure")
    assert (job.created_at, job.started_at, job.runner_name, job.labels, job.steps) == (None, None, None, (), ())
    assert job.failed
    assert job.finished


@pytest.mark.parametrize("conclusion", ["stale", "action_required", "exploded", None])
def test_conclusions_pass_through_unknown_ones_too(conclusion: str | None) -> None:
    assert job_from_json({**JOB, "conclusion": conclusion}, "a/b").conclusion == conclusion
    assert run_from_json({**RUN, "conclusion": conclusion}, "a/b").conclusion == conclusion


def test_a_jobs_own_attempt_counts_and_not_the_listings() -> None:
    assert job_from_json({**JOB, "run_attempt": 1}, "a/b", run_attempt=2).run_attempt == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-02T09:00:00Z", datetime(2026, 3, 2, 9, tzinfo=UTC)),
        ("2026-03-02T01:00:00.000-08:00", datetime(2026, 3, 2, 9, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        (None, None),
    ],
)
def test_times_are_utc_and_placeholders_are_no_times(text: str | None, expected: datetime | None) -> None:
    step = {"number": 1, "name": "Set up job", "status": "completed", "conclusion": "success", "started_at": text}
    job = job_from_json({**JOB, "started_at": text, "steps": [step]}, "a/b")
    assert (job.started_at, job.steps[0].started_at) == (expected, expected)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], r"job of a/b: expected a JSON object, got \[\]"),
        ({**JOB, "id": None}, "job of a/b: field “id” should be a whole number, but is missing"),
        ({**JOB, "name": 7}, "job 5 of a/b: field “name” should be a string, but is 7"),
        ({**JOB, "started_at": "yesterday"}, "field “started_at” should be a time like .* but is 'yesterday'"),
        ({**JOB, "steps": {}}, "field “steps” should be a list"),
        ({**JOB, "steps": [{"name": "x"}]}, "step of job 5 of a/b: field “number” should be a whole number"),
        ({**JOB, "labels": [1]}, "field “labels” should be strings"),
    ],
)
def test_a_broken_job_is_refused_with_the_place_and_what_was_seen(value: object, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        job_from_json(value, "a/b")


def test_a_run_without_what_may_be_missing_is_a_run() -> None:
    run = run_from_json({**RUN, "name": None, "path": ".github/workflows/ci.yml", "head_branch": None}, "a/b")
    assert (run.workflow_name, run.head_branch, run.actor, run.head_owner) == (".github/workflows/ci.yml", "", "", None)
    assert (run.run_attempt, run.pr_id, run.check_suite_id) == (1, "N/A", None)


@pytest.mark.parametrize("missing", ["id", "event", "head_sha", "created_at"])
def test_a_run_without_what_decides_its_place_is_refused(missing: str) -> None:
    with pytest.raises(ContractError, match=f"“{missing}”"):
        run_from_json({**RUN, missing: None}, "a/b")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], "N/A"),
        (None, "N/A"),
        (pulls("a/b"), "1"),
        (pulls("upstream/b"), "N/A"),  # in a fork, the pull request that the branch has above it
        (pulls("upstream/b", "A/B"), "2"),
        (pulls("a/b", "a/b"), "N/A"),
        ([{"number": 3}], "3"),
    ],
)
def test_the_pull_request_is_the_one_into_this_repository(found: object, expected: str) -> None:
    assert run_from_json({**RUN, "pull_requests": found}, "a/b").pr_id == expected


def test_the_attempts_own_actor_counts() -> None:
    actors = {"actor": {"login": "author"}, "triggering_actor": {"login": "rerunner"}}
    assert run_from_json({**RUN, **actors}, "a/b").actor == "rerunner"
    assert run_from_json({**RUN, "actor": {"login": "author"}}, "a/b").actor == "author"


def test_an_annotation_may_lack_everything_but_says_notice_then() -> None:
    note = annotation_from_json({"annotation_level": None, "message": None, "title": None})
    assert (note.level, note.message, note.title, note.path, note.start_line) == ("notice", "", "", "", None)
