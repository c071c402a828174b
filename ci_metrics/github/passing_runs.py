"""The last run of a workflow that passed, and its good jobs: where a failed job's background comes from.

What belongs here: the fewest requests that find them. Does not: which failed job they are for, their logs.
GitHub's "List workflow runs for a workflow": `status` takes a conclusion too, that of each run's latest attempt; newest first.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from ci_metrics.github.records import job_from_json, run_from_json
from ci_metrics.github.run_search import stamp
from ci_metrics.github.transport import Transport
from ci_metrics.models import Job, Run

#: Runs on the one page that is asked for: the newest ones may have passed only later, when they were run again.
_PAGE = 10


def last_passing_jobs(transport: Transport, repo: str, workflow_id: int, before: datetime, branch: str) -> list[Job]:
    """See `GitHub.last_passing_jobs`.

    The run's latest attempt counts: jobs that an earlier one ran, and that were not run again, are listed with their own attempt.
    """
    params: dict[str, str | int] = {"status": "success", "created": f"<={stamp(before)}", "per_page": _PAGE}
    if branch:
        params["branch"] = branch
    path = f"/repos/{repo}/actions/workflows/{workflow_id}/runs"
    answer = transport.get("workflow_runs", path, params, listing="workflow_runs")
    runs = (run_from_json(item, repo) for item in answer.items)
    run = next((run for run in runs if (run.run_started_at or run.created_at) < before), None)
    return _good_jobs(transport, run) if run is not None else []


def _good_jobs(transport: Transport, run: Run) -> list[Job]:
    path = f"/repos/{run.repo}/actions/runs/{run.run_id}/jobs"
    found: dict[int, Job] = {}
    for page in transport.pages("run_jobs", path, "jobs", {"filter": "latest"}):
        for item in page.items:
            job = job_from_json(item, run.repo, run_attempt=run.run_attempt)
            if job.conclusion == "success":
                found[job.job_id] = job if job.workflow_name else replace(job, workflow_name=run.workflow_name)
    return list(found.values())
