"""The jobs of a stretch of time, counted.

What belongs here: what is read and what the index counts, and the sums of it. Does not: the shape
of the result (`figures.py`), groups and flakiness (`groups.py`, `flaky_evidence.py`).

Jobs that may have failed are read, all others are counted by the index, so that a quarter of a
million jobs cost neither time nor memory. Lost time (`lost_time.py`) is blamed on
the failure that caused it, so it stands in that failure's bucket and category.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

from ci_metrics.history.attempts import Attempt, narrowed, runs_that_ran_again
from ci_metrics.history.failures import FAILURE_FIELDS, Failure, failure_of
from ci_metrics.history.figures import Bucket, Figures, InShort, Queue, Row, Spend, Totals, Wait, workflow_name
from ci_metrics.history.gate_jobs import gates_among, with_gates
from ci_metrics.history.lost_time import Losses, losses_and_costs, lost_seconds
from ci_metrics.history.metrics import CANCELLED, ENDED, FAILURE, GATE, MAYBE_FAILED, PASSED, branch_kind_of
from ci_metrics.history.money import DECIMALS, Money
from ci_metrics.history.time_range import TIME, Window, moment_of, newest_document, oldest_document
from ci_metrics.index.document_index import Body, Document, DocumentIndex, Tally, Where
from ci_metrics.index.times import iso

#: What says whether a job failed.
_FAILED_FIELDS = ("s_status", "s_error_state", "s_error_type", "s_classifier_version")

#: What is said of a long wait.
_WAIT_FIELDS = (TIME, "s_repo", "s_job_name", "s_html_url", "l_queue_time_sec", "s_runner_labels", "s_runner_prefix")

#: What runners took of a job, and what that cost where its price is known.
_BILLED = ("l_runner_minutes", "f_runner_cost_usd")

#: How many of a runner pool's longest waits are listed.
MOST_WAITS = 5


def collect(
    index: DocumentIndex,
    window: Window,
    repos: Sequence[str] = (),
    lost: Losses | None = None,
    documents: Iterable[Document] | None = None,
) -> Figures:
    """Count the jobs of a stretch, of these repositories (none: all). `documents`: those that may
    have failed (`maybe_failed`) with `FIELDS`, and `lost`: what the failures cost, where they are
    known already.
    """
    return _collected(index, window.where(repos), window, lost, documents)


def maybe_failed(index: DocumentIndex, where: Where, fields: Sequence[str] = FAILURE_FIELDS) -> list[Document]:
    """The matching jobs that may have failed, in one order, whichever index was asked."""
    chosen = narrowed(where, equals={"s_status": MAYBE_FAILED})
    return sorted(index.scan("jobs", chosen, fields=fields), key=lambda document: document.id)


def totals(index: DocumentIndex, window: Window, repos: Sequence[str] = ()) -> Totals:
    """What `collect` counts, as far as it takes no look at each job that passed."""
    where = window.where(repos)
    maybe = narrowed(where, equals={"s_status": MAYBE_FAILED})
    passed = sum(index.count_by("jobs", "s_status", narrowed(where, equals={"s_status": PASSED.values})).values())
    failed, lost = 0, 0.0
    for found in index.tally("jobs", _FAILED_FIELDS, maybe, sums=("l_duration_sec",)):
        if FAILURE.holds(dict(zip(_FAILED_FIELDS, found.values, strict=True))):
            failed += found.count
            lost += found.sums[0]
    again = runs_that_ran_again(index, index.count_by("jobs", "s_workflow_id", maybe))
    seconds, (begin, end) = lost_seconds(again), where.ranges[TIME]
    here = (attempt for attempt in again if attempt.failed and begin <= iso(attempt.when) < end)
    return Totals(passed, failed, lost + sum(seconds[attempt.id] - attempt.seconds for attempt in here))


def in_short(
    index: DocumentIndex, window: Window, repos: Sequence[str], failures: Sequence[Attempt], lost: Mapping[str, float]
) -> InShort:
    """As `collect` counts, no more than a story says. `failures`: of the stretch, and the seconds
    that each `lost`.
    """
    passed = branch_kinds(index, narrowed(window.where(repos), equals={"s_status": PASSED.values}), ())[()]
    kinds: dict[str, Row] = {kind: Row(kind, passed=count) for kind, count in passed.items()}
    for failure in failures:
        row = kinds.setdefault(failure.branch_kind, Row(failure.branch_kind))
        row.failed += 1
        row.lost += lost[failure.id]
    return InShort(
        window=window,
        jobs=passed.total() + len(failures),
        failed=len(failures),
        lost=sum(lost[failure.id] for failure in failures),
        branch_kinds=kinds,
    )


def collect_hours(index: DocumentIndex, first: str, last: str) -> Figures:
    """Count the jobs of the hours from `first` to `last` (partitions): of the runs created in
    them, whenever the jobs ended.
    """
    where = where_hours(first, last)
    begin, end = oldest_document(index, where), newest_document(index, where)
    nothing = datetime(1970, 1, 1, tzinfo=UTC)
    return _collected(index, where, Window(begin or nothing, (end or nothing) + timedelta(seconds=1)))


def where_hours(first: str, last: str) -> Where:
    """The documents of the hours from `first` to `last`."""
    return Where(ranges={"s_partition": (first, f"{last}~")})  # "~" comes after all that an hour's name may hold


def _collected(
    index: DocumentIndex,
    where: Where,
    window: Window,
    known: Losses | None = None,
    documents: Iterable[Document] | None = None,
) -> Figures:
    """Jobs that may have failed are read; all others, which are most, are counted by the index."""
    count = _Count(window)
    for document in maybe_failed(index, where) if documents is None else documents:
        count.add_maybe_failed(document)
    seconds, dollars = known or losses_and_costs(index, count.failures)
    others = sorted(set(index.count_by("jobs", "s_status", where)) - set(MAYBE_FAILED))
    if others:
        _count_others(index, narrowed(where, equals={"s_status": others}), count)
    waited = replace(where, exists=(*where.exists, "l_queue_time_sec"))
    pool = ("s_runner_labels", "s_runner_prefix")
    for found in index.tally("jobs", (*pool, "l_queue_time_sec"), waited):
        labels, prefix, wait = found.values
        count.add_waits(labels, prefix, wait, found.count)
    order = ("-l_queue_time_sec", "s_job_id", "l_run_attempt")
    count.add_longest(index.first_of_each("jobs", pool, order, MOST_WAITS, waited, fields=_WAIT_FIELDS))
    return replace(count.figures(seconds), lost_usd=sum(dollars.values()))


def _count_others(index: DocumentIndex, where: Where, count: _Count) -> None:
    for found in index.tally("jobs", ("s_status", TIME), where):
        status, hour = found.values
        count.add_hour(status or "", hour, found.count)
    by = ("s_status", "s_repo", "s_workflow_name", "s_runner_labels")
    jobs = index.tally("jobs", (*by, "s_branch_kind"), where, sums=_BILLED)
    for (status, repo, workflow, _), kinds in branch_kinds(index, where, by, jobs).items():
        for kind, number in kinds.items():
            count.add_others(str(status or ""), str(repo or ""), str(workflow or ""), kind, number)
    if any(0 < priced < billed for billed, priced in (found.present for found in jobs)):
        priced_alone = replace(where, exists=(*where.exists, "f_runner_cost_usd"))
        others = replace(where, missing=(*where.missing, "f_runner_cost_usd"))
        jobs = [found for some in (priced_alone, others) for found in index.tally("jobs", by, some, sums=_BILLED)]
    for found in jobs:
        _, repo, workflow, labels, *_ = found.values
        (minutes, dollars), (billed, priced) = found.sums, found.present
        if billed:
            count.add_billed(repo, workflow, labels, int(minutes), round(dollars, DECIMALS) if priced else None, billed)


class _Count:
    def __init__(self, window: Window) -> None:
        self.window = window
        self.buckets = {start: Bucket(start) for start in window.buckets()}
        self.types: dict[str, Row] = {}
        self.workflows: dict[tuple[str, str], Row] = {}
        self.kinds = Row("")
        self.states: Counter[str] = Counter()
        self.waits: dict[str, Counter[float]] = defaultdict(Counter)
        self.longest: dict[str, list[tuple[str, Wait]]] = defaultdict(list)
        self.spend = Spend()
        self.money = Money()
        self.failures: list[Failure] = []
        self.gates: list[Body] = []
        self.seen = self.passed = self.failed = self.cancelled = self.unfinished = 0

    def add_maybe_failed(self, document: Document) -> None:
        """Count a job whose status a failure may have."""
        body = document.body
        bucket = self.buckets[self.window.bucket_of(moment_of(str(body[TIME])))]
        workflow = self._workflow(str(body["s_repo"]), str(body.get("s_workflow_name") or ""))
        kind = branch_kind_of(body)
        rows = (workflow, self.kinds.kind(kind), workflow.kind(kind))
        self.seen += 1
        if FAILURE.holds(body):
            self.failed += 1
            bucket.failed += 1
            for row in rows:
                row.failed += 1
            self.failures.append(failure_of(document))
            self._add_failure(self.failures[-1], bucket)
            self.states[str(body.get("s_error_state") or "off")] += 1
        elif GATE.holds(body):
            self.gates.append(body)
        elif CANCELLED.holds(body):
            self.cancelled += 1
        self._add_spend(document, bucket)
        self.money.add(body)

    def add_hour(self, status: str, hour: str, jobs: int) -> None:
        """Count so many other jobs that ended (or were last heard of) in an hour."""
        ended = {"s_status": status}
        self.seen += jobs
        if PASSED.holds(ended):
            self.passed += jobs
            self.buckets[self.window.bucket_of(moment_of(f"{hour}:00"))].passed += jobs
        elif not ENDED.holds(ended):
            self.unfinished += jobs

    def add_others(self, status: str, repo: str, name: str, kind: str, jobs: int) -> None:
        """Count so many other jobs of a workflow, by what they ran on."""
        workflow = self._workflow(repo, name)
        passed = jobs if PASSED.holds({"s_status": status}) else 0
        for row in (workflow, self.kinds.kind(kind), workflow.kind(kind)):
            row.passed += passed

    def add_billed(
        self,
        repo: str | None,
        workflow: str | None,
        labels: Sequence[str] | None,
        minutes: int,
        dollars: float | None,
        jobs: int,
    ) -> None:
        """Count the runners of so many other jobs."""
        self.money.add_jobs(repo or "", workflow or "", labels or (), minutes, dollars, failed=False, jobs=jobs)

    def add_waits(self, labels: object, prefix: object, seconds: float, jobs: int) -> None:
        """Count so many jobs, of any status, that waited so long."""
        self.waits[_pool(labels, prefix)][float(seconds)] += jobs

    def add_longest(self, documents: Iterable[Document]) -> None:
        """Keep those that waited longest."""
        for document in documents:
            body = document.body
            job, url = str(body.get("s_job_name") or ""), str(body.get("s_html_url") or "")
            wait = Wait(float(body["l_queue_time_sec"]), str(body["s_repo"]), job, url, moment_of(str(body[TIME])))
            self.longest[_pool(body.get("s_runner_labels"), body.get("s_runner_prefix"))].append((document.id, wait))

    def _workflow(self, repo: str, name: str) -> Row:
        found = self.workflows.get((repo, name))
        if found is None:
            found = self.workflows[repo, name] = Row(workflow_name(repo, name))
        return found

    def _add_failure(self, failure: Failure, bucket: Bucket) -> None:
        bucket.by_type[failure.type or failure.state] += 1
        if failure.type:
            self.types.setdefault(failure.type, Row(failure.type)).failed += 1

    def _add_spend(self, document: Document, bucket: Bucket) -> None:
        body = document.body
        if "l_prompt_tokens" not in body and "f_cost_usd" not in body and "s_model" not in body:
            return
        cost = float(body.get("f_cost_usd") or 0)
        tokens = int(body.get("l_prompt_tokens") or 0)
        self.spend.cost += cost
        bucket.cost += cost
        self.spend.prompt_tokens += tokens
        self.spend.completion_tokens += int(body.get("l_completion_tokens") or 0)
        self.spend.cached_tokens += int(body.get("l_cached_tokens") or 0)
        self.spend.asked += tokens > 0
        if body.get("s_model"):
            self.spend.models[str(body["s_model"])] += 1

    def figures(self, lost: Mapping[str, float]) -> Figures:
        for failure in self.failures:
            seconds = lost[failure.id]
            self.buckets[self.window.bucket_of(failure.when)].lost += seconds
            workflow = self.workflows[failure.repo, failure.workflow]
            for row in (workflow, workflow.kind(failure.branch_kind), self.kinds.kind(failure.branch_kind)):
                row.lost += seconds
            if failure.type:
                self.types[failure.type].lost += seconds
        gates = gates_among(self.gates)
        queues = [self._queue(pool, waits) for pool, waits in self.waits.items()]
        return Figures(
            window=self.window,
            seen=self.seen,
            passed=self.passed,
            failed=self.failed,
            gates=sum(map(len, gates.values())),
            cancelled=self.cancelled,
            unfinished=self.unfinished,
            lost=sum(lost.values()),
            buckets=tuple(self.buckets.values()),
            types=tuple(sorted(self.types.values(), key=lambda row: (-row.failed, row.name))),
            branch_kinds=self.kinds.kinds,
            states=dict(self.states.most_common()),
            workflows=tuple(sorted(self.workflows.values(), key=lambda row: (-row.lost, row.name))),
            queues=tuple(sorted(queues, key=lambda queue: (-queue.p90, queue.name))),
            spend=self.spend,
            money=self.money,
            repos=tuple(sorted({repo for repo, _ in self.workflows})),
            lost_by_failure=dict(lost),
            failures=tuple(
                sorted(with_gates(self.failures, gates), key=lambda each: (each.when, each.id), reverse=True)
            ),
        )

    def _queue(self, pool: str, waits: Counter[float]) -> Queue:
        median, p90 = _tenth(waits, 5), _tenth(waits, 9)
        longest = sorted(self.longest[pool], key=lambda found: (-found[1].seconds, found[0]))[:MOST_WAITS]
        return Queue(pool, waits.total(), median, p90, max(waits), tuple(wait for _, wait in longest))


def branch_kinds(
    index: DocumentIndex, where: Where, by: Sequence[str], known: Iterable[Tally] | None = None
) -> dict[tuple[Any, ...], Counter[str]]:
    """How many of the matching jobs ran on what (`metrics.branch_kind_of`), by the values of
    these fields. `known`: how many there are of each value of these and of `s_branch_kind`.
    """
    found: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    unsaid = False
    for each in index.tally("jobs", (*by, "s_branch_kind"), where) if known is None else known:
        *values, kind = each.values
        unsaid = unsaid or kind is None
        if kind is not None:
            found[tuple(values)][kind] += each.count
    said_by = ("s_github_event", "s_branch", "s_pr_id")
    without = replace(where, missing=(*where.missing, "s_branch_kind"))
    for each in index.tally("jobs", (*by, *said_by), without) if unsaid else ():
        kind = branch_kind_of(dict(zip(said_by, each.values[len(by) :], strict=True)))
        found[each.values[: len(by)]][kind] += each.count
    return found


def _pool(labels: object, prefix: object) -> str:
    """How a pool of runners is called: by what its jobs ask for, else by its runners' names."""
    asked = ", ".join(map(str, labels)) if isinstance(labels, (list, tuple)) else str(labels or "")
    return asked or str(prefix or "no label")


def _tenth(waits: Mapping[float, int], number: int) -> float:
    """What `number` tenths of the waits are below: `statistics.quantiles(…, method="inclusive")` of
    values that are counted.
    """
    ends = list(accumulate(waits[value] for value in sorted(waits)))
    place, further = divmod(number * (ends[-1] - 1), 10)
    ordered = sorted(waits)
    low, high = (ordered[bisect_right(ends, min(at, ends[-1] - 1))] for at in (place, place + 1))
    return (low * (10 - further) + high * further) / 10
