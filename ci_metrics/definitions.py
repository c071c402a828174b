"""`build_definitions(resource_overrides=...) -> dg.Definitions`, and the entry point that
Dagster loads; nothing else.

`dagster dev` and the production webserver load `defs` lazily: importing this module builds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from ci_metrics.orchestration.alert_job import send_alerts
from ci_metrics.orchestration.assets import build_assets
from ci_metrics.orchestration.checks import judged_by_this_version
from ci_metrics.orchestration.console_logger import people_logger
from ci_metrics.orchestration.jobs import INGEST, LEARN, RECLASSIFY, REPORT, build_jobs
from ci_metrics.orchestration.message_batch_job import collect_message_batches
from ci_metrics.orchestration.parts import HoursPart
from ci_metrics.orchestration.pr_comment_job import comment_pull_requests
from ci_metrics.orchestration.resources import build_resources
from ci_metrics.orchestration.schedules import HOURLY, build_schedules
from ci_metrics.orchestration.sensors import build_sensors
from ci_metrics.orchestration.sweeps import sweep_repositories
from ci_metrics.orchestration.trace_span_job import send_trace_spans
from ci_metrics.settings import Settings, load_settings


def build_definitions(
    *, settings: Settings | None = None, cron: str = HOURLY, resource_overrides: Mapping[str, Any] | None = None
) -> dg.Definitions:
    """Fresh definitions.

    `settings` replaces the environment for everything (tests, the command line); `cron` says when
    the hourly schedule ticks; `resource_overrides` stand in for `hours`, `github`, `index` or
    `judge`. Raises SettingsError when a setting is wrong: the code location then shows that one
    message.
    """
    assets = build_assets(settings or load_settings())
    jobs = build_jobs(assets)
    hours = {} if settings is None else {"hours": HoursPart(settings)}
    return dg.Definitions(
        assets=[*assets.hourly, assets.daily, assets.learned],
        asset_checks=[judged_by_this_version],
        jobs=[
            *jobs.values(),
            collect_message_batches,
            comment_pull_requests,
            send_alerts,
            send_trace_spans,
            sweep_repositories,
        ],
        schedules=build_schedules(jobs[INGEST], jobs[REPORT], jobs[LEARN], cron),
        sensors=build_sensors(jobs[INGEST], jobs[RECLASSIFY]),
        resources=build_resources({**hours, **(resource_overrides or {})}),
        executor=dg.in_process_executor,
        loggers={"console": dg.colored_console_logger, "people": people_logger},
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads."""
    return build_definitions()
