"""The world behind the sample GitHub: runs, attempts, jobs, steps, annotations and logs, each
with the times of its events.

What belongs here: frozen records and the question "how does this look at time T?". Does not:
HTTP, JSON, files, faults, where the records come from (`scenario.py` for the recorded day,
`scaling.py` for generated ones).

Nothing here has a status of its own: a thing is queued, in progress or completed depending on the
moment it is looked at, so one world serves "still going" first and "done" later, and always the
same. Times are timezone-aware UTC.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Literal

#: GitHub's words for where something stands.
Status = Literal["queued", "in_progress", "completed"]

#: A log's bytes as GitHub would serve them, or how to get them when asked for (big or
#: many logs stay on disk).
LogSource = bytes | Callable[[], bytes]

#: What asking for a job's log finds: the log; 404 (never had one); 410 (expired or deleted).
LogAnswer = Literal["stored", "not_found", "gone"]


def status_at(now: datetime, started_at: datetime | None, completed_at: datetime | None) -> Status:
    """Where something stands at `now`. A missing `completed_at` means it never ends, a missing
    `started_at` never starts.
    """
    if completed_at is not None and completed_at <= now:
        return "completed"
    if started_at is not None and started_at <= now:
        return "in_progress"
    return "queued"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationSpec:
    """One annotation of a job; it is there once the job has completed."""

    level: Literal["failure", "warning", "notice"]
    message: str
    title: str = ""
    path: str = ".github"
    start_line: int = 1
    end_line: int | None = None  # None: the start line


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpec:
    """One step of a job. `conclusion` is what it will be once it has completed."""

    number: int  # from 1; GitHub leaves gaps before the post steps
    name: str
    conclusion: str = "success"
    started_at: datetime | None = None
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One job of one attempt. It is listed from `created_at` on (a job that `needs`
    another is created later).
    """

    job_id: int  # also its check run's id; unique in the world
    name: str
    created_at: datetime
    started_at: datetime | None  # None: it waits for a runner for ever
    completed_at: datetime | None  # None: it never ends
    conclusion: str = "success"  # once completed: success, failure, cancelled, timed_out, skipped, neutral, ...
    runner_id: int | None = 1
    runner_name: str | None = "GitHub Actions 1"
    labels: tuple[str, ...] = ("ubuntu-latest",)
    steps: tuple[StepSpec, ...] = ()
    annotations: tuple[AnnotationSpec, ...] = ()
    log: LogSource = b""
    log_answer: LogAnswer = "stored"  # once completed; before, it is a 404 as at GitHub

    def read_log(self) -> bytes:
        """The whole log's bytes."""
        return self.log if isinstance(self.log, bytes) else self.log()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSpec:
    """One attempt of a run. It exists from `created_at` on; a later one takes its
    place as the run's latest.
    """

    number: int  # from 1
    actor: str  # login that triggered this attempt
    created_at: datetime  # GitHub's `run_started_at` of this attempt
    jobs: tuple[JobSpec, ...]  # only the jobs that this attempt ran itself
    failed_only: bool = False  # "re-run failed jobs": GitHub lists the earlier attempts' other jobs here again
    conclusion: str | None = None  # None: what follows from the jobs
    completed_at: datetime | None = None  # None: when its last job has completed

    @property
    def ends_at(self) -> datetime | None:
        """When the attempt has completed; None when a job of it never ends."""
        if self.completed_at is not None:
            return self.completed_at
        ends = [job.completed_at for job in self.jobs]
        known = [end for end in ends if end is not None]
        return max(known, default=self.created_at) if len(known) == len(ends) else None

    @property
    def final_conclusion(self) -> str:
        """What the attempt will have concluded: the worst of its jobs, as GitHub sums them up."""
        if self.conclusion is not None:
            return self.conclusion
        seen = {job.conclusion for job in self.jobs}
        if seen & {"failure", "timed_out"}:
            return "failure"
        if "cancelled" in seen:
            return "cancelled"
        return "skipped" if seen == {"skipped"} else "success"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """One workflow run with all its attempts, the later ones too."""

    repo: str  # owner/name
    run_id: int  # unique in the world
    workflow_id: int
    workflow_name: str
    workflow_path: str  # .github/workflows/ci.yml
    event: str
    head_branch: str
    head_sha: str  # 40 hex digits
    head_repo: str | None  # owner/name of the head repository; None: that fork is gone
    check_suite_id: int
    run_number: int
    display_title: str
    created_at: datetime
    attempts: tuple[AttemptSpec, ...]
    pull_numbers: tuple[int, ...] = ()  # what GitHub puts into `pull_requests`: empty for forks

    @property
    def fork(self) -> bool:
        """Whether the run's code comes from another repository."""
        return self.head_repo != self.repo

    def attempts_at(self, now: datetime) -> tuple[AttemptSpec, ...]:
        """The attempts that exist at `now`, oldest first; the first one
        exists as soon as the run does.
        """
        return tuple(a for a in self.attempts if a.created_at <= now) or self.attempts[:1]

    def jobs_listed(self, number: int, now: datetime) -> tuple[tuple[int, JobSpec], ...]:
        """Attempt `number`'s listing at `now`: (the job's own attempt, job); carried-over jobs
        of earlier attempts included.
        """
        listed: dict[str, tuple[int, JobSpec]] = {}
        for attempt in self.attempts_at(now):
            if attempt.number > number:
                break
            if not attempt.failed_only:
                listed = {}
            listed.update({job.name: (attempt.number, job) for job in attempt.jobs if job.created_at <= now})
        return tuple(listed.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSpec:
    """One pull request; a fork's run is found by its head's owner and branch."""

    repo: str  # the base repository
    number: int
    title: str
    author: str
    head_repo: str  # owner/name
    head_branch: str
    head_sha: str
    created_at: datetime
    closed_at: datetime | None = None
    merged: bool = False
    base_branch: str = "main"
    merge_commit_sha: str = ""  # the commit on the base branch that it became


@dataclass(frozen=True, eq=False)
class World:
    """Everything the sample GitHub knows, for all times."""

    runs: tuple[RunSpec, ...]
    start: datetime  # the first hour's beginning
    end: datetime  # the last hour's end
    opens_at: datetime  # where a clock starts when nobody says otherwise
    pulls: tuple[PullSpec, ...] = ()
    settled_at: datetime | None = None  # nothing changes from here on; None: not said
    archived: frozenset[str] = frozenset()  # repositories that are
    people: frozenset[str] = frozenset()  # accounts that are no organisations
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # repository -> path -> text, at any commit
    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # commit -> the paths that it changed

    @cached_property
    def repos(self) -> tuple[str, ...]:
        """The repositories' names, in the order they first occur."""
        return tuple(dict.fromkeys(run.repo for run in self.runs))

    @cached_property
    def _by_repo(self) -> dict[str, list[RunSpec]]:
        grouped: dict[str, list[RunSpec]] = {repo: [] for repo in self.repos}
        for run in sorted(self.runs, key=lambda r: (r.created_at, r.run_id)):
            grouped[run.repo].append(run)
        return grouped

    @cached_property
    def _runs(self) -> dict[tuple[str, int], RunSpec]:
        return {(run.repo, run.run_id): run for run in self.runs}

    @cached_property
    def _suites(self) -> dict[tuple[str, int], RunSpec]:
        return {(run.repo, run.check_suite_id): run for run in self.runs}

    @cached_property
    def _jobs(self) -> dict[tuple[str, int], tuple[RunSpec, AttemptSpec, JobSpec]]:
        return {(r.repo, job.job_id): (r, a, job) for r in self.runs for a in r.attempts for job in a.jobs}

    @cached_property
    def _repos_of_jobs(self) -> dict[int, str]:
        return {job_id: repo for repo, job_id in self._jobs}

    def repo_of_job(self, job_id: int) -> str | None:
        """The repository that a job is of; None for no job's id."""
        return self._repos_of_jobs.get(job_id)

    def at(self, now: datetime) -> Moment:
        """The world as it looks at `now`."""
        return Moment(self, now)

    def check(self) -> None:
        """Raise ValueError when ids repeat or times run backwards: a scenario's mistake,
        found before a test wonders.
        """
        for what, ids in (
            ("run", [r.run_id for r in self.runs]),
            ("check suite", [r.check_suite_id for r in self.runs]),
            ("job", [j.job_id for r in self.runs for a in r.attempts for j in a.jobs]),
        ):
            if len(set(ids)) < len(ids):
                raise ValueError(f"a {what} id occurs twice: {next(i for i in ids if ids.count(i) > 1)}")
        for run in self.runs:
            if [a.number for a in run.attempts] != list(range(1, len(run.attempts) + 1)):
                raise ValueError(f"run {run.run_id}: attempts are not numbered 1, 2, ...")
            for attempt in run.attempts:
                for job in attempt.jobs:
                    times = [t for t in (job.created_at, job.started_at, job.completed_at) if t is not None]
                    if times != sorted(times) or job.created_at < run.created_at:
                        raise ValueError(f"job {job.job_id} ({job.name}): its times run backwards")


@dataclass(frozen=True)
class Moment:
    """A world looked at at one time: only what has happened by then."""

    world: World
    now: datetime

    def runs(self, repo: str) -> Sequence[RunSpec]:
        """The runs of `repo` that exist, oldest first."""
        runs = self.world._by_repo.get(repo, [])
        return runs[: bisect_right(runs, self.now, key=lambda run: run.created_at)]

    def run(self, repo: str, run_id: int) -> RunSpec | None:
        """One run, if it exists already."""
        return self._existing(self.world._runs.get((repo, run_id)))

    def run_of_suite(self, repo: str, check_suite_id: int) -> RunSpec | None:
        """The run that a check suite belongs to."""
        return self._existing(self.world._suites.get((repo, check_suite_id)))

    def job(self, repo: str, job_id: int) -> tuple[RunSpec, AttemptSpec, JobSpec] | None:
        """One job with its attempt and run, if it exists already."""
        found = self.world._jobs.get((repo, job_id))
        return found if found is not None and found[2].created_at <= self.now else None

    def pulls(self, repo: str) -> Iterable[PullSpec]:
        """The pull requests into `repo` that exist, newest first."""
        here = [p for p in self.world.pulls if p.repo == repo and p.created_at <= self.now]
        return sorted(here, key=lambda p: p.number, reverse=True)

    def job_status(self, job: JobSpec) -> Status:
        """Where a job stands."""
        return status_at(self.now, job.started_at, job.completed_at)

    def attempt_status(self, attempt: AttemptSpec) -> Status:
        """Where an attempt stands: in progress from its first job's start."""
        starts = [job.started_at for job in attempt.jobs if job.started_at is not None]
        return status_at(self.now, min(starts, default=None), attempt.ends_at)

    def updated_at(self, attempt: AttemptSpec) -> datetime:
        """The last event of an attempt: GitHub's `updated_at`."""
        events = [attempt.created_at, attempt.ends_at]
        events += [time for job in attempt.jobs for time in (job.created_at, job.started_at, job.completed_at)]
        return max((e for e in events if e is not None and e <= self.now), default=attempt.created_at)

    def _existing(self, run: RunSpec | None) -> RunSpec | None:
        return run if run is not None and run.created_at <= self.now else None
