"""How long requests to GitHub wait for its limits, and how they are tried again.

What belongs here: the numbers. Does not: repeating (`retrying.py`), waiting (`limits.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from ci_metrics.retrying import RetryPolicy


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
