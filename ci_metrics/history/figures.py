"""The numbers of a stretch of time, computed from documents; pure but for one scan of the index.

What belongs here: counting jobs, failures, lost time, waiting, spending. Does not: groups and
flakiness (`groups.py`, `flaky_failures.py`), showing (`page.py`, `charts.py`).

One pass over narrow documents, those of jobs that did not fail narrower still; only failures are
kept, so that a quarter of a million jobs cost no memory. Lost time (`lost_time.py`) is blamed on
the failure that caused it, so it stands in that failure's bucket and category.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from statistics import quantiles

from ci_metrics.history.attempts import narrowed
from ci_metrics.history.failures import FIELDS, Failure, failure_of
from ci_metrics.history.gates import gates_among, with_gates
from ci_metrics.history.lost_time import Losses, losses, losses_and_costs
from ci_metrics.history.metrics import CANCELLED, ENDED, FAILURE, GATE, MAYBE_FAILED, PASSED, branch_kind_of, share
from ci_metrics.history.money import Money
from ci_metrics.history.time_range import TIME, Window, moment_of
from ci_metrics.index.base import Body, Document, DocumentIndex, Where

#: Failures -> seconds lost to each, by document id.
LostOf = Callable[[Sequence[Failure]], Mapping[str, float]]

#: What is counted of jobs that did not fail: at most `FEW_FIELDS`, which an index reads faster.
_COUNTED_FIELDS = (
    TIME, "s_repo", "s_workflow_name", "s_status", "l_queue_time_sec", "s_runner_labels", "s_runner_prefix",
    "s_job_name", "s_html_url", "l_runner_minutes", "f_runner_cost_usd", "s_branch_kind", "s_branch",
    "s_github_event", "s_pr_id",
)  # fmt: skip

#: What says whether a job failed, and what it lost.
_FAILED_FIELDS = (
    "s_status", "s_error_state", "s_error_type", "s_classifier_version", "s_workflow_id", "l_duration_sec",
)  # fmt: skip

#: How many of a runner pool's longest waits are listed.
MOST_WAITS = 5


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


def collect(index: DocumentIndex, window: Window, repos: Sequence[str] = (), lost: Losses | None = None) -> Figures:
    """Count the jobs of a stretch, of these repositories (none: all). `lost`: what its failures
    cost, where that is known already.
    """
    documents = sorted(_jobs(index, window.where(repos)), key=lambda document: document.id)
    return _tallied(index, documents, window, lost)


def totals(index: DocumentIndex, window: Window, repos: Sequence[str] = ()) -> Totals:
    """What `collect` counts, as far as it takes no look at each job that passed."""
    where = window.where(repos)
    asked = narrowed(where, equals={"s_status": MAYBE_FAILED})
    failures = [
        _Failed(found.id, str(found.body["s_workflow_id"]), float(found.body.get("l_duration_sec") or 0))
        for found in index.scan("jobs", asked, fields=_FAILED_FIELDS)
        if FAILURE.holds(found.body)
    ]
    passed = sum(index.count_by("jobs", "s_status", narrowed(where, equals={"s_status": PASSED.values})).values())
    return Totals(passed, len(failures), sum(losses(index, failures).values()))


def _jobs(index: DocumentIndex, where: Where) -> Iterator[Document]:
    """The matching jobs; of those that did not fail, with what is counted of them only."""
    yield from index.scan("jobs", narrowed(where, equals={"s_status": MAYBE_FAILED}), fields=FIELDS)
    others = sorted(set(index.count_by("jobs", "s_status", where)) - set(MAYBE_FAILED))
    if others:
        yield from index.scan("jobs", narrowed(where, equals={"s_status": others}), fields=_COUNTED_FIELDS)


def collect_hours(index: DocumentIndex, first: str, last: str) -> Figures:
    """Count the jobs of the hours from `first` to `last` (partitions): of the runs created in
    them, whenever the jobs ended.
    """
    documents = sorted(_jobs(index, where_hours(first, last)), key=lambda document: document.id)
    moments = [moment_of(str(document.body[TIME])) for document in documents] or [datetime(1970, 1, 1, tzinfo=UTC)]
    window = Window(min(moments), max(moments) + timedelta(seconds=1))
    return _tallied(index, documents, window)


@dataclass(frozen=True, slots=True)
class _Failed:
    """What is needed of a failure to know what it lost."""

    id: str
    run_id: str
    seconds: float


def where_hours(first: str, last: str) -> Where:
    """The documents of the hours from `first` to `last`."""
    return Where(ranges={"s_partition": (first, f"{last}~")})  # "~" comes after all that an hour's name may hold


def _tallied(
    index: DocumentIndex, documents: Iterable[Document], window: Window, known: Losses | None = None
) -> Figures:
    dollars: dict[str, float] = {}

    def lost_of(failures: Sequence[Failure]) -> Mapping[str, float]:
        seconds, cost = known or losses_and_costs(index, failures)
        dollars.update(cost)
        return seconds

    return replace(tally(documents, window, lost_of), lost_usd=sum(dollars.values()))


def tally(documents: Iterable[Document], window: Window, lost_of: LostOf) -> Figures:
    """Count jobs' documents, pure; those outside the stretch are left out. `lost_of`
    says what each failure cost.
    """
    count = _Count(window)
    for document in documents:
        count.add(document)
    return count.figures(lost_of(count.failures))


class _Count:
    def __init__(self, window: Window) -> None:
        self.window = window
        self.buckets = {start: Bucket(start) for start in window.buckets()}
        self.types: dict[str, Row] = {}
        self.workflows: dict[tuple[str, str], Row] = {}
        self.hours: dict[str, Bucket] = {}
        self.kinds = Row("")
        self.states: Counter[str] = Counter()
        self.waits: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self.longest: dict[str, list[Wait]] = defaultdict(list)
        self.spend = Spend()
        self.money = Money()
        self.failures: list[Failure] = []
        self.gates: list[Body] = []
        self.seen = self.passed = self.failed = self.cancelled = self.unfinished = 0

    def add(self, document: Document) -> None:
        body = document.body
        bucket = self._bucket(str(body[TIME]))
        if bucket is None:
            return
        named = (str(body["s_repo"]), str(body.get("s_workflow_name") or ""))
        workflow = self.workflows.get(named)
        if workflow is None:
            workflow = self.workflows[named] = Row(workflow_name(*named))
        passed = PASSED.holds(body)
        failed = not passed and FAILURE.holds(body)
        kind = branch_kind_of(body)
        apart = (self.kinds.kind(kind), workflow.kind(kind))
        self.seen += 1
        if failed:
            self.failed += 1
            bucket.failed += 1
            for row in (workflow, *apart):
                row.failed += 1
            self.failures.append(failure_of(document))
            self._add_failure(self.failures[-1], bucket)
        elif passed:
            self.passed += 1
            bucket.passed += 1
            for row in (workflow, *apart):
                row.passed += 1
        elif GATE.holds(body):
            self.gates.append(body)
        elif CANCELLED.holds(body):
            self.cancelled += 1
        elif not ENDED.holds(body):
            self.unfinished += 1
        if failed:
            self.states[str(body.get("s_error_state") or "off")] += 1
        self._add_wait(document)
        self._add_spend(document, bucket)
        self.money.add(body)

    def _add_failure(self, failure: Failure, bucket: Bucket) -> None:
        bucket.by_type[failure.type or failure.state] += 1
        if failure.type:
            self.types.setdefault(failure.type, Row(failure.type)).failed += 1

    def _bucket(self, time: str) -> Bucket | None:
        """Of a document's time; None outside the stretch. A whole hour is looked up once."""
        hour = time[:13] if time.endswith("Z") else time
        found = self.hours.get(hour)
        if found is None:
            when = moment_of(time)
            if not self.window.start <= when < self.window.end:
                return None
            found = self.buckets[self.window.bucket_of(when)]
            begins = when.replace(minute=0, second=0, microsecond=0)
            if self.window.start <= begins and begins + timedelta(hours=1) <= self.window.end:
                self.hours[hour] = found
        return found

    def _add_wait(self, document: Document) -> None:
        body = document.body
        seconds = body.get("l_queue_time_sec")
        if seconds is None:
            return
        labels = body.get("s_runner_labels") or []
        pool = ", ".join(labels) if isinstance(labels, list) else str(labels)
        pool = pool or str(body.get("s_runner_prefix") or "no label")
        self.waits[pool].append(float(seconds))
        kept = self.longest[pool]
        if len(kept) < MOST_WAITS or seconds > kept[-1].seconds:
            job, url = str(body.get("s_job_name") or ""), str(body.get("s_html_url") or "")
            when = moment_of(str(body[TIME]))
            kept.append(Wait(float(seconds), str(body["s_repo"]), job, url, when))
            kept.sort(key=lambda wait: -wait.seconds)
            del kept[MOST_WAITS:]

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

    def _queue(self, pool: str, waits: array[float]) -> Queue:
        tenths = quantiles(waits, n=10, method="inclusive") if len(waits) > 1 else [waits[0]] * 9
        return Queue(pool, len(waits), tenths[4], tenths[8], max(waits), tuple(self.longest[pool]))
