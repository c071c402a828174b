"""The sample day, ingested once a test session through Dagster, for the tests
that look at what came out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ci_metrics.commands.launch import run_hours
from ci_metrics.commands.sample_mode import sample_settings
from ci_metrics.definitions import build_definitions
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST
from ci_metrics.orchestration.partitions import hour_key, hours_between, last_closed_hour
from ci_metrics.orchestration.parts import Parts, open_parts
from ci_metrics.sample.scenario import sample_day
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.truth import JobTruth
from ci_metrics.settings import Settings, load_settings


@dataclass(frozen=True)
class Ingested:
    """The sample day after one run of the chain."""

    settings: Settings
    server: SampleGitHub
    parts: Parts
    hours: list[str]
    truth: tuple[JobTruth, ...]
    result: dg.ExecuteInProcessResult

    def again(self) -> dg.ExecuteInProcessResult:
        """Run the same hours once more, as a person would."""
        with open_instance(self.settings) as instance:
            return run_hours(self.settings, instance, INGEST, self.hours[0], self.hours[-1], quiet=True)


def resources_of(parts: Parts) -> dict[str, Any]:
    """Parts that are open already, as Dagster's resources."""
    return {"hours": parts.hours, "github": parts.github, "index": parts.index, "judge": parts.judge}


def tick(parts: Parts, sensor: str, instance: dg.DagsterInstance) -> list[dg.RunRequest] | str:
    """What one tick of a production sensor requests, or why it requests nothing."""
    definitions = build_definitions(settings=parts.settings)
    with dg.build_sensor_context(instance=instance, resources=resources_of(parts)) as context:
        result = definitions.resolve_sensor_def(sensor).evaluate_tick(context)
    return list(result.run_requests or []) or str(result.skip_message)


def run_job(parts: Parts, job: str) -> dg.ExecuteInProcessResult:
    """Run a job over no partitions, as a sensor's request does."""
    job_def = build_definitions(settings=parts.settings, resource_overrides=resources_of(parts)).resolve_job_def(job)
    with dg.DagsterInstance.ephemeral() as instance:
        return job_def.execute_in_process(instance=instance, raise_on_error=False)


def why_failed(result: dg.ExecuteInProcessResult) -> str:
    """The text of each failed step, for an assertion's message."""
    failures = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    lines = [f"{(error.cause or error).message} {(error.cause or error).stack[-2:]}" for error in failures if error]
    checks = [check for check in result.get_asset_check_evaluations() if not check.passed]
    rest = [str(event.message) for event in result.all_events if event.is_failure]
    return "\n".join([*rest, *lines, *(f"{check.check_name}: {dict(check.metadata)}" for check in checks)])


@pytest.fixture(scope="session")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingested]:
    """Tests that change anything use `again` on their own copy, or
    restore it: this one is shared.
    """
    home: Path = tmp_path_factory.mktemp("day")
    day = sample_day()
    with SampleGitHub(day.world) as server:
        settings = sample_settings(load_settings({"CI_METRICS_HOME": str(home)}), server.api_url, day.world.repos)
        hours = hours_between(hour_key(day.world.start), last_closed_hour(day.world.end))
        with open_instance(settings) as instance:
            result = run_hours(settings, instance, INGEST, hours[0], hours[-1], quiet=True)
        assert result.success, why_failed(result)
        seen = tuple(t for t in day.truth if t.completed_at <= day.world.opens_at)
        with open_parts(settings) as parts:
            yield Ingested(settings, server, parts, hours, seen, result)
