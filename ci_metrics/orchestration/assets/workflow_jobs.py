"""`workflow_jobs`: each attempt's own jobs with their steps and annotations.

What belongs here: deciding which attempts to ask for, and redacting annotations before they are stored. Does not: logs.
"""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dagster as dg

from ci_metrics.errors import AuthenticationError, CiMetricsError
from ci_metrics.github import GitHub
from ci_metrics.models import Job, Run
from ci_metrics.orchestration.judged_job import with_annotations
from ci_metrics.orchestration.metadata import plot, table
from ci_metrics.orchestration.partition_loop import each_hour
from ci_metrics.orchestration.partitioned_asset import partitioned_asset
from ci_metrics.orchestration.parts import FETCH_THREADS, GitHubPart, HoursPart

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
        description=(
            "The jobs of each attempt, with steps and annotations. An attempt that was finished when it was fetched is "
            "never fetched again. Annotations are redacted."
        ),
    )
    def workflow_jobs(
        context: dg.AssetExecutionContext,
        hours: dg.ResourceParam[HoursPart],
        github: dg.ResourceParam[GitHubPart],
    ) -> None:
        each_hour(context, hours, lambda hour: fetch_hour(hours, github, hour, context), made_of=["workflow_runs"])

    return workflow_jobs


def fetch_hour(hours: HoursPart, github: GitHubPart, hour: str, context: dg.AssetExecutionContext) -> Mapping[str, Any]:
    """Fetch the jobs of the hour's attempts and commit them; returns the metadata."""
    runs = hours.store.read("workflow_runs", hour, Run)
    stored: dict[tuple[int, int], Job] = {
        (job.job_id, job.run_attempt): job for job in hours.store.read_or_none(NAME, hour, Job)
    }
    settled = {tuple(pair) for pair in hours.store.notes(NAME, hour).get("settled", [])}
    if not stored:
        settled = set()
    # Of a run that GitHub has no more, what is stored is all there will ever be.
    deleted = {tuple(pair) for pair in hours.store.notes("workflow_runs", hour).get("deleted", [])}
    done = settled | deleted
    due = [run for run in runs if run.repo in github.settings.repo and (run.run_id, run.run_attempt) not in done]
    problems: dict[str, str] = {}
    requests = (0, 0)
    if due:
        before = github.client.requests
        with ThreadPoolExecutor(FETCH_THREADS) as pool:
            for run, outcome in zip(due, pool.map(lambda run: _try_fetch(github.client, run), due), strict=True):
                if isinstance(outcome, CiMetricsError):
                    problems[f"{run.repo} run {run.run_id} attempt {run.run_attempt}"] = (
                        f"{type(outcome).__name__}: {outcome}"
                    )
                    context.log.warning(f"⚠️ {run.workflow_name} (ID: {run.run_id}): {outcome}")
                    if isinstance(outcome, AuthenticationError):
                        raise outcome  # nothing else will come either, and a person has to act
                    continue
                stored.update({(job.job_id, job.run_attempt): job for job in outcome})
                if run.finished and all(job.finished for job in outcome):
                    settled.add((run.run_id, run.run_attempt))
        spent = github.client.requests - before
        requests = (spent.total, spent.counted)
    jobs = sorted(stored.values(), key=lambda job: (job.repo, job.run_id, job.run_attempt, job.job_id))
    unfinished = len({job.run_id for job in jobs if not job.finished and (job.run_id, job.run_attempt) not in deleted})
    status = {"jobs": len(jobs), "unfinished": unfinished, "problems": problems}
    hours.store.commit(NAME, hour, jobs, Job, notes={"settled": sorted(settled)}, status=status, now=hours.now())
    failed = [job for job in jobs if job.failed]
    return {
        "dagster/row_count": len(jobs),
        "jobs": len(jobs),
        "failed_jobs": len(failed),
        "steps": sum(len(job.steps) for job in jobs),
        "annotations": sum(len(job.annotations) for job in jobs),
        "unfinished_runs": unfinished,
        "requests": requests[0],
        "requests_counted": requests[1],
        "problems": dg.MetadataValue.json(problems),
        "by_conclusion": plot(Counter(job.conclusion or job.status for job in jobs)),
        "failed": table(
            [
                {
                    "workflow": j.workflow_name,
                    "job": j.name,
                    "attempt": j.run_attempt,
                    "is": j.conclusion,
                    "url": j.html_url,
                }
                for j in failed
            ],
            ("workflow", "job", "attempt", "is", "url"),
        ),
    }


def _try_fetch(github: GitHub, run: Run) -> list[Job] | CiMetricsError:
    """One attempt's jobs, or the error that kept them away: one run does not lose the others."""
    try:
        jobs = github.jobs(run)
        finished = [job for job in jobs if job.finished]
        annotations = github.annotations(run.repo, run, finished)
    except CiMetricsError as error:
        return error
    return [with_annotations(job, annotations.get(job.job_id, ())) for job in jobs]
