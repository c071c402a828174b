"""The hourly schedule: at :15, the last closed hour.

What belongs here: schedules. Does not: late data (`sensors.py`).
"""

import dagster as dg

from ci_metrics.orchestration.jobs import UnresolvedAssetJobDefinition
from ci_metrics.orchestration.partitions import last_closed_hour
from ci_metrics.orchestration.workplace import Workplace

#: At :15: GitHub's listing is complete a little after the hour has closed.
HOURLY = "15 * * * *"


def build_schedules(
    ingest: UnresolvedAssetJobDefinition, check: UnresolvedAssetJobDefinition, cron: str = HOURLY
) -> list[dg.ScheduleDefinition]:
    """The hourly ingestion (`cron` says when), and the hourly look whether anything is being indexed at all."""

    @dg.schedule(
        name="hourly",
        job=ingest,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="At :15, the hour that has just closed.",
    )
    def hourly(context: dg.ScheduleEvaluationContext, ci: dg.ResourceParam[Workplace]) -> dg.RunRequest | dg.SkipReason:
        if ci.settings.is_sample:
            return dg.SkipReason("No REPO is set: the sample GitHub has no new hours.")
        key = last_closed_hour(context.scheduled_execution_time)
        # The tick is in the run key: asking for the hour again later is a new run, not a repeat to be dropped.
        tick = context.scheduled_execution_time.strftime("%Y-%m-%dT%H:%M")
        return dg.RunRequest(run_key=f"{key}@{tick}", partition_key=key, tags={"ci_metrics/reason": "schedule"})

    @dg.schedule(
        name="is_anything_indexed",
        job=check,
        cron_schedule="45 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="At :45, the check that the last hours have reached the index.",
    )
    def is_anything_indexed(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())

    return [hourly, is_anything_indexed]
