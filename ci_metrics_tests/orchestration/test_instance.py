"""The local Dagster instance: what a killed process left behind does not stand in the way of the next one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from ci_metrics.orchestration.instance import PID_TAG, open_instance
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
