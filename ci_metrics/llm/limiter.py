"""One limiter for all model calls of a process: requests a minute, tokens a minute, and pauses the server asked for.

What belongs here: waiting before a call. Does not: retries (`retry_policy.py`), money (`budget.py`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

_MINUTE = 60.0


class Limiter:
    """At most `rpm` calls and about `tpm` tokens in any 60 seconds, shared by all threads.

    A call's tokens are estimated before it and corrected after it (`settle`). One call larger than `tpm` waits until
    the minute is otherwise empty, so that it goes through at all.
    """

    def __init__(
        self,
        *,
        rpm: int,
        tpm: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`clock` and `sleep` in seconds, monotonic; given by tests."""
        self._rpm, self._tpm = rpm, tpm
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._calls: deque[list[float]] = deque()  # [when, tokens]
        self._resume_at = float("-inf")

    def acquire(self, tokens: int) -> Callable[[int], None]:
        """Wait until a call of about `tokens` may go out. Call what it returns with the tokens it really took."""
        while True:
            with self._lock:
                now = self._clock()
                wait = self._wait(now, tokens)
                if wait <= 0:
                    call = [now, float(tokens)]
                    self._calls.append(call)

                    def settle(actual: int, call: list[float] = call) -> None:
                        with self._lock:
                            call[1] = float(actual)

                    return settle
            self._sleep(wait)

    def pause(self, seconds: float) -> None:
        """No call leaves for that long: the server said so to one of them, and it holds for all."""
        with self._lock:
            self._resume_at = max(self._resume_at, self._clock() + seconds)

    def _wait(self, now: float, tokens: int) -> float:
        while self._calls and self._calls[0][0] <= now - _MINUTE:
            self._calls.popleft()
        wait = self._resume_at - now
        if len(self._calls) >= self._rpm:
            wait = max(wait, self._calls[len(self._calls) - self._rpm][0] + _MINUTE - now)
        spent = sum(call[1] for call in self._calls)
        if self._calls and spent + tokens > self._tpm:
            wait = max(wait, self._freed_at(spent + tokens - self._tpm) - now)
        return wait

    def _freed_at(self, excess: float) -> float:
        """When enough old calls have left the minute for `excess` tokens to be free, or all have."""
        latest = 0.0
        for when, taken in self._calls:
            latest = when
            excess -= taken
            if excess <= 0:
                break
        return latest + _MINUTE
