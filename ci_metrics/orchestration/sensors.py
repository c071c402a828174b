"""The sensor for late data: missing, unfinished and re-run hours.

What belongs here: sensors, thin over `due_hours.py`. Does not: the decisions.
"""

from datetime import datetime

import dagster as dg

from ci_metrics.orchestration.due_hours import REASON_TAG, REASONS, HourRange, old_and_open, oldest_swept, plan
from ci_metrics.orchestration.jobs import UnresolvedAssetJobDefinition
from ci_metrics.orchestration.partitions import chunks_of
from ci_metrics.orchestration.parts import HoursPart, JudgePart
from ci_metrics.verdicts.batches import Collected

#: Dagster's own tags for a run over a range of partitions.
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

#: Seconds between ticks.
INTERVAL = 300

#: Runs whose hours are not requested again while they wait or work.
_BUSY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def build_sensors(
    ingest: UnresolvedAssetJobDefinition, reclassify: UnresolvedAssetJobDefinition
) -> list[dg.SensorDefinition]:
    """The sensors `late_data` and `message_batches`."""

    @dg.sensor(
        name="late_data",
        job=ingest,
        minimum_interval_seconds=INTERVAL,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Redoes hours that are missing (downtime), unfinished (runs in progress, something not fetched, verdicts open) "
            "or young enough for a re-run. At most three ranges of a day per tick; what has not changed costs no quota."
        ),
    )
    def late_data(
        context: dg.SensorEvaluationContext, hours: dg.ResourceParam[HoursPart]
    ) -> dg.SensorResult | dg.SkipReason:
        if hours.settings.is_sample:
            return dg.SkipReason("No REPO is set: there is no live repository whose late data could be fetched.")
        busy = _busy(context)
        if busy:
            return dg.SkipReason(f"{busy} of this sensor's runs are still waiting or working.")
        now = hours.now()
        states = hours.store.states(oldest_swept(now, hours.settings.partitions_start))
        ranges = plan(now, states, hours.settings.repo, hours.settings.partitions_start)
        if not ranges:
            return dg.SkipReason("Every hour is there, finished and recently swept.")
        return dg.SensorResult(run_requests=[request_for(each, now) for each in ranges])

    @dg.sensor(
        name="message_batches",
        job=reclassify,
        minimum_interval_seconds=INTERVAL,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Collects the message batches that have ended: keeps their verdicts, sends expired questions again, and has the "
            "documents of their hours written anew. Also has old hours judged again whose verdicts are still open (no money "
            "was left, or the model failed)."
        ),
    )
    def message_batches(
        context: dg.SensorEvaluationContext, hours: dg.ResourceParam[HoursPart], judge: dg.ResourceParam[JudgePart]
    ) -> dg.SensorResult | dg.SkipReason:
        found = judge.batches.collect() if judge.batches is not None else Collected()
        for key, why in found.failed.items():
            context.log.warning(f"⚠️ {key}: {why}")
        waiting = judge.batches.waiting_partitions() if judge.batches is not None else set()
        still_open = {hour: hours.store.state(hour) for hour in hours.store.open_hours()}
        old = set(old_and_open(hours.now(), still_open)) - waiting
        due = sorted(found.partitions | old)
        if not due:
            none = (
                "" if judge.batches is not None else " No model is asked in batches (ANTHROPIC_API_KEY, MODEL_BATCHES)."
            )
            return dg.SkipReason(f"{found.still_open} batches are still open.{none}")
        busy = _busy(context)
        if busy:  # the hours stay noted until they have been judged again
            return dg.SkipReason(f"{busy} of the sensors' runs are still waiting or working.")
        now = hours.now()
        ranges = [HourRange(first, last, "unfinished") for first, last in chunks_of(due)]
        return dg.SensorResult(run_requests=[request_for(each, now) for each in ranges])

    return [late_data, message_batches]


def _busy(context: dg.SensorEvaluationContext) -> int:
    """How many of the sensors' own runs have not ended."""
    return context.instance.get_runs_count(dg.RunsFilter(tags={REASON_TAG: list(REASONS)}, statuses=_BUSY))


def request_for(hours: HourRange, tick: datetime) -> dg.RunRequest:
    """One run over a range of hours; the tick is in its key, because the same hours may be due again at the next."""
    return dg.RunRequest(
        run_key=f"{hours.first}..{hours.last}@{tick:%Y-%m-%dT%H:%M}",
        tags={RANGE_START: hours.first, RANGE_END: hours.last, REASON_TAG: hours.reason},
    )
