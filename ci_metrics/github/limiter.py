"""One limiter for all requests of the process to one GitHub: how many at once, how many a minute, and pauses.

What belongs here: waiting. Does not: reading GitHub's headers, which say how long (`llm/answers.py`).
GitHub's secondary limits (documentation "Rate limits for the REST API"): at most 100 requests at once and 900 points a
minute, a GET being one point. The defaults stay below both.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ci_metrics.errors import RateLimitedError


class Limiter:
    """Lets requests through, in bounds."""

    def __init__(
        self,
        *,
        concurrency: int = 8,
        per_minute: int = 850,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`concurrency`: requests at once; `per_minute`: requests in any 60 seconds."""
        self._slots = threading.BoundedSemaphore(concurrency)
        self._per_minute = per_minute
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._recent: deque[float] = deque()
        self._paused_until = 0.0

    @contextmanager
    def slot(self, patience: float) -> Iterator[None]:
        """Hold one of the slots while a request runs.

        Raises RateLimitedError at once when a pause is on that outlasts `patience` seconds: nothing is gained by waiting.
        """
        with self._slots:
            self._wait(patience)
            yield

    @contextmanager
    def free_slot(self) -> Iterator[None]:
        """Hold one of the slots without counting it: for hosts that are not GitHub's API."""
        with self._slots:
            yield

    def pause(self, seconds: float) -> float:
        """Nobody asks for `seconds` from now. Gives back by how many seconds this lengthens the pause that was on."""
        with self._lock:
            now = self._clock()
            before = max(self._paused_until, now)
            self._paused_until = max(before, now + seconds)
            return self._paused_until - before

    def _wait(self, patience: float) -> None:
        deadline = self._clock() + patience
        while True:
            with self._lock:
                now = self._clock()
                delay = self._paused_until - now
                if delay <= 0:
                    while self._recent and self._recent[0] <= now - 60:
                        self._recent.popleft()
                    if len(self._recent) < self._per_minute:
                        self._recent.append(now)
                        return
                    delay = self._recent[0] + 60 - now
                elif now + delay > deadline:
                    raise RateLimitedError(
                        f"GitHub's rate limit is used up for another {delay:.0f} s, longer than the {patience:.0f} s "
                        "that this program waits. What is missing is fetched later",
                        retry_after=delay,
                    )
            self._sleep(max(delay, 0.01))


_shared: dict[tuple[str, str], Limiter] = {}
_shared_lock = threading.Lock()


def shared_limiter(api_url: str, scope: str, *, local: bool = False) -> Limiter:
    """The process's one limiter for this host and this identity, however many clients there are.

    `local`: the host is this machine, a sample GitHub, which has no limit a minute.
    """
    with _shared_lock:
        key = (api_url, scope)
        if key not in _shared:
            _shared[key] = Limiter(per_minute=1_000_000) if local else Limiter()
        return _shared[key]
