"""The sample's two weeks: how much fails in them, and the stories that they tell."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ci_metrics.models import FAILED_CONCLUSIONS
from ci_metrics.sample.commits import commit_at, commits_of
from ci_metrics.sample.dates import BEGINS, DAY_START, ENDS, OPENS_AT
from ci_metrics.sample.scenario import sample_day, sample_weeks
from ci_metrics.sample.truth import JobTruth
from ci_metrics.sample.world import AttemptSpec, JobSpec, RunSpec


def jobs() -> Iterator[tuple[RunSpec, AttemptSpec, JobSpec]]:
    return ((run, a, job) for run in sample_weeks().world.runs for a in run.attempts for job in a.jobs)


def earlier() -> list[JobTruth]:
    return [truth for truth in sample_weeks().truth if truth.completed_at < DAY_START]


def digest() -> str:
    return hashlib.sha256(
        repr([(run, sample_weeks().world.changed[run.head_sha]) for run, _, _ in jobs()]).encode()
    ).hexdigest()


def test_the_last_day_holds_all_of_the_day_that_tests_know_and_more_that_passes() -> None:
    weeks, day = sample_weeks(), sample_day()
    known = {run.run_id for run in day.world.runs}
    assert [run for run in weeks.world.runs if run.run_id in known] == list(day.world.runs)
    more = [r for r in weeks.world.runs if r.created_at >= DAY_START and r.run_id not in known]
    assert {job.conclusion for run in more for a in run.attempts for job in a.jobs} == {"success"}
    assert weeks.truth[-len(day.truth) :] == day.truth
    assert (weeks.world.start, weeks.world.end) == (BEGINS, ENDS)
    assert timedelta(days=14) == ENDS - BEGINS


def test_ten_to_fifteen_of_a_hundred_jobs_fail() -> None:
    seen = Counter(job.conclusion for _, _, job in jobs())
    assert 0.10 < seen["failure"] / (seen["failure"] + seen["success"]) < 0.15


def test_days_are_busier_than_nights_and_weekends() -> None:
    by_day = Counter(run.created_at.date() for run in sample_weeks().world.runs)
    weekend = [count for day, count in by_day.items() if day.weekday() >= 5]
    week = [count for day, count in by_day.items() if day.weekday() < 5]
    assert len(weekend) == 4
    assert max(weekend) * 2 < min(week)
    nights = sum(run.created_at.hour < 6 for run in sample_weeks().world.runs)
    assert nights * 8 < len(sample_weeks().world.runs)


def test_no_two_pull_requests_of_a_repository_have_one_number() -> None:
    numbers = Counter((pull.repo, pull.number) for pull in sample_weeks().world.pulls)
    assert max(numbers.values()) == 1


def test_few_of_the_last_days_failures_were_never_met_before() -> None:
    before, last = {truth.slug for truth in earlier()}, {truth.slug for truth in sample_day().truth}
    assert 8 <= len(last - before) <= 24


def test_the_jobs_that_fail_on_the_last_day_have_mostly_passed_on_main_before() -> None:
    passed = {
        (run.repo, job.name) for run, _, job in jobs() if run.head_branch == "main" and job.conclusion == "success"
    }
    failed = {(t.repo, t.job_name) for t in sample_day().truth if t.conclusion in FAILED_CONCLUSIONS}
    assert len(failed & passed) > 0.85 * len(failed)


def test_a_tuesday_has_an_outage_of_three_repositories() -> None:
    hour = datetime(2026, 2, 24, 10, tzinfo=UTC)
    met = [t for t in earlier() if hour <= t.completed_at < hour + timedelta(minutes=70)]
    network = [truth for truth in met if truth.category == "network_error"]
    assert len(network) >= 12
    assert len({truth.repo for truth in network}) == 3


def test_a_thursdays_red_main_begins_and_ends_with_a_merge_and_pull_requests_inherit_it() -> None:
    day, world = datetime(2026, 2, 26, tzinfo=UTC), sample_weeks().world
    shown = [
        (run, job)
        for run, _, job in jobs()
        if job.name == "test (go, ubuntu-latest)" and day <= run.created_at < day + timedelta(days=1)
    ]
    shown.sort(key=lambda pair: pair[0].created_at)
    failed = [run for run, job in shown if job.conclusion == "failure" and 9 <= run.created_at.hour < 14]
    assert sum(run.event == "pull_request" for run in failed) >= 4
    first, last = failed[0], failed[-1]
    assert (first.event, first.head_branch) == ("push", "main")
    assert all(
        job.conclusion == "failure" for run, job in shown if first.created_at <= run.created_at <= last.created_at
    )
    bad = commit_at(world.at(OPENS_AT), first.repo, first.head_sha)
    assert bad is not None
    (pull,) = [pull for pull in world.pulls if (pull.repo, pull.number) == (first.repo, bad.pulls[0])]
    assert (pull.merged, bad.author, bad.files) == (True, pull.author, ("price.go",))
    mended = next(run for run, job in shown if run.created_at > last.created_at and run.head_branch == "main")
    assert mended.display_title.startswith("Round discounts down")


def test_a_test_is_flaky_in_about_one_run_of_ten() -> None:
    name = "test (cache, ubuntu-latest)"
    seen = [run.attempts[0].jobs for run in sample_weeks().world.runs if run.created_at < DAY_START]
    ended = Counter(job.conclusion for of_run in seen for job in of_run if job.name == name)
    assert 0.05 < ended["failure"] / ended.total() < 0.2
    assert ended.total() > 60


def test_runs_of_one_push_are_of_one_commit_and_main_is_a_line_of_merges() -> None:
    world = sample_weeks().world
    assert len({run.head_sha for run in world.runs}) < len(world.runs)
    for repo in world.repos:
        commits = commits_of(world, repo)
        assert sum(commit.parent is None for commit in commits.values()) == 1
        assert sum(len(commit.pulls) == 1 for commit in commits.values()) > 60


def test_the_same_weeks_come_out_in_another_process() -> None:
    code = "from ci_metrics_tests.sample.test_scenario_weeks import digest; print(digest())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest()
