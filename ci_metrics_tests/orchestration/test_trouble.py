"""What goes wrong between two looks at an hour, through Dagster, against a sample GitHub of a few runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ci_metrics.commands.sample_mode import sample_settings
from ci_metrics.index.base import Body
from ci_metrics.launch import run_hours
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST
from ci_metrics.orchestration.lateness import is_unfinished
from ci_metrics.orchestration.partitions import hour_key
from ci_metrics.orchestration.workplace import Workplace
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


def ingest(settings: Settings) -> bool:
    with open_instance(settings) as instance:
        return run_hours(settings, instance, INGEST, HOUR, HOUR, quiet=True).success


def unfinished(settings: Settings) -> bool:
    with contextlib.closing(Workplace(settings)) as ci:
        return is_unfinished(ci.store.status(HOUR) or {})


def jobs(settings: Settings) -> dict[str, Body]:
    with contextlib.closing(Workplace(settings)) as ci:
        ci.index.refresh()
        found = {document.id: dict(document.body) for document in ci.index.scan("jobs")}
    for body in found.values():
        body.pop("s_dagster_run_id")
    return found


def test_one_failing_repository_loses_nothing_of_the_others_and_is_made_good(
    github: SampleGitHub, settings: Settings
) -> None:
    github.faults.add(Fault(kind="status", on="runs", status=404))
    assert ingest(settings)
    assert {body["s_repo"] for body in jobs(settings).values()} == {WORLD.repos[1]}
    assert unfinished(settings)
    assert ingest(settings)
    assert {body["s_repo"] for body in jobs(settings).values()} == set(WORLD.repos)
    assert not unfinished(settings)


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
