"""The flakiest tests and jobs with the minutes they burn, and the evidence
behind one failure's flag.

What belongs here: reading what history says of flaky failures. Does not: deciding it
(`flakiness.py`), writing flags into documents (`flaky_fields.py`), showing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ci_metrics.history.attempts import Attempt, attempts_with, failed_attempts, first_line, in_order, narrowed
from ci_metrics.history.flakiness import (
    STORM_TIME,
    Branch,
    FlakyEvidence,
    flaky_evidence,
    later_passes,
    storms,
)
from ci_metrics.history.flaky_fields import STORM_TYPES
from ci_metrics.history.groups import EXAMPLES
from ci_metrics.history.lost_time import losses
from ci_metrics.history.metrics import BASE_BRANCHES
from ci_metrics.history.time_range import TIME
from ci_metrics.index.base import DocumentIndex, Where
from ci_metrics.index.times import iso


@dataclass(frozen=True, slots=True, kw_only=True)
class Flake:
    """A flaky job or test: how often it failed and then passed unchanged, and what that cost.
    Examples are newest first.
    """

    name: str  # the job's name, or the line that names the error
    repos: tuple[str, ...]
    workflow: str  # of the job; "" for tests
    jobs: tuple[str, ...]  # in which the error stood; the job's own name for jobs
    fingerprint: str  # of the test; "" for jobs
    failures: int
    confirmed: int
    runs: int
    minutes: float  # failed attempts and the re-runs they caused
    first_seen: datetime  # among the failures that were asked for
    last_seen: datetime
    examples: tuple[str, ...]  # document ids


@dataclass(frozen=True, slots=True)
class Flakiest:
    """The same failures twice: by the job they broke, and by the error (for
    a failed test: the test).
    """

    jobs: tuple[Flake, ...]  # most minutes first
    tests: tuple[Flake, ...]


def flakiest(index: DocumentIndex, where: Where | None = None) -> Flakiest:
    """The flaky jobs and tests among the matching documents, by the flags
    that history has set in them.
    """
    failures = failed_attempts(index, narrowed(where or Where(), equals={"b_flaky_suspected": True}))
    return flakiest_of(failures, losses(index, failures))


def flakiest_of(found: Iterable[Attempt], lost: Mapping[str, float]) -> Flakiest:
    """The flaky jobs and tests among failures, oldest first; the seconds that each `lost`."""
    failures = [attempt for attempt in found if attempt.suspected and attempt.tells]

    def tabled(key: Callable[[Attempt], tuple[str, ...]], *, by_job: bool) -> tuple[Flake, ...]:
        members: dict[tuple[str, ...], list[Attempt]] = defaultdict(list)
        for attempt in failures:
            members[key(attempt)].append(attempt)
        rows = [_flake(found, sum(lost[a.id] for a in found) / 60, by_job=by_job) for found in members.values()]
        return tuple(sorted(rows, key=lambda row: (-row.minutes, -row.failures, row.name)))

    return Flakiest(
        jobs=tabled(lambda attempt: (attempt.repo, attempt.workflow, attempt.job), by_job=True),
        tests=tabled(lambda attempt: (attempt.fingerprint,), by_job=False),
    )


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


def _flake(found: Sequence[Attempt], minutes: float, *, by_job: bool) -> Flake:
    newest = found[-1]
    return Flake(
        name=newest.job if by_job else newest.quote or first_line(newest.summary) or newest.fingerprint,
        repos=tuple(sorted({attempt.repo for attempt in found})),
        workflow=newest.workflow if by_job else "",
        jobs=tuple(sorted({attempt.job for attempt in found})),
        fingerprint="" if by_job else newest.fingerprint,
        failures=len(found),
        confirmed=sum(attempt.confirmed for attempt in found),
        runs=len({attempt.run_id for attempt in found}),
        minutes=minutes,
        first_seen=found[0].when,
        last_seen=newest.when,
        examples=tuple(attempt.id for attempt in reversed(found[-EXAMPLES:])),
    )
