"""`build_definitions(resource_overrides=...) -> dg.Definitions`, and the entry point that Dagster loads; nothing else.

`dagster dev` and the production webserver load `defs` lazily: importing this module builds nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from ci_metrics.orchestration import alerts, pr_comments
from ci_metrics.orchestration.assets import build_assets, build_daily_assets, build_learning
from ci_metrics.orchestration.checks import build_checks
from ci_metrics.orchestration.console_logger import people_logger
from ci_metrics.orchestration.history_checks import build_history_checks
from ci_metrics.orchestration.jobs import build_check_job, build_jobs, build_learn_job, build_report_job
from ci_metrics.orchestration.partitions import hourly_partitions
from ci_metrics.orchestration.parts import HoursPart
from ci_metrics.orchestration.resources import build_resources
from ci_metrics.orchestration.schedules import HOURLY, build_schedules
from ci_metrics.orchestration.sensors import build_sensors
from ci_metrics.settings import Settings, load_settings


def build_definitions(
    *, settings: Settings | None = None, cron: str = HOURLY, resource_overrides: Mapping[str, Any] | None = None
) -> dg.Definitions:
    """Fresh definitions.

    `settings` replaces the environment for everything (tests, the command line); `cron` says when the hourly schedule
    ticks; `resource_overrides` stand in for `hours`, `github`, `index` or `judge`. Raises SettingsError when a setting is
    wrong: the code location then shows that one message.
    """
    given = settings or load_settings()
    partitions = hourly_partitions(given.partitions_start)
    with warnings.catch_warnings():
        # Backfill policies are "beta" in Dagster's words; the exact pin in pyproject.toml is our answer to that.
        warnings.simplefilter("ignore", dg.BetaWarning)
        assets = build_assets(partitions, given)
        daily = build_daily_assets(given, assets[-1])
        learned = build_learning(assets)
    ingest, reextract, reclassify = build_jobs(assets)
    check_job, report_job, learn_job = build_check_job(), build_report_job(daily), build_learn_job(learned)
    hours = {} if settings is None else {"hours": HoursPart(settings)}
    return dg.Definitions(
        assets=[*assets, *daily, learned],
        asset_checks=[*build_checks(), *build_history_checks()],
        jobs=[ingest, reextract, reclassify, check_job, report_job, learn_job],
        schedules=build_schedules(ingest, check_job, report_job, learn_job, cron),
        sensors=[*build_sensors(ingest, reclassify), alerts.build(), pr_comments.build()],
        resources=build_resources({**hours, **(resource_overrides or {})}),
        executor=dg.in_process_executor,
        loggers={"console": dg.colored_console_logger, "people": people_logger},
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads."""
    return build_definitions()
