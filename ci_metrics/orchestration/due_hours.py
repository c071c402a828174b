"""Which hours need another look, and when: pure decisions for the schedule, the sensor and the checks.

What belongs here: hours in, hours out. Does not: Dagster, files, clocks of its own.

A run created at 10:59 ends at 13:00; a failed job is re-run two weeks later; the daemon was down over the weekend. So three
reasons bring an hour back: it is *missing* (never worked on), it is *unfinished* (runs in progress, something that could not
be fetched, a verdict still open), or it is *swept* (finished, but young enough that GitHub still allows a re-run).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from ci_metrics.orchestration.partitions import HOUR, chunks_of, hour_key, hour_start, hours_between, last_closed_hour

#: GitHub allows a re-run up to this long after a run. Source: GitHub's documentation, "Re-running workflows and jobs".
RERUN_LIMIT = timedelta(days=30)

#: Finished hours younger than this are swept more often: most re-runs come soon.
YOUNG = timedelta(hours=24)
SWEEP_YOUNG_EVERY = timedelta(hours=3)
SWEEP_OLD_EVERY = timedelta(hours=24)

#: How long to wait before an unfinished hour is redone: by its age, so that a run that hangs for days costs little.
UNFINISHED_EVERY = (
    (timedelta(hours=6), timedelta(minutes=15)),
    (timedelta(days=3), timedelta(hours=2)),
    (RERUN_LIMIT, timedelta(hours=24)),
)

#: So many closed hours without one that was indexed are worth telling.
SILENT_HOURS = 6

Reason = Literal["missing", "unfinished", "sweep"]

Status = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HourRange:
    """Contiguous hours to redo in one run, and why."""

    first: str
    last: str
    reason: Reason


def is_unfinished(status: Status) -> bool:
    """Whether an hour's noted status (`HourStore.status`) says that another look would find more."""
    parts = [part for part in status.values() if isinstance(part, Mapping)]
    if any(part.get(word) for part in parts for word in ("unfinished", "problems", "open", "overtaken")):
        return True
    if not {"workflow_runs", "indexed_documents", "failure_history"} <= set(status):
        return True
    # Documents written anew are bare of flaky flags until their history is looked at again.
    written, followed = status["indexed_documents"], status["failure_history"]
    return bool(written.get("written")) and str(followed.get("at", "")) < str(written.get("at", ""))


def last_seen(status: Status) -> datetime | None:
    """When an hour was last worked on; None when its status says nothing."""
    moments = [
        datetime.fromisoformat(part["at"]) for part in status.values() if isinstance(part, Mapping) and "at" in part
    ]
    return max(moments, default=None)


def plan(
    now: datetime,
    worked_on: Iterable[str],
    status_of: Callable[[str], Status | None],
    start: datetime,
    *,
    most_ranges: int = 3,
) -> list[HourRange]:
    """The hours to redo now, at most `most_ranges` ranges of a day each: missing ones first, then unfinished, then swept.

    `worked_on` are the hours that have a status; `start` is the first hour of the partition set. Before the oldest hour
    of the last 30 days that was worked on nothing is missing: history is a person's decision (a backfill).
    """
    oldest = hour_key(max(start, now - RERUN_LIMIT))
    known = {key for key in worked_on if key >= oldest}
    if not known:
        return []
    window = hours_between(min(known), last_closed_hour(now))
    missing = [key for key in window if key not in known]
    unfinished: list[str] = []
    sweep: list[str] = []
    for key in window:
        if key not in known:
            continue
        status = status_of(key) or {}
        seen = last_seen(status)
        waited = now - seen if seen else RERUN_LIMIT
        age = now - hour_start(key)
        if is_unfinished(status):
            if waited >= _unfinished_wait(age):
                unfinished.append(key)
        elif waited >= (SWEEP_YOUNG_EVERY if age < YOUNG else SWEEP_OLD_EVERY):
            sweep.append(key)
    found: list[HourRange] = []
    reasons: tuple[tuple[Reason, list[str]], ...] = (("missing", missing), ("unfinished", unfinished), ("sweep", sweep))
    for reason, keys in reasons:
        newest_first = sorted(chunks_of(keys), reverse=True)
        found.extend(HourRange(first, last, reason) for first, last in newest_first)
    return found[:most_ranges]


def old_and_open(now: datetime, open_hours: Iterable[str], status_of: Callable[[str], Status | None]) -> list[str]:
    """The hours too old for `plan` whose verdicts are still open (no money, a failing model), and were not looked at lately.

    The money is for a clock hour, so they are due once an hour.
    """
    oldest = hour_key(now - RERUN_LIMIT)
    due = []
    for key in open_hours:
        seen = last_seen(status_of(key) or {}) if key < oldest else now
        if seen is None or now - seen >= HOUR:
            due.append(key)
    return due


def silent_hours(now: datetime, indexed: Iterable[str], hours: int) -> bool:
    """Whether none of the last `hours` closed hours is among the `indexed` ones."""
    recent = set(hours_between(hour_key(now - hours * HOUR), last_closed_hour(now)))
    return not recent & set(indexed)


def _unfinished_wait(age: timedelta) -> timedelta:
    return next((wait for limit, wait in UNFINISHED_EVERY if age <= limit), UNFINISHED_EVERY[-1][1])
