"""`classifications`: the verdict on every error of every failed job.

What belongs here: asking the judge, keeping verdicts that still hold. Does not: how a verdict
is reached (`verdicts/`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import islice
from typing import Any

import dagster as dg

from ci_metrics.history.failures import web_url
from ci_metrics.index.error_fields import log_url
from ci_metrics.models import Extraction, Job, Run, Usage
from ci_metrics.orchestration import checks
from ci_metrics.orchestration.assets.extracted_errors import extract_stored_log
from ci_metrics.orchestration.judged_job import judged, not_judged, questions
from ci_metrics.orchestration.metadata import Linked, markdown_table, plot
from ci_metrics.orchestration.model_usage import keeping_money, spent_in_vain, total_usage, usage_metadata
from ci_metrics.orchestration.page_addresses import verdict_address
from ci_metrics.orchestration.partition_loop import announce_classifier, each_hour, with_checks
from ci_metrics.orchestration.partitioned_asset import partitioned_asset
from ci_metrics.orchestration.parts import HoursPart, JudgePart
from ci_metrics.orchestration.reclassify_filter import Only
from ci_metrics.orchestration.repository_parts import repository_parts
from ci_metrics.orchestration.storage.arrow_tables import PackedRows
from ci_metrics.orchestration.storage.rows import JobExtraction, JobKey, JobVerdicts
from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.orchestration.unchanged_rows import is_open, model_has_failed, still_holding
from ci_metrics.verdicts.judge import JudgeRequest

NAME = "classifications"

#: Verdicts in an hour's table; the report and `ci-metrics search` have all.
MOST_VERDICTS = 100


def build(partitions: dg.PartitionsDefinition, upstream: dg.AssetsDefinition, code_version: str) -> dg.AssetsDefinition:
    """The asset on these partitions; `code_version` is the classifier's."""

    @partitioned_asset(
        NAME,
        partitions,
        upstream=upstream,
        rows=JobVerdicts,
        group="causes",
        kinds={"anthropic", "parquet"},
        pool="llm",
        checks=[checks.UNKNOWN_SHARE, checks.MODEL_FAILURES],
        code_version=code_version,
        description=(
            "What kind of error it is, how sure, why, which lines prove it, what might fix it: by a human, a stored verdict, "
            "the model or the rules, in this order. Backfill this asset and the next to bring a better prompt, model or "
            "taxonomy to all of history: nothing is fetched again."
        ),
    )
    def classifications(
        context: dg.AssetExecutionContext,
        config: Only,
        hours: dg.ResourceParam[HoursPart],
        judge: dg.ResourceParam[JudgePart],
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        announce_classifier(context, judge)
        only = config.with_kinds(judge.categories.parents) if config.chooses else None
        done = each_hour(
            context, hours, lambda hour: judge_hour(hours, judge, hour, only), made_of=["extracted_errors"]
        )
        return with_checks(checks.unknown_share(hours.store, done), checks.model_failures(hours.store, done))

    return classifications


def judge_hour(hours: HoursPart, judge: JudgePart, hour: str, only: Only | None = None) -> Mapping[str, Any]:
    """Judge the hour's errors and commit the verdicts; returns the metadata. `only`:
    verdicts it does not want stay.

    Where no model is asked, some repositories at a time; else equal errors are asked about once.
    """
    rows, seen = PackedRows(JobVerdicts), _Seen()
    enabled = judge.settings.enable_error_classification
    for part in stored_failures(hours.store, hour, whole=enabled and judge.model is not None):
        verdicts = _judged(hours, judge, hour, part, only, seen) if enabled else map(not_judged, part.extractions)
        seen.add(made := list(verdicts), part.before)
        rows.add(made)
    version = "off"
    if enabled:
        version = judge.hour_version if only is None else seen.oldest_version(judge.hour_version)
    said = {"states": dict(seen.states), "model_failures": seen.model_failures}
    status = {"version": version, "open": seen.open, **said}
    table = verdict_table(hours, hour, seen.doubtful, len(rows))  # of rows that are at hand until they are committed
    hours.store.commit(NAME, hour, rows, JobVerdicts, notes={"version": version}, status=status, now=hours.now())
    return {
        "dagster/row_count": len(rows),
        "failed_jobs": len(rows),
        "verdicts": table,
        **usage_metadata(seen.paid, seen.usage),
        "classifier_version": version,
        **seen.metadata(judge.categories.names),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFailures:
    """What is stored of an hour's failed jobs, of some repositories."""

    extractions: list[JobExtraction]
    before: Mapping[JobKey, JobVerdicts]
    jobs: Mapping[JobKey, Job]
    runs: Mapping[tuple[int, int], Run]


def stored_failures(store: HourStore, hour: str, *, whole: bool) -> Iterator[StoredFailures]:
    """The hour's failed jobs, some repositories at a time, or all of them at once."""
    failed = {row.key for row in store.each("extracted_errors", hour, JobExtraction)}
    jobs = (job for job in store.each("workflow_jobs", hour, Job) if (job.job_id, job.run_attempt) in failed)
    sources = (
        store.each("extracted_errors", hour, JobExtraction),
        store.each_or_none(NAME, hour, JobVerdicts),
        jobs,
        store.each("workflow_runs", hour, Run),
    )
    parts: Iterable[tuple[Any, ...]] = [tuple(map(list, sources))] if whole else repository_parts(*sources)
    for extractions, before, of_them, runs in parts:
        yield StoredFailures(
            extractions=extractions,
            before={row.key: row for row in before},
            jobs={(job.job_id, job.run_attempt): job for job in of_them},
            runs={(run.run_id, run.run_attempt): run for run in runs},
        )


@dataclass(slots=True)
class _Seen:
    """What is told of an hour's verdicts, added up as they come."""

    open: int = 0
    model_failures: int = 0
    states: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    moved: Counter[tuple[str, str]] = field(default_factory=Counter)
    sure: float = 0.0  # of those with a category, together
    paid: Usage = field(default_factory=Usage)  # now
    usage: Usage = field(default_factory=Usage)  # for all of them
    in_force: set[str] = field(default_factory=set)  # versions of the classifiers that judged
    versions: set[str] = field(default_factory=set)  # of all but people's
    doubtful: list[JobVerdicts] = field(default_factory=list)  # the most doubtful first

    def add(self, rows: Sequence[JobVerdicts], before: Mapping[JobKey, JobVerdicts]) -> None:
        """Some more."""
        self.open += sum(map(is_open, rows))
        self.model_failures += sum(map(model_has_failed, rows))
        self.states.update(row.state for row in rows)
        roots = [row.judged[0].verdict for row in rows if row.judged]
        self.types.update(verdict.error_type for verdict in roots if verdict.error_type)
        self.sources.update(verdict.source for verdict in roots)
        self.sure += sum(verdict.confidence for verdict in roots if verdict.error_type)
        self.moved.update(_moves(before, rows))
        self.usage += total_usage(rows)
        verdicts = (judged.verdict for row in rows for judged in row.judged)
        self.versions.update(verdict.classifier_version for verdict in verdicts if verdict.source != "human")
        self.doubtful = nsmallest(MOST_VERDICTS, [*self.doubtful, *rows], key=_confidence)

    def oldest_version(self, version: str) -> str:
        """What the hour is of when some verdicts were spared: an older version as long as one of
        them is, so that it stays stale.
        """
        return min(self.versions - self.in_force - {""}, default=version)

    def metadata(self, categories: Iterable[str]) -> Mapping[str, Any]:
        """As Dagster shows it."""
        count, typed = self.states.total(), self.types.total()
        moved = [{"from": a, "to": b, "jobs": n} for (a, b), n in sorted(self.moved.items())]
        return {
            "unknown_share": round(self.states["unknown"] / count, 4) if count else 0.0,
            **({"mean_confidence": round(self.sure / typed, 4)} if typed else {}),
            "by_category": plot(self.types),
            "by_state": plot(self.states),
            "by_source": plot(self.sources),
            "changed": markdown_table(moved, ("from", "to", "jobs")),
            **{f"failed/{name}": self.types[name] for name in categories},
        }


def _confidence(row: JobVerdicts) -> float:
    return row.judged[0].verdict.confidence if row.judged else 0.0


def _judged(
    hours: HoursPart, judge: JudgePart, hour: str, part: StoredFailures, only: Only | None, seen: _Seen
) -> list[JobVerdicts]:
    """The verdicts on a part's jobs, in order; `seen` is told who judged, and what that cost."""
    labels = judge.labels.carry(part.extractions, part.before)
    found: dict[JobKey, JobVerdicts] = {}
    for each, own in _by_judge(judge, part.extractions):
        paid = each.judge.stats.usage
        held = still_holding(each, own, part.before, labels, only)
        due = [row for row in own if row.key not in held]
        found.update({**_judge(hours, each, hour, due, part), **held})
        seen.paid += each.judge.stats.usage - paid
        seen.in_force.add(each.classifier_version)
    return [found.get(row.key) or not_judged(row) for row in part.extractions]


def verdict_table(hours: HoursPart, hour: str, rows: Sequence[JobVerdicts], count: int) -> dg.MarkdownMetadataValue:
    """The root verdicts of these jobs of the hour's `count` failed ones, the most doubtful first:
    a job leads to the log line, its quote to the page that explains it.
    """
    if not rows:
        return dg.MetadataValue.md("_no job failed_")
    failed = {row.key for row in rows}
    every = hours.store.each("workflow_jobs", hour, Job)
    jobs = {key: job for job in every if (key := (job.job_id, job.run_attempt)) in failed}
    at_github = not hours.settings.is_sample
    shown = [_shown(jobs[row.key], row, hour, at_github=at_github) for row in rows if row.key in jobs]
    return markdown_table(shown, ("repository", "job", "type", "sure", "quote", "by"), MOST_VERDICTS, of=count)


def _shown(job: Job, row: JobVerdicts, hour: str, *, at_github: bool) -> dict[str, object]:
    page = verdict_address(hour, job.job_id, job.run_attempt)
    root = row.judged[0] if row.judged else None
    verdict = root.verdict if root else None
    line = log_url(job, root.error) if root else job.html_url
    quote = verdict.evidence[0].text if verdict and verdict.evidence else (root.error.headline if root else "")
    return {
        "repository": job.repo,
        "job": Linked(job.name, web_url(line or "") if at_github else page),
        "type": (verdict.error_type if verdict else None) or row.state,
        "sure": f"{verdict.confidence:.0%}" if verdict and verdict.error_type else "",
        "quote": Linked(quote or "explain", page),
        "by": (verdict.rule or verdict.model or verdict.source) if verdict else "",
    }


def _judge(
    hours: HoursPart, judge: JudgePart, hour: str, due: list[JobExtraction], part: StoredFailures
) -> dict[JobKey, JobVerdicts]:
    """Ask the judge for every error of these jobs at once, so that equal errors are asked once."""
    if not due:
        return {}
    asked = requests_for(hours, judge, hour, due, part)
    verdicts = iter(judge.judge.judge(asked, defer_to_batches=judge.may_wait(hour)))
    made = (judged(row, islice(verdicts, len(row.extraction.errors))) for row in due)
    return {row.key: keeping_money(row, part.before.get(row.key)) for row in made}


def requests_for(
    hours: HoursPart, judge: JudgePart, hour: str, due: list[JobExtraction], part: StoredFailures
) -> list[JudgeRequest]:
    """What the judge is asked about these jobs of a part of the hour, in order."""

    def larger(row: JobExtraction) -> Callable[[int], Extraction]:
        job = part.jobs[row.key]
        return lambda budget: extract_stored_log(hours.store, hour, job, row.log, budget, judge.catalogue)

    return [
        request
        for row in due
        for request in questions(
            row,
            part.jobs[row.key],
            part.runs.get((row.run_id, row.run_attempt)),
            larger(row),
            spent_in_vain(part.before.get(row.key)),
        )
    ]


def _by_judge(judge: JudgePart, extractions: list[JobExtraction]) -> Iterable[tuple[JudgePart, list[JobExtraction]]]:
    """The rows of repositories that are judged at all, by who judges them."""
    found: dict[int, tuple[JudgePart, list[JobExtraction]]] = {id(judge): (judge, [])}
    by_repo: dict[str, list[JobExtraction]] = {}
    for row in extractions:
        by_repo.setdefault(row.repo, []).append(row)
    for repo, rows in by_repo.items():
        if judge.settings.classifies(repo):
            part = judge.of(repo)
            found.setdefault(id(part), (part, []))[1].extend(rows)
    return found.values()


def _moves(before: Mapping[JobKey, JobVerdicts], rows: Sequence[JobVerdicts]) -> list[tuple[str, str]]:
    """(from, to) of every job whose root verdict was already there and changed."""
    pairs = [(_word(before[row.key]), _word(row)) for row in rows if row.key in before]
    return [pair for pair in pairs if pair[0] != pair[1]]


def _word(row: JobVerdicts) -> str:
    return (row.judged[0].verdict.error_type if row.judged else None) or row.state
