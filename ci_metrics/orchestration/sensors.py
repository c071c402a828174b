"""The sensors: what is stored says which runs are due. They ask no network
for anything: the runs do.

Belongs here: turning what is due into requests. Does not: which hours are due (`due_hours.py`),
which alerts, comments and batches are (the modules of their jobs).
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial

import dagster as dg

from ci_metrics.orchestration.alert_job import events, read_sent, send_alerts
from ci_metrics.orchestration.due_hours import REASON_TAG, REASONS, HourRange, old_and_open, oldest_swept, plan
from ci_metrics.orchestration.jobs import UnresolvedAssetJobDefinition
from ci_metrics.orchestration.message_batch_job import answered_and_waiting, collect_message_batches
from ci_metrics.orchestration.partitions import chunks_of
from ci_metrics.orchestration.parts import GitHubPart, HoursPart, JudgePart
from ci_metrics.orchestration.pr_comment_job import comment_pull_requests, news, token_of
from ci_metrics.orchestration.sweeps import days_due, sweep_repositories
from ci_metrics.orchestration.trace_span_job import due as due_spans
from ci_metrics.orchestration.trace_span_job import send_trace_spans

#: Dagster's own tags for a run over a range of partitions.
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

#: Every sensor: on from the start, seconds between its ticks.
_sensor = partial(dg.sensor, minimum_interval_seconds=300, default_status=dg.DefaultSensorStatus.RUNNING)

#: What failed, or has not ended, is requested again after this: a run an open batch or a
#: silent chat room costs.
AGAIN = timedelta(minutes=15)

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
    """Those for hours (`late_data`, `reruns`, `late_verdicts`), then `message_batches`,
    `alerts`, `pr_comments` and `trace_spans`.
    """

    @_sensor(
        job=ingest,
        description=(
            "Redoes hours that are missing (downtime), unfinished (runs in progress, something not fetched, verdicts open) "
            "or changed since (`reruns` looks). At most three ranges of a day per tick; what has not changed costs no quota."
        ),
    )
    def late_data(
        context: dg.SensorEvaluationContext, hours: dg.ResourceParam[HoursPart]
    ) -> dg.SensorResult | dg.SkipReason:
        if hours.settings.is_sample:
            return dg.SkipReason("No REPO is set: there is no live repository whose late data could be fetched.")
        if busy := _busy(context):
            return dg.SkipReason(f"{busy} of the sensors' runs are still waiting or working.")
        now = hours.now()
        states = hours.store.states(oldest_swept(now, hours.settings.partitions_start))
        ranges = plan(now, states, hours.awaited_repos, hours.settings.partitions_start, marked=hours.marked.read())
        if not ranges:
            return dg.SkipReason("Every hour is there and finished, and nothing has changed.")
        return dg.SensorResult(run_requests=[request_for(each, now) for each in ranges])

    @_sensor(
        job_name=sweep_repositories.name,
        description=(
            "Has GitHub asked, a day of a repository at a time, whether anything was run again in the last 30 days: every "
            "three hours for the newest days, once a day for the others. What has changed is then due."
        ),
    )
    def reruns(hours: dg.ResourceParam[HoursPart]) -> dg.RunRequest | dg.SkipReason:
        if hours.settings.is_sample:
            return dg.SkipReason("No REPO is set: the sample GitHub is looked at as a whole.")
        days = days_due(hours, hours.now())
        if not days:
            return dg.SkipReason("Every day was looked at lately.")
        return dg.RunRequest(run_key=_run_key(days, hours.now()))

    @_sensor(
        job=reclassify,
        description=(
            "Has hours judged again whose verdicts came from a message batch, and old hours whose verdicts are still open "
            "(no money was left, or the model failed)."
        ),
    )
    def late_verdicts(
        context: dg.SensorEvaluationContext, hours: dg.ResourceParam[HoursPart], judge: dg.ResourceParam[JudgePart]
    ) -> dg.SensorResult | dg.SkipReason:
        now = hours.now()
        answered, waiting = answered_and_waiting(judge.ledger)
        still_open = {hour: hours.store.state(hour) for hour in hours.store.open_hours()}
        due = answered | set(old_and_open(now, still_open)) - waiting
        if not due:
            return dg.SkipReason(f"No verdict has come or is due; {len(waiting)} hours wait for a batch.")
        if busy := _busy(context):  # an hour stays noted until it has been judged again
            return dg.SkipReason(f"{busy} of the sensors' runs are still waiting or working.")
        ranges = [HourRange(first, last, "unfinished") for first, last in chunks_of(sorted(due))]
        return dg.SensorResult(run_requests=[request_for(each, now) for each in ranges])

    @_sensor(
        job_name=collect_message_batches.name,
        description="While message batches are open: has those collected that have ended.",
    )
    def message_batches(
        hours: dg.ResourceParam[HoursPart], judge: dg.ResourceParam[JudgePart]
    ) -> dg.RunRequest | dg.SkipReason:
        if not (judge.settings.uses_model and judge.settings.model_batches):
            return dg.SkipReason("No model is asked in batches (ANTHROPIC_API_KEY, MODEL_BATCHES).")
        if not judge.ledger.look().records:
            return dg.SkipReason("No batch is open.")
        return dg.RunRequest(run_key=_slot(hours.now()))

    @_sensor(
        job_name=send_alerts.name,
        description=(
            "With ALERT_WEBHOOK_URL: has a chat room told (Slack's JSON) of groups of failures that are new or spiking, "
            "nothing indexed, the model's budget spent. Each event once; what could not be sent is tried again."
        ),
    )
    def alerts(hours: dg.ResourceParam[HoursPart], judge: dg.ResourceParam[JudgePart]) -> dg.RunRequest | dg.SkipReason:
        if hours.settings.alert_webhook_url is None:
            return dg.SkipReason("ALERT_WEBHOOK_URL is not set: nobody is told.")
        due = read_sent(hours.store).unsent(events(hours, judge.settings.max_usd_per_hour, judge.causes.in_force()))
        if not due:
            return dg.SkipReason("Nothing new to tell.")
        return dg.RunRequest(run_key=_run_key((alert.key for alert in due), hours.now()))

    @_sensor(
        job_name=comment_pull_requests.name,
        description=(
            "With ENABLE_PR_COMMENTS: has the one comment of each open pull request written or updated whose runs were "
            "indexed since. What GitHub refuses is tried again."
        ),
    )
    def pr_comments(
        hours: dg.ResourceParam[HoursPart], github: dg.ResourceParam[GitHubPart]
    ) -> dg.RunRequest | dg.SkipReason:
        if token_of(github.settings) is None:
            return dg.SkipReason("ENABLE_PR_COMMENTS is not true: pull requests get no comment.")
        indexed, changed = news(hours)
        if not changed:
            return dg.SkipReason("No hour was indexed since its pull requests were told.")
        return dg.RunRequest(run_key=_run_key((f"{hour}@{indexed[hour]}" for hour in changed), hours.now()))

    @_sensor(
        job_name=send_trace_spans.name,
        description=(
            "With OTEL_EXPORTER_OTLP_ENDPOINT: has runs, jobs and steps that were indexed since sent to a collector as spans, "
            "each once. What it does not take is tried again."
        ),
    )
    def trace_spans(hours: dg.ResourceParam[HoursPart]) -> dg.RunRequest | dg.SkipReason:
        if hours.settings.otel_exporter_otlp_endpoint is None:
            return dg.SkipReason("OTEL_EXPORTER_OTLP_ENDPOINT is not set: no collector is told.")
        due = due_spans(hours)
        if not due:
            return dg.SkipReason("No hour was indexed since its spans were sent.")
        return dg.RunRequest(run_key=_run_key((f"{hour}@{at}" for hour, at in due.items()), hours.now()))

    return [late_data, reruns, late_verdicts, message_batches, alerts, pr_comments, trace_spans]


def request_for(hours: HourRange, tick: datetime) -> dg.RunRequest:
    """One run over a range of hours; the tick is in its key, because the same hours may
    be due again at the next.
    """
    return dg.RunRequest(
        run_key=f"{hours.first}..{hours.last}@{tick:%Y-%m-%dT%H:%M}",
        tags={RANGE_START: hours.first, RANGE_END: hours.last, REASON_TAG: hours.reason},
    )


def _busy(context: dg.SensorEvaluationContext) -> int:
    """How many of the sensors' own runs over hours have not ended."""
    return context.instance.get_runs_count(dg.RunsFilter(tags={REASON_TAG: list(REASONS)}, statuses=_BUSY))


def _run_key(what: Iterable[str], now: datetime) -> str:
    """Dagster drops a request whose key it has seen: the same news is tried once in
    `AGAIN`, other news at once.
    """
    return f"{hashlib.sha256(chr(10).join(sorted(what)).encode()).hexdigest()[:16]}@{_slot(now)}"


def _slot(now: datetime) -> str:
    return f"{now - (now - datetime.min.replace(tzinfo=now.tzinfo)) % AGAIN:%Y-%m-%dT%H:%M}"
