"""The schedules: at :15 the last closed hour, and what is done once a day or a week.

What belongs here: schedules. Does not: late data (`sensors.py`).
"""

from datetime import timedelta
from functools import partial

import dagster as dg

from ci_metrics.orchestration.assets.daily_report import DAY_FORMAT
from ci_metrics.orchestration.jobs import UnresolvedAssetJobDefinition
from ci_metrics.orchestration.partitions import last_closed_hour
from ci_metrics.orchestration.parts import HoursPart, JudgePart

#: At :15: GitHub's listing is complete a little after the hour has closed.
HOURLY = "15 * * * *"


_schedule = partial(dg.schedule, execution_timezone="UTC", default_status=dg.DefaultScheduleStatus.RUNNING)


def build_schedules(
    ingest: UnresolvedAssetJobDefinition,
    report: UnresolvedAssetJobDefinition,
    learn: UnresolvedAssetJobDefinition,
    cron: str = HOURLY,
) -> list[dg.ScheduleDefinition]:
    """The hourly ingestion (`cron` says when), the daily report, weekly learning."""

    @_schedule(
        job=ingest,
        cron_schedule=cron,
        description="At :15, the hour that has just closed.",
    )
    def hourly(
        context: dg.ScheduleEvaluationContext, hours: dg.ResourceParam[HoursPart]
    ) -> dg.RunRequest | dg.SkipReason:
        if hours.settings.is_sample:
            return dg.SkipReason("No REPO is set: the sample GitHub has no new hours.")
        key = last_closed_hour(context.scheduled_execution_time)
        # The tick is in the run key: asking for the hour again later is a new run, not
        # a repeat to be dropped.
        tick = context.scheduled_execution_time.strftime("%Y-%m-%dT%H:%M")
        return dg.RunRequest(run_key=f"{key}@{tick}", partition_key=key, tags={"ci_metrics/reason": "schedule"})

    @_schedule(
        job=report,
        cron_schedule="30 0 * * *",
        description="At 00:30 UTC, the report of the week that ended with yesterday.",
    )
    def daily(
        context: dg.ScheduleEvaluationContext, hours: dg.ResourceParam[HoursPart]
    ) -> dg.RunRequest | dg.SkipReason:
        if hours.settings.is_sample:
            return dg.SkipReason("No REPO is set: the sample GitHub has no new days.")
        day = (context.scheduled_execution_time - timedelta(days=1)).strftime(DAY_FORMAT)
        return dg.RunRequest(run_key=day, partition_key=day)

    @_schedule(
        job=learn,
        cron_schedule="0 3 * * 1",
        description="Mondays at 03:00 UTC, the embedded classifier learns from the verdicts that people and a model have given.",
    )
    def weekly(
        context: dg.ScheduleEvaluationContext, judge: dg.ResourceParam[JudgePart]
    ) -> dg.RunRequest | dg.SkipReason:
        if judge.settings.is_sample:
            return dg.SkipReason("No REPO is set: the sample GitHub has no new verdicts.")
        if not judge.settings.learns:
            return dg.SkipReason("ENABLE_ERROR_CLASSIFICATION or LEARN_FROM_VERDICTS is false.")
        return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())

    return [hourly, daily, weekly]
