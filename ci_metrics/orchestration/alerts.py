"""The sensor that tells a chat room: new and spiking groups, nothing indexed, the model's budget spent.

What belongs here: finding these events in what the chain stored, and sending each once. Does not: wording (`report/alerts.py`),
the request (`report/webhook.py`).

It asks GitHub and the models nothing. Only the newest hours are looked at, so that a backfill of old history is no alarm.
"""

from collections.abc import Iterator

import dagster as dg

from ci_metrics.errors import CiMetricsError
from ci_metrics.history.failures import failure_of
from ci_metrics.index.base import Document
from ci_metrics.models import Verdict
from ci_metrics.orchestration.checks import SILENT_HOURS
from ci_metrics.orchestration.due_hours import silent_hours
from ci_metrics.orchestration.new_failures import NewFailure, worth_an_alarm
from ci_metrics.orchestration.partitions import HOUR, hour_key
from ci_metrics.orchestration.parts import HoursPart, IndexPart, JudgePart
from ci_metrics.orchestration.rows import JobVerdicts
from ci_metrics.orchestration.store import HourStore
from ci_metrics.report.alerts import Alert, Sent, budget_alert, digest, group_alert, silence_alert
from ci_metrics.report.webhook import send

#: Seconds between ticks.
INTERVAL = 300

#: How many hours back events are looked for.
HOURS = 24


def build() -> dg.SensorDefinition:
    """The sensor `alerts`. It needs no job: it requests no run."""

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=INTERVAL,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Posts to ALERT_WEBHOOK_URL (Slack's JSON): groups of failures that are new or spiking, nothing indexed for "
            f"{SILENT_HOURS} hours, the model's budget spent. Each event once; what could not be sent is tried again."
        ),
    )
    def alerts(
        context: dg.SensorEvaluationContext,
        hours: dg.ResourceParam[HoursPart],
        index: dg.ResourceParam[IndexPart],
        judge: dg.ResourceParam[JudgePart],
    ) -> dg.SkipReason:
        url = hours.settings.alert_webhook_url
        if url is None:
            return dg.SkipReason("ALERT_WEBHOOK_URL is not set: nobody is told.")
        sent = Sent(context.cursor)
        due = sent.unsent(events(hours, index, judge))
        told, failed = 0, ""
        for keys, message in digest(due):
            try:
                send(url.get_secret_value(), message)
            except CiMetricsError as error:
                # Raising would lose the cursor, and with it which ones were sent.
                failed = str(error)
                context.log.error(f"An alert was not sent: {error}")
                break
            sent.note(keys, hours.now())
            told += len(keys)
        context.update_cursor(sent.cursor(hours.now()))
        if failed:
            return dg.SkipReason(f"{told} of {len(due)} alerts sent, the rest will be tried again: {failed}")
        return dg.SkipReason(f"{told} alerts sent." if due else "Nothing new to tell.")

    return alerts


def events(hours: HoursPart, index: IndexPart, judge: JudgePart) -> Iterator[Alert]:
    """Every event of the last hours, sent before or not."""
    oldest = hour_key(hours.now() - HOURS * HOUR)
    if not hours.settings.is_sample:
        yield from _silence(hours)
    for hour in hours.store.hours():
        if hour >= oldest:
            yield from (_group(index, row) for row in worth_an_alarm(hours.store, hour))
            yield from _budget(hours.store, judge.settings.max_usd_per_hour, hour)


def _group(index: IndexPart, row: NewFailure) -> Alert:
    example = row.examples[0] if row.examples else ""
    bodies = index.documents.get("jobs", [example]) if example else {}
    link = failure_of(Document("jobs", example, bodies[example])).link if example in bodies else ""
    return group_alert(
        row.kind,
        hour=row.hour,
        group=row.group,
        error_type=row.error_type,
        headline=row.headline,
        count=row.count,
        lost_minutes=row.lost_minutes,
        repos=row.repos,
        jobs=row.jobs,
        link=link,
    )


def _silence(hours: HoursPart) -> Iterator[Alert]:
    worked_on = hours.store.hours()[-2 * SILENT_HOURS :]
    indexed = [hour for hour in worked_on if hours.store.state(hour).of("indexed_documents")]
    if silent_hours(hours.now(), indexed, SILENT_HOURS):
        yield silence_alert(indexed[-1] if indexed else "", SILENT_HOURS)


def _budget(store: HourStore, limit: float | None, hour: str) -> Iterator[Alert]:
    """Verdicts that wait for money; the clock hour in which it ran out is when they were judged last."""
    judged = store.state(hour).of("classifications")
    if limit is None or judged is None or not judged.open:
        return
    rows = store.read_or_none("classifications", hour, JobVerdicts)
    waiting = sum(any(_needs_money(judged.verdict) for judged in row.judged) for row in rows)
    if waiting:
        yield budget_alert(hour_key(judged.seen), waiting, limit)


def _needs_money(verdict: Verdict) -> bool:
    return verdict.state == "pending" and "MAX_USD_PER_HOUR" in verdict.detail
