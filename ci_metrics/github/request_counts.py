"""Requests counted: how many, of which kind, what they cost, what is left.

What belongs here: the numbers. Does not: deciding anything from them.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ci_metrics.github.answers import whole_number


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCount:
    """Requests to GitHub's API so far. Downloads from the log storage cost no quota:
    they are only in `by_kind`.
    """

    total: int = 0  # sent to the API, retries included
    counted: int = 0  # that took from the quota: not a 304, nor of the quota, a token, GraphQL
    not_modified: int = 0  # answered 304
    retried: int = 0  # sent again after a 5xx, a broken connection or a limit
    by_kind: Mapping[str, int] = field(default_factory=dict)  # runs, attempt, jobs, check_runs, annotations, log, ...
    remaining: int | None = None  # quota left, as the last answer said; None when it does not say

    def __sub__(self, earlier: RequestCount) -> RequestCount:
        """What was spent since `earlier`; `remaining` is the newer one."""
        kinds = Counter(self.by_kind)
        kinds.subtract(earlier.by_kind)
        return RequestCount(
            total=self.total - earlier.total,
            counted=self.counted - earlier.counted,
            not_modified=self.not_modified - earlier.not_modified,
            retried=self.retried - earlier.retried,
            by_kind={kind: number for kind, number in sorted(kinds.items()) if number},
            remaining=self.remaining,
        )


#: Kinds of requests that never take from the quota.
_FREE = frozenset({"rate_limit", "token", "installations", "graphql"})
STORAGE = "log_storage"


class RequestCounts:
    """The running count of one client; safe for many threads."""

    def __init__(self) -> None:
        """Start at zero."""
        self._lock = threading.Lock()
        self._kinds: Counter[str] = Counter()
        self._total = self._counted = self._not_modified = self._retried = 0
        self._remaining: int | None = None

    def sent(self, kind: str, *, again: bool) -> None:
        """A request goes out; `again` when it is a repetition."""
        with self._lock:
            self._kinds[kind] += 1
            self._total += kind != STORAGE
            self._retried += again

    def answered(self, kind: str, status: int, remaining: str | None) -> None:
        """An answer came in; `remaining` is its `x-ratelimit-remaining`."""
        with self._lock:
            self._not_modified += status == 304
            self._counted += status != 304 and kind not in _FREE and kind != STORAGE
            self._remaining = whole_number(remaining or "") if remaining else self._remaining

    def snapshot(self) -> RequestCount:
        """The count now."""
        with self._lock:
            return RequestCount(
                total=self._total,
                counted=self._counted,
                not_modified=self._not_modified,
                retried=self._retried,
                by_kind=dict(sorted(self._kinds.items())),
                remaining=self._remaining,
            )
