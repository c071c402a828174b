"""`classifications`: the verdict on every error of every failed job.

What belongs here: asking the judge, keeping verdicts that still hold. Does not: how a verdict
is reached (`verdicts/`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Set
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
from ci_metrics.orchestration.rows import JobExtraction, JobKey, JobVerdicts
from ci_metrics.orchestration.unchanged_rows import is_open, still_holding
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
    """
    extractions = hours.store.read("extracted_errors", hour, JobExtraction)
    before = {row.key: row for row in hours.store.read_or_none(NAME, hour, JobVerdicts)}
    rows = [not_judged(row) for row in extractions]
    paid_now = Usage()
    version = "off"
    if judge.settings.enable_error_classification:
        version = judge.hour_version
        labels = judge.labels.carry(extractions, before)
        found: dict[JobKey, JobVerdicts] = {}
        in_force: set[str] = set()
        for part, own in _by_judge(judge, extractions):
            paid_before = part.judge.stats.usage
            held = still_holding(part, own, before, labels, only)
            due = [row for row in own if row.key not in held]
            found.update({**_judge(hours, part, hour, due, before), **held})
            paid_now += part.judge.stats.usage - paid_before
            in_force.add(part.classifier_version)
        rows = [found.get(row.key) or not_judged(row) for row in extractions]
        version = version if only is None else _oldest_version(rows, version, in_force)
    states = Counter(row.state for row in rows)
    still_open = sum(is_open(row) for row in rows)
    status = {"version": version, "open": still_open, "states": dict(states)}
    hours.store.commit(NAME, hour, rows, JobVerdicts, notes={"version": version}, status=status, now=hours.now())
    roots = [row.judged[0].verdict for row in rows if row.judged]
    types = Counter(verdict.error_type for verdict in roots if verdict.error_type)
    moved = Counter(_moves(before, rows))
    sure = [verdict.confidence for verdict in roots if verdict.error_type]
    return {
        "dagster/row_count": len(rows),
        "failed_jobs": len(rows),
        "unknown_share": round(states["unknown"] / len(rows), 4) if rows else 0.0,
        **({"mean_confidence": round(sum(sure) / len(sure), 4)} if sure else {}),
        "verdicts": verdict_table(hours, hour, rows),
        "by_category": plot(types),
        "by_state": plot(states),
        "by_source": plot(Counter(verdict.source for verdict in roots)),
        **usage_metadata(paid_now, total_usage(rows)),
        "changed": markdown_table(
            [{"from": a, "to": b, "jobs": n} for (a, b), n in sorted(moved.items())], ("from", "to", "jobs")
        ),
        "classifier_version": version,
        **{f"failed/{name}": types[name] for name in judge.categories.names},
    }


def verdict_table(hours: HoursPart, hour: str, rows: list[JobVerdicts]) -> dg.MarkdownMetadataValue:
    """The root verdict of each failed job, the most doubtful first: its job leads to the log line,
    its quote to the page that explains it.
    """
    if not rows:
        return dg.MetadataValue.md("_no job failed_")
    by_doubt = sorted(rows, key=lambda row: row.judged[0].verdict.confidence if row.judged else 0.0)
    failed = {row.key for row in rows}
    every = hours.store.each("workflow_jobs", hour, Job, without=("steps", "annotations"))
    jobs = {key: job for job in every if (key := (job.job_id, job.run_attempt)) in failed}
    shown = [
        _shown(jobs[row.key], row, hour, at_github=not hours.settings.is_sample) for row in by_doubt if row.key in jobs
    ]
    return markdown_table(shown, ("repository", "job", "type", "sure", "quote", "by"), MOST_VERDICTS)


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
    hours: HoursPart, judge: JudgePart, hour: str, due: list[JobExtraction], before: Mapping[JobKey, JobVerdicts]
) -> dict[JobKey, JobVerdicts]:
    """Ask the judge for every error of these jobs at once, so that equal errors are asked once."""
    if not due:
        return {}
    asked = requests_for(hours, judge, hour, due, before)
    verdicts = iter(judge.judge.judge(asked, defer_to_batches=judge.may_wait(hour)))
    made = (judged(row, islice(verdicts, len(row.extraction.errors))) for row in due)
    return {row.key: keeping_money(row, before.get(row.key)) for row in made}


def requests_for(
    hours: HoursPart, judge: JudgePart, hour: str, due: list[JobExtraction], before: Mapping[JobKey, JobVerdicts]
) -> list[JudgeRequest]:
    """What the judge is asked about these jobs of the hour, in order;
    `before`: their last verdicts.
    """
    keys = {row.key for row in due}
    every = hours.store.each("workflow_jobs", hour, Job)
    jobs = {key: job for job in every if (key := (job.job_id, job.run_attempt)) in keys}
    runs = {(run.run_id, run.run_attempt): run for run in hours.store.read("workflow_runs", hour, Run)}

    def larger(row: JobExtraction) -> Callable[[int], Extraction]:
        return lambda budget: extract_stored_log(hours.store, hour, jobs[row.key], row.log, budget, judge.catalogue)

    return [
        request
        for row in due
        for request in questions(
            row,
            jobs[row.key],
            runs.get((row.run_id, row.run_attempt)),
            larger(row),
            spent_in_vain(before.get(row.key)),
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


def _oldest_version(rows: list[JobVerdicts], version: str, in_force: Set[str]) -> str:
    """What the hour is of when some verdicts were spared: an older version as long as one of
    them is, so that it stays stale.
    """
    verdicts = [judged.verdict for row in rows for judged in row.judged if judged.verdict.source != "human"]
    return min({verdict.classifier_version for verdict in verdicts} - in_force - {""}, default=version)


def _moves(before: Mapping[JobKey, JobVerdicts], rows: list[JobVerdicts]) -> list[tuple[str, str]]:
    """(from, to) of every job whose root verdict was already there and changed."""
    pairs = [(_word(before[row.key]), _word(row)) for row in rows if row.key in before]
    return [pair for pair in pairs if pair[0] != pair[1]]


def _word(row: JobVerdicts) -> str:
    return (row.judged[0].verdict.error_type if row.judged else None) or row.state
