"""`job_logs`: the raw log of every failed job, and a manifest that says what became of each.

What belongs here: deciding which logs to ask for, and storing them. Does not: reading them, whose
log is whose background (`passing_runs.py`).
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from ci_metrics.errors import CiMetricsError
from ci_metrics.models import Job, JobLog, Run
from ci_metrics.orchestration import checks, junit_artifacts
from ci_metrics.orchestration.due_hours import REASON_TAG, asked_repositories
from ci_metrics.orchestration.fair_order import fairly
from ci_metrics.orchestration.metadata import markdown_table, plot
from ci_metrics.orchestration.partition_loop import each_hour, with_checks
from ci_metrics.orchestration.partitioned_asset import partitioned_asset
from ci_metrics.orchestration.parts import FETCH_THREADS, GitHubPart, HoursPart
from ci_metrics.orchestration.passing_runs import FoundPassing, background_undecided, look_for
from ci_metrics.orchestration.storage.hours import Outcome
from ci_metrics.orchestration.storage.rows import JobKey
from ci_metrics.orchestration.storage.store import log_path

NAME = "job_logs"

#: Why a job has no log that GitHub is not asked for; where its steps come later, it is asked for.
_NEVER_STARTED = "the job never started a step, so it has no log"

#: A log that is missing this long after its job has ended will not come any more.
LOG_DELAY = timedelta(hours=1)


def build(partitions: dg.PartitionsDefinition, upstream: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """The asset on these partitions."""

    @partitioned_asset(
        NAME,
        partitions,
        upstream=upstream,
        rows=JobLog,
        group="github",
        kinds={"github", "zstandard"},
        pool="github",
        checks=[checks.MISSING_LOGS],
        description=(
            "The logs of failed jobs, as GitHub served them, compressed; the manifest says of each whether it is stored, "
            "missing (404), gone (410) or still to be fetched. A stored log is never fetched again. Of the last run in which a "
            "failed job passed, what its lines look like is kept: it tells what is background."
        ),
    )
    def job_logs(
        context: dg.AssetExecutionContext,
        hours: dg.ResourceParam[HoursPart],
        github: dg.ResourceParam[GitHubPart],
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        done = each_hour(
            context, hours, lambda hour: fetch_hour(hours, github, hour, context), made_of=["workflow_jobs"]
        )
        return with_checks(checks.missing_logs(hours.store, done))

    return job_logs


def fetch_hour(hours: HoursPart, github: GitHubPart, hour: str, context: dg.AssetExecutionContext) -> Mapping[str, Any]:
    """Fetch the logs of the hour's failed jobs and commit the manifest; returns the metadata."""
    before, repos = github.client.requests, hours.repos
    meant = set(repos)
    failed = [job for job in hours.store.each("workflow_jobs", hour, Job) if job.failed and job.finished]
    manifest = {(log.job_id, log.run_attempt): log for log in hours.store.read_or_none(NAME, hour, JobLog)}
    asked = asked_repositories(hours.store.looked_at(hour), repos, context.run.tags.get(REASON_TAG, ""))
    due = [job for job in failed if job.repo in meant and _is_due(manifest.get(_key(job)), job, asked, hours.now())]
    due = fairly(due, lambda job: job.repo, hour)
    earlier = [manifest.get(_key(job)) for job in due]
    with ThreadPoolExecutor(FETCH_THREADS) as pool:
        for log in pool.map(lambda job, before: _fetch(hours, github, hour, job, before), due, earlier):
            manifest[log.job_id, log.run_attempt] = log
    requests = (github.client.requests - before).total
    logs = sorted(manifest.values(), key=lambda log: (log.repo, log.run_id, log.run_attempt, log.job_id))
    logs = _with_reports(hours, github, hour, logs, meant)
    found = _with_background(hours, github, hour, logs)
    outcome = Outcome(
        repos=repos,
        asked=sorted(asked | {job.repo for job in due}),
        unfinished=Counter(job.repo for job in failed if _may_come(manifest.get(_key(job)), job, hours.now())),
        failures=_failures(found.logs),
    )
    status = {"logs": dict(Counter(log.state for log in found.logs))}
    hours.store.commit(NAME, hour, found.logs, JobLog, notes={}, status=status, now=hours.now(), outcome=outcome)
    return _metadata(found, requests)


def _key(job: Job) -> JobKey:
    return job.job_id, job.run_attempt


def _is_due(log: JobLog | None, job: Job, asked: Collection[str], now: datetime) -> bool:
    """Whether to ask for a log: it never was, or may be there now and its repository is asked."""
    if log is None or (log.detail == _NEVER_STARTED and job.steps):
        return True
    return job.repo in asked and (log.state == "unavailable" or _may_come(log, job, now))


def _may_come(log: JobLog | None, job: Job, now: datetime) -> bool:
    """Whether a log may still come: GitHub stores it some time after its job; a 404 until then."""
    fresh = job.completed_at is not None and now - job.completed_at < LOG_DELAY
    return log is not None and log.http_status == 404 and fresh


def _with_reports(
    hours: HoursPart, github: GitHubPart, hour: str, logs: list[JobLog], meant: Collection[str]
) -> list[JobLog]:
    """The manifest with what failed jobs' JUnit reports say, where a setting names artifacts."""
    patterns = github.settings.junit_artifacts
    due = [log for log in logs if log.repo in meant and junit_artifacts.reports_undecided(log)]
    if not patterns or not due:
        return logs
    keys = {(log.job_id, log.run_attempt) for log in due}
    jobs = {_key(job): job for job in hours.store.each("workflow_jobs", hour, Job) if _key(job) in keys}
    runs = hours.store.read_or_none("workflow_runs", hour, Run)
    settled = junit_artifacts.with_reports(github.client, patterns, runs, jobs, due)
    by_key = {(log.job_id, log.run_attempt): log for log in settled}
    return [by_key.get((log.job_id, log.run_attempt), log) for log in logs]


def _failures(logs: Iterable[JobLog]) -> dict[str, dict[str, str]]:
    """The logs that could not be had, and why, by repository."""
    found: dict[str, dict[str, str]] = {}
    for log in logs:
        if log.state == "unavailable":
            found.setdefault(log.repo, {})[f"log of job {log.job_id} attempt {log.run_attempt}"] = log.detail
        if why := junit_artifacts.missing_reports(log):
            found.setdefault(log.repo, {})[f"reports of job {log.job_id} attempt {log.run_attempt}"] = why
    return found


def _metadata(found: FoundPassing, requests: int) -> Mapping[str, Any]:
    absent = [log for log in found.logs if log.state != "stored"]
    return {
        "dagster/row_count": len(found.logs),
        "by_state": plot(Counter(log.state for log in found.logs)),
        "raw_bytes": sum(log.raw_bytes for log in found.logs),
        "truncated": sum(log.truncated for log in found.logs),
        "requests": requests + found.requests,
        "junit_reports": plot(Counter(log.junit.split(":")[0] for log in found.logs if log.junit)),
        "background": plot(Counter(log.passing.state for log in found.logs if log.passing is not None)),
        "background_requests": found.requests,
        "passing_logs_fetched": found.fetched,
        "not_stored": markdown_table(
            [{"job": log.job_id, "attempt": log.run_attempt, "state": log.state, "why": log.detail} for log in absent],
            ("job", "attempt", "state", "why"),
        ),
    }


def _with_background(hours: HoursPart, github: GitHubPart, hour: str, logs: list[JobLog]) -> FoundPassing:
    """The manifest with the passing run of each failed job, unless that is switched off."""
    repos = set(hours.repos)
    due = [log for log in logs if log.repo in repos and background_undecided(log)]
    if not hours.settings.use_background or not due:
        return FoundPassing(logs, requests=0, fetched=0)
    keys = {(log.job_id, log.run_attempt) for log in due}
    every = hours.store.each("workflow_jobs", hour, Job, without=("steps", "annotations"))
    failed = [job for job in every if _key(job) in keys]
    runs = hours.store.read_or_none("workflow_runs", hour, Run)
    found = look_for(github.client, hours.store, hour, failed, runs, due)
    settled = {(log.job_id, log.run_attempt): log for log in found.logs}
    return replace(found, logs=[settled.get((log.job_id, log.run_attempt), log) for log in logs])


def _fetch(hours: HoursPart, github: GitHubPart, hour: str, job: Job, earlier: JobLog | None) -> JobLog:
    """One log into the store, or the state that says why there is none."""
    if not job.steps:
        return _entry(job, "not_found", _NEVER_STARTED)
    name = f"{job.job_id}-{job.run_attempt}"
    try:
        with hours.store.log_writer(hour, name) as write:
            log = github.client.download_log(job, write, github.settings.max_log_bytes, earlier)
    except CiMetricsError as error:
        return _entry(job, "unavailable", f"{type(error).__name__}: {error}")
    if log.state != "stored":
        hours.store.drop_log(hour, log_path(name))
        return log
    return replace(log, path=log_path(name))


def _entry(job: Job, state: Any, detail: str) -> JobLog:
    return JobLog(
        repo=job.repo, run_id=job.run_id, run_attempt=job.run_attempt, job_id=job.job_id, state=state, detail=detail
    )
