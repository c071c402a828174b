"""The sample: two weeks of three repositories, the same on every machine, and their last day.

What belongs here: plans -> the world's records, with ids, commits and times; what is true of each
failed job. Does not: the plans themselves, a job's log (`scenario_jobs.py`), serving it.

Everything derives from the recordings and the plans by hashing names: no clock, no random numbers.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

from ci_metrics.models import FAILED_CONCLUSIONS
from ci_metrics.sample.dates import BEGINS, DAY_START, ENDS, OPENS_AT, SETTLED_AT
from ci_metrics.sample.scenario_files import FILES, changed_paths
from ci_metrics.sample.scenario_jobs import JobPlan, JobScript, recorded, stable_number
from ci_metrics.sample.scenario_plan import PEOPLE, REPOS, WORKFLOWS, RunPlan, ordinary_runs
from ci_metrics.sample.scenario_special import special_runs
from ci_metrics.sample.scenario_weeks import weeks_runs
from ci_metrics.sample.truth import JobTruth
from ci_metrics.sample.world import AttemptSpec, JobSpec, PullSpec, RunSpec, World

#: The number of a workflow's last run before the day.
_RUN_NUMBER = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ids:
    """Where ids begin."""

    run: int
    job: int
    suite: int
    pull: int  # the number before the first pull request's
    step: int  # from one pull request's number to the next


_DAY_IDS = _Ids(run=22_600_000_000, job=65_300_000_000, suite=58_100_000_000, pull=303, step=7)
_WEEKS_IDS = _Ids(run=22_590_000_000, job=65_290_000_000, suite=58_090_000_000, pull=60, step=1)

_TITLES = (
    "Show an error page for every code",
    "Keep the basket between visits",
    "Retry downloads three times",
    "Bump the actions",
    "Sort widgets by size",
    "Explain what went wrong in the log",
    "Remove the old exporter",
    "Cache what does not change",
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A world and what is true of its failed jobs."""

    world: World
    truth: tuple[JobTruth, ...]


def sample_world() -> World:
    """The day alone, for tests: 24 hours are enough for most."""
    return sample_day().world


@cache
def sample_day() -> Scenario:
    """The last day, in which every recording fails; built once a process (half a second)."""
    builder = _Builder(_DAY_IDS, {})
    return _scenario(builder, builder.runs([*ordinary_runs(), *special_runs()]), DAY_START)


@cache
def sample_weeks() -> Scenario:
    """What the sample GitHub serves: the two weeks that end with the day, which has more runs that
    pass than alone; built once a process (a second or two).
    """
    plans, day = list(weeks_runs()), sample_day()
    counts = Counter((plan.repo, plan.workflow) for plan in plans)
    builder = _Builder(_WEEKS_IDS, {key: _RUN_NUMBER - count for key, count in counts.items()})
    made = _scenario(builder, builder.runs(plans), BEGINS)
    world = replace(
        made.world,
        runs=(*made.world.runs, *day.world.runs),
        pulls=(*made.world.pulls, *day.world.pulls),
        changed={**made.world.changed, **day.world.changed},
    )
    world.check()
    return Scenario(world, (*made.truth, *day.truth))


def _scenario(builder: _Builder, runs: tuple[RunSpec, ...], start: datetime) -> Scenario:
    world = World(
        runs=runs,
        start=start,
        end=ENDS,
        opens_at=OPENS_AT,
        pulls=(*builder.pulls.values(), *builder.merged),
        settled_at=SETTLED_AT,
        files=FILES,
        changed=builder.changed,
    )
    world.check()
    return Scenario(world, tuple(builder.truth))


def _created(plan: RunPlan, place: int) -> datetime:
    minute = plan.minute if plan.minute >= 0 else stable_number(f"minute {place}", 60)
    return DAY_START + timedelta(hours=plan.hour, minutes=minute, seconds=stable_number(f"second {place}", 60))


class _Builder:
    """Gives out ids and commits in the order of the runs, and collects pull
    requests and truth on the way.
    """

    def __init__(self, ids: _Ids, numbers: dict[tuple[str, str], int]) -> None:
        """`numbers`: by repository and workflow, of the run before the first one."""
        self._ids = ids
        self.pulls: dict[tuple[str, str | None, str], PullSpec] = {}
        self.merged: list[PullSpec] = []
        self.changed: dict[str, tuple[str, ...]] = {}
        self.truth: list[JobTruth] = []
        self._runs = self._opened = self._merges = 0
        self._jobs = 0
        self._numbers = numbers

    def runs(self, plans: Sequence[RunPlan]) -> tuple[RunSpec, ...]:
        """The plans as runs, in the order in which they are created."""
        timed = sorted(((_created(plan, place), place, plan) for place, plan in enumerate(plans)), key=lambda t: t[:2])
        return tuple(self.run(plan, created) for created, _, plan in timed)

    def run(self, plan: RunPlan, created_at: datetime) -> RunSpec:
        self._runs += 1
        run_id = self._ids.run + self._runs * 7_919
        head_repo = plan.repo if plan.head_repo == "" else plan.head_repo
        commit = f"{plan.repo} {plan.branch} {plan.commit or run_id}"
        sha = hashlib.sha1(commit.encode(), usedforsecurity=False).hexdigest()
        author = PEOPLE[stable_number(f"author {plan.repo} {plan.branch}", len(PEOPLE))]
        title = plan.title or _TITLES[stable_number(f"title {plan.repo} {plan.branch}", len(_TITLES))]
        self.changed[sha] = plan.changes or changed_paths(plan.repo, sha)
        if plan.merges:
            merged = self._merged(plan, sha, created_at)
            author, title = merged.author, f"{title} (#{merged.number})"
        pull_numbers: tuple[int, ...] = ()
        if plan.event == "pull_request":
            pull = self._pull(plan, head_repo, sha, title, author, created_at)
            pull_numbers = (pull.number,) if pull is not None and head_repo == plan.repo else ()
        attempts = [self._attempt(plan, plan.jobs, 1, run_id, sha, created_at, author)]
        for at, later in enumerate(plan.later, 2):
            attempts.append(
                self._attempt(plan, later.jobs, at, run_id, sha, created_at + later.after, author, later.failed_only)
            )
        counted = (plan.repo, plan.workflow)
        self._numbers[counted] = self._numbers.get(counted, _RUN_NUMBER) + 1
        return RunSpec(
            repo=plan.repo,
            run_id=run_id,
            workflow_id=7100 + REPOS.index(plan.repo) * 10 + list(WORKFLOWS).index(plan.workflow),
            workflow_name=plan.workflow,
            workflow_path=f".github/workflows/{WORKFLOWS[plan.workflow]}",
            event=plan.event,
            head_branch=plan.branch,
            head_sha=sha,
            head_repo=head_repo,
            check_suite_id=self._ids.suite + self._runs * 611,
            run_number=self._numbers[counted],
            display_title=title if plan.event != "schedule" else plan.workflow,
            created_at=created_at,
            attempts=tuple(attempts),
            pull_numbers=pull_numbers,
        )

    def _attempt(
        self,
        plan: RunPlan,
        jobs: Sequence[JobPlan],
        attempt: int,
        run_id: int,
        sha: str,
        created_at: datetime,
        actor: str,
        failed_only: bool = False,
    ) -> AttemptSpec:
        specs: list[JobSpec] = []
        for job in sorted(jobs, key=lambda j: j.after):
            self._jobs += 1
            ends = [spec.completed_at for spec in specs if spec.completed_at is not None]
            script = JobScript(
                plan=job,
                job_id=self._ids.job + self._jobs * 1_013,
                repo=plan.repo,
                sha=sha,
                branch=plan.branch,
                created_at=max(ends) + timedelta(seconds=1)
                if job.after and ends
                else created_at + timedelta(seconds=2),
                recorded=recorded(job.fails),
            )
            specs.append(script.spec())
            if script.conclusion in FAILED_CONCLUSIONS:
                self.truth.append(_truth(script, run_id, attempt))
        return AttemptSpec(
            number=attempt,
            actor=actor,
            created_at=created_at,
            jobs=tuple(specs),
            failed_only=failed_only,
            conclusion=plan.conclusion if attempt == 1 else None,
        )

    def _merged(self, plan: RunPlan, sha: str, at: datetime) -> PullSpec:
        """The pull request that a push to main merged; of one that is met here for the first time
        the own runs are not told.
        """
        if known := next((pull for pull in self.merged if pull.merge_commit_sha == sha), None):
            return known
        closed = at - timedelta(minutes=1)
        if met := self.pulls.pop((plan.repo, plan.repo, plan.merges), None):
            self.merged.append(replace(met, closed_at=closed, merged=True, merge_commit_sha=sha))
            return self.merged[-1]
        author = PEOPLE[stable_number(f"author {plan.repo} {plan.merges}", len(PEOPLE))]
        self._merges += 1
        number = self._ids.pull - 3 * self._merges
        head = hashlib.sha1(f"{plan.repo} {plan.merges}".encode(), usedforsecurity=False).hexdigest()
        pull = PullSpec(
            repo=plan.repo,
            number=number,
            title=plan.title,
            author=author,
            head_repo=plan.repo,
            head_branch=plan.merges,
            head_sha=head,
            created_at=at - timedelta(hours=5),
            closed_at=closed,
            merged=True,
            merge_commit_sha=sha,
        )
        self.merged.append(pull)
        return pull

    def _pull(
        self, plan: RunPlan, head_repo: str | None, sha: str, title: str, author: str, created_at: datetime
    ) -> PullSpec | None:
        """The pull request of a branch, opened when it is first met. A fork's `main` has
        two, so it stays ambiguous.
        """
        if head_repo is None:
            return None
        key = (plan.repo, head_repo, plan.branch)
        if key not in self.pulls:
            fork = head_repo != plan.repo
            for base in ("main", "release/2") if fork and plan.branch == "main" else ("main",):
                self._opened += 1
                self.pulls[(*key[:2], plan.branch if base == "main" else f"{plan.branch} {base}")] = PullSpec(
                    repo=plan.repo,
                    number=self._ids.pull + self._ids.step * self._opened,
                    title=title,
                    author=head_repo.partition("/")[0] if fork else author,
                    head_repo=head_repo,
                    head_branch=plan.branch,
                    head_sha=sha,
                    created_at=created_at - timedelta(minutes=3),
                    base_branch=base,
                )
        return self.pulls[key]


def _truth(script: JobScript, run_id: int, attempt: int) -> JobTruth:
    failure = script.recorded
    missing = script.plan.answer != "stored" or failure is None
    step = next((s for s in script.steps() if s.conclusion in ("failure", "cancelled")), None)
    return JobTruth(
        repo=script.repo,
        run_id=run_id,
        run_attempt=attempt,
        job_id=script.job_id,
        job_name=script.plan.name,
        conclusion=script.conclusion,
        state="no_log" if missing or failure is None else failure.state,
        category=None if missing or failure is None else failure.category,
        step=step.name if step else None,
        step_number=step.number if step else None,
        marks=script.marks(),
        slug=failure.slug if failure else "",
        flaky=script.plan.flaky,
        completed_at=script.spec().completed_at or script.created_at,
    )
