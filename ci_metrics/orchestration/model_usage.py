"""What an hour's verdicts cost, counted once however often the hour is done again.

What belongs here: money of a job's earlier verdicts -> its new ones, and sums for metadata. Does
not: what a call costs (`llm/prices.py`), limits (`verdicts/budget.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import dagster as dg

from ci_metrics.models import Usage
from ci_metrics.orchestration.storage.rows import JobVerdicts, JudgedError
from ci_metrics.verdicts.judge import unsettled


def spent_in_vain(before: JobVerdicts | None) -> dict[str, Usage]:
    """By fingerprint, what was paid for a job's errors whose verdict is still open: the
    next one's cost includes it.
    """
    paid: dict[str, Usage] = {}
    for judged in before.judged if before is not None else ():
        if unsettled(judged.verdict):
            fingerprint = judged.error.fingerprint
            paid[fingerprint] = paid.get(fingerprint, Usage()) + judged.verdict.usage
    return paid


def keeping_money(row: JobVerdicts, before: JobVerdicts | None) -> JobVerdicts:
    """The job's new verdicts, none of which may say that less was paid for it than the one of
    the same classifier before.

    What was paid for an error that the log does not show any more stands with the root cause.
    """
    if before is None or not row.judged:
        return row
    left: dict[tuple[str, str], Usage] = {}
    for judged in before.judged:
        left[_key(judged)] = left.get(_key(judged), Usage()) + judged.verdict.usage
    kept = []
    for judged in row.judged:
        old = left.pop(_key(judged), Usage())
        less = judged.verdict.usage.prompt_tokens < old.prompt_tokens
        kept.append(replace(judged, verdict=replace(judged.verdict, usage=old)) if less else judged)
    versions = {judged.verdict.classifier_version for judged in row.judged}
    gone = sum((usage for (_, version), usage in left.items() if version in versions), Usage())
    root = replace(kept[0], verdict=replace(kept[0].verdict, usage=kept[0].verdict.usage + gone))
    return replace(row, judged=(root, *kept[1:]))


def total_usage(rows: Iterable[JobVerdicts]) -> Usage:
    """What the verdicts of these jobs cost."""
    return sum((judged.verdict.usage for row in rows for judged in row.judged), Usage())


def usage_metadata(now: Usage, hour: Usage) -> Mapping[str, dg.MetadataValue]:
    """Tokens and dollars: `now`, paid by this run; `hour`, paid for all verdicts of the hour
    so far, batches included. Nothing where no model was ever asked.
    """
    if hour == Usage() == now:
        return {}
    return {
        name: value
        for prefix, usage in (("", now), ("hour_", hour))
        for name, value in {
            f"{prefix}prompt_tokens": dg.MetadataValue.int(usage.prompt_tokens),
            f"{prefix}completion_tokens": dg.MetadataValue.int(usage.completion_tokens),
            f"{prefix}cached_tokens": dg.MetadataValue.int(usage.cached_tokens),
            f"{prefix}cost_usd": dg.MetadataValue.float(round(usage.cost_usd, 6)),
        }.items()
    }


def _key(judged: JudgedError) -> tuple[str, str]:
    return judged.error.fingerprint, judged.verdict.classifier_version
