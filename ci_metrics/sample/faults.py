"""Faults of the sample GitHub: what goes wrong, on which requests, how often.

What belongs here: the list of faults and the decision which one meets the next request. Does not:
carrying it out (`server_http.py`). Everything is counted, nothing is random, so that a failing test
fails again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Literal

FaultKind = Literal[
    "status",  # answer with `status` and GitHub's error JSON
    "primary_limit",  # 403, x-ratelimit-remaining: 0, reset in `seconds`
    "secondary_limit",  # `status` (403 or 429) with `retry-after: seconds`; without it when `seconds` is None
    "break",  # close the connection without an answer
    "cut",  # send the headers and half of the body, then close the connection
    "html",  # 200 with a proxy's HTML page
    "shape",  # 200 with JSON of another shape: {}
    "hang",  # wait `seconds`, then answer as usual
    "drip",  # one byte of the body every `seconds`
    "drip_head",  # one byte of headers without end every `seconds`
    "empty",  # 200 without a body
    "gzip",  # a body that is said to be gzip and is not
    "nested",  # 200 with JSON nested a hundred thousand times
    "not_modified",  # 304, whatever was asked
    "redirect_loop",  # a redirect to the same address
    # On the API only, the answer is otherwise good:
    "short",  # the last `count` entries of a page are missing; the total says otherwise
    "overcount",  # the total is `count` too large
    "undercount",  # the total is `count` too small
    "lost_page",  # no `Link`: the pages behind this one are lost
    "double_page",  # any page is the first one again
    "endless",  # the next page is said to be this one
    "foreign",  # the first `count` entries belong to another run of another repository
    "numbers",  # numbers that nothing depends on are 2^64 in the first `count` entries
    "ids",  # the ids of the first `count` entries are 2^64
    "hostile",  # names hold lone surrogates, NULs and control characters
    "megabyte",  # names of a megabyte
    "stepless",  # the first `count` jobs have no steps: null in one, no such field in the next
    "elsewhen",  # the first `count` entries were created a day earlier
    "attempts",  # the first `count` entries say that they are attempt 1,000
    # On an attempt's jobs only, the answer to another question:
    "earlier_jobs",  # the first attempt's jobs
    "runs_as_jobs",  # the run where its jobs should be
    # On the log storage only:
    "half",  # the storage has half of the log: whole by its length
    "half_unsized",  # half of what was asked for, without a length
    "unsized",  # all of it, without a length
    "html_as_text",  # a proxy's HTML page, said to be text/plain
    "packed",  # packed in a way that nobody asked for
    "checksum",  # a checksum that the log does not have
]


@dataclass(slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong: on requests of kind `on`, after `after` good ones, `times` times,
    every `every`-th.
    """

    kind: FaultKind
    on: str = "*"  # a kind of request (see server_routes.KINDS), or * for all
    repo: str = ""  # only requests about this repository; "": about any
    after: int = 0
    times: int | None = 1  # None: for ever
    every: int = 1
    status: int = 500
    seconds: float | None = None
    count: int = 3
    etag_lies: bool = False  # a spoilt answer has the good one's ETag
    seen: int = field(default=0, init=False)
    done: int = field(default=0, init=False)

    def meets(self, kind: str, path: str = "") -> bool:
        """Count a request of `kind` and say whether this fault strikes it."""
        if self.on not in ("*", kind) or (self.repo and f"/repos/{self.repo}/" not in path):
            return False
        self.seen += 1
        due = self.seen - self.after
        if due <= 0 or (due - 1) % self.every or (self.times is not None and self.done >= self.times):
            return False
        self.done += 1
        return True


class Faults:
    """The faults of one server; safe to change while it serves."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        """Start with `faults`, asked in this order: the first that strikes wins."""
        self._lock = threading.Lock()
        self._faults = list(faults)
        self.latency: float = 0.0  # seconds before every answer
        self.drift: float = 0.0  # seconds the world's clock moves after each page of runs: new runs push the pages on
        self.hidden_check_runs: set[int] = set()  # not on the suite's page, only when asked for directly
        self.capped_total: bool = False  # a filtered search says 1,000 when it has more

    def add(self, fault: Fault) -> Fault:
        """Add one fault behind the others and give it back, so that a test can read how often it
        struck.
        """
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """No faults any more: no latency, no drift either."""
        with self._lock:
            self._faults.clear()
            self.latency = self.drift = 0.0
            self.hidden_check_runs = set()
            self.capped_total = False

    def strike(self, kind: str, path: str = "") -> Fault | None:
        """The fault that meets this request, if any."""
        with self._lock:
            return next((fault for fault in self._faults if fault.meets(kind, path)), None)

    def as_json(self) -> dict[str, object]:
        """What is set, for the admin endpoint."""
        with self._lock:
            faults = [asdict(fault) for fault in self._faults]
        hidden = sorted(self.hidden_check_runs)
        return {"faults": faults, "latency": self.latency, "drift": self.drift, "hidden_check_runs": hidden}
