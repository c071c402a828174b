"""MAX_USD_PER_HOUR: dollars spent on a model in the current hour, across processes.

What belongs here: reserving before a call, settling after it. Does not: prices (`llm/prices.py`),
what happens to what cannot be afforded (`judge.py` leaves it pending).

The hour is the UTC clock hour, so that a later tick of the hourly schedule has money again. Every
process notes what it has spent in it where verdicts are kept, whether a verdict came of it or not;
what others noted is read at most once a minute.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ci_metrics.errors import CiMetricsError

_log = logging.getLogger(__name__)

_REREAD = timedelta(minutes=1)


def utc_now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)


def process_name() -> str:
    """A name of its own for a process's part in something shared: where it runs, its
    number, and a random word.
    """
    return f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:6]}"


class Budget:
    """Dollars for one clock hour. `limit` None: no limit, everything is only counted."""

    def __init__(
        self,
        limit: float | None,
        *,
        clock: Callable[[], datetime] = utc_now,
        spent_elsewhere: Callable[[datetime], float] | None = None,
        note: Callable[[str, datetime, float], None] | None = None,
    ) -> None:
        """`spent_elsewhere(since)`: dollars that all processes noted since then, this one included.

        `note(process, hour, dollars)` notes what this process has spent in a clock hour so far,
        in place of its last note.
        """
        self.limit = limit
        self._clock, self._spent_elsewhere = clock, spent_elsewhere
        self._note, self._process = note, process_name()
        self._noting = threading.Lock()
        self._to_note: tuple[datetime, float] | None = None
        self._noted: tuple[datetime, float] | None = None
        self._lock = threading.Condition()
        self._hour: datetime | None = None
        self._own = 0.0
        self._known = 0.0  # spent by everyone when last looked
        self._own_then = 0.0
        self._reserved = 0.0
        self._read_at: datetime | None = None

    def reserve(self, dollars: float, *, wait: bool = True) -> bool:
        """Set `dollars` aside for one call; False when the hour cannot afford it.
        Settle what was reserved.

        Estimates are larger than what calls cost. So with `wait`, when only the reservations of
        other threads stand in the way, this waits until they are settled. A thread that holds a
        reservation must not wait for another one.
        """
        with self._lock:
            while True:
                self._turn()
                if self.limit is None or dollars <= 0 or self._spent() + self._reserved + dollars <= self.limit:
                    self._reserved += dollars
                    return True
                if not wait or self._reserved <= 0 or self._spent() + dollars > self.limit:
                    return False
                self._lock.wait()

    def settle(self, reserved: float, spent: float, *, noted: bool = False) -> None:
        """A call for which `reserved` was set aside is over and cost `spent` dollars.

        `noted`: somebody else keeps a note of it (the ledger of batches does).
        """
        with self._lock:
            self._turn()
            self._reserved = 0.0 if self._reserved - reserved < 1e-12 else self._reserved - reserved
            self._own += spent
            if spent and not noted and self._hour is not None:
                before = self._to_note[1] if self._to_note and self._to_note[0] == self._hour else 0.0
                self._to_note = self._hour, before + spent
            self._lock.notify_all()
        self._keep_note()

    def _keep_note(self) -> None:
        """Write the newest note; of several threads that come at once, one writes for all."""
        if self._note is None:
            return
        with self._noting:
            with self._lock:
                due = self._to_note
            if due is None or due == self._noted:
                return
            try:
                self._note(self._process, *due)
            except CiMetricsError as error:
                _log.warning(
                    "⚠️ What was spent in this hour could not be noted; other processes do not see it: %s", error
                )
                return
            self._noted = due

    @property
    def spent(self) -> float:
        """Dollars spent in the current hour, as far as this process knows."""
        with self._lock:
            self._turn()
            return self._spent()

    def _turn(self) -> None:
        now = self._clock()
        hour = now.replace(minute=0, second=0, microsecond=0)
        if hour != self._hour:
            self._hour, self._own, self._known, self._own_then, self._read_at = hour, 0.0, 0.0, 0.0, None
        if self.limit is None or self._spent_elsewhere is None:
            return
        if self._read_at is None or now - self._read_at >= _REREAD:
            # The index may lag: never less than this process's own count.
            self._known = max(self._spent_elsewhere(hour), self._own)
            self._own_then, self._read_at = self._own, now

    def _spent(self) -> float:
        return self._known + (self._own - self._own_then)
