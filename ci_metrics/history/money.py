"""What runners cost: billed minutes and US dollars at list price, by labels, workflow and
repository; pure.

What belongs here: adding up what jobs' documents say. Does not: prices
(`index/runner_prices.py`), what failures cost (`lost_time.py`), models (`figures.py`).

It is the price of the minutes, not a bill: standard runners are free for public repositories, and
minutes included in a plan are not taken off.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ci_metrics.history.metrics import FAILURE
from ci_metrics.index.base import Body


@dataclass(slots=True)
class Cost:
    """The runners of some jobs. Minutes are billed ones: each job's begun minute is whole."""

    name: str
    jobs: int = 0
    minutes: int = 0
    dollars: float = 0
    unpriced: int = 0  # of the minutes: the price of their labels is not known
    failed_dollars: float = 0  # of failed jobs, without the re-runs they caused

    def add(self, minutes: int, dollars: float | None, *, failed: bool) -> None:
        """Count a job."""
        self.jobs += 1
        self.minutes += minutes
        if dollars is None:
            self.unpriced += minutes
            return
        self.dollars += dollars
        self.failed_dollars += dollars * failed


@dataclass(slots=True)
class Money:
    """The runners of a stretch of time, as a whole and by what they are told apart."""

    total: Cost = field(default_factory=lambda: Cost("all"))
    by_labels: dict[str, Cost] = field(default_factory=dict)
    by_workflow: dict[str, Cost] = field(default_factory=dict)
    by_repo: dict[str, Cost] = field(default_factory=dict)

    def add(self, body: Body) -> None:
        """Count a job's document; one that no runner took counts nothing."""
        minutes = body.get("l_runner_minutes")
        if minutes is None:
            return
        labels = body.get("s_runner_labels") or []
        repo = str(body.get("s_repo") or "")
        for table, name in (
            (self.by_labels, ", ".join(map(str, labels)) or "no label"),
            (self.by_workflow, f"{repo} · {body.get('s_workflow_name') or ''}"),
            (self.by_repo, repo),
        ):
            self._add(table.setdefault(name, Cost(name)), body, int(minutes))
        self._add(self.total, body, int(minutes))

    @staticmethod
    def _add(cost: Cost, body: Body, minutes: int) -> None:
        dollars = body.get("f_runner_cost_usd")
        cost.add(minutes, None if dollars is None else float(dollars), failed=FAILURE.holds(body))


def dearest(costs: Iterable[Cost]) -> list[Cost]:
    """Most dollars first, then most minutes."""
    return sorted(costs, key=lambda cost: (-cost.dollars, -cost.minutes, cost.name))
