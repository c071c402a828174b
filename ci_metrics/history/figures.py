"""The numbers of a stretch of time, as records.

What belongs here: what is known of its jobs, failures, lost time, waiting and spending, and what
follows from that. Does not: counting (`job_counts.py`), showing (`page.py`, `charts.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ci_metrics.history.failures import Failure
from ci_metrics.history.metrics import share
from ci_metrics.history.money import Money
from ci_metrics.history.time_range import Window


@dataclass(slots=True)
class Bucket:
    """One hour, day or week. `lost` in seconds, `cost` in US dollars."""

    start: datetime
    passed: int = 0
    failed: int = 0
    lost: float = 0
    cost: float = 0
    by_type: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float | None:
        """Failed jobs among those that passed or failed; None when there was neither."""
        return share(self.failed, self.failed + self.passed)


@dataclass(frozen=True, slots=True)
class Totals:
    """A stretch of time in its three most important numbers. `lost` in seconds."""

    passed: int
    failed: int
    lost: float

    @property
    def rate(self) -> float | None:
        """Failed jobs among those that passed or failed."""
        return share(self.failed, self.failed + self.passed)


class Counts(Protocol):
    """What a story says of all jobs of a stretch: `Figures` in short."""

    @property
    def window(self) -> Window:
        """The stretch."""

    @property
    def jobs(self) -> int:
        """Jobs that passed or failed."""

    @property
    def failed(self) -> int:
        """Of these, failures."""

    @property
    def lost(self) -> float:
        """Seconds."""

    @property
    def branch_kinds(self) -> Mapping[str, Row]:
        """Default, pull_request and other apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InShort:
    """See `Counts`."""

    window: Window
    jobs: int
    failed: int
    lost: float
    branch_kinds: Mapping[str, Row]


@dataclass(slots=True)
class Row:
    """One value of a field: how many jobs passed and failed, and the seconds lost."""

    name: str
    passed: int = 0
    failed: int = 0
    lost: float = 0
    kinds: dict[str, Row] = field(default_factory=dict)  # by what the jobs ran on; filled where rates are shown apart

    @property
    def rate(self) -> float | None:
        """Failed jobs among those that passed or failed."""
        return share(self.failed, self.failed + self.passed)

    def kind(self, name: str) -> Row:
        """The same for jobs that ran on one kind of branch (`metrics.branch_kind_of`)."""
        return self.kinds.setdefault(name, Row(name))


@dataclass(frozen=True, slots=True)
class Wait:
    """One job that waited for a runner, seconds."""

    seconds: float
    repo: str
    job: str
    url: str
    when: datetime


@dataclass(frozen=True, slots=True)
class Queue:
    """How long jobs of one pool of runners waited, seconds."""

    name: str
    jobs: int
    median: float
    p90: float
    longest: float
    waits: tuple[Wait, ...]


@dataclass(slots=True)
class Spend:
    """What models were paid. Cached tokens are part of the prompt's."""

    cost: float = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    asked: int = 0  # failed jobs for which a model was asked
    models: Counter[str] = field(default_factory=Counter)  # name -> failed jobs whose verdict it gave


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A stretch of time in numbers. Failures are newest first."""

    window: Window
    seen: int  # jobs of all conclusions, and of none yet
    passed: int
    failed: int
    gates: int  # jobs that failed only because others of their run did
    cancelled: int  # without a cause of their own
    unfinished: int
    lost: float
    lost_by_failure: Mapping[str, float]  # by document id
    buckets: tuple[Bucket, ...]
    types: tuple[Row, ...]  # classified failures, most lost first
    states: dict[str, int]  # of the failures
    branch_kinds: Mapping[str, Row]  # default, pull_request and other apart; only those there are
    workflows: tuple[Row, ...]  # named "repo · workflow", most lost first
    queues: tuple[Queue, ...]  # slowest (90 of 100 jobs) first
    spend: Spend
    repos: tuple[str, ...]
    failures: tuple[Failure, ...]
    money: Money  # what the runners of all these jobs cost
    lost_usd: float = 0.0  # of runners, for failed attempts and the re-runs they caused

    @property
    def jobs(self) -> int:
        """Jobs that passed or failed."""
        return self.passed + self.failed

    @property
    def rate(self) -> float | None:
        """Failed jobs among those that passed or failed."""
        return share(self.failed, self.jobs)

    @property
    def unexplained(self) -> int:
        """Failures without a category: unknown, without a log, without an
        error in it, or still open.
        """
        return sum(1 for failure in self.failures if failure.state != "classified")


def workflow_name(repo: str, workflow: str) -> str:
    """How a repository's workflow is named in tables."""
    return f"{repo} · {workflow}"
