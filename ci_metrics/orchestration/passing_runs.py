"""The last passing run of each failed job of an hour: found, and the shapes of its log kept.

What belongs here: which passing job is whose background, and how few requests find it. Does not:
the files (`storage/backgrounds.py`), the requests (`github/passing_runs.py`), what background does
to an extraction (`logs/`).

A distinct job (repository, workflow, job's name) is looked at once an hour, however often it
failed, the most failing first, and no log is fetched while one that was fetched within a week of
the failure is there. Of passing jobs those of the base branch come first (the pull request's, else
the default branch), then any. What was decided for a failed job stays; what could not be had is
looked for when the hour is done again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import BinaryIO, cast

from ci_metrics.errors import CiMetricsError
from ci_metrics.github import GitHub
from ci_metrics.logs.background import SHAPES_VERSION, background_of
from ci_metrics.models import Job, JobLog, PassingLog, Run
from ci_metrics.orchestration.partitions import hour_key, hour_start
from ci_metrics.orchestration.storage.backgrounds import DistinctJob, KnownPassing, distinct_job, job_began
from ci_metrics.orchestration.storage.rows import JobKey
from ci_metrics.orchestration.storage.store import HourStore

#: Requests that an hour may spend on backgrounds: at least so many, or one for so many of its jobs.
#: Without a limit the first hour of a busy installation, in which no job has a background yet,
#: costs 0.319 requests a job instead of 0.294 (bench/github_requests.py).
LEAST_REQUESTS, JOBS_A_REQUEST = 20, 50
#: Bytes of a passing log that are read, its beginning and its end: a second of work.
_MOST_BYTES = 20_000_000
#: Passing logs under way at once.
_THREADS = 8

_POSTPONED = PassingLog(state="postponed", detail="the hour's requests for backgrounds were spent")
_TOO_LATE = PassingLog(state="absent", detail="it is known to have passed only after this failure")


@dataclass(frozen=True, slots=True)
class FoundPassing:
    """What a search came to."""

    logs: list[JobLog]  # with what was found
    requests: int  # to GitHub's API
    fetched: int  # passing logs


def background_undecided(log: JobLog) -> bool:
    """Whether a passing run is to be looked for: the job has a log, and nothing final is known."""
    if log.state != "stored":
        return False
    known = log.passing
    if known is None or known.state not in ("used", "absent"):
        return True
    return known.state == "used" and not known.path.endswith(SHAPES_VERSION)


def look_for(
    github: GitHub, store: HourStore, hour: str, failed: Iterable[Job], runs: Iterable[Run], logs: Sequence[JobLog]
) -> FoundPassing:
    """Find a passing run for each failed job whose log this is.

    What GitHub refuses is a state, not an error.

    `runs`: all of the hour; `logs`: those that are `undecided`; `failed`: their jobs.
    """
    before = github.requests
    by_key = {(job.job_id, job.run_attempt): job for job in failed}
    keys = [(log.job_id, log.run_attempt) for log in logs]
    due = [by_key[key] for key in keys if key in by_key]
    search = _Search(github, store, hour, runs, due)
    fetched = search.settle()
    settled = [replace(log, passing=search.found.get(key, log.passing)) for key, log in zip(keys, logs, strict=True)]
    return FoundPassing(settled, (github.requests - before).total, fetched)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A passing job whose shapes are needed, and the failed jobs, oldest first, that need them."""

    name: DistinctJob
    failed: Sequence[Job]
    passed: Job


class _Search:
    """One hour's search: `found` is what became of each failed job."""

    def __init__(
        self,
        github: GitHub,
        store: HourStore,
        hour: str,
        runs: Iterable[Run],
        due: Sequence[Job],
    ) -> None:
        self.found: dict[JobKey, PassingLog] = {}
        self._github, self._store, self._hour = github, store, hour
        self._backgrounds = store.backgrounds
        self._limit = github.requests.total + max(LEAST_REQUESTS, store.count("workflow_jobs", hour) // JOBS_A_REQUEST)
        # An earlier attempt may have been stored before workflows' ids were.
        self._runs = {run.run_id: run for run in sorted(runs, key=lambda run: run.workflow_id is not None)}
        self._failed: dict[DistinctJob, list[Job]] = {}
        self._first: dict[tuple[str, str], datetime] = {}
        for job in sorted(due, key=job_began):
            self._failed.setdefault(distinct_job(job), []).append(job)
            self._first.setdefault((job.repo, job.workflow_name), job_began(job))
        self._listed: dict[tuple[str, int, str], list[Job] | CiMetricsError] = {}

    def settle(self) -> int:
        """Decide about every failed job; returns how many logs were fetched."""
        answers = {name: self._backgrounds.answers(name) for name in self._failed}
        left = {name: self._unanswered(failed, answers[name]) for name, failed in self._failed.items()}
        stored = self._stored({name for name, failed in left.items() if failed})
        wanted: list[_Wanted] = []
        for name, failed in sorted(left.items(), key=lambda item: -len(item[1])):
            if not failed:
                continue
            chosen = self._choose(name, failed, stored.get(name, []), answers[name])
            if isinstance(chosen, PassingLog):
                self._note(failed, chosen)
            else:
                wanted.append(_Wanted(name, [job for job in failed if job_began(chosen) < job_began(job)], chosen))
                self._note([job for job in failed if job_began(chosen) >= job_began(job)], _TOO_LATE)
        kept = {answer.path for name in answers for answer in answers[name] if answer.is_readable}
        return self._fetch_all(wanted, kept)

    def _unanswered(self, failed: Sequence[Job], answers: Sequence[KnownPassing]) -> list[Job]:
        """The failed jobs that no kept shapes are background of; the others are noted."""
        left = []
        for job in failed:
            held = [answer for answer in answers if answer.holds_for(job)]
            if held:
                newest = max(held, key=lambda answer: answer.began or answer.before)
                self._note([job], PassingLog(state="used", path=newest.path))
            else:
                left.append(job)
        return left

    def _stored(self, names: set[DistinctJob]) -> dict[DistinctJob, list[Job]]:
        """Passing jobs of these names, of this hour and the day before, as far as stored."""
        if not names:
            return {}
        first = hour_key(hour_start(self._hour) - timedelta(days=1))
        before = [hour for hour, state in self._store.states(first, self._hour).items() if state.of("workflow_jobs")]
        wanted = {
            "repo": {name.repo for name in names},
            "workflow_name": {name.workflow for name in names},
            "name": {name.name for name in names},
            "conclusion": {"success"},
        }
        found: dict[DistinctJob, list[Job]] = {}
        for hour in {*before, self._hour}:
            for job in self._store.matching("workflow_jobs", hour, Job, wanted, without=_PARTS):
                if distinct_job(job) in names:
                    found.setdefault(distinct_job(job), []).append(job)
        return found

    def _choose(
        self, name: DistinctJob, failed: Sequence[Job], stored: Sequence[Job], answers: Sequence[KnownPassing]
    ) -> Job | PassingLog:
        tried = {answer.tried for answer in answers if not answer.path}
        untried = [job for job in stored if _id(job) not in tried]
        for job in failed:
            earlier = [passed for passed in untried if job_began(passed) < job_began(job)]
            if earlier:
                base = self._base(job)
                return max(earlier, key=lambda passed: (passed.head_branch == base, job_began(passed)))
        denial = next((answer for answer in answers if answer.denies(failed[0])), None)
        return PassingLog(state="absent", detail=denial.detail) if denial else self._ask(name, failed[0])

    def _ask(self, name: DistinctJob, job: Job) -> Job | PassingLog:
        """The last run that passed as a whole, of the base branch, else of any."""
        run = self._runs.get(job.run_id)
        if run is None or run.workflow_id is None:
            return PassingLog(state="failed", detail="its run is stored without the workflow's id")
        for branch in dict.fromkeys((self._base(job), "")):
            if self._github.requests.total >= self._limit:
                return _POSTPONED
            listed = self._passing_jobs(name, run.workflow_id, branch)
            if isinstance(listed, CiMetricsError):
                return PassingLog(state="failed", detail=f"{type(listed).__name__}: {listed}")
            same = [passed for passed in listed if distinct_job(passed) == name and job_began(passed) < job_began(job)]
            if same:
                return max(same, key=job_began)
        detail = "GitHub knows no run that passed before it with this job in it"
        self._backgrounds.remember(name, KnownPassing(before=job_began(job), detail=detail))
        return PassingLog(state="absent", detail=detail)

    def _passing_jobs(self, name: DistinctJob, workflow_id: int, branch: str) -> list[Job] | CiMetricsError:
        """The good jobs of the workflow's last passing run before its first failure; asked once."""
        key = (name.repo, workflow_id, branch)
        if key not in self._listed:
            before = self._first[name.repo, name.workflow]
            try:
                self._listed[key] = self._github.last_passing_jobs(name.repo, workflow_id, before, branch)
            except CiMetricsError as error:
                self._listed[key] = error
        return self._listed[key]

    def _base(self, job: Job) -> str:
        run = self._runs.get(job.run_id)
        if run is not None and run.base_branch:
            return run.base_branch
        try:
            return self._github.default_branch(job.repo)
        except CiMetricsError:
            return ""  # any branch, then

    def _fetch_all(self, wanted: Sequence[_Wanted], kept: set[str]) -> int:
        """Fetch what is not `kept`, as far as the hour's requests go."""
        here = [w for w in wanted if self._backgrounds.path_of(w.name, w.passed) in kept]
        due = [w for w in wanted if w not in here]
        may = max(0, self._limit - self._github.requests.total)
        with ThreadPoolExecutor(_THREADS) as pool:
            results = list(pool.map(self._fetch, due[:may]))
        for want in due[may:]:
            self._note(want.failed, _POSTPONED)
        results += [PassingLog(state="used", path=self._backgrounds.path_of(w.name, w.passed)) for w in here]
        for want, result in zip([*due[:may], *here], results, strict=True):
            self._note(want.failed, result)
            if result.state != "failed":
                self._backgrounds.remember(
                    want.name,
                    KnownPassing(
                        before=job_began(want.failed[0]),
                        began=job_began(want.passed),
                        path=result.path,
                        detail=result.detail,
                        tried=_id(want.passed),
                    ),
                )
        return sum(result.state == "used" for result in results) - len(here)

    def _fetch(self, want: _Wanted) -> PassingLog:
        path = self._backgrounds.path_of(want.name, want.passed)
        try:
            with tempfile.TemporaryFile() as kept:
                log = cast(BinaryIO, kept)
                got = self._github.download_log(want.passed, lambda part: _write(log, part), _MOST_BYTES)
                if got.state == "stored":
                    log.seek(0)
                    self._backgrounds.write(path, background_of(log))
                    return PassingLog(state="used", path=path)
        except CiMetricsError as error:
            return PassingLog(state="failed", detail=f"{type(error).__name__}: {error}")
        return PassingLog(state="failed" if got.state == "unavailable" else "absent", detail=got.detail)

    def _note(self, jobs: Iterable[Job], what: PassingLog) -> None:
        self.found.update({(job.job_id, job.run_attempt): what for job in jobs})


#: What of a stored job is not needed to know that it passed.
_PARTS = ("steps", "annotations")


def _id(job: Job) -> str:
    return f"{job.job_id}-{job.run_attempt}"


def _write(sink: BinaryIO, part: bytes) -> None:
    sink.write(part)
