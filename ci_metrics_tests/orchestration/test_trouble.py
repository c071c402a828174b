"""What goes wrong between two looks at an hour, through Dagster, against a
sample GitHub of a few runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from ci_metrics.commands.launch import run_hours
from ci_metrics.commands.sample_mode import sample_settings
from ci_metrics.index.document_index import Body
from ci_metrics.models import Job, Run
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST, RECLASSIFY
from ci_metrics.orchestration.partitions import hour_key
from ci_metrics.orchestration.parts import open_parts
from ci_metrics.orchestration.storage.hours import Outcome
from ci_metrics.sample.faults import Fault
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.settings import Settings, load_settings

WORLD = scaled_world(runs=4, jobs=3, failure_share=0.5, log_bytes=3000, repos=2, hours=1)
HOUR = hour_key(WORLD.start)


@pytest.fixture
def github() -> Iterator[SampleGitHub]:
    with SampleGitHub(WORLD) as server:
        yield server


@pytest.fixture
def settings(github: SampleGitHub, tmp_path: Path) -> Settings:
    return sample_settings(load_settings({"CI_METRICS_HOME": str(tmp_path)}), github.api_url, WORLD.repos)


def ingest(settings: Settings, reason: str = "") -> bool:
    """Do the hour as a person does, or for the `reason` that a sensor gives."""
    with open_instance(settings) as instance:
        return run_hours(settings, instance, INGEST, HOUR, HOUR, quiet=True, reason=reason).success


def unfinished(settings: Settings) -> bool:
    with open_parts(settings) as ci:
        return not ci.hours.store.state(HOUR).is_finished


def jobs(settings: Settings) -> dict[str, Body]:
    with open_parts(settings) as ci:
        ci.index.documents.refresh()
        found = {document.id: dict(document.body) for document in ci.index.documents.scan("jobs")}
    for body in found.values():
        body.pop("s_dagster_run_id")
    return found


@pytest.mark.parametrize(("job", "enabled"), [(INGEST, True), (RECLASSIFY, True), (INGEST, False)])
def test_the_run_log_says_once_which_classifier_answers(settings: Settings, job: str, enabled: bool) -> None:
    settings = settings.model_copy(update={"enable_error_classification": enabled})
    with open_instance(settings) as instance:
        if job == RECLASSIFY:
            assert run_hours(settings, instance, INGEST, HOUR, HOUR, quiet=True).success
        run = run_hours(settings, instance, job, HOUR, HOUR, quiet=True)
        assert run.success
        said = [
            r.user_message for r in instance.all_logs(run.run_id) if "Error classification enabled" in r.user_message
        ]
    assert len(said) == int(enabled), said
    if not enabled:
        assert not [name for body in jobs(settings).values() for name in body if "error" in name]


def test_one_failing_repository_loses_nothing_of_the_others_and_is_made_good(
    github: SampleGitHub, settings: Settings
) -> None:
    github.faults.add(Fault(kind="status", on="runs", status=404, repo=WORLD.repos[0]))
    assert ingest(settings)
    assert {body["s_repo"] for body in jobs(settings).values()} == {WORLD.repos[1]}
    assert unfinished(settings)
    assert ingest(settings)
    assert {body["s_repo"] for body in jobs(settings).values()} == set(WORLD.repos)
    assert not unfinished(settings)


def test_an_hour_that_a_sensor_redoes_for_one_repository_asks_github_nothing_of_the_others(
    github: SampleGitHub, settings: Settings
) -> None:
    github.faults.add(Fault(kind="status", on="runs", status=404, repo=WORLD.repos[0]))
    assert ingest(settings)
    asked = github.stats.total.copy()
    failing, good = WORLD.repos
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=1), tick=True):
        assert ingest(settings, reason="unfinished")
        assert github.stats.total == asked, "too early for either"
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=26), tick=True):
        with open_parts(settings) as ci:  # as if the good one had just been swept
            record = ci.hours.store.state(HOUR).assets["workflow_runs"]
            assert set(record.set_aside) == {f"{failing} listing of runs"}
            outcome = Outcome(repos=WORLD.repos, asked=[good], notes_finished=True)
            rows = ci.hours.store.read("workflow_runs", HOUR, Run)
            now = datetime.now(UTC)
            ci.hours.store.commit("workflow_runs", HOUR, rows, Run, notes={}, status={}, now=now, outcome=outcome)
        assert unfinished(settings)
        assert ingest(settings, reason="unfinished")
    new = github.stats.total - asked
    mine = [run for run in WORLD.runs if run.repo == failing]
    assert new["runs"] == 1, "the listing of the failing one"
    assert new["jobs"] == sum(len(run.attempts) for run in mine)
    assert not unfinished(settings)
    assert {body["s_repo"] for body in jobs(settings).values()} == set(WORLD.repos)


def test_a_damaged_log_is_one_jobs_trouble_and_is_named(settings: Settings) -> None:
    assert ingest(settings)
    before = jobs(settings)
    with open_parts(settings) as ci:
        log = min((Path(str(ci.hours.store.root)) / "job_logs" / HOUR).glob("*.zst"))
    log.write_bytes(b"no zstd frame")
    job, attempt = log.name.removesuffix(".log.zst").split("-")
    read_anew = settings.model_copy(update={"excerpt_budget": settings.excerpt_budget - 1000})
    assert ingest(read_anew)
    assert {name: body.get("s_error_type") for name, body in jobs(settings).items()} == {
        name: body.get("s_error_type") for name, body in before.items()
    }
    with open_parts(settings) as ci:
        [(name, why)] = ci.hours.store.state(HOUR).set_aside.items()
    assert name.endswith(f"log of job {job} attempt {attempt}")
    assert "ZstdError" in why


def test_what_github_keeps_back_is_missed_by_name_and_the_rest_lands(github: SampleGitHub, settings: Settings) -> None:
    github.faults.add(Fault(kind="short", on="jobs", times=None, count=1))
    github.faults.add(Fault(kind="ids", on="runs", times=None, count=1))
    assert ingest(settings)
    some = jobs(settings)
    with open_parts(settings) as ci:
        status = str(ci.hours.store.state(HOUR).set_aside)
    assert unfinished(settings)
    assert "short: 2 of 3 jobs" in status
    assert "1 of 2 workflow runs cannot be used: workflow run of scaled/repo-0001: field “id”" in status
    github.faults.clear()
    assert ingest(settings)
    whole = jobs(settings)
    assert (len(some), len(whole)) == (4, 12)
    assert set(some) < set(whole)
    assert not unfinished(settings)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(kind="stepless", on="jobs", times=None, count=9), "3 of 3 jobs came without their steps"),
        (Fault(kind="runs_as_jobs", on="jobs", times=None), "1 of 1 jobs cannot be used"),
        (Fault(kind="elsewhen", on="runs", times=None), "it was created 2026-03-01T0"),
    ],
    ids=lambda each: each.kind if isinstance(each, Fault) else "",
)
def test_what_github_answers_otherwise_than_asked_leaves_the_hour_open_by_name_until_it_is_right(
    fault: Fault, said: str, github: SampleGitHub, settings: Settings
) -> None:
    with open_parts(settings) as ci:
        assert not ci.hours.store.state(HOUR)
    assert (github.faults.add(fault), ingest(settings)) == (fault, True)
    with open_parts(settings) as ci:
        assert said in str(ci.hours.store.state(HOUR).set_aside)
    assert unfinished(settings)
    github.faults.clear()
    assert ingest(settings)
    assert not unfinished(settings)
    with open_parts(settings) as ci:
        assert sorted(len(job.steps) for job in ci.hours.store.read("workflow_jobs", HOUR, Job)) == sorted(
            len(job.steps) for run in WORLD.runs for each in run.attempts for job in each.jobs
        )


def test_steps_that_never_come_do_not_keep_an_hour_open_for_ever(github: SampleGitHub, settings: Settings) -> None:
    github.faults.add(Fault(kind="stepless", on="jobs", times=None, count=9))
    for _ in range(3):
        assert ingest(settings)
        assert unfinished(settings)
    with open_instance(settings) as instance:
        run = run_hours(settings, instance, INGEST, HOUR, HOUR, quiet=True)
        said = [record.user_message for record in instance.all_logs(run.run_id)]
    assert not unfinished(settings)
    first = "the same at 4 looks, taken as it is: scaled/repo-0000 run 9000000 attempt 1: 3 of 3 jobs came without"
    assert [line for line in said if first in line and "asked for again" not in line]
    assert len(jobs(settings)) == 12
    asked = github.stats.total["jobs"]
    assert ingest(settings)
    assert github.stats.total["jobs"] == asked, "what was taken as it is, is not asked for again"


def test_runs_that_were_deleted_before_they_were_done_are_not_waited_for(
    github: SampleGitHub, settings: Settings
) -> None:
    github.clock.set(max(run.created_at for run in WORLD.runs) + timedelta(seconds=1))
    assert ingest(settings)
    assert unfinished(settings)
    going = {
        run.run_id for run in WORLD.runs if not all(a.ends_at and a.ends_at <= github.clock.now() for a in run.attempts)
    }
    assert going
    github.world = replace(WORLD, runs=tuple(run for run in WORLD.runs if run.run_id not in going))
    github.clock.set(WORLD.opens_at)
    assert ingest(settings)
    assert not unfinished(settings)


def test_a_deleted_log_costs_no_verdict_and_no_hour_when_everything_is_read_anew(settings: Settings) -> None:
    assert ingest(settings)
    before = jobs(settings)
    with open_parts(settings) as ci:
        logs = sorted((Path(str(ci.hours.store.root)) / "job_logs" / HOUR).glob("*.zst"))
    assert len(logs) > 1
    logs[0].unlink()
    assert ingest(settings.model_copy(update={"excerpt_budget": settings.excerpt_budget - 1000}))
    assert {name: body.get("s_error_type") for name, body in jobs(settings).items()} == {
        name: body.get("s_error_type") for name, body in before.items()
    }


def test_a_log_that_is_not_there_yet_is_asked_for_again_and_one_that_never_comes_is_not_for_ever(
    github: SampleGitHub, settings: Settings
) -> None:
    ended = max(job.completed_at for run in WORLD.runs for a in run.attempts for job in a.jobs if job.completed_at)
    github.faults.add(Fault(kind="status", on="log", status=404, times=None))
    log_requests = github.stats.total
    with time_machine.travel(ended + timedelta(minutes=5), tick=True):
        assert ingest(settings)
        assert unfinished(settings)
        assert {body["s_error_state"] for body in jobs(settings).values() if "s_error_state" in body} == {"no_log"}
    with time_machine.travel(ended + timedelta(hours=3), tick=True):
        assert not unfinished(settings) or ingest(settings)
        assert not unfinished(settings)
        asked = log_requests["log"]
        assert ingest(settings)
        assert github.stats.total["log"] == asked, "a log that never came is final"


def test_a_log_that_comes_late_is_read(github: SampleGitHub, settings: Settings) -> None:
    ended = max(job.completed_at for run in WORLD.runs for a in run.attempts for job in a.jobs if job.completed_at)
    fault = github.faults.add(Fault(kind="status", on="log", status=404, times=None))
    with time_machine.travel(ended + timedelta(minutes=5), tick=True):
        assert ingest(settings)
        assert fault.done
        github.faults.clear()
        assert ingest(settings)
        assert not unfinished(settings)
    states = {body["s_error_state"] for body in jobs(settings).values() if "s_error_state" in body}
    assert states == {"classified"}
