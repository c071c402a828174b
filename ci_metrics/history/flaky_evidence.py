"""What the index says of failures that may be flaky: passes, storms, the same error elsewhere.

What belongs here: the questions to the index. Does not: what makes a failure flaky
(`flakiness.py`), flags in documents (`flaky_fields.py`), figures (`flakiest.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ci_metrics.history.attempts import Attempt, attempts_with, in_order
from ci_metrics.history.flakiness import (
    STORM_TIME,
    Branch,
    FlakyEvidence,
    flaky_evidence,
    later_passes,
    storms,
)
from ci_metrics.history.flaky_fields import STORM_TYPES
from ci_metrics.history.metrics import BASE_BRANCHES
from ci_metrics.history.time_range import TIME
from ci_metrics.index.document_index import DocumentIndex, Where
from ci_metrics.index.times import iso


def evidence_for(
    index: DocumentIndex, attempt: Attempt, storm_types: Collection[str] = STORM_TYPES
) -> FlakyEvidence | None:
    """What history says of one failed attempt; None when its fingerprint is generic or
    missing and so proves nothing.
    """
    if not attempt.tells:
        return None
    return evidence_of(index, [attempt], storm_types)[attempt.id]


def evidence_of(
    index: DocumentIndex, failures: Sequence[Attempt], storm_types: Collection[str]
) -> dict[str, FlakyEvidence]:
    """What history says of each of these failed attempts and of those that share
    a flaky one's fingerprint.
    """
    passes = passes_of(index, failures)
    stormy = storms_around(index, failures, storm_types)
    flips = {a.fingerprint for a in failures if a.tells and a.id in passes and a.id not in stormy}
    known = {attempt.id: attempt for attempt in failures}
    others = [a for a in suspects_like(index, flips) if a.id not in known]
    # A suspect's own hour has decided that it passed later; asked again, so that the order
    # of hours does not matter.
    passes |= passes_of(index, others)
    stormy |= storms_around(index, others, storm_types)
    scheduled = scheduled_branches(index, {a.repo for a in failures}) if flips else frozenset()
    for attempt in (*others, *base_failures(index, flips, scheduled)):
        known.setdefault(attempt.id, attempt)
    return flaky_evidence(known.values(), passes=passes, stormy=stormy, scheduled=scheduled)


def passes_of(index: DocumentIndex, failures: Iterable[Attempt]) -> dict[str, str]:
    """Failed attempt -> the later attempt of the same job that passed."""
    failed = [attempt for attempt in failures if attempt.tells]
    again = Where(equals={"s_status": "success"}, ranges={"l_run_attempt": (2, None)})
    passed = attempts_with(index, "s_workflow_id", {attempt.run_id for attempt in failed}, again)
    return later_passes([*failed, *passed])


def storms_around(index: DocumentIndex, failures: Sequence[Attempt], types: Collection[str]) -> dict[str, int]:
    """Which attempts stand in a storm, of these and of those around them: one
    question a stretch of time.
    """
    found: dict[str, int] = {}
    for near in _stretches([a for a in in_order(failures) if a.group and a.type in types]):
        start, end = near[0].when - STORM_TIME, near[-1].when + STORM_TIME
        around = Where(ranges={TIME: (iso(start), iso(end))})
        found |= storms(attempts_with(index, "s_error_group", {attempt.group for attempt in near}, around), types)
    return found


def suspects_like(index: DocumentIndex, fingerprints: Collection[str]) -> list[Attempt]:
    """The failures of these fingerprints that are flagged already."""
    return in_order(
        attempts_with(index, "s_error_fingerprint", fingerprints, Where(equals={"b_flaky_suspected": True}))
    )


def base_failures(index: DocumentIndex, fingerprints: Collection[str], scheduled: Collection[Branch]) -> list[Attempt]:
    """The failures of these fingerprints on branches that may be base branches."""
    names = sorted(BASE_BRANCHES | {branch for _, branch in scheduled})
    return in_order(attempts_with(index, "s_error_fingerprint", fingerprints, Where(equals={"s_branch": names})))


def scheduled_branches(index: DocumentIndex, repos: Collection[str]) -> frozenset[Branch]:
    """The branches on which scheduled runs ran: GitHub starts those on the default branch only."""
    return frozenset(
        (repo, branch)
        for repo in repos
        for branch in index.count_by(
            "workflows", "s_branch", Where(equals={"s_repo": repo, "s_github_event": "schedule"})
        )
    )


def _stretches(attempts: Sequence[Attempt]) -> list[list[Attempt]]:
    """Runs of attempts that lie no further apart than a storm is long, so that a late
    re-run asks for no weeks.
    """
    found: list[list[Attempt]] = []
    for attempt in attempts:
        if found and attempt.when - found[-1][-1].when <= 2 * STORM_TIME:
            found[-1].append(attempt)
        else:
            found.append([attempt])
    return found
