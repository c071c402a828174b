"""How long and how often we try: the bounds that keep every request from going on for ever.

What belongs here: the numbers, and repeating within them. Does not: what is repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tenacity

from ci_metrics.errors import RateLimitedError, TransientError

#: Times one request is sent before its 5xx or broken connection is given up, and seconds between: random, growing.
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Patience:
    """How long, in seconds, one request may wait for limits, all of a client's may, and the longest pause between retries."""

    request: float = 300.0
    total: float = 1800.0
    retry: float = 20.0


def retrying(patience: Patience, sleep: Callable[[float], None]) -> tenacity.Retrying:
    """Again after a TransientError, `ATTEMPTS` times in all, with growing random pauses; never after a used-up limit."""
    return tenacity.Retrying(
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=patience.retry),
        retry=tenacity.retry_if_exception(
            lambda e: isinstance(e, TransientError) and not isinstance(e, RateLimitedError)
        ),
        sleep=sleep,
        reraise=True,
    )
