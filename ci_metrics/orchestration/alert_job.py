"""The job that tells a chat room: new and spiking groups, resolved causes that came back, nothing
indexed, the model's budget spent.

Belongs here: finding these events in what the chain stored, sending each once, keeping
which were sent. Does not: wording (`report/alerts.py`), the request (`report/webhook.py`),
when it runs (`sensors.py`).

It asks GitHub and the models nothing. Only the newest hours are looked at, so that a backfill
of old history is no alarm.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

import dagster as dg
from upath import UPath

from ci_metrics.errors import CiMetricsError
from ci_metrics.history.cause_states import CauseRecords
from ci_metrics.history.failures import Failure, failure_of
from ci_metrics.index.document_index import Document, DocumentIndex
from ci_metrics.models import Verdict
from ci_metrics.orchestration.due_hours import SILENT_HOURS, silent_hours
from ci_metrics.orchestration.new_failures import NewFailure, worth_an_alarm
from ci_metrics.orchestration.partitions import HOUR, hour_key
from ci_metrics.orchestration.parts import HoursPart, IndexPart, JudgePart
from ci_metrics.orchestration.storage.atomic_files import fetch, put
from ci_metrics.orchestration.storage.rows import JobVerdicts
from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.report.alerts import (
    Alert,
    SentAlerts,
    budget_alert,
    group_alert,
    grouped_alerts,
    regressed_alert,
    silence_alert,
)
from ci_metrics.report.webhook import send

#: How many hours back events are looked for.
_HOURS = 24


@dg.op(pool="alerts", description="Post what was not posted yet. Needs ALERT_WEBHOOK_URL.")
def post_alerts(
    context: dg.OpExecutionContext,
    hours: dg.ResourceParam[HoursPart],
    index: dg.ResourceParam[IndexPart],
    judge: dg.ResourceParam[JudgePart],
) -> None:
    """Send each event once and note it. Raises dg.Failure when one could not be sent: it is
    due again at the next run.
    """
    url = hours.settings.alert_webhook_url
    if url is None:
        raise dg.Failure("ALERT_WEBHOOK_URL is not set: nobody can be told", allow_retries=False)
    sent, now = read_sent(hours.store), hours.now()
    found = events(
        hours, judge.settings.max_usd_per_hour, judge.causes.in_force(), lambda job: failed_job(index.documents, job)
    )
    due = sent.unsent(found)
    told = 0
    for keys, message in grouped_alerts(due):
        try:
            send(url.get_secret_value(), message)
        except CiMetricsError as error:
            raise dg.Failure(f"{told} of {len(due)} alerts sent: {error}", allow_retries=False) from error
        sent.note(keys, now)
        put(_file(hours.store), sent.text(now).encode())
        told += len(keys)
    context.add_output_metadata({"alerts": told, "titles": [alert.title for alert in due]})


@dg.job(description="Tell a chat room what is new: failures never seen before, spikes, silence, the budget spent.")
def send_alerts() -> None:
    """`post_alerts`, and nothing else."""
    post_alerts()


def read_sent(store: HourStore) -> SentAlerts:
    """Which events were sent; none where that was never noted."""
    try:
        return SentAlerts(fetch(_file(store)).decode())
    except FileNotFoundError:
        return SentAlerts("")


def events(
    hours: HoursPart,
    budget: float | None,
    causes: CauseRecords | None = None,
    read: Callable[[str], Failure | None] = lambda _: None,
) -> Iterator[Alert]:
    """Every event of the last hours, sent before or not. `budget`: US dollars an hour; `causes`:
    what people said of them; `read`: a job document's id -> the failed job.
    """
    causes = causes or CauseRecords()
    oldest = hour_key(hours.now() - _HOURS * HOUR)
    if not hours.settings.is_sample:
        yield from _silence(hours)
    for hour in hours.store.hours():
        if hour >= oldest:
            yield from (
                _group(row, read)
                for row in worth_an_alarm(hours.store, hour)
                if causes.standing(row.group, hours.now()) != "ignored"
            )
            yield from _budget(hours.store, budget, hour)
    yield from _regressed(causes, hours.now())


def failed_job(index: DocumentIndex, job: str) -> Failure | None:
    """A failed job by its document's id; None when the index does not hold it."""
    bodies = index.get("jobs", [job])
    return failure_of(Document("jobs", job, bodies[job])) if job in bodies else None


def _file(store: HourStore) -> UPath:
    return store.root / "alerts" / "sent.json"


def _group(row: NewFailure, read: Callable[[str], Failure | None]) -> Alert:
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
        example=read(row.examples[0]) if row.examples else None,
    )


def _regressed(causes: CauseRecords, now: datetime) -> Iterator[Alert]:
    for group, again in (causes.regressed or {}).items():
        record = causes.of(group)
        if record is None or record.resolved_at is None or again < now - _HOURS * HOUR:
            continue
        if causes.standing(group, now) == "regressed":
            yield regressed_alert(
                group=record.group,
                since=record.resolved_at,
                again=again,
                headline=record.quote,
                assignee=record.assignee,
                note=record.note,
            )


def _silence(hours: HoursPart) -> Iterator[Alert]:
    worked_on = hours.store.hours()[-2 * SILENT_HOURS :]
    indexed = [hour for hour in worked_on if hours.store.state(hour).of("indexed_documents")]
    if silent_hours(hours.now(), indexed, SILENT_HOURS):
        yield silence_alert(indexed[-1] if indexed else "", SILENT_HOURS)


def _budget(store: HourStore, limit: float | None, hour: str) -> Iterator[Alert]:
    """Verdicts that wait for money; the clock hour in which it ran out is
    when they were judged last.
    """
    judged = store.state(hour).of("classifications")
    if limit is None or judged is None or not judged.open:
        return
    rows = store.read_or_none("classifications", hour, JobVerdicts)
    waiting = sum(any(_needs_money(judged.verdict) for judged in row.judged) for row in rows)
    if waiting:
        yield budget_alert(hour_key(judged.seen), waiting, limit)


def _needs_money(verdict: Verdict) -> bool:
    return verdict.state == "pending" and "MAX_USD_PER_HOUR" in verdict.detail
