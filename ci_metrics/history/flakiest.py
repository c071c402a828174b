"""The flakiest tests and jobs, with the minutes they burn.

What belongs here: counting what history has flagged. Does not: the flags (`flaky_evidence.py`,
`flaky_fields.py`), showing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ci_metrics.history.attempts import Attempt, failed_attempts, first_line, narrowed
from ci_metrics.history.groups import EXAMPLES
from ci_metrics.history.lost_time import losses
from ci_metrics.index.document_index import DocumentIndex, Where


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
