"""`extracted_errors`: the errors of every failed job, with their line numbers, root cause first.

What belongs here: handing logs and annotations to the extractor. Does not: what an error looks like
(`logs/`).
"""

import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, cast

import dagster as dg
import zstandard

from ci_metrics.catalogue import Catalogue
from ci_metrics.errors import CiMetricsError, ContractError, NotFoundError
from ci_metrics.models import Extraction, Job, JobLog, PassingLog
from ci_metrics.orchestration.judged_job import extract_job
from ci_metrics.orchestration.metadata import markdown_table, plot
from ci_metrics.orchestration.partition_loop import each_hour
from ci_metrics.orchestration.partitioned_asset import partitioned_asset
from ci_metrics.orchestration.parts import HoursPart, JudgePart
from ci_metrics.orchestration.repository_parts import repository_parts
from ci_metrics.orchestration.storage.arrow_tables import PackedRows
from ci_metrics.orchestration.storage.hours import Outcome
from ci_metrics.orchestration.storage.rows import JobExtraction
from ci_metrics.orchestration.storage.store import HourStore

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
    """Extract the hour's errors and commit them, some repositories at a time; returns the metadata.

    Where nothing changed, or the log is gone, rows are kept.
    """
    rows, seen = PackedRows(JobExtraction), _Seen()
    for logs, jobs, before in _parts(hours.store, hour):
        by_key = {(job.job_id, job.run_attempt): job for job in jobs}
        kept = {row.key: row for row in before}
        known = [(log, job) for log in logs if (job := by_key.get((log.job_id, log.run_attempt))) is not None]
        done = [_done(hours, judge, hour, job, log, kept.get((log.job_id, log.run_attempt))) for log, job in known]
        rows.add(each.row for each in done)
        seen.add(done)
    in_force = judge.extractor_version
    version = min(seen.versions - {in_force}, default=in_force)
    outcome = Outcome(repos=(repos := sorted(seen.repos)), asked=repos, failures=seen.failures)
    said = {"version": version}
    hours.store.commit(NAME, hour, rows, JobExtraction, notes=said, status=said, now=hours.now(), outcome=outcome)
    return seen.metadata(in_force)


def _parts(store: HourStore, hour: str) -> Iterator[tuple[Any, ...]]:
    """Logs, their jobs, and what was extracted before."""
    logged = {(log.job_id, log.run_attempt) for log in store.each("job_logs", hour, JobLog)}
    jobs = (job for job in store.each("workflow_jobs", hour, Job) if (job.job_id, job.run_attempt) in logged)
    return repository_parts(store.each("job_logs", hour, JobLog), jobs, store.each_or_none(NAME, hour, JobExtraction))


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


@dataclass(slots=True)
class _Seen:
    """What is told of an hour's rows, added up as they come."""

    rows: int = 0
    read: int = 0
    deleted: int = 0
    errors: int = 0
    characters: int = 0
    redactions: int = 0
    versions: set[str] = field(default_factory=set)
    repos: set[str] = field(default_factory=set)
    states: Counter[str] = field(default_factory=Counter)
    background: Counter[str] = field(default_factory=Counter)
    problems: dict[str, str] = field(default_factory=dict)
    failures: dict[str, dict[str, str]] = field(default_factory=dict)  # by repository, what could not be read, and why
    without: list[dict[str, object]] = field(default_factory=list)
    causes: list[dict[str, object]] = field(default_factory=list)

    def add(self, done: Iterable[_Done]) -> None:
        """Some more."""
        for each in done:
            row, extraction, passing = each.row, each.row.extraction, each.row.log.passing
            self.rows += 1
            self.read += each.read
            self.deleted += each.deleted
            self.errors += len(extraction.errors)
            self.characters += len(extraction.excerpt)
            self.redactions += extraction.redactions
            self.versions.add(extraction.version)
            self.repos.add(row.repo)
            self.states[extraction.state] += 1
            if each.problem:
                self.problems[str(row.key)] = each.problem
                name = f"log of job {row.job_id} attempt {row.run_attempt}"
                self.failures.setdefault(row.repo, {})[name] = each.problem
            if passing is not None:
                self.background[passing.state] += 1
                if not row.log.has_background:
                    self.without.append({"job": row.job_id, "state": passing.state, "why": passing.detail})
            for error in extraction.errors[:1]:
                said = {"step": error.step or "", "line": error.line or "", "headline": error.headline}
                self.causes.append({"job": row.job_id, **said})

    def metadata(self, in_force: str) -> Mapping[str, Any]:
        """As Dagster shows it; `in_force`: the extractor's version."""
        return {
            "dagster/row_count": self.rows,
            "extractor_version": in_force,
            "read_now": self.read,
            "deleted_logs": self.deleted,
            "problems": dg.MetadataValue.json(self.problems),
            "errors": self.errors,
            "mean_excerpt_characters": round(self.characters / self.rows) if self.rows else 0,
            "redactions": self.redactions,
            "background": plot(self.background),
            "without_background": markdown_table(self.without, ("job", "state", "why")),
            "by_state": plot(self.states),
            "root_causes": markdown_table(self.causes, ("job", "step", "line", "headline")),
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
