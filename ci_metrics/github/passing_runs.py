"""The last run of a workflow that passed, and its good jobs: where a failed
job's background comes from.

What belongs here: the fewest requests that find them. Does not: which failed job they are for,
their logs. GitHub's "List workflow runs for a workflow": `status` takes a conclusion too, that of
each run's latest attempt; newest first.
"""

from __future__ import annotations

from datetime import datetime

from ci_metrics.errors import IncompleteError
from ci_metrics.github.listings import read_listing
from ci_metrics.github.pages import Shape
from ci_metrics.github.run_search import run_shape, search_time
from ci_metrics.github.schemas import WorkflowJob
from ci_metrics.github.transport import Transport
from ci_metrics.models import Job, Run

#: Runs on the one page that is asked for: the newest ones may have passed only later,
#: when they were run again.
_PAGE = 10


def last_passing_jobs(transport: Transport, repo: str, workflow_id: int, before: datetime, branch: str) -> list[Job]:
    """See `GitHub.last_passing_jobs`.

    The run's latest attempt counts: jobs that an earlier one ran, and that were not run again, are
    listed with their own attempt.
    """
    params: dict[str, str | int] = {"status": "success", "created": f"<={search_time(before)}", "per_page": _PAGE}
    if branch:
        params["branch"] = branch
    path = f"/repos/{repo}/actions/workflows/{workflow_id}/runs"
    page = transport.get("workflow_runs", path, run_shape(repo), params)
    runs = (run.record(repo) for run in page.items)
    run = next((run for run in runs if (run.run_started_at or run.created_at) < before), None)
    return _good_jobs(transport, run) if run is not None else []


def _good_jobs(transport: Transport, run: Run) -> list[Job]:
    """Raises IncompleteError: a job that is not listed would be taken for one that never passed."""
    where = f"{run.repo} run {run.run_id}"
    shape = Shape(WorkflowJob, where, "jobs")
    path = f"/repos/{run.repo}/actions/runs/{run.run_id}/jobs"
    listing = read_listing(transport, "run_jobs", path, shape, {"filter": "latest"}, keep=False)
    if listing.missing:
        raise IncompleteError(f"{where}: {listing.missing}", found=listing.items)
    jobs = (job.record(run.repo, run_attempt=run.run_attempt, workflow_name=run.workflow_name) for job in listing.items)
    return [job for job in jobs if job.conclusion == "success"]
