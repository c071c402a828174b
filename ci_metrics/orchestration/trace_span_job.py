"""The job that sends runs, jobs and steps as spans to an OTLP collector, each once; off unless
OTEL_EXPORTER_OTLP_ENDPOINT is set.

Belongs here: which attempts of the newest hours are due, sending them, keeping which were sent.
Does not: what a span says (`report/trace_spans.py`), the request (`report/span_export.py`), when it
runs (`sensors.py`).

It works on what is stored, after the documents are written: a collector that is down costs none.
An attempt is sent when it has ended and its verdicts are there; what is kept beside the hours says
of each hour which were sent, and when it had been indexed then.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
from upath import UPath

from ci_metrics.errors import CiMetricsError
from ci_metrics.models import Job, Run
from ci_metrics.orchestration.hour_documents import HourRows, read_rows
from ci_metrics.orchestration.partitions import HOUR, hour_key
from ci_metrics.orchestration.parts import HoursPart
from ci_metrics.orchestration.storage.atomic_files import put
from ci_metrics.orchestration.storage.rows import JobVerdicts
from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.report.span_export import Collector
from ci_metrics.report.trace_spans import JobCategories, spans_of

#: How many hours back the sensor looks: collectors refuse what is old. `ci-metrics upload` sends
#: the hours that it works on, however old.
_HOURS = 48


@dataclass(frozen=True, slots=True)
class SentSpans:
    """What was sent of an hour: its attempts (`run/attempt`), and when it had been indexed then."""

    indexed: str = ""
    attempts: frozenset[str] = frozenset()


@dg.op(pool="trace_spans", description="Send the spans that were not sent yet. Needs OTEL_EXPORTER_OTLP_ENDPOINT.")
def export_spans(context: dg.OpExecutionContext, hours: dg.ResourceParam[HoursPart]) -> None:
    """Raises dg.Failure when the collector did not take some: they are due again at the next
    run.
    """
    try:
        sent = send_spans(hours, due(hours))
    except CiMetricsError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    context.add_output_metadata({"spans": sent})


@dg.job(description="Send runs, jobs and steps that were indexed since to an OpenTelemetry collector, each once.")
def send_trace_spans() -> None:
    """`export_spans`, and nothing else."""
    export_spans()


def due(hours: HoursPart) -> Mapping[str, str]:
    """The newest hours that were indexed since their spans were sent, and when."""
    oldest = hour_key(hours.now() - _HOURS * HOUR)
    return changed(hours.store, (hour for hour in hours.store.hours() if hour >= oldest))


def changed(store: HourStore, keys: Iterable[str]) -> Mapping[str, str]:
    """Those of these hours that were indexed since their spans were sent, and when."""
    records = ((hour, store.state(hour).of("indexed_documents")) for hour in keys)
    indexed = {hour: record.seen.isoformat() for hour, record in records if record is not None}
    return {hour: at for hour, at in indexed.items() if _sent(store, hour).indexed != at}


def send_spans(hours: HoursPart, keys: Mapping[str, str]) -> int:
    """Send what was not sent of these hours (each with when it was indexed), and note it hour by
    hour; how many spans. Raises SettingsError, and TransientError when the collector did not take
    them.
    """
    sent = 0
    with Collector(hours.settings) as collector:
        for hour, at in sorted(keys.items()):
            before = _sent(hours.store, hour)
            rows = read_rows(hours.store, hour)
            ready = [run for run in rows.runs if _name(run) not in before.attempts and _is_ready(rows, run)]
            spans = [span for run in ready for span in spans_of(run, _jobs(rows, run), _categories(rows, run))]
            collector.send(spans)
            attempts = sorted({*before.attempts, *map(_name, ready)})
            put(_file(hours.store, hour), json.dumps({"indexed": at, "attempts": attempts}).encode())
            sent += len(spans)
    return sent


def _is_ready(rows: HourRows, run: Run) -> bool:
    """Whether an attempt and all its jobs have ended, and no verdict is waited for."""
    jobs = _jobs(rows, run)
    waiting = any(row.state == "pending" for row in (_verdicts(rows, job) for job in jobs) if row is not None)
    return run.finished and all(job.finished for job in jobs) and not waiting


def _jobs(rows: HourRows, run: Run) -> Sequence[Job]:
    return rows.jobs.get((run.run_id, run.run_attempt), ())


def _verdicts(rows: HourRows, job: Job) -> JobVerdicts | None:
    return rows.verdicts.get((job.job_id, job.run_attempt))


def _categories(rows: HourRows, run: Run) -> dict[int, JobCategories]:
    found: dict[int, JobCategories] = {}
    for job in _jobs(rows, run):
        row = _verdicts(rows, job)
        if row is None or not row.judged:
            continue
        steps: dict[int, str] = {}
        for judged in row.judged:
            if judged.error.step_number is not None and judged.verdict.error_type:
                steps.setdefault(judged.error.step_number, judged.verdict.error_type)
        found[job.job_id] = JobCategories(job=row.judged[0].verdict.error_type or "", steps=steps)
    return found


def _name(run: Run) -> str:
    return f"{run.run_id}/{run.run_attempt}"


def _file(store: HourStore, hour: str) -> UPath:
    return store.root / "trace_spans" / f"{hour}.json"


def _sent(store: HourStore, hour: str) -> SentSpans:
    try:
        found = json.loads(_file(store, hour).read_text(encoding="utf-8"))
        return SentSpans(str(found["indexed"]), frozenset(found["attempts"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return SentSpans()
