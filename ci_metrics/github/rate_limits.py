"""What GitHub allows one identity, how long requests wait for that, and how they are tried again.

What belongs here: the numbers, and the limiter that all clients of an identity in this process
share. Does not: waiting (`limits.py`), repeating (`retrying.py`), GitHub's headers (`answers.py`).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from ci_metrics.limits import Limiter
from ci_metrics.retrying import RetryPolicy

#: Below GitHub's secondary limits (documentation "Rate limits for the REST API"): 100 requests at
#: once and 900 points a minute, a GET being one point.
AT_ONCE, PER_MINUTE = 8, 850

_shared: dict[tuple[str, str], Limiter] = {}
_shared_lock = threading.Lock()


def shared_limiter(api_url: str, scope: str, *, local: bool = False) -> Limiter:
    """The process's one limiter for this host and this identity, however many clients there are.

    `local`: the host is this machine, a sample GitHub, which has no limit a minute.
    """
    with _shared_lock:
        key = (api_url, scope)
        if key not in _shared:
            _shared[key] = Limiter(concurrency=AT_ONCE, per_minute=1_000_000 if local else PER_MINUTE)
        return _shared[key]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long, in seconds, one request may wait for limits, all of a client's may, and the
    longest pause between retries.
    """

    request: float = 300.0
    total: float = 1800.0
    retry: float = 20.0

    @property
    def policy(self) -> RetryPolicy:
        """How often a request is sent before its 5xx or broken connection is given up."""
        return RetryPolicy(longest_wait=self.retry)
