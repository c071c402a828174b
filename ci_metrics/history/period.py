"""The period that groups are judged over: what is recent, what came before, where the new begins.

What belongs here: reading a period from the conditions of a question, or from the failures it
found. Does not: judging groups. Two kinds: a stretch of time (its last day is recent, the week
before that is usual), and one hourly partition (it is recent, the week of partitions before it is
usual).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ci_metrics.history.attempts import Attempt, narrowed
from ci_metrics.history.metrics import MAYBE_FAILED
from ci_metrics.history.time_range import TIME, moment_of
from ci_metrics.index.document_index import DocumentIndex, Where
from ci_metrics.index.times import iso

#: What "usual" is measured over.
USUAL = timedelta(days=7)

#: A group is new for so long, however long the stretch that was asked for.
NEW_FOR = timedelta(days=7)

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)

#: How a partition's key is written (`2026-03-02T05`).
_KEY = "%Y-%m-%dT%H"


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """What was asked for, as a period. `before`: the documents that say what is usual, from the
    week that ends at `usual_until`; `length`: of the recent stretch that is compared with it."""

    new_from: datetime | None  # None: new is what was never seen before these very documents
    recent_from: datetime | None  # None: everything that was found
    before: Where
    usual_until: datetime
    length: timedelta
    everything: bool  # nothing was left out, so that nothing earlier need be looked for

    def recent(self, attempt: Attempt) -> bool:
        """Whether an attempt that was found lies in the recent stretch."""
        return self.recent_from is None or attempt.when >= self.recent_from

    def lengths_before(self, oldest: datetime | None) -> float:
        """How many times the recent stretch fits into the usual one; at least once, and no
        oftener than history (since `oldest`) has.
        """
        since = self.usual_until - USUAL
        return max((self.usual_until - (max(since, oldest) if oldest else since)) / self.length, 1.0)

    def is_new(self, first_seen: datetime, first_here: datetime) -> bool:
        """Whether a group is new: seen first in all history at `first_seen`, and among what
        was found at `first_here`.
        """
        return first_seen >= (first_here if self.new_from is None else self.new_from)


def period_of(where: Where, found: Sequence[Attempt]) -> Period:
    """The period of a question; `found`: the failures it found, oldest first, at least one."""
    partition = where.equals.get("s_partition")
    if isinstance(partition, str):
        return _hour(where, partition)
    start, end = (_moment(bound) for bound in where.ranges.get(TIME, (None, None)))
    until = end or found[-1].when + timedelta(seconds=1)
    recent_from = until - _DAY
    return Period(
        new_from=max(until - NEW_FOR, start) if start else until - NEW_FOR,
        recent_from=recent_from,
        before=narrowed(where, ranges={TIME: (iso(recent_from - USUAL), iso(recent_from))}),
        usual_until=recent_from,
        length=_DAY,
        everything=where == Where(),
    )


def oldest_failure(index: DocumentIndex) -> datetime | None:
    """When the oldest failed job that the index holds ended; None when there is none."""
    where = Where(equals={"s_status": MAYBE_FAILED})
    for document in index.scan("jobs", where, fields=(TIME,), sort=TIME, limit=1):
        return moment_of(str(document.body[TIME]))
    return None


def has_earlier_failures(index: DocumentIndex, partition: str) -> bool:
    """Whether the index holds failures of hours before this one: without any there
    is nothing to compare with.
    """
    where = Where(equals={"s_status": MAYBE_FAILED}, ranges={"s_partition": (None, partition)})
    return any(True for _ in index.scan("jobs", where, fields=(TIME,), limit=1))


def _hour(where: Where, partition: str) -> Period:
    start = datetime.strptime(partition, _KEY).replace(tzinfo=UTC)
    others = {name: value for name, value in where.equals.items() if name != "s_partition"}
    week = ((start - USUAL).strftime(_KEY), start.strftime(_KEY))
    return Period(
        new_from=None,
        recent_from=None,
        before=narrowed(replace(where, equals=others), ranges={"s_partition": week}),
        usual_until=start,
        length=_HOUR,
        everything=False,
    )


def _moment(bound: object) -> datetime | None:
    return moment_of(str(bound)) if bound is not None else None
