"""Run a job of the definitions in this process, over a range of hours.

What belongs here: the launch that the command line and the tests use. Does not: what is launched.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import dagster as dg

from ci_metrics.definitions import build_definitions
from ci_metrics.orchestration.assets.classifications import NAME as CLASSIFICATIONS
from ci_metrics.orchestration.due_hours import REASON_TAG
from ci_metrics.orchestration.instance import own_pid_tag
from ci_metrics.orchestration.parts import HoursPart, OnHour, say_nothing
from ci_metrics.orchestration.reclassify_filter import Only
from ci_metrics.orchestration.sensors import RANGE_END, RANGE_START
from ci_metrics.settings import Settings


def run_hours(
    settings: Settings,
    instance: dg.DagsterInstance,
    job: str,
    first: str,
    last: str,
    *,
    quiet: bool = False,
    verbose: bool = False,
    on_hour: OnHour = say_nothing,
    only: Only | None = None,
    reason: str = "",
) -> dg.ExecuteInProcessResult:
    """Execute `job` for the hours `first` to `last` (keys, inclusive) as one run, with its
    history kept in `instance`.

    What the assets say stands in the run log; on the console only their warnings do, with `verbose`
    what failed, too, with `quiet` nothing. `on_hour` hears of progress; `only` restricts which
    verdicts are judged again; `reason` is a sensor's, for which only what is due is done. The
    result says whether it succeeded.
    """
    definitions = build_definitions(settings=settings, resource_overrides={"hours": HoursPart(settings, on_hour)})
    level = "CRITICAL" if quiet else "INFO" if verbose else "WARNING"
    with _own_output():
        return definitions.resolve_job_def(job).execute_in_process(
            instance=instance,
            tags={RANGE_START: first, RANGE_END: last, **own_pid_tag(), **({REASON_TAG: reason} if reason else {})},
            run_config=dg.RunConfig(
                loggers={"people": {"config": {"log_level": level}}},
                ops={CLASSIFICATIONS: only} if only is not None else {},
            ),
            raise_on_error=False,
        )


@contextlib.contextmanager
def _own_output() -> Iterator[None]:
    """Standard output and error are afterwards what they were: Dagster leads each step's to a file,
    and leaves it so when that file's disk is full. Then nothing could be said any more.
    """
    kept = {number: os.dup(number) for number in (1, 2)}
    try:
        yield
    finally:
        for number, own in kept.items():
            os.dup2(own, number)
            os.close(own)
