"""JUnit reports that failed jobs uploaded as artifacts: which tests each says failed.

What belongs here: which artifacts are asked for, and whose they are. Does not: reading a report
(`logs/junit_report.py`), archives (`github/artifacts.py`).

GitHub says of an artifact which run it belongs to and when it was made, not which job made it. It
is the failed job's that was running then; of several, the one whose name has most words in common
with the artifact's; where that does not decide, nobody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from fnmatch import fnmatchcase

from ci_metrics.errors import CiMetricsError, ContractError, NotFoundError
from ci_metrics.github import GitHub
from ci_metrics.logs.failed_tests import MOST
from ci_metrics.logs.junit_report import reports_in
from ci_metrics.models import Artifact, Job, JobLog, Run
from ci_metrics.orchestration.storage.rows import JobKey

#: Bytes of an artifact's archive that are read, and artifacts of one run.
MOST_BYTES, MOST_ARTIFACTS = 50_000_000, 50
#: How the state of a report begins that cannot be read, now or later.
UNREADABLE = "unreadable: "
#: An artifact is finished a little after the job says that it ended, at most.
_AFTER = timedelta(seconds=30)


def reports_undecided(log: JobLog) -> bool:
    """Whether a job's reports were not looked for, or could not be had yet."""
    return log.junit not in ("read", "none") and not log.junit.startswith(UNREADABLE)


def missing_reports(log: JobLog) -> str:
    """Why a job's reports could not be had yet; "" when nothing is missing."""
    return log.junit if log.junit and reports_undecided(log) else ""


def with_reports(
    github: GitHub, patterns: Sequence[str], runs: Iterable[Run], jobs: Mapping[JobKey, Job], logs: Sequence[JobLog]
) -> list[JobLog]:
    """The logs, those that are undecided with what their jobs' reports say, one listing a run.

    What GitHub refuses, or cannot be read, is a state of the log, not an error.
    """
    by_run: dict[tuple[str, int], list[JobLog]] = {}
    for log in logs:
        if reports_undecided(log) and (log.job_id, log.run_attempt) in jobs:
            by_run.setdefault((log.repo, log.run_id), []).append(log)
    known = {(run.repo, run.run_id): run for run in runs}
    settled: dict[JobKey, JobLog] = {}
    for key, own in by_run.items():
        if key in known:
            for log in _of_run(github, patterns, known[key], jobs, own):
                settled[log.job_id, log.run_attempt] = log
    return [settled.get((log.job_id, log.run_attempt), log) for log in logs]


def artifact_job(artifact: Artifact, failed: Sequence[Job]) -> Job | None:
    """The failed job that made an artifact; None where that is not clear."""
    made = artifact.created_at
    if made is None:
        return None
    running = [
        job
        for job in failed
        if job.started_at and job.completed_at and job.started_at <= made <= job.completed_at + _AFTER
    ]
    words = _words(artifact.name)
    common = sorted(((len(words & _words(job.name)), job.job_id) for job in running), reverse=True)
    if len(common) > 1 and common[0][0] == common[1][0]:
        return None
    return next((job for job in running if job.job_id == common[0][1]), None) if common else None


def _of_run(
    github: GitHub, patterns: Sequence[str], run: Run, jobs: Mapping[JobKey, Job], logs: Sequence[JobLog]
) -> list[JobLog]:
    failed = [jobs[log.job_id, log.run_attempt] for log in logs]
    tests: dict[JobKey, list[str]] = {}
    broken: dict[JobKey, str] = {}
    try:
        listed = [each for each in github.artifacts(run) if _fits(each, patterns)][:MOST_ARTIFACTS]
    except CiMetricsError as error:
        return [replace(log, junit=f"{type(error).__name__}: {error}") for log in logs]
    for artifact in listed:
        job = artifact_job(artifact, failed)
        if job is None:
            continue
        key = (job.job_id, job.run_attempt)
        try:
            archive = github.download_artifact(run.repo, artifact.artifact_id, MOST_BYTES)
            for report in reports_in(archive, f"artifact {artifact.name}"):
                tests.setdefault(key, []).extend(report.failed)
        except (ContractError, NotFoundError) as error:
            broken[key] = f"{UNREADABLE}{error}"
        except CiMetricsError as error:
            broken[key] = f"{type(error).__name__}: {error}"
    return [_settled(log, tests, broken) for log in logs]


def _settled(log: JobLog, tests: Mapping[JobKey, Sequence[str]], broken: Mapping[JobKey, str]) -> JobLog:
    key = (log.job_id, log.run_attempt)
    if key in tests:
        return replace(log, junit="read", failed_tests=tuple(dict.fromkeys(tests[key]))[:MOST])
    return replace(log, junit=broken.get(key, "none"))


def _fits(artifact: Artifact, patterns: Sequence[str]) -> bool:
    return not artifact.expired and any(fnmatchcase(artifact.name, pattern) for pattern in patterns)


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z]+|\d+", name.lower()))
