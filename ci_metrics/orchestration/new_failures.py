"""The `new_failures` table of an hour: the groups of failures that are new in it or spiking.

What belongs here: the rows, and reading them back. Does not: deciding what is new
(`history/groups.py`), raising an alarm (`checks.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ci_metrics.history.groups import Group
from ci_metrics.orchestration.storage.store import HourStore

#: The asset that stores the table.
HISTORY_ASSET = "failure_history"
#: Columns of the table that Dagster shows.
SHOWN_COLUMNS = ("is", "type", "failures", "runs", "headline", "example")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFailure:
    """One group of failures that an hour shows for the first time, or far more often than usual."""

    hour: str
    group: str
    kind: Literal["new", "spiking"]
    error_type: str
    headline: str
    step: str
    first_seen: datetime
    last_seen: datetime  # in this hour's runs
    count: int  # failed attempts of jobs in this hour's runs
    runs: int
    lost_minutes: float
    repos: tuple[str, ...]
    jobs: tuple[str, ...]
    branches: tuple[str, ...]
    examples: tuple[str, ...]  # document ids, newest first


def rows_of(hour: str, found: Iterable[Group]) -> list[NewFailure]:
    """The table's rows, most frequent first; generic groups are never among them."""
    return [
        NewFailure(
            hour=hour,
            group=group.id,
            kind="new" if group.new else "spiking",
            error_type=group.error_type,
            headline=group.headline,
            step=group.step,
            first_seen=group.first_seen,
            last_seen=group.last_seen,
            count=group.count,
            runs=group.runs,
            lost_minutes=round(group.lost_minutes, 2),
            repos=group.repos,
            jobs=group.jobs,
            branches=group.branches,
            examples=group.examples,
        )
        for group in found
        if (group.new or group.spiking) and not group.generic
    ]


def table_row(row: NewFailure) -> dict[str, str | int]:
    """A row as a table in Dagster shows it."""
    return {
        "is": row.kind,
        "type": row.error_type,
        "failures": row.count,
        "runs": row.runs,
        "headline": row.headline,
        "example": row.examples[0],
    }


def new_failures(store: HourStore, hour: str) -> list[NewFailure]:
    """The hour's table as it was made last; empty when it has not been made."""
    return store.read_or_none(HISTORY_ASSET, hour, NewFailure)


def worth_an_alarm(store: HourStore, hour: str) -> list[NewFailure]:
    """The rows that a person should hear of: none in the first hour of all, where there
    is nothing to compare with.
    """
    return new_failures(store, hour) if store.notes(HISTORY_ASSET, hour).get("compared") else []
