"""What runners cost: billed minutes and US dollars at list price, by labels, workflow and
repository; pure.

What belongs here: adding up what jobs' documents say. Does not: prices
(`index/runner_prices.py`), what failures cost (`lost_time.py`), models (`job_counts.py`).

It is the price of the minutes, not a bill: standard runners are free for public repositories, and
minutes included in a plan are not taken off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ci_metrics.history.metrics import FAILURE
from ci_metrics.index.document_index import Body

#: Of a job's price in dollars (`index/runner_prices.py`).
DECIMALS = 4


@dataclass(slots=True)
class Cost:
    """The runners of some jobs. Minutes are billed ones: each job's begun minute is whole."""

    name: str
    jobs: int = 0
    minutes: int = 0
    dollars: float = 0
    unpriced: int = 0  # of the minutes: the price of their labels is not known
    failed_dollars: float = 0  # of failed jobs, without the re-runs they caused

    def add(self, minutes: int, dollars: float | None, *, failed: bool, jobs: int = 1) -> None:
        """Count a job, or several that failed or did not. A job's dollars have `DECIMALS`, so their
        sum has no more, whichever way it was added up.
        """
        self.jobs += jobs
        self.minutes += minutes
        if dollars is None:
            self.unpriced += minutes
            return
        self.dollars = round(self.dollars + dollars, DECIMALS)
        self.failed_dollars = round(self.failed_dollars + dollars * failed, DECIMALS)


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
        repo, workflow = str(body.get("s_repo") or ""), str(body.get("s_workflow_name") or "")
        labels = tuple(map(str, body.get("s_runner_labels") or ()))
        cost = body.get("f_runner_cost_usd")
        dollars = None if cost is None else float(cost)
        self.add_jobs(repo, workflow, labels, int(minutes), dollars, failed=FAILURE.holds(body))

    def add_jobs(
        self,
        repo: str,
        workflow: str,
        labels: Sequence[str],
        minutes: int,
        dollars: float | None,
        *,
        failed: bool,
        jobs: int = 1,
    ) -> None:
        """Count so many jobs that runners took, with their minutes and dollars together."""
        for table, name in (
            (self.by_labels, ", ".join(labels) or "no label"),
            (self.by_workflow, f"{repo} · {workflow}"),
            (self.by_repo, repo),
        ):
            table.setdefault(name, Cost(name)).add(minutes, dollars, failed=failed, jobs=jobs)
        self.total.add(minutes, dollars, failed=failed, jobs=jobs)


def dearest(costs: Iterable[Cost]) -> list[Cost]:
    """Most dollars first, then most minutes."""
    return sorted(costs, key=lambda cost: (-cost.dollars, -cost.minutes, cost.name))
