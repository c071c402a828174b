"""What a person wants to know of a range of hours, after a run.

What belongs here: counting stored rows into one record. Does not: printing it (`commands/upload.py`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from ci_metrics.models import Job, Run
from ci_metrics.orchestration.rows import JobVerdicts, JudgedError
from ci_metrics.orchestration.store import HourStore
from ci_metrics.verdicts.judge import MODEL_FAILED, model_failed

#: How many of the biggest causes are shown.
MOST_CAUSES = 5


@dataclass(frozen=True, slots=True)
class Cause:
    """One group of failures: how often, what, and one line that proves it."""

    group: str
    jobs: int
    error_type: str
    headline: str
    quote: str
    example: str  # the address of one of its jobs


@dataclass(frozen=True, slots=True)
class Summary:
    """A range of hours in numbers. `documents` counts what the index holds of them."""

    hours: int
    runs: int = 0
    attempts: int = 0
    jobs: int = 0
    failed_jobs: int = 0
    documents: int = 0
    written: int = 0
    location: str = ""  # of the index
    unfinished_hours: tuple[str, ...] = ()
    problems: dict[str, str] = field(default_factory=dict)
    by_category: dict[str, int] = field(default_factory=dict)
    by_state: dict[str, int] = field(default_factory=dict)
    causes: tuple[Cause, ...] = ()
    cost_usd: float = 0.0


def summarise(store: HourStore, hours: Iterable[str], since: datetime) -> Summary:
    """Count what is stored of these hours; `written` counts since a moment. An hour not stored yet counts as unfinished."""
    keys = list(hours)
    runs: list[Run] = []
    jobs: dict[tuple[int, int], Job] = {}
    rows: list[JobVerdicts] = []
    documents = written = 0
    location = ""
    unfinished: list[str] = []
    problems: dict[str, str] = {}
    for hour in keys:
        runs += store.read_or_none("workflow_runs", hour, Run)
        jobs.update({(job.job_id, job.run_attempt): job for job in store.read_or_none("workflow_jobs", hour, Job)})
        rows += store.read_or_none("classifications", hour, JobVerdicts)
        state = store.state(hour)
        indexed = state.of("indexed_documents")
        if indexed is not None:
            documents += int(indexed.said.get("documents", 0))
            written += int(indexed.said.get("written", 0)) if indexed.seen >= since else 0
            location = str(indexed.said.get("index", location))
        problems.update(state.set_aside)
        if not state.is_finished:
            unfinished.append(hour)
    problems.update(_failing_model(rows))
    roots = [row.judged[0] for row in rows if row.judged]
    return Summary(
        hours=len(keys),
        runs=len({(run.repo, run.run_id) for run in runs}),
        attempts=len(runs),
        jobs=len(jobs),
        failed_jobs=sum(job.failed for job in jobs.values()),
        documents=documents,
        written=written,
        location=location,
        unfinished_hours=tuple(unfinished),
        problems=problems,
        by_category=dict(Counter(root.verdict.error_type for root in roots if root.verdict.error_type).most_common()),
        by_state=dict(Counter(row.state for row in rows).most_common()),
        causes=_causes(rows, jobs),
        cost_usd=sum(judged.verdict.usage.cost_usd for row in rows for judged in row.judged),
    )


def _failing_model(rows: Iterable[JobVerdicts]) -> dict[str, str]:
    """What a person must know of a model that does not answer: documents have verdicts all the same, so nothing else shows it."""
    verdicts = [judged.verdict for row in rows for judged in row.judged]
    failed = [verdict for verdict in verdicts if model_failed(verdict)]
    if not failed:
        return {}
    why = failed[0].detail.removeprefix(f"{MODEL_FAILED}: ")
    instead = sum(v.state != "llm_failed" for v in failed)
    return {
        "the model": f"no usable answer on {len(failed)} errors; {instead} have the embedded classifier's verdict until then: {why}"
    }


def _causes(rows: Iterable[JobVerdicts], jobs: dict[tuple[int, int], Job]) -> tuple[Cause, ...]:
    groups: dict[str, list[tuple[JobVerdicts, JudgedError]]] = defaultdict(list)
    for row in rows:
        # A generic fingerprint ("exit code 1") is many causes, so it is never shown as one.
        if row.judged and not row.judged[0].error.generic and row.judged[0].verdict.error_type:
            groups[row.judged[0].error.group].append((row, row.judged[0]))
    biggest = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))[:MOST_CAUSES]
    return tuple(_cause(group, members, jobs) for group, members in biggest)


def _cause(group: str, members: list[tuple[JobVerdicts, JudgedError]], jobs: dict[tuple[int, int], Job]) -> Cause:
    quote = Counter(_quote(judged) for _, judged in members).most_common(1)[0][0]
    row, judged = next(member for member in members if _quote(member[1]) == quote)
    return Cause(
        group=group,
        jobs=len(members),
        error_type=judged.verdict.error_type or "",
        headline=judged.error.headline,
        quote=quote,
        example=jobs[row.key].html_url if row.key in jobs else "",
    )


def _quote(judged: JudgedError) -> str:
    """The first quoted line that says something: a banner's rule proves nothing."""
    quotes = [quote.text.strip() for quote in judged.verdict.evidence]
    telling = (quote for quote in quotes if sum(map(str.isalpha, quote)) * 2 > len(quote))
    return next(telling, judged.error.headline)
