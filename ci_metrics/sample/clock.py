"""The sample GitHub's clock: what time it is in its world.

What belongs here: reading, setting and moving that time. Does not: the machine's time,
which alone decides about rate limits, signatures and tokens, because clients measure
those with their own clock.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta


class Clock:
    """A clock that stands still until it is moved, so that two looks at
    the same world see the same.
    """

    def __init__(self, now: datetime) -> None:
        """Start at `now` (timezone-aware)."""
        if now.tzinfo is None:
            raise ValueError(f"the clock needs a timezone-aware time, not {now.isoformat()}")
        self._now = now
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The world's time."""
        with self._lock:
            return self._now

    def set(self, now: datetime) -> None:
        """Jump to `now`, forwards or backwards."""
        if now.tzinfo is None:
            raise ValueError(f"the clock needs a timezone-aware time, not {now.isoformat()}")
        with self._lock:
            self._now = now

    def advance(self, seconds: float) -> datetime:
        """Move by `seconds` and say what time it is then."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
            return self._now
