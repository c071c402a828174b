"""The stretch of time that people ask about, and how they write it.

What belongs here: parsing moments, the default stretch, its buckets. Does not: reading anything but
the newest and oldest document's time. All times are UTC.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from ci_metrics.errors import SettingsError
from ci_metrics.index.document_index import DocumentIndex, Where
from ci_metrics.index.times import iso

TIME = "@timestamp"

#: How far back a report looks when nobody says.
DEFAULT_DAYS = 28

#: With nothing younger than this, the default stretch ends with the newest document, not with now.
SILENT = timedelta(days=2)

_AGO = re.compile(r"(\d{1,5})\s*(h|d|w)")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)

Interval = Literal["hour", "day", "week"]
_STEPS: dict[Interval, timedelta] = {"hour": timedelta(hours=1), "day": _DAY, "week": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` (included) to `end` (excluded), both UTC."""

    start: datetime
    end: datetime

    @property
    def days(self) -> float:
        """Its length in days."""
        return (self.end - self.start) / _DAY

    @property
    def step(self) -> Interval:
        """The bucket that keeps a chart readable: hours for two days, days
        for four months, then weeks.
        """
        return "hour" if self.days <= 2 else "day" if self.days <= 120 else "week"

    @property
    def before(self) -> Window:
        """The equally long stretch just before this one."""
        return Window(self.start - (self.end - self.start), self.start)

    def where(self, repos: Sequence[str] = ()) -> Where:
        """The documents of this stretch, of these repositories (none: of all)."""
        equals = {"s_repo": tuple(repos)} if repos else {}
        return Where(equals=equals, ranges={TIME: (iso(self.start), iso(self.end))})

    def bucket_of(self, moment: datetime) -> datetime:
        """The start of the bucket that `moment` lies in; weeks start on Monday."""
        step, moment = self.step, moment.astimezone(UTC)
        start = datetime(moment.year, moment.month, moment.day, moment.hour if step == "hour" else 0, tzinfo=UTC)
        return start - timedelta(days=start.weekday()) if step == "week" else start

    def buckets(self) -> list[datetime]:
        """The starts of all its buckets, in order, the empty ones too."""
        found = [self.bucket_of(self.start)]
        while found[-1] + _STEPS[self.step] < self.end:
            found.append(found[-1] + _STEPS[self.step])
        return found

    def tick(self, bucket: datetime) -> str:
        """A bucket as an axis shows it: shorter than its label."""
        return bucket.strftime("%H:00" if self.step == "hour" and bucket.hour else "%d %b")

    def label(self, bucket: datetime) -> str:
        """A bucket in words."""
        return bucket.strftime("%d %b %H:00" if self.step == "hour" else "%d %b")

    def __str__(self) -> str:
        """The stretch in words; a midnight end is shown as the day before it."""
        if self.start.hour or self.end != self.end.replace(hour=0, minute=0, second=0, microsecond=0):
            return f"{self.start:%d %b %Y %H:%M} to {self.end:%d %b %Y %H:%M} UTC"
        last = self.end - _DAY
        return f"{self.start:%d %b %Y}" + ("" if last <= self.start else f" to {last:%d %b %Y}")


def moment_of(text: str) -> datetime:
    """A document's time. Raises ValueError when it is none."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def parse_moment(text: str, now: datetime, option: str, *, end: bool = False) -> datetime:
    """What a person wrote: `2026-11-20`, `2026-11-20T05`, `2026-11-20T05:30`, or
    `36h`, `7d`, `2w` before `now`.

    With `end`, a date alone means the end of that day, and an hour alone the end of that hour.
    Raises SettingsError naming `option`.
    """
    ago = _AGO.fullmatch(text.strip().lower())
    if ago:
        return now - int(ago[1]) * _UNITS[ago[2]]
    try:
        moment = moment_of(text.strip())
    except ValueError as error:
        raise SettingsError(
            option, f"“{text}” is not a time", "Write 2026-11-20, 2026-11-20T05:30 (UTC), or 36h, 7d, 2w for before now"
        ) from error
    if not end:
        return moment
    whole = {10: _DAY, 13: _HOUR}  # by how much was written: 2026-11-20, 2026-11-20T05
    return moment + whole.get(len(text.strip()), timedelta(0))


def asked_window(since: str | None, until: str | None, now: datetime) -> Window | None:
    """The stretch between two options as written; None when neither is given. Raises
    SettingsError when it is empty.
    """
    if since is None and until is None:
        return None
    end = parse_moment(until, now, "--to", end=True) if until else now
    start = parse_moment(since, now, "--from") if since else end - DEFAULT_DAYS * _DAY
    if start >= end:
        raise SettingsError(
            "--from", f"{start:%Y-%m-%d %H:%M} is not before {end:%Y-%m-%d %H:%M}", "Swap or widen them"
        )
    return Window(start, end)


def default_window(index: DocumentIndex, now: datetime, repos: Sequence[str] = ()) -> Window:
    """The last `DEFAULT_DAYS` days that the index knows of, from a midnight.

    It ends with today; when nothing is that young (a sample, a stopped ingestion), with the newest
    document's hour: a week is counted back from there, not from a day of five minutes. It starts no
    earlier than the oldest document's day, so that a young index has no empty weeks.
    """
    repo = {"s_repo": tuple(repos)} if repos else {}
    newest = _edge(index, Where(equals=repo), "-" + TIME)
    if newest is None:
        end = _midnight_after(now)
        return Window(end - DEFAULT_DAYS * _DAY, end)
    newest_hour = newest.replace(minute=0, second=0, microsecond=0) + _HOUR
    end = _midnight_after(now) if newest > now - SILENT else newest_hour
    start = _midnight_after(end - DEFAULT_DAYS * _DAY - timedelta(microseconds=1))
    oldest = _edge(index, Window(start, end).where(repos), TIME)
    if oldest is not None:
        start = max(start, _midnight_after(oldest) - _DAY)
    # A young index ends with its newest hour: tomorrow's midnight would only add empty buckets.
    if end - start <= 2 * _DAY:
        end = min(end, newest_hour)
    return Window(start, end)


def newest_document(index: DocumentIndex, where: Where | None = None) -> datetime | None:
    """The newest job's time; None when there is none."""
    return _edge(index, where or Where(), "-" + TIME)


def oldest_document(index: DocumentIndex, where: Where | None = None) -> datetime | None:
    """The oldest job's time; None when there is none."""
    return _edge(index, where or Where(), TIME)


def _edge(index: DocumentIndex, where: Where, sort: str) -> datetime | None:
    for document in index.scan("jobs", where, fields=(TIME,), sort=sort, limit=1):
        return moment_of(str(document.body[TIME]))
    return None


def _midnight_after(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + _DAY
