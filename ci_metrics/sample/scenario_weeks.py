"""What happens in the sample's two weeks besides its last day's failures, as plans: changes that
are pushed, reviewed and merged, and what of them fails.

What belongs here: who runs what, where, in which hour. Does not: what fails on the last day
(`scenario_plan.py`, `scenario_special.py`), ids, commits, exact times (`scenario.py`).

The jobs are those of the last day, which mostly pass here: so each has a history, and few of the
day's failures are new. On the last day itself all that is planned here passes. Two stories stand
out: a Tuesday without a network, a Thursday with a red main.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache

from ci_metrics.sample.dates import DAYS_BEFORE
from ci_metrics.sample.recordings import failures
from ci_metrics.sample.scenario_jobs import JobPlan, stable_number
from ci_metrics.sample.scenario_plan import (
    GADGETS,
    REPOS,
    WEB,
    WIDGETS,
    AttemptPlan,
    RunPlan,
    failing_job,
    ordinary_runs,
    passing_twin,
)
from ci_metrics.sample.scenario_special import nightly_shards, storm

#: Changes that each repository sees on a day of the week, from Monday on.
_CHANGES = (4, 4, 5, 4, 4, 1, 0)
#: Failures of the last day that nobody has met before.
NEW = frozenset(
    {"asan-overflow", "cargo-clippy", "curl-tls", "docker-run-no-engine", "git-submodule", "java-heap", "jest-snapshot",
     "kubectl-no-cluster", "npm-e404", "pip-hash-mismatch", "playwright-flaky", "terraform-validate"}
)  # fmt: skip
#: Of the others, so many in a hundred fail twice before, and so many on main.
_TWICE, _ON_MAIN = 45, 25

_VERBS = ("Speed up", "Rewrite", "Simplify", "Document", "Extend", "Clean up", "Test", "Fix")
_NOUNS = ("the basket", "the search", "the labels", "the invoices", "the exporter", "the queue", "the discounts",
          "the settings", "the importer", "the catalogue", "the login")  # fmt: skip

#: Jobs that each CI run of a repository has: (job's name, the recording that it fails with, of a
#: hundred runs so many do).
_CORE: dict[str, tuple[tuple[str, str, int], ...]] = {
    WIDGETS: (("test (3.11, ubuntu-latest)", "pytest-assert", 0), ("test (cache, ubuntu-latest)", "pytest-slow-cache", 11)),
    GADGETS: (("test (go, ubuntu-latest)", "go-test-fail", 0), ("integration (linux)", "wait-for-service", 3)),
    WEB: (("test (node 20)", "node-test-timeout", 4),),
}  # fmt: skip

#: The Thursday's red main: from the merge that broke it to the one that mended it, in minutes.
_RED_DAY, _RED_FROM, _RED_TO = -4 * 24, 9 * 60 + 12, 13 * 60 + 37
_RED_JOB = "test (go, ubuntu-latest)"
#: The hour of the Tuesday's outage.
_STORM_HOUR = -6 * 24 + 10


@dataclass(slots=True)
class _Planned:
    """A run before its failures are dealt out."""

    plan: RunPlan
    jobs: list[JobPlan] = field(default_factory=list)

    @property
    def at(self) -> int:
        """Minutes from the last day's beginning: negative before it."""
        return self.plan.hour * 60 + self.plan.minute


def weeks_runs() -> Iterator[RunPlan]:
    """All runs of the two weeks that the last day alone does not have."""
    runs = sorted(_runs(), key=lambda run: run.at)
    counts: dict[tuple[str, str, bool], int] = {}
    for number, run in enumerate(runs):
        kind = (run.plan.repo, run.plan.workflow, run.plan.branch == "main")
        counts[kind] = counts.get(kind, 0) + 1
        run.jobs = [*_core_jobs(run, number), *_turn(kind[0], kind[1], counts[kind])]
    _deal(runs)
    _mend(runs)
    for number, run in enumerate(runs):
        flaky = [job for job in run.jobs if job.fails and job.flaky == "confirmed"]
        again = tuple(passing_twin(job, run.plan.repo) for job in flaky)
        later = AttemptPlan(after=timedelta(minutes=15 + number % 30), jobs=again)
        yield replace(run.plan, jobs=tuple(run.jobs), later=(later,) if again else ())
    yield from storm(_STORM_HOUR, "mirror-downloads")


def _runs() -> Iterator[_Planned]:
    for day in range(-DAYS_BEFORE, 1):
        weekday = day % 7
        for repo in REPOS:
            for number in range(_CHANGES[weekday]):
                yield from _change(repo, day * 24, f"{day} {number}")
            if day == 0:
                continue  # the day has its own nightly builds and releases
            yield _run(repo, "Nightly", day * 24 * 60 + 137 + 20 * REPOS.index(repo), event="schedule")
            if weekday < 5:
                for number in range(2 if repo == WIDGETS else 1):
                    at = day * 24 * 60 + 15 * 60 + stable_number(f"release {repo} {day} {number}", 120)
                    yield _run(repo, "Release", at, event="workflow_dispatch")
    red = _RED_DAY * 60
    for at, name, title, paths in (
        (_RED_FROM, "bulk-discounts", "Discounts for bulk orders", ("price.go",)),
        (_RED_FROM + 95, "gauge-labels", "Label the gauges", ("src/ring.c",)),
        (_RED_TO, "exact-discounts", "Round discounts down, as the price list says", ("price.go", "price_test.go")),
    ):
        yield _run(GADGETS, "CI", red + at, merges=name, title=title, changes=paths)
    for at, name in ((40, "pump-valves"), (75, "faster-sort"), (130, "new-gauges"), (190, "pump-valves")):
        yield _run(GADGETS, "CI", red + _RED_FROM + at, event="pull_request", branch=name)


def _change(repo: str, hour: int, key: str) -> Iterator[_Planned]:
    """A pull request of two pushes, and its merge."""
    key = f"{repo} {key}"
    noun = _NOUNS[stable_number(f"noun {key}", len(_NOUNS))]
    title = f"{_VERBS[stable_number(f'verb {key}', len(_VERBS))]} {noun}"
    branch = f"{title.lower().replace(' the ', '-').replace(' ', '-')}-{1 + stable_number(f'branch {key}', 89)}"
    at = hour * 60 + 450 + stable_number(f"begins {key}", 480)
    for number in (1, 2):
        for workflow in _workflows(f"{key} {number}", (55, 12)):
            commit = f"{branch} {number}"
            yield _run(repo, workflow, at, event="pull_request", branch=branch, title=title, commit=commit)
        at += 40 + stable_number(f"push {key} {number}", 110)
    for workflow in _workflows(f"{key} merged", (45, 25)):
        yield _run(repo, workflow, at, title=title, commit=f"{branch} merged", merges=branch)


def _workflows(key: str, shares: tuple[int, int]) -> Iterator[str]:
    """The workflows that a push starts: CI always, Lint and Docs where their files changed."""
    yield "CI"
    for name, share in zip(("Lint", "Docs"), shares, strict=True):
        if stable_number(f"{name} {key}", 100) < share:
            yield name


def _run(
    repo: str,
    workflow: str,
    at: int,
    *,
    event: str = "push",
    branch: str = "main",
    title: str = "",
    commit: str = "",
    merges: str = "",
    changes: tuple[str, ...] = (),
) -> _Planned:
    hour, minute = divmod(at, 60)
    return _Planned(
        RunPlan(
            repo=repo,
            workflow=workflow,
            hour=hour,
            minute=minute,
            jobs=(),
            event=event,
            branch=branch,
            title=title,
            commit=commit,
            merges=merges,
            changes=changes,
        )
    )


@cache
def _planned(repo: str, workflow: str) -> tuple[JobPlan, ...]:
    """The sample day's jobs of a workflow, each under the name that it has in a run of its own."""
    plans = (plan for plan in ordinary_runs() if (plan.repo, plan.workflow) == (repo, workflow))
    jobs = (replace(job, name=job.name.partition(" #")[0]) for plan in plans for job in plan.jobs if not job.after)
    return tuple({(job.name, job.fails): job for job in jobs}.values())


@cache
def _pool(repo: str, workflow: str) -> tuple[JobPlan, ...]:
    """The jobs that a workflow has here, by name."""
    if workflow == "Nightly" and repo == WIDGETS:
        return tuple(nightly_shards("debian-12", "3.13"))
    return tuple({job.name: job for job in _planned(repo, "CI" if workflow == "Nightly" else workflow)}.values())


def _turn(repo: str, workflow: str, number: int) -> Iterator[JobPlan]:
    """The next jobs of a workflow, each in turn, passing."""
    pool, size = _pool(repo, workflow), {"CI": 3, "Nightly": 12}.get(workflow, 2)
    for place in range(min(size, len(pool))):
        yield passing_twin(pool[(number * size + place) % len(pool)], repo)


def _core_jobs(run: _Planned, number: int) -> Iterator[JobPlan]:
    if run.plan.workflow != "CI":
        return
    for name, slug, share in _CORE[run.plan.repo]:
        fails = run.at < 0 and stable_number(f"core {name} {number}", 100) < share
        if name == _RED_JOB and _RED_FROM <= run.at - _RED_DAY * 60 < _RED_TO:
            fails = True
        job = failing_job(slug, run.plan.repo, name=name, flaky="confirmed" if share else "")
        yield job if fails else passing_twin(job, run.plan.repo)


def _deal(runs: list[_Planned]) -> None:
    """Let each of the sample day's failures that is not new occur once or twice."""
    by_kind: dict[tuple[str, str, bool], list[_Planned]] = {}
    for run in runs:
        if run.at < 0:
            by_kind.setdefault((run.plan.repo, run.plan.workflow, run.plan.branch == "main"), []).append(run)
    for repo in REPOS:
        for workflow in ("CI", "Lint", "Docs", "Release"):
            for job in _planned(repo, workflow):
                if not job.fails or job.fails in NEW or failures()[job.fails].category is None:
                    continue
                times = 1 + (stable_number(f"twice {job.fails}", 100) < _TWICE)
                for time in range(times):
                    key = f"{repo} {job.fails} {time}"
                    on_main = workflow == "Release" or stable_number(f"on main {key}", 100) < _ON_MAIN
                    candidates = by_kind[repo, workflow, on_main]
                    _put(candidates[stable_number(f"where {key}", len(candidates))], job)


def _put(run: _Planned, job: JobPlan) -> None:
    """The run has this job, in place of one of the same name."""
    run.jobs = [*(other for other in run.jobs if other.name != job.name), job]


def _mend(runs: list[_Planned]) -> None:
    """What failed passes in the next run of that workflow on its branch, or where it merged."""
    open_: dict[tuple[str, str, str], dict[str, JobPlan]] = {}
    for run in runs:
        plan = run.plan
        for branch in (plan.branch, plan.merges):
            for name, job in open_.pop((plan.repo, plan.workflow, branch), {}).items():
                if all(other.name != name for other in run.jobs):
                    run.jobs.append(passing_twin(job, plan.repo))
        failed = {job.name: job for job in run.jobs if job.fails}
        open_.setdefault((plan.repo, plan.workflow, plan.branch), {}).update(failed)
