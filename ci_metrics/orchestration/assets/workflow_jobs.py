"""`workflow_jobs`: each attempt's own jobs with their steps and annotations.

What belongs here: deciding which attempts to ask for. Does not: logs.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Self

import dagster as dg

from ci_metrics.errors import AuthenticationError, CiMetricsError, IncompleteError
from ci_metrics.github import MOST_JOBS, GitHub, RequestCount
from ci_metrics.github.listings import AGAIN
from ci_metrics.models import Annotation, Job, Run
from ci_metrics.orchestration import checks
from ci_metrics.orchestration.due_hours import REASON_TAG, asked_repositories
from ci_metrics.orchestration.fair_order import fairly
from ci_metrics.orchestration.metadata import markdown_table, plot
from ci_metrics.orchestration.partition_loop import each_hour, with_checks
from ci_metrics.orchestration.partitioned_asset import partitioned_asset
from ci_metrics.orchestration.parts import FETCH_THREADS, GitHubPart, HoursPart
from ci_metrics.orchestration.storage.arrow_tables import PackedRows
from ci_metrics.orchestration.storage.hours import Outcome
from ci_metrics.orchestration.storage.rows import JobKey
from ci_metrics.orchestration.storage.store import HourStore

#: Attempts whose jobs are in memory as records at a time.
_MOST_ATTEMPTS = 200

#: Looks at an attempt whose jobs all came without something that belongs in them (their steps)
#: before it is taken as it is: some two hours for a new hour (`due_hours.UNFINISHED_EVERY`), four
#: days for an old one, whose steps GitHub may have no more.
_MOST_LOOKS = 4

NAME = "workflow_jobs"


def build(partitions: dg.PartitionsDefinition, upstream: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """The asset on these partitions."""

    @partitioned_asset(
        NAME,
        partitions,
        upstream=upstream,
        rows=Job,
        group="github",
        kinds={"github", "parquet"},
        pool="github",
        checks=[checks.IDS_UNIQUE],
        description=(
            "The jobs of each attempt, with steps and annotations. An attempt that was finished when it was fetched is "
            "never fetched again. Annotations are redacted."
        ),
    )
    def workflow_jobs(
        context: dg.AssetExecutionContext,
        hours: dg.ResourceParam[HoursPart],
        github: dg.ResourceParam[GitHubPart],
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        done = each_hour(
            context, hours, lambda hour: fetch_hour(hours, github, hour, context), made_of=["workflow_runs"]
        )
        return with_checks(checks.ids_unique(hours.store, done))

    return workflow_jobs


def fetch_hour(hours: HoursPart, github: GitHubPart, hour: str, context: dg.AssetExecutionContext) -> Mapping[str, Any]:
    """Fetch the jobs of the hour's attempts and commit them; returns the metadata."""
    before, repos = github.client.requests, hours.repos
    meant = set(repos)
    runs = [run for run in hours.store.read("workflow_runs", hour, Run) if run.repo in meant]
    jobs = _Jobs(hours.store.read_or_none(NAME, hour, Job))
    known = _Known.of(hours.store, hour, any_stored=jobs.any)
    asked = asked_repositories(hours.store.looked_at(hour), repos, context.run.tags.get(REASON_TAG, ""))
    due = [run for run in runs if known.is_due(run, asked)]
    due = fairly(due, lambda run: run.repo, hour)
    answers: list[FetchedJobs] = []
    came = False
    for first in range(0, len(due), _MOST_ATTEMPTS):
        part = due[first : first + _MOST_ATTEMPTS]
        fetched = known.accepted(part, fetch_attempts(github.client, part), context.log.warning)
        known.note(part, fetched)
        jobs.add([job for answer in fetched for job in answer.jobs])
        came = came or any(answer.jobs for answer in fetched)
        answers += [replace(answer, jobs=()) for answer in fetched]
    failures = _failures(due, answers, context)
    if not came:
        _raise_if_nobody_is_let_in(due, answers, repos)
    rows = jobs.in_order()
    seen = _Seen.of(rows, known.deleted)
    outcome = Outcome(
        repos=repos,
        asked=sorted(asked | {run.repo for run in due}),
        unfinished=seen.unfinished,
        failures=failures,
    )
    status = {"jobs": len(rows)}
    hours.store.commit(NAME, hour, rows, Job, notes=known.notes(), status=status, now=hours.now(), outcome=outcome)
    return _metadata(seen, outcome, github.client.requests - before)


class _Jobs:
    """The hour's jobs as they come, each kept once: as it came last."""

    def __init__(self, stored: Sequence[Job]) -> None:
        self._rows = PackedRows(Job)
        self._places: dict[JobKey, tuple[str, int, int, int, int]] = {}
        self._came = 0
        self.any = bool(stored)
        self.add(stored)

    def add(self, jobs: Sequence[Job]) -> None:
        self._rows.add(jobs)
        for place, job in enumerate(jobs, start=self._came):
            self._places[_key(job)] = (job.repo, job.run_id, job.run_attempt, job.job_id, place)
        self._came += len(jobs)

    def in_order(self) -> PackedRows:
        self._rows.arrange([place for *_, place in sorted(self._places.values())])
        return self._rows


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedJobs:
    """What GitHub said of one attempt's jobs."""

    jobs: Sequence[Job] = ()
    failures: Mapping[str, str] = field(default_factory=dict)  # what could not be had, and why
    refused: AuthenticationError | None = None  # the token may not read something of this repository
    lacking: bool = False  # the only failure: all jobs came, without something that belongs in them


AttemptKey = tuple[int, ...]  # run, attempt


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of the hour's attempts from the last time."""

    settled: set[AttemptKey]  # finished, with all their jobs: they will not change any more
    asked: set[AttemptKey]  # not settled, but asked for once
    deleted: Collection[AttemptKey]  # of a run that GitHub has no more: what is stored is all there will ever be
    looks: Counter[AttemptKey]  # how often in a row an attempt's jobs lacked something

    @classmethod
    def of(cls, store: HourStore, hour: str, *, any_stored: bool) -> Self:
        notes = store.notes(NAME, hour) if any_stored else {}
        runs = store.notes("workflow_runs", hour)
        return cls(
            _attempts(notes.get("settled")),
            _attempts(notes.get("asked")),
            _attempts(runs.get("deleted")),
            Counter({(run, attempt): looks for run, attempt, looks in notes.get("lacking", ())}),
        )

    def is_due(self, run: Run, asked: Collection[str]) -> bool:
        """Whether to ask for an attempt: it is new, or may have changed in an asked repository."""
        attempt = run.run_id, run.run_attempt
        if attempt in self.settled or attempt in self.deleted:
            return False
        return run.repo in asked or attempt not in self.asked

    def accepted(
        self, due: Sequence[Run], answers: Sequence[FetchedJobs], say: Callable[[str], None]
    ) -> list[FetchedJobs]:
        """The answers; without their failure those that lacked something at `_MOST_LOOKS` looks in
        a row: that will not come any more.
        """
        found: list[FetchedJobs] = []
        for run, answer in zip(due, answers, strict=True):
            attempt = run.run_id, run.run_attempt
            self.looks[attempt] = self.looks[attempt] + 1 if answer.lacking else 0
            if self.looks[attempt] >= _MOST_LOOKS:
                for why in answer.failures.values():
                    seen = f"the same at {_MOST_LOOKS} looks, taken as it is"
                    say(f"⚠️ {run.workflow_name} (ID: {run.run_id}): {seen}: {why.removesuffix(AGAIN)}")
                answer = replace(answer, failures={})
            found.append(answer)
        return found

    def note(self, due: Sequence[Run], answers: Sequence[FetchedJobs]) -> None:
        """Settle the attempts that came whole."""
        for run, answer in zip(due, answers, strict=True):
            attempt = run.run_id, run.run_attempt
            whole = not answer.failures and run.finished and all(job.finished for job in answer.jobs)
            self.asked.discard(attempt)
            (self.settled if whole else self.asked).add(attempt)

    def notes(self) -> Mapping[str, Any]:
        """As `of` reads it."""
        lacking = sorted((*attempt, looks) for attempt, looks in self.looks.items() if looks and attempt in self.asked)
        return {"settled": sorted(self.settled), "asked": sorted(self.asked), "lacking": lacking}


def _attempts(pairs: Iterable[Iterable[int]] | None) -> set[AttemptKey]:
    return {tuple(pair) for pair in pairs or ()}


def fetch_attempts(github: GitHub, due: Sequence[Run]) -> list[FetchedJobs]:
    """The attempts' jobs with their annotations, in order, or what kept them away: one attempt
    does not lose the others.

    Annotations are asked for a hundred jobs at a time; by attempt only where that does not answer.
    """
    with ThreadPoolExecutor(FETCH_THREADS) as pool:
        listed = list(pool.map(lambda run: _listed(github, run), due))
        ended = [job for each in listed for job in each.jobs if job.finished]
        parts = [ended[first : first + MOST_JOBS] for first in range(0, len(ended), MOST_JOBS)]
        known = {key: notes for found in pool.map(github.annotations_at_once, parts) for key, notes in found.items()}
        return list(pool.map(lambda run, each: _annotated(github, run, each, known), due, listed))


def _listed(github: GitHub, run: Run) -> FetchedJobs:
    try:
        return FetchedJobs(jobs=github.jobs(run))
    except IncompleteError as error:
        return FetchedJobs(jobs=error.found, failures=_named(run, [str(error)]), lacking=error.lacking)
    except CiMetricsError as error:
        return FetchedJobs(failures=_named(run, [_said(error)]), refused=_refusal(error))


def _annotated(github: GitHub, run: Run, listed: FetchedJobs, known: Mapping[int, Sequence[Annotation]]) -> FetchedJobs:
    """The jobs with annotations; those of which none can be had land without."""
    short = list(listed.failures.values())
    refused = listed.refused
    annotations = {job.job_id: known[job.job_id] for job in listed.jobs if job.job_id in known}
    left = [job for job in listed.jobs if job.finished and job.job_id not in known]
    lacking = listed.lacking
    try:
        annotations.update(github.annotations(run.repo, run, left))
    except IncompleteError as error:
        annotations.update(error.found)
        short.append(str(error))
        lacking = False
    except CiMetricsError as error:
        short.append(_said(error))
        refused, lacking = _refusal(error), False
    jobs = [replace(job, annotations=tuple(annotations.get(job.job_id, ()))) for job in listed.jobs]
    return FetchedJobs(jobs=jobs, failures=_named(run, short), refused=refused, lacking=lacking)


def _named(run: Run, short: Sequence[str]) -> dict[str, str]:
    return {f"run {run.run_id} attempt {run.run_attempt}": "; ".join(short)} if short else {}


def _said(error: CiMetricsError) -> str:
    return f"{type(error).__name__}: {error}"


def _refusal(error: CiMetricsError) -> AuthenticationError | None:
    return error if isinstance(error, AuthenticationError) else None


def _raise_if_nobody_is_let_in(due: Sequence[Run], answers: Sequence[FetchedJobs], repos: Sequence[str]) -> None:
    """Where no job of any repository may be read, it is not one repository's problem."""
    refused = {run.repo for run, answer in zip(due, answers, strict=True) if answer.refused}
    if len(refused) == len(repos):
        raise next(answer.refused for answer in answers if answer.refused)


def _failures(
    due: Sequence[Run], answers: Sequence[FetchedJobs], context: dg.AssetExecutionContext
) -> dict[str, dict[str, str]]:
    """What could not be had, by repository; it is said."""
    found: dict[str, dict[str, str]] = {}
    for run, answer in zip(due, answers, strict=True):
        for what, why in answer.failures.items():
            context.log.warning(f"⚠️ {run.workflow_name} (ID: {run.run_id}): {what}: {why}")
            found.setdefault(run.repo, {})[what] = why
    return found


def _key(job: Job) -> JobKey:
    return job.job_id, job.run_attempt


@dataclass(slots=True)
class _Seen:
    """What is told of the hour's jobs."""

    unfinished: dict[str, int]  # how many runs of each repository have jobs that will still change
    conclusions: Counter[str] = field(default_factory=Counter)
    failed: list[Job] = field(default_factory=list)
    steps: int = 0
    annotations: int = 0

    @classmethod
    def of(cls, jobs: Iterable[Job], deleted: Collection[AttemptKey]) -> Self:
        seen = cls({})
        waiting: set[tuple[str, int]] = set()
        for job in jobs:
            seen.conclusions[job.conclusion or job.status] += 1
            seen.steps += len(job.steps)
            seen.annotations += len(job.annotations)
            if job.failed:
                seen.failed.append(replace(job, steps=(), annotations=()))
            if not job.finished and (job.run_id, job.run_attempt) not in deleted:
                waiting.add((job.repo, job.run_id))
        seen.unfinished = dict(Counter(repo for repo, _ in waiting))
        return seen


def _metadata(seen: _Seen, outcome: Outcome, spent: RequestCount) -> Mapping[str, Any]:
    jobs = seen.conclusions.total()
    return {
        "dagster/row_count": jobs,
        "jobs": jobs,
        "failed_jobs": len(seen.failed),
        "steps": seen.steps,
        "annotations": seen.annotations,
        "unfinished_runs": sum(outcome.unfinished.values()),
        "requests": spent.total,
        "requests_counted": spent.counted,
        "problems": dg.MetadataValue.json(outcome.problems),
        "by_conclusion": plot(seen.conclusions),
        "failed": markdown_table(
            [
                {
                    "workflow": j.workflow_name,
                    "job": j.name,
                    "attempt": j.run_attempt,
                    "is": j.conclusion,
                    "url": j.html_url,
                }
                for j in seen.failed
            ],
            ("workflow", "job", "attempt", "is", "url"),
        ),
    }
