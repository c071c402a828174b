"""How a call over a network is tried again: one policy for GitHub, its log
storage, models and webhooks.

What belongs here: the bounds, repeating within them, reading `retry-after`. Does not: what an
answer means (each client says it by raising a TransientError or a PermanentError), how many calls
leave at once (`limits.py`).

One layer retries. SDKs are told not to (`max_retries=0`), and nothing that is repeated
calls what repeats itself.
"""

from __future__ import annotations

import email.utils
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import tenacity

from ci_metrics.errors import RateLimitedError, TransientError

#: The longest wait that an answer can ask for, in seconds: a quota is full again within an
#: hour, so more is a mistake.
_LONGEST_WAIT = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long one call is tried: `attempts` times in all; between them random
    pauses that double, in seconds.
    """

    attempts: int = 5
    first_wait: float = 0.5
    longest_wait: float = 20.0


def retrying(
    policy: RetryPolicy,
    *,
    sleep: Callable[[float], None] = time.sleep,
    pause: Callable[[float], object] | None = None,
) -> tenacity.Retrying:
    """Repeats what raises a TransientError, then raises its last exception:
    `retrying(policy)(call)`, or a loop over it.

    A RateLimitedError is repeated only with `pause`, where its wait is not above the policy's
    longest: then everybody waits as long as the server asked for (`pause` is a limiter's).
    """

    def again(failure: BaseException) -> bool:
        if isinstance(failure, RateLimitedError):
            return pause is not None and failure.retry_after <= policy.longest_wait
        return isinstance(failure, TransientError)

    def wait(state: tenacity.RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        if isinstance(failure, RateLimitedError) and pause is not None:
            pause(failure.retry_after)
            return failure.retry_after
        longest: float = min(policy.longest_wait, policy.first_wait * 2 ** (state.attempt_number - 1))
        return longest * random.uniform(0.5, 1.0)

    return tenacity.Retrying(
        stop=tenacity.stop_after_attempt(policy.attempts),
        wait=wait,
        retry=tenacity.retry_if_exception(again),
        sleep=sleep,
        reraise=True,
    )


def seconds_to_wait(retry_after: str | None) -> float | None:
    """Seconds from now that a `retry-after` header names, as a number or as a
    date; None when it names none.
    """
    if not retry_after:
        return None
    try:
        seconds = float(retry_after)
        return None if math.isnan(seconds) else _bounded(seconds)
    except ValueError:
        when = unix_seconds(retry_after)
        return None if when is None else _bounded(when - time.time())


def _bounded(seconds: float) -> float:
    """A wait that can be meant: no less than none, no more than `_LONGEST_WAIT`."""
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def unix_seconds(date: str) -> float | None:
    """A header's date in Unix seconds; None when it is none."""
    try:
        parsed = email.utils.parsedate_tz(date)
        return None if parsed is None else email.utils.mktime_tz(parsed)
    except (ValueError, OverflowError):
        return None
