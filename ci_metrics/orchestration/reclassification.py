"""What a reclassification of stored hours would cost, and what it changed.

What belongs here: planning over stored extractions, comparing stored verdicts before and after.
Does not: launching it, printing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ci_metrics.models import ErrorState
from ci_metrics.orchestration.assets.classifications import NAME, requests_for, stored_failures
from ci_metrics.orchestration.parts import HoursPart, JudgePart
from ci_metrics.orchestration.reclassify_filter import Only
from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.orchestration.unchanged_rows import still_holding
from ci_metrics.verdicts.judge import JudgeRequest
from ci_metrics.verdicts.reuse import subject_of

#: (hour, job id, attempt) -> category, else state
Categories = Mapping[tuple[str, int, int], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What judging again would take. Tokens and dollars are estimates: second
    questions are not counted.
    """

    hours: int
    failed_jobs: int
    due_jobs: int  # whose verdict would be looked at again
    distinct_errors: int
    to_ask: int  # of these, those a model would be asked about
    tokens: int
    usd: float | None  # None: the model's price is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """So many jobs went from one category (or state) to another."""

    before: str
    after: str
    jobs: int


def cost_of(hours: HoursPart, judge: JudgePart, keys: Iterable[str], only: Only | None) -> Estimate:
    """Look at what is stored, without asking a model or writing anything."""
    count = failed = due_jobs = to_ask = tokens = 0
    usd = 0.0
    seen: set[str] = set()
    asked_for: set[str] = set()
    labels = judge.labels.labels()
    for hour in keys:
        count += 1
        [part] = stored_failures(hours.store, hour, whole=True)
        held = still_holding(judge, part.extractions, part.before, labels, only)
        due = [row for row in part.extractions if row.key not in held]
        failed += len(part.extractions)
        due_jobs += len(due)
        fresh: list[JudgeRequest] = []
        for request in requests_for(hours, judge, hour, due, part):
            if request.error is None:
                continue
            subject = subject_of(request.error, request.extraction, request.origin)
            # An error is asked about once, wherever it is met; only a job's or step's first
            # error is asked about at all.
            if subject in asked_for or (subject in seen and not request.primary):
                continue
            seen.add(subject)
            if request.primary:
                asked_for.add(subject)
            fresh.append(request)
        if fresh:
            plan = judge.judge.plan(fresh)
            to_ask, tokens, usd = to_ask + plan.to_ask, tokens + plan.tokens, usd + plan.usd
    priced = judge.model is None or judge.model.prices.find(judge.model.model) is not None
    return Estimate(
        hours=count,
        failed_jobs=failed,
        due_jobs=due_jobs,
        distinct_errors=len(seen),
        to_ask=to_ask,
        tokens=tokens,
        usd=usd if priced else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Type:
    """What is read of a `Verdict`."""

    error_type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """What is read of a `JudgedError`."""

    verdict: _Type


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """What is read of a job's `JobVerdicts`: 4 of 44 columns, in a tenth of the time."""

    job_id: int
    run_attempt: int
    state: ErrorState
    judged: tuple[_Judged, ...]


def read_categories(store: HourStore, hours: Iterable[str]) -> Categories:
    """What each failed job of the hours is called now: its category, else its state."""
    return {
        (hour, row.job_id, row.run_attempt): (row.judged[0].verdict.error_type if row.judged else None) or row.state
        for hour in hours
        for row in store.read_or_none(NAME, hour, _Named)
    }


def category_changes(before: Categories, after: Categories) -> list[Change]:
    """From which to which, most jobs first; a job without an earlier verdict comes from “-”."""
    moves = Counter((before.get(key, "-"), word) for key, word in after.items() if before.get(key) != word)
    ordered = sorted(moves.items(), key=lambda item: (-item[1], item[0]))
    return [Change(before=old, after=new, jobs=jobs) for (old, new), jobs in ordered]
