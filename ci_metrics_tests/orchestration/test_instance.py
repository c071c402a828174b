"""The local Dagster instance: what a killed process left behind is cleared away, a range
of hours is noted at once.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from ci_metrics.orchestration.instance import PID_TAG, dagster_home, open_instance
from ci_metrics.orchestration.partitions import backfill_policy, hourly_partitions
from ci_metrics.orchestration.sensors import RANGE_END, RANGE_START
from ci_metrics.settings import load_settings


def dead_pid() -> int:
    """The id of a process that has just ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("pid", "after"),
    [
        (dead_pid, dg.DagsterRunStatus.FAILURE),
        (os.getpid, dg.DagsterRunStatus.FAILURE),  # a container's first process is always number 1
        (os.getppid, dg.DagsterRunStatus.STARTED),
    ],
)
def test_runs_of_dead_processes_are_ended_and_those_of_living_ones_left_alone(
    tmp_path: Path, pid: object, after: dg.DagsterRunStatus
) -> None:
    settings = load_settings({"CI_METRICS_HOME": str(tmp_path)})
    assert callable(pid)
    with open_instance(settings) as instance:
        run = dg.DagsterRun(
            job_name="j",
            run_id="r1",
            status=dg.DagsterRunStatus.STARTED,
            tags={PID_TAG: f"{socket.gethostname()}/{pid()}"},
        )
        instance.add_run(run)
    with open_instance(settings) as instance:
        found = instance.get_run_by_id("r1")
        assert found is not None
        assert found.status == after


@pytest.mark.parametrize(
    ("status", "free"), [(dg.DagsterRunStatus.FAILURE, True), (dg.DagsterRunStatus.STARTED, False)]
)
def test_a_pools_place_that_an_ended_run_could_not_give_back_is_free_for_the_next(
    tmp_path: Path, status: dg.DagsterRunStatus, free: bool
) -> None:
    settings = load_settings({"CI_METRICS_HOME": str(tmp_path)})
    with open_instance(settings) as instance:
        instance.add_run(dg.DagsterRun(job_name="j", run_id="full-disk", status=status))
        storage = instance.event_log_storage
        storage.initialize_concurrency_limit_to_default("github")
        assert storage.claim_concurrency_slot("github", "full-disk", "workflow_runs").is_claimed
    with open_instance(settings) as instance:
        claim = instance.event_log_storage.claim_concurrency_slot("github", "next", "workflow_runs")
        assert claim.is_claimed is free


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
def test_a_run_over_a_range_is_noted_by_one_event_an_asset(tmp_path: Path) -> None:
    @dg.asset(partitions_def=hourly_partitions(datetime(2026, 3, 1, tzinfo=UTC)), backfill_policy=backfill_policy())
    def hours() -> None:
        """Does nothing."""

    with open_instance(load_settings({"CI_METRICS_HOME": str(tmp_path)})) as instance:
        tags = {RANGE_START: "2026-03-02T05", RANGE_END: "2026-03-02T09"}
        run = dg.materialize([hours], instance=instance, tags=tags).run_id
        events = [entry.dagster_event for entry in instance.all_logs(run) if entry.dagster_event is not None]
        planned = [event for event in events if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED]
        assert len(planned) == 1
        assert len(instance.get_materialized_partitions(dg.AssetKey("hours"))) == 5


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
def test_the_hours_of_a_step_are_in_dagsters_log_for_every_other_process(tmp_path: Path) -> None:
    @dg.asset(partitions_def=hourly_partitions(datetime(2026, 3, 1, tzinfo=UTC)), backfill_policy=backfill_policy())
    def hours(context) -> None:  # type: ignore[no-untyped-def]  # Dagster reads no annotation in quotes
        """Says of each hour which it is."""
        for hour in context.partition_keys:
            context.add_asset_metadata({"hour": hour}, partition_key=hour)

    settings = load_settings({"CI_METRICS_HOME": str(tmp_path)})
    with open_instance(settings) as instance:
        tags = {RANGE_START: "2026-03-02T00", RANGE_END: "2026-03-11T23"}
        run = dg.materialize([hours], instance=instance, tags=tags).run_id
    with dg.DagsterInstance.from_config(str(dagster_home(settings))) as other:
        filter_ = dg.AssetRecordsFilter(asset_key=dg.AssetKey("hours"))
        records = other.fetch_materializations(filter_, limit=500).records
        seen = {
            r.partition_key: r.asset_materialization.metadata["hour"].value for r in records if r.asset_materialization
        }
        assert len(records) == len(seen) == 240
        assert all(hour == said for hour, said in seen.items())
        made = [e for e in other.all_logs(run) if e.dagster_event and e.dagster_event.is_step_materialization]
        assert len(made) == 240
        assert len(other.get_materialized_partitions(dg.AssetKey("hours"))) == 240


def test_of_a_batch_that_cannot_be_written_whole_nothing_is_kept(tmp_path: Path) -> None:
    with open_instance(load_settings({"CI_METRICS_HOME": str(tmp_path)})) as instance:
        storage = instance.event_log_storage
        run = instance.add_run(dg.DagsterRun(job_name="j", run_id="r1"))
        instance.report_engine_event("begun", run)
        (good,) = instance.all_logs("r1")
        with pytest.raises(Exception, match="not an event"):
            storage.store_event_batch([good, "not an event"])  # type: ignore[list-item]
        assert len(instance.all_logs("r1")) == 1
        storage.store_event_batch([good, good])
        assert len(instance.all_logs("r1")) == 3
