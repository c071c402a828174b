"""The hourly partitions: one UTC hour = the runs *created* in it, so that an hour's
membership is fixed for ever.

What belongs here: keys, bounds and ranges of hours. Does not: which hours are due (`due_hours.py`).
Keys look like `2026-03-02T05`: they sort, and are safe as file names everywhere (no colon).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ci_metrics.errors import ContractError

if TYPE_CHECKING:
    import dagster as dg

KEY_FORMAT = "%Y-%m-%dT%H"
HOUR = timedelta(hours=1)

#: Runs launched for a backfill take this many hours each: measured, one run of 24 hours
#: costs a quarter of 24 runs.
HOURS_PER_RUN = 24

#: A command does so many hours of history in one run, which costs some 0.7 s of CPU beside its
#: hours. More are no longer kept in memory from one asset to the next (`storage.store.MOST_KEPT`).
HOURS_AT_ONCE = 96


def hourly_partitions(start: datetime, end: datetime | None = None) -> dg.HourlyPartitionsDefinition:
    """The partition set from `start` (a full UTC hour) to the last closed hour, or to `end`, where
    nothing happens any more.
    """
    import dagster as dg  # takes a second, which commands that only name hours can do without

    return dg.HourlyPartitionsDefinition(
        start_date=start.strftime(KEY_FORMAT),
        end_date=end.strftime(KEY_FORMAT) if end else None,
        timezone="UTC",
        fmt=KEY_FORMAT,
    )


def backfill_policy() -> dg.BackfillPolicy:
    """The one policy of all assets: unequal ones would be chunked unequally."""
    import dagster as dg

    return dg.BackfillPolicy.multi_run(max_partitions_per_run=HOURS_PER_RUN)


def hour_key(moment: datetime) -> str:
    """The key of the hour that `moment` (timezone-aware) lies in."""
    return moment.astimezone(UTC).strftime(KEY_FORMAT)


def hour_start(key: str) -> datetime:
    """The first moment of an hour. Raises ContractError when the key is not one of ours."""
    try:
        return datetime.strptime(key, KEY_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise ContractError(f"“{key}” is not an hour. Write it like 2026-03-02T05 (UTC)") from error


def day_start(day: str) -> datetime:
    """The first moment of a UTC day like 2026-03-02."""
    return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)


def last_closed_hour(now: datetime) -> str:
    """The key of the newest hour that lies wholly before `now`."""
    return hour_key(now - HOUR)


def hours_between(first: str, last: str) -> list[str]:
    """All keys from `first` to `last`, both included; empty when `last` lies before `first`."""
    start, end = hour_start(first), hour_start(last)
    count = int((end - start) / HOUR) + 1
    return [hour_key(start + n * HOUR) for n in range(max(count, 0))]


def chunks_of(keys: list[str], size: int = HOURS_PER_RUN) -> list[tuple[str, str]]:
    """Contiguous ranges `(first, last)` of at most `size` hours that cover exactly `keys` (in
    any order, repeats allowed).
    """
    ranges: list[tuple[str, str]] = []
    count = 0
    for key in sorted(set(keys)):
        follows = bool(ranges) and hour_start(key) - hour_start(ranges[-1][1]) == HOUR
        if follows and count < size:
            ranges[-1], count = (ranges[-1][0], key), count + 1
        else:
            ranges.append((key, key))
            count = 1
    return ranges
