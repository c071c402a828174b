"""The sample day: what it promises to hold, and that its truth points at
the right lines of the logs.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from functools import cache

import pytest

from ci_metrics.models import FAILED_CONCLUSIONS
from ci_metrics.sample.dates import DAY_START, OPENS_AT, SETTLED_AT
from ci_metrics.sample.recordings import failures
from ci_metrics.sample.scenario import sample_day, sample_world
from ci_metrics.sample.truth import JobTruth
from ci_metrics.sample.world import AttemptSpec, JobSpec, RunSpec
from tools.record.recipes import CATEGORIES

LINE = re.compile(r"^\ufeff?2026-03-\d\dT\d\d:\d\d:\d\d\.\d{7}Z ")


@cache
def all_jobs() -> list[tuple[RunSpec, AttemptSpec, JobSpec]]:
    return [(run, attempt, job) for run in sample_world().runs for attempt in run.attempts for job in attempt.jobs]


@cache
def logs_of_failed() -> dict[tuple[int, int], list[str]]:
    specs = {job.job_id: job for _, _, job in all_jobs()}
    stored = [t for t in sample_day().truth if specs[t.job_id].log_answer == "stored"]
    return {truth.key: specs[truth.job_id].read_log().decode().split("\n") for truth in stored}


def digest() -> str:
    made = hashlib.sha256()
    for run, attempt, job in all_jobs():
        made.update(f"{run.run_id} {attempt.number} {job.job_id} {job.name} {job.completed_at}".encode())
        made.update(repr((run.head_sha, run.event, run.head_branch, job.steps, job.annotations)).encode())
        made.update(job.read_log())
    made.update(repr(sample_day().truth).encode())
    return made.hexdigest()


def truths(**wanted: object) -> list[JobTruth]:
    return [t for t in sample_day().truth if all(getattr(t, name) == value for name, value in wanted.items())]


def test_the_day_has_some_150_runs_and_500_jobs_in_each_of_24_hours() -> None:
    runs = sample_world().runs
    assert 140 <= len(runs) <= 160
    assert 480 <= len(all_jobs()) <= 560
    assert {int((run.created_at - DAY_START).total_seconds() // 3600) for run in runs} == set(range(24))


def test_every_failure_that_was_recorded_happens_on_the_day() -> None:
    assert {truth.slug for truth in sample_day().truth} - {""} == set(failures())


def test_all_ten_categories_and_every_reachable_state_occur() -> None:
    assert {truth.category for truth in sample_day().truth} - {None} == set(CATEGORIES)
    assert {truth.state for truth in sample_day().truth} == {"classified", "unknown", "no_error_found", "no_log"}


def test_every_failed_job_has_exactly_one_truth() -> None:
    failed = {(job.job_id, attempt.number) for _, attempt, job in all_jobs() if job.conclusion in FAILED_CONCLUSIONS}
    keys = [truth.key for truth in sample_day().truth]
    assert len(keys) == len(set(keys))
    assert set(keys) == failed


def test_marked_lines_hold_the_recorded_cause() -> None:
    logs = logs_of_failed()
    for truth in sample_day().truth:
        if not truth.marks:
            assert truth.state in ("no_log", "no_error_found") or failures()[truth.slug].annotations, truth
            continue
        lines, failure = logs[truth.key], failures()[truth.slug]
        for (first, _), (recorded_first, _) in zip(truth.marks, failure.marks, strict=False):
            marked = LINE.sub("", lines[first - 1])
            assert similar(marked) == similar(failure.lines[recorded_first - 1]), truth
        for first, last in truth.marks:
            assert 1 <= first <= last < len(lines)
            assert LINE.sub("", lines[first - 1]).strip()


def similar(line: str) -> str:
    """A line without what varies between runs."""
    line = re.sub(r"_temp/[0-9a-f-]{36}", "_temp/", re.sub(r"^(##\[error\]|::error[^:]*::)", "", line))
    return re.sub(r"0x[0-9a-f]+|\d+|widgets-web|gadgets|widgets", "", line)


def test_a_mark_stands_in_the_step_that_the_api_says_failed() -> None:
    logs = logs_of_failed()
    specs = {job.job_id: job for _, _, job in all_jobs()}
    for truth in sample_day().truth:
        step = next((s for s in specs[truth.job_id].steps if s.number == truth.step_number), None)
        assert (step is None) == (truth.step is None)
        if step is None or not truth.marks:
            continue
        assert step.conclusion in ("failure", "cancelled")
        assert step.started_at is not None
        assert step.completed_at is not None
        at = logs[truth.key][truth.marks[0][0] - 1].lstrip("\ufeff")[:19]
        assert f"{step.started_at:%Y-%m-%dT%H:%M:%S}" <= at <= f"{step.completed_at:%Y-%m-%dT%H:%M:%S}"


def test_logs_have_githubs_form() -> None:
    for lines in logs_of_failed().values():
        assert lines[0].startswith("\ufeff")
        assert lines[-1] == ""
        assert all(LINE.match(line) for line in lines[:-1])
        assert [line[29:] for line in lines if "##[group]Run actions/checkout" in line]
        assert lines[-2].endswith("Cleaning up orphan processes")


def test_the_same_bytes_come_out_in_another_process() -> None:
    code = "from ci_metrics_tests.sample.test_scenario import digest; print(digest())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest()


def test_a_matrix_has_more_than_a_hundred_jobs() -> None:
    assert max(len(attempt.jobs) for run in sample_world().runs for attempt in run.attempts) > 100


def test_one_run_is_going_on_when_the_clock_starts_and_over_when_all_is_settled() -> None:
    world = sample_world()
    going = [run for run in world.runs if world.at(OPENS_AT).attempt_status(run.attempts[0]) != "completed"]
    assert len(going) == 1
    assert all(
        world.at(SETTLED_AT).attempt_status(attempt) == "completed" for run in world.runs for attempt in run.attempts
    )


def test_a_job_is_run_again_two_weeks_later() -> None:
    late = [a for run in sample_world().runs for a in run.attempts if a.created_at > DAY_START + timedelta(days=13)]
    assert [attempt.number for attempt in late] == [2]


def test_flaky_jobs_fail_and_then_pass_at_the_same_commit() -> None:
    flaky = [truth for truth in sample_day().truth if truth.flaky]
    assert {truth.flaky for truth in flaky} == {"suspected", "confirmed"}
    runs = {run.run_id: run for run in sample_world().runs}
    passed = {
        (run.run_id, job.name)
        for run in runs.values()
        for a in run.attempts
        for job in a.jobs
        if job.conclusion == "success"
    }
    again = [truth for truth in flaky if len(runs[truth.run_id].attempts) > 1]
    assert len(again) >= 4
    assert all((truth.run_id, truth.job_name) in passed for truth in again)


def test_in_the_storm_hour_most_failures_have_one_cause() -> None:
    storm = [t for t in sample_day().truth if t.completed_at.hour == 14 and t.completed_at.day == 2]
    network = [truth for truth in storm if truth.category == "network_error"]
    assert len(network) >= 12
    assert len({truth.repo for truth in network}) == 3


def test_main_fails_before_the_pull_requests_that_inherit_it() -> None:
    runs = {run.run_id: run for run in sample_world().runs}
    broken = sorted((runs[t.run_id].created_at, runs[t.run_id].event) for t in truths(slug="pytest-assert"))
    assert broken[0][1] == "push"
    assert Counter(event for _, event in broken)["pull_request"] >= 4


@pytest.mark.parametrize("answer", ["not_found", "gone"])
def test_a_missing_log_is_the_state_no_log(answer: str) -> None:
    missing = [job for _, _, job in all_jobs() if job.log_answer == answer and job.conclusion in FAILED_CONCLUSIONS]
    assert len(missing) >= 2
    assert all(truths(job_id=job.job_id)[0].state == "no_log" for job in missing)


def test_causes_that_stand_only_in_an_annotation_have_no_marks() -> None:
    only = [t for t in truths(state="classified") if not t.marks]
    assert {truth.conclusion for truth in only} == {"timed_out"}
    specs = {job.job_id: job for _, _, job in all_jobs()}
    assert all(
        any("exceeded the maximum execution time" in note.message for note in specs[t.job_id].annotations) for t in only
    )


def test_forks_have_no_pull_requests_in_their_runs() -> None:
    world = sample_world()
    forks = [run for run in world.runs if run.fork]
    assert len(forks) >= 3
    assert not any(run.pull_numbers for run in forks)
    matches = Counter(
        sum((pull.head_repo, pull.head_branch) == (run.head_repo, run.head_branch) for pull in world.pulls)
        for run in forks
    )
    assert {0, 1, 2} <= set(matches)


def test_conclusions_that_nobody_expects_are_there() -> None:
    conclusions = {run.attempts[-1].final_conclusion for run in sample_world().runs}
    assert {"stale", "action_required", "startup_failure", "success", "failure"} <= conclusions
    assert {"neutral", "skipped", "cancelled", "timed_out"} <= {job.conclusion for _, _, job in all_jobs()}


def test_annotations_come_in_the_mixtures_that_are_counted() -> None:
    seen = {tuple(sorted(note.level for note in job.annotations)) for _, _, job in all_jobs()}
    assert {(), ("failure",), ("failure", "warning"), ("warning", "warning"), ("notice",)} <= seen
