"""What GitHub allows one identity: the limiter that all its clients in this process share.

What belongs here: GitHub's numbers. Does not: waiting (`limits.py`), reading
GitHub's headers (`answers.py`).
"""

from __future__ import annotations

import threading

from ci_metrics.limits import Limiter

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
