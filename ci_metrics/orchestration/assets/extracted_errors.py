"""`extracted_errors`: the errors of every failed job, with their line numbers, root cause first.

What belongs here: handing logs and annotations to the extractor. Does not: what an error looks like
(`logs/`).
"""

import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, cast

import dagster as dg
import zstandard

from ci_metrics.catalogue import Catalogue
from ci_metrics.errors import CiMetricsError, ContractError, NotFoundError
from ci_metrics.models import Extraction, Job, JobLog, PassingLog
from ci_metrics.orchestration.hours import Outcome
from ci_metrics.orchestration.judged_job import extract_job
from ci_metrics.orchestration.metadata import markdown_table, plot
from ci_metrics.orchestration.partition_loop import each_hour
from ci_metrics.orchestration.partitioned_asset import partitioned_asset
from ci_metrics.orchestration.parts import HoursPart, JudgePart
from ci_metrics.orchestration.rows import JobExtraction
from ci_metrics.orchestration.store import HourStore

NAME = "extracted_errors"

#: What a damaged file raises, and a log that the extractor cannot bear.
_UNREADABLE = (CiMetricsError, zstandard.ZstdError, ValueError, LookupError, ArithmeticError, RecursionError)


def build(partitions: dg.PartitionsDefinition, upstream: dg.AssetsDefinition, code_version: str) -> dg.AssetsDefinition:
    """The asset on these partitions; `code_version` is the extractor's."""

    @partitioned_asset(
        NAME,
        partitions,
        upstream=upstream,
        rows=JobExtraction,
        group="causes",
        kinds={"parquet"},
        code_version=code_version,
        description=(
            "What each failed job's log and annotations say: every error with its step, line numbers and fingerprint, root "
            "cause first, within the excerpt budget, secrets masked; what the last passing run of the job printed too counts "
            "little. Made from stored logs: nothing is fetched."
        ),
    )
    def extracted_errors(
        context: dg.AssetExecutionContext,
        hours: dg.ResourceParam[HoursPart],
        judge: dg.ResourceParam[JudgePart],
    ) -> None:
        each_hour(context, hours, lambda hour: extract_hour(hours, judge, hour), made_of=["workflow_jobs", "job_logs"])

    return extracted_errors


def extract_hour(hours: HoursPart, judge: JudgePart, hour: str) -> Mapping[str, Any]:
    """Extract the hour's errors and commit them; returns the metadata.

    Where nothing changed, or the log is gone, rows are kept.
    """
    logs = {(log.job_id, log.run_attempt): log for log in hours.store.read("job_logs", hour, JobLog)}
    every = hours.store.each("workflow_jobs", hour, Job)
    jobs = {key: job for job in every if (key := (job.job_id, job.run_attempt)) in logs}
    kept = {row.key: row for row in hours.store.read_or_none(NAME, hour, JobExtraction)}
    done = [_done(hours, judge, hour, jobs[key], log, kept.get(key)) for key, log in logs.items() if key in jobs]
    rows = [each.row for each in done]
    version = min({row.extraction.version for row in rows} - {judge.extractor_version}, default=judge.extractor_version)
    outcome = Outcome(repos=(repos := sorted({row.repo for row in rows})), asked=repos, failures=_failures(done))
    said = {"version": version}
    hours.store.commit(NAME, hour, rows, JobExtraction, notes=said, status=said, now=hours.now(), outcome=outcome)
    return _metadata(judge.extractor_version, done)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """One job's row, and what was done for it."""

    row: JobExtraction
    read: bool = False  # now, or what was read before is kept
    deleted: bool = False  # its log was stored once
    problem: str = ""  # why its log could not be read


def _done(hours: HoursPart, judge: JudgePart, hour: str, job: Job, log: JobLog, before: JobExtraction | None) -> _Done:
    """One job's errors, read unless the same was read before."""
    budget, in_force = judge.settings.excerpt_budget, judge.extractor_version
    if not hours.settings.use_background and log.state == "stored":
        log = replace(log, passing=PassingLog(state="off"))
    if before is not None and before.digest == inputs_digest(job, log, budget, in_force):
        return _Done(row=replace(before, log=log))  # why there is no background may be another reason now
    log = _readable(hours.store, log)
    row = JobExtraction(
        repo=job.repo,
        run_id=job.run_id,
        run_attempt=job.run_attempt,
        job_id=job.job_id,
        log=log,
        extraction=Extraction(state="no_log", version=in_force),
        digest=inputs_digest(job, log, budget, in_force),
    )
    try:
        extraction = extract_stored_log(hours.store, hour, job, log, budget, judge.catalogue)
    except NotFoundError:
        # Stored logs may be deleted when space is short (docs/operation.md): what was read of them
        # stays.
        return _Done(row=before, deleted=True) if before is not None else _Done(row=row, read=True, deleted=True)
    except _UNREADABLE as error:  # this job's trouble alone; it is read again next time
        nothing = replace(row, extraction=replace(row.extraction, state="no_error_found"), digest="")
        return _Done(row=before or nothing, problem=f"{type(error).__name__}: {error}")
    return _Done(row=replace(row, extraction=extraction), read=True)


def _failures(done: Iterable[_Done]) -> dict[str, dict[str, str]]:
    """The jobs whose logs could not be read, and why, by repository."""
    found: dict[str, dict[str, str]] = {}
    for each in done:
        if each.problem:
            name = f"log of job {each.row.job_id} attempt {each.row.run_attempt}"
            found.setdefault(each.row.repo, {})[name] = each.problem
    return found


def _metadata(in_force: str, done: Sequence[_Done]) -> Mapping[str, Any]:
    rows = [each.row for each in done]
    sizes = [len(row.extraction.excerpt) for row in rows]
    return {
        "dagster/row_count": len(rows),
        "extractor_version": in_force,
        "read_now": sum(each.read for each in done),
        "deleted_logs": sum(each.deleted for each in done),
        "problems": dg.MetadataValue.json({str(each.row.key): each.problem for each in done if each.problem}),
        "errors": sum(len(row.extraction.errors) for row in rows),
        "mean_excerpt_characters": round(sum(sizes) / len(sizes)) if sizes else 0,
        "redactions": sum(row.extraction.redactions for row in rows),
        "background": plot(Counter(row.log.passing.state for row in rows if row.log.passing is not None)),
        "without_background": markdown_table(
            [
                {"job": row.job_id, "state": row.log.passing.state, "why": row.log.passing.detail}
                for row in rows
                if row.log.passing is not None and not row.log.has_background
            ],
            ("job", "state", "why"),
        ),
        "by_state": plot(Counter(row.extraction.state for row in rows)),
        "root_causes": markdown_table(
            [
                {"job": row.job_id, "step": error.step or "", "line": error.line or "", "headline": error.headline}
                for row in rows
                for error in row.extraction.errors[:1]
            ],
            ("job", "step", "line", "headline"),
        ),
    }


def _readable(store: HourStore, log: JobLog) -> JobLog:
    """The log, without its background where the shapes cannot be read; it says so then."""
    try:
        store.backgrounds.of(log)
    except ContractError as error:
        return replace(log, passing=PassingLog(state="failed", detail=str(error)))
    return log


def extract_stored_log(
    store: HourStore, hour: str, job: Job, log: JobLog, budget: int, catalogue: Catalogue
) -> Extraction:
    """What one job's stored log and annotations say, in `budget` characters,
    its background taken away.

    Raises NotFoundError when the log has been deleted, ContractError when its background has been
    since it was used.
    """
    background = store.backgrounds.of(log)
    with contextlib.ExitStack() as opened:
        stored = opened.enter_context(store.open_log(hour, log.path)) if log.state == "stored" else None
        source = cast(BinaryIO, stored) if stored is not None else None
        return extract_job(job, log, source, background=background, budget=budget, catalogue=catalogue)


def inputs_digest(job: Job, log: JobLog, budget: int, extractor: str) -> str:
    """Changes when the extractor, the budget, the log, its background or the job changes."""
    background = log.passing.path if log.passing is not None and log.has_background else ""
    inputs = (extractor, budget, job, replace(log, passing=None), background)
    return hashlib.sha256(repr(inputs).encode()).hexdigest()[:16]
