"""How many calls leave for one server: at once, in any minute, with how many tokens, and pauses
that the server asked for.

What belongs here: waiting before a call. Does not: which server allows how much
(`github/rate_limits.py`, `llm/clients.py`), trying again (`retrying.py`), money
(`verdicts/budget.py`).
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ci_metrics.errors import RateLimitedError

_MINUTE = 60.0


class Call:
    """One call that was let through."""

    def __init__(self, when: float, tokens: int) -> None:
        """`when` in the limiter's seconds; `tokens` as estimated."""
        self.when, self.tokens = when, tokens

    def took(self, tokens: int) -> None:
        """The tokens that the call really took, in place of the estimate."""
        self.tokens = tokens


class Limiter:
    """Lets calls of all threads through, in bounds. One for each server and identity.

    A call with more tokens than a minute allows waits until the minute is otherwise empty, so
    that it goes through at all.
    """

    def __init__(
        self,
        *,
        per_minute: int,
        concurrency: int = 8,
        tokens_per_minute: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`per_minute` calls in any 60 seconds, `concurrency` at once. `clock` and `sleep`
        in seconds, given by tests.
        """
        self._slots = threading.BoundedSemaphore(concurrency)
        self._per_minute, self._tokens_per_minute = per_minute, tokens_per_minute
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._calls: deque[Call] = deque()
        self._paused_until = -math.inf

    @contextmanager
    def slot(self, patience: float = math.inf, *, tokens: int = 0) -> Iterator[Call]:
        """Hold a slot while a call of about `tokens` runs.

        Raises RateLimitedError at once when a pause is on that outlasts `patience` seconds:
        nothing is gained by waiting.
        """
        with self._slots:
            yield self._admitted(patience, tokens)

    @contextmanager
    def free_slot(self) -> Iterator[None]:
        """Hold a slot without counting the call: for hosts that are not the limited server."""
        with self._slots:
            yield

    def pause(self, seconds: float) -> float:
        """Nobody calls for `seconds` from now. Gives back by how many seconds this
        lengthens the pause that was on.
        """
        with self._lock:
            now = self._clock()
            before = max(self._paused_until, now)
            self._paused_until = max(before, now + seconds)
            return self._paused_until - before

    def _admitted(self, patience: float, tokens: int) -> Call:
        deadline = self._clock() + patience
        while True:
            with self._lock:
                now = self._clock()
                pause = self._paused_until - now
                if pause > 0 and now + pause > deadline:
                    raise RateLimitedError(
                        f"The server's rate limit is used up for another {pause:.0f} s, longer than the {patience:.0f} s that this "
                        "program waits. What is missing is fetched later",
                        retry_after=pause,
                    )
                delay = max(pause, self._room_in(now, tokens))
                if delay <= 0:
                    call = Call(now, tokens)
                    self._calls.append(call)
                    return call
            self._sleep(max(delay, 0.01))

    def _room_in(self, now: float, tokens: int) -> float:
        """Seconds until this minute has room for the call."""
        while self._calls and self._calls[0].when <= now - _MINUTE:
            self._calls.popleft()
        if not self._calls:
            return 0.0
        wait = 0.0
        if len(self._calls) >= self._per_minute:
            wait = self._calls[len(self._calls) - self._per_minute].when + _MINUTE - now
        excess = sum(call.tokens for call in self._calls) + tokens - self._tokens_per_minute
        if excess <= 0:
            return wait
        for call in self._calls:
            excess -= call.tokens
            if excess <= 0:
                break
        return max(wait, call.when + _MINUTE - now)
