"""What fails most: rows of `ci-metrics top`, answered alike by both indices.

What belongs here: counting failures by one thing, with rates and lost time. Does not:
printing, groups (`groups.py`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ci_metrics.history.attempts import first_line, narrowed
from ci_metrics.history.failures import Failure, failure_of
from ci_metrics.history.groups import groups
from ci_metrics.history.lost_time import losses_and_costs
from ci_metrics.history.metrics import FAILURE, MAYBE_FAILED, PASSED, branch_kind_of, share
from ci_metrics.history.search import fields_of_kind
from ci_metrics.index.document_index import Document, DocumentIndex, Kind, Where
from ci_metrics.telling_quote import headline

#: What can be counted by: the word -> the fields that name it. `groups` is answered by `groups.py`.
BY: dict[str, tuple[str, ...]] = {
    "groups": ("s_error_group",),
    "types": ("s_error_type",),
    "states": ("s_error_state",),
    "repos": ("s_repo",),
    "workflows": ("s_repo", "s_workflow_name"),
    "jobs": ("s_repo", "s_workflow_name", "s_job_name"),
    "steps": ("s_repo", "s_workflow_name", "s_job_name", "s_step_name"),
    "branches": ("s_repo", "s_branch"),
    "runners": ("s_runner_prefix",),
    "events": ("s_github_event",),
}

#: Fields that only failed jobs have: there is no failure rate by them.
_OF_FAILURES = frozenset({"s_error_group", "s_error_type", "s_error_state"})


@dataclass(slots=True)
class TopRow:
    """One thing that fails. `jobs` counts those that passed or failed, None
    where there is no such count.
    """

    name: str
    failed: int = 0
    jobs: int | None = None
    share: float = 0  # of all failures, 0 to 1
    lost_minutes: float = 0
    lost_usd: float = 0  # of runners meanwhile, at list price
    last_seen: datetime | None = None
    error_type: str = ""  # the most common
    headline: str = ""  # a quote or summary of the newest failure of that type
    types: Counter[str] = field(default_factory=Counter)
    newest: dict[str, tuple[datetime, str]] = field(default_factory=dict)  # by type: when, headline
    failed_on: Counter[str] = field(default_factory=Counter)  # by what they ran on: default, pull_request, other
    jobs_on: Counter[str] = field(
        default_factory=Counter
    )  # of these, that passed or failed; empty where `jobs` is None

    @property
    def rate(self) -> float | None:
        """Failed among passed and failed."""
        return share(self.failed, self.jobs or 0)

    def rate_on(self, kind: str) -> float | None:
        """The same on the default branch alone, or of pull requests alone."""
        return share(self.failed_on[kind], self.jobs_on[kind])


def top_rows(index: DocumentIndex, what: str, where: Where, limit: int | None = None) -> list[TopRow]:
    """The rows of one of `BY`, most failures first, then most time lost, then by name."""
    if what == "groups":
        return [
            TopRow(
                group.id,
                group.count,
                None,
                group.share,
                group.lost_minutes,
                group.lost_usd,
                group.last_seen,
                group.error_type,
                group.headline,
            )
            for group in groups(index, where)[:limit]
        ]
    names = BY[what]
    kind: Kind = "steps" if what == "steps" else "jobs"
    chosen = narrowed(where, equals={"s_status": MAYBE_FAILED})
    wanted = (*fields_of_kind(kind), *(name for name in names if name not in fields_of_kind(kind)))
    # In one order, so that sums and ties come out the same from every index.
    documents = sorted(
        (d for d in index.scan(kind, chosen, fields=wanted) if FAILURE.holds(d.body)), key=lambda d: d.id
    )
    failures = {document.id: failure_of(document) for document in documents}
    lost, cost = (
        losses_and_costs(index, list(failures.values()))
        if kind == "jobs"
        else ({id_: failure.seconds for id_, failure in failures.items()}, dict.fromkeys(failures, 0.0))
    )
    rows: dict[str, TopRow] = {}
    for document in documents:
        name = _name(document, names)
        if name:
            row = rows.setdefault(name, TopRow(name))
            row.lost_usd += cost[document.id]
            _add(row, failures[document.id], lost[document.id], len(documents))
    shown = sorted(rows.values(), key=lambda row: (-row.failed, -row.lost_minutes, row.name))[:limit]
    if not _OF_FAILURES & set(names):
        passed = _passed(index, kind, names, where)
        for row in shown:
            row.jobs_on = row.failed_on + passed.get(row.name, Counter())
            row.jobs = row.jobs_on.total()
    return shown


def _add(row: TopRow, failure: Failure, lost: float, total: int) -> None:
    row.failed += 1
    row.share = row.failed / total
    row.lost_minutes += lost / 60
    row.failed_on[failure.branch_kind] += 1
    row.types[failure.type or failure.state] += 1
    row.last_seen = max(row.last_seen or failure.when, failure.when)
    kind = failure.type or failure.state
    if kind not in row.newest or failure.when >= row.newest[kind][0]:
        row.newest[kind] = (failure.when, headline(failure.quote) or first_line(failure.summary))
    row.error_type = min(row.types, key=lambda name: (-row.types[name], name))
    row.headline = row.newest[row.error_type][1]


def _passed(index: DocumentIndex, kind: Kind, names: tuple[str, ...], where: Where) -> Mapping[str, Counter[str]]:
    """By row, how many passed, by what they ran on."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    fields = (*names, "s_branch_kind", "s_github_event", "s_branch", "s_pr_id")
    for document in index.scan(kind, narrowed(where, equals={"s_status": PASSED.values}), fields=fields):
        found[_name(document, names)][branch_kind_of(document.body)] += 1
    return found


def _name(document: Document, names: tuple[str, ...]) -> str:
    values = [str(document.body.get(name) or "") for name in names]
    return " · ".join(values) if all(values) else ""
