"""GitHub's JSON becomes records: strict where it matters, tolerant where GitHub is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ci_metrics.errors import ContractError
from ci_metrics.github.json_fields import read
from ci_metrics.github.schemas import CheckAnnotation, RateLimitOverview, WorkflowJob, WorkflowRun, job_from_object
from ci_metrics.github.text import MESSAGE_CHARACTERS, NAME_CHARACTERS
from ci_metrics.models import Annotation, Job, Run

JOB: dict[str, Any] = {"id": 5, "run_id": 1, "name": "test", "status": "completed", "conclusion": "failure"}
RUN: dict[str, Any] = {
    "id": 1,
    "event": "push",
    "status": "completed",
    "conclusion": "success",
    "head_sha": "a" * 40,
    "created_at": "2026-03-02T09:00:00Z",
}


def job_of(value: object, repo: str = "a/b", **given: Any) -> Job:
    """The job that this JSON is."""
    return read(WorkflowJob, value, repo).record(repo, **given)


def run_of(value: object, repo: str = "a/b") -> Run:
    """The run that this JSON is."""
    return read(WorkflowRun, value, repo).record(repo)


def note_of(value: object) -> Annotation:
    """The annotation that this JSON is."""
    return read(CheckAnnotation, value, "job 5 of a/b").record()


def pulls(*bases: str) -> list[dict[str, Any]]:
    """Pull requests 1, 2, ... into these repositories."""
    return [
        {"number": n, "base": {"repo": {"url": f"https://api.github.com/repos/{b}"}}} for n, b in enumerate(bases, 1)
    ]


def test_a_step_that_is_listed_twice_is_one_step() -> None:
    steps = [{"number": 1, "name": "set up"}, {"number": 2, "name": "test"}, {"number": 2, "name": "test again"}]
    assert [(step.number, step.name) for step in job_of({**JOB, "steps": steps}).steps] == [
        (1, "set up"), (2, "test again"),
    ]  # fmt: skip


def test_a_job_with_only_what_must_be_there_is_a_job() -> None:
    job = job_of(JOB, "acme/basket", run_attempt=3)
    assert (job.job_id, job.run_id, job.run_attempt, job.name, job.conclusion) == (5, 1, 3, "test", "failure")
    assert (job.created_at, job.started_at, job.runner_name, job.labels, job.steps) == (None, None, None, (), ())
    assert job.failed
    assert job.finished


@pytest.mark.parametrize("conclusion", ["stale", "action_required", "exploded", None])
def test_conclusions_pass_through_unknown_ones_too(conclusion: str | None) -> None:
    assert job_of({**JOB, "conclusion": conclusion}).conclusion == conclusion
    assert run_of({**RUN, "conclusion": conclusion}).conclusion == conclusion


def test_a_jobs_own_attempt_counts_and_not_the_listings() -> None:
    assert job_of({**JOB, "run_attempt": 1}, run_attempt=2).run_attempt == 1


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
    job = job_of({**JOB, "started_at": text, "steps": [step]})
    assert (job.started_at, job.steps[0].started_at) == (expected, expected)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], r"job of a/b: expected a JSON object, got \[\]"),
        ({**JOB, "id": None}, "job of a/b: field “id” .* is missing"),
        ({**JOB, "name": 7}, "job 5 of a/b: field “name” should be a string, but is 7"),
        ({**JOB, "started_at": "yesterday"}, "field “started_at” should be a time like .* but is 'yesterday'"),
        ({**JOB, "steps": {}}, "field “steps” should be a list"),
        ({**JOB, "steps": [{"name": "x"}]}, "job 5 of a/b: field “steps.0.number” .* is missing"),
        ({**JOB, "labels": [1]}, "field “labels.0” should be a string, but is 1"),
        ({**JOB, "id": 2**64}, "job of a/b: field “id” should be a smaller number, but is 18446744073709551616"),
        ({**JOB, "id": -1}, "job of a/b: field “id” should be a whole number that is not negative"),
        ({**JOB, "id": True}, "job of a/b: field “id” should be a whole number, but is True"),
        ({**JOB, "run_attempt": 2**40}, "job 5 of a/b: field “run_attempt” should be a smaller number"),
        (
            {**JOB, "steps": [{"number": 10**30, "name": "x"}]},
            "job 5 of a/b: field “steps.0.number” should be a smaller",
        ),
        (
            {**JOB, "name": ["ghp_" + "a1B2" * 9]},
            r"job 5 of a/b: field “name” should be a string, but is \['\[REDACTED\]'\]",
        ),
    ],
)
def test_a_broken_job_is_refused_with_the_place_and_what_was_seen(value: object, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        job_of(value)


def test_a_run_without_what_may_be_missing_is_a_run() -> None:
    run = run_of({**RUN, "name": None, "path": ".github/workflows/ci.yml", "head_branch": None})
    assert (run.workflow_name, run.head_branch, run.actor, run.head_owner) == (".github/workflows/ci.yml", "", "", None)
    assert (run.run_attempt, run.pr_id, run.check_suite_id) == (1, "N/A", None)


@pytest.mark.parametrize("missing", ["id", "event", "head_sha", "created_at"])
def test_a_run_without_what_decides_its_place_is_refused(missing: str) -> None:
    with pytest.raises(ContractError, match=f"“{missing}”"):
        run_of({**RUN, missing: None})


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
    assert run_of({**RUN, "pull_requests": found}).pr_id == expected


def test_the_attempts_own_actor_counts() -> None:
    actors = {"actor": {"login": "author"}, "triggering_actor": {"login": "rerunner"}}
    assert run_of({**RUN, **actors}).actor == "rerunner"
    assert run_of({**RUN, "actor": {"login": "author"}}).actor == "author"


def test_an_annotation_may_lack_everything_but_says_notice_then() -> None:
    note = note_of({"annotation_level": None, "message": None, "title": None})
    assert (note.level, note.message, note.title, note.path, note.start_line) == ("notice", "", "", "", None)


#: A token as GitHub forms them, made up: it opens nothing.
TOKEN = "ghp_" + "a1B2" * 9


@pytest.mark.parametrize("number", [2**63, 2**64, -1, 10**400])
def test_a_number_that_nothing_depends_on_is_left_out_when_nothing_can_store_it(
    number: int, caplog: pytest.LogCaptureFixture
) -> None:
    job = job_of({**JOB, "runner_id": number})
    assert (job.job_id, job.runner_id) == (5, None)
    assert "job 5 of a/b: field “runner_id”" in caplog.text
    run = run_of({**RUN, "check_suite_id": number, "workflow_id": number, "run_number": number})
    assert (run.check_suite_id, run.workflow_id, run.run_number) == (None, None, 0)
    assert note_of({"start_line": number}).start_line is None


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-01:00", "2262-05-01T00:00:00Z", "1969-12-31T00:00:00Z"])
def test_a_time_that_no_file_can_store_is_no_time(time: str) -> None:
    assert job_of({**JOB, "started_at": time}).started_at is None
    with pytest.raises(ContractError, match="workflow run 1 of a/b: field “created_at”"):
        run_of({**RUN, "created_at": time})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("test (ubuntu, 3.11) ✓ ünï 漢字 👩‍💻", "test (ubuntu, 3.11) ✓ ünï 漢字 👩‍💻"),
        ("half \ud83d of one", "half \ufffd of one"),
        ("nul \x00 bell \x07 escape \x1b", "nul \ufffd bell \ufffd escape \ufffd"),
        ("\x1b[31mred\x1b[0m \x1b]8;;http://a.example\x07link\x1b]8;;\x07", "red link"),
        ("first\r\nsecond\tthird\u2028fourth", "first second third fourth"),
        ("turned \u202egnp.exe", "turned \ufffdgnp.exe"),
        (f"deploy {TOKEN} now", "deploy [REDACTED] now"),
        ("deploy --password \x1b[1mhunter2hunter2\x1b[0m", "deploy --password [REDACTED]"),
    ],
)
def test_names_are_printable_and_hold_no_secret(given: str, expected: str) -> None:
    step = {"number": 1, "name": given}
    job = job_of({**JOB, "name": given, "labels": [given], "steps": [step], "head_branch": given, "runner_name": given})
    assert {job.name, *job.labels, job.steps[0].name, job.head_branch, job.runner_name} == {expected}
    run = run_of({**RUN, "name": given, "display_title": given, "actor": {"login": given}})
    assert {run.workflow_name, run.display_title, run.actor} == {expected}
    assert note_of({"title": given}).title == expected


def test_an_annotations_message_keeps_its_lines_but_no_secret() -> None:
    message = f"\x1b[31merror\x1b[0m: refused\r\n\tpassword=hunter2hunter2\n{TOKEN}\x00"
    assert note_of({"message": message}).message == "error: refused\n\tpassword=[REDACTED]\n[REDACTED]\ufffd"


def test_a_name_of_a_megabyte_is_cut_and_says_so_and_no_secret_hides_at_the_cut() -> None:
    job = job_of({**JOB, "name": "x" * 1_000_000})
    assert len(job.name) == NAME_CHARACTERS
    assert job.name.endswith("[cut: 1000000 characters]")
    for before in range(NAME_CHARACTERS - 60, NAME_CHARACTERS + 5):
        name = job_of({**JOB, "name": "x" * before + f" {TOKEN} " + "y" * 5000}).name
        assert "ghp_" not in name
    note = note_of({"message": "word " * 200_000})
    assert len(note.message) == MESSAGE_CHARACTERS


def test_what_was_read_once_is_the_same_when_it_is_kept_and_read_again() -> None:
    hostile = f"a\x00b \ud800 \x1b[1m{TOKEN} " + "n" * 5000
    job = {**JOB, "name": hostile, "steps": [{"number": 1, "name": hostile, "started_at": "2026-03-02T09:00:00Z"}]}
    run = {**RUN, "name": hostile, "pull_requests": pulls("a/b"), "head_repository": {"full_name": "c/d"}}
    for model, value in ((WorkflowJob, job), (WorkflowRun, run), (CheckAnnotation, {"message": hostile * 20})):
        once = read(model, value, "a/b")
        assert read(model, once.model_dump(mode="json", exclude_none=True), "a/b") == once


def test_a_quota_that_ends_in_no_year_is_refused_by_name() -> None:
    core = {"limit": 1, "remaining": 1, "reset": 10**18}
    with pytest.raises(ContractError, match=r"rate limit of this token: field “resources.core.reset”"):
        read(RateLimitOverview, {"resources": {"core": core}}, "this token")


def test_a_job_in_a_file_may_be_no_more_than_its_steps() -> None:
    job = job_from_object({"steps": [{"name": "Set up job"}, {"name": "Test", "conclusion": "failure", "number": 7}]})
    assert [(step.number, step.name, step.conclusion) for step in job.steps] == [
        (1, "Set up job", None),
        (7, "Test", "failure"),
    ]
    assert (job.repo, job.conclusion, job.finished) == ("unknown/unknown", "failure", True)
    assert job_from_object({"url": "https://api.github.com/repos/a/b/actions/jobs/5"}).repo == "a/b"
    refused: list[object] = [[], "text", {"steps": ["x"]}, {"steps": 5}]
    for wrong in refused:
        with pytest.raises(ContractError):
            job_from_object(wrong)
