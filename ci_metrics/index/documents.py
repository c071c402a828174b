"""Documents from records: the contract's ids and bodies of workflows, jobs and steps.

What belongs here: which value goes into which field of a run's, a job's and a step's document,
and the digest that tells an unchanged document. Does not: what a verdict says
(`error_fields.py`), mappings, writing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ci_metrics.index.annotations import annotation_fields
from ci_metrics.index.document_index import Body, Document, present
from ci_metrics.index.error_fields import JobOutcome, job_error_fields, step_error_fields
from ci_metrics.index.runner_prices import RunnerPrices, runner_fields
from ci_metrics.index.runners import runner_prefix
from ci_metrics.index.times import iso_or_none, seconds_between
from ci_metrics.models import FAILED_CONCLUSIONS, Job, Run, Step

#: Only these conclusions have a number; the others would distort an average of it.
STATUS_NUMBERS = {"failure": 1, "success": 0}

#: Fields that say who wrote a document, not what it says.
_NOT_DIGESTED = frozenset({"s_dagster_run_id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Which hour (partition key) and which Dagster run a document comes from."""

    partition: str
    dagster_run_id: str


def workflow_id(run: Run) -> str:
    """`_id` of a workflow's document."""
    return f"github-workflow-{run.run_id}-attempt-{run.run_attempt}"


def job_id(job: Job) -> str:
    """`_id` of a job's document."""
    return f"github-job-{job.job_id}-attempt-{job.run_attempt}"


def step_id(job: Job, step: Step) -> str:
    """`_id` of a step's document."""
    return f"github-step-{job.job_id}_{step.number}-attempt-{job.run_attempt}"


#: What a run ran on, for rates that are told apart (`s_branch_kind`).
BranchKind = Literal["default", "pull_request", "other"]


def branch_kind(run: Run, default_branch: str) -> BranchKind | None:
    """What a run ran on; None where that takes the repository's default branch, and that is not
    known ("").

    A pull request's head branch may be called as the default branch is (in a fork).
    """
    if run.event.startswith("pull_request"):
        return "pull_request"
    own = run.head_repo is None or run.head_repo.lower() == run.repo.lower()
    # GitHub starts scheduled runs on the default branch only.
    if own and (run.event == "schedule" or (default_branch and run.head_branch == default_branch)):
        return "default"
    if run.pr_id not in ("", "N/A"):
        return "pull_request"
    return "other" if default_branch else None


def workflow_document(
    run: Run,
    jobs: Iterable[Job],
    provenance: Provenance | None = None,
    kind: BranchKind | None = None,
    prices: RunnerPrices | None = None,
) -> Document:
    """One attempt of a run. `jobs`: those of this attempt; others of the run are
    left out of counts and times. `kind`: what it ran on; None: not known.
    `prices` of runners: the shipped list unless given.
    """
    own = [job for job in jobs if job.run_id == run.run_id and job.run_attempt == run.run_attempt]
    ended = _run_ended(run, own)
    starts = [job.started_at for job in own if job.started_at is not None and job.conclusion != "skipped"]
    body = {
        **_common(run, run.run_attempt, run.conclusion or run.status, kind),
        "s_commit_author": run.commit_author,
        "s_commit_pr_id": run.commit_pr_id,
        **_times(
            created=run.created_at,
            started=run.run_started_at,
            ended=ended,
            heard=run.updated_at,
            queued=seconds_between(run.run_started_at, min(starts, default=None)),
        ),
        "s_html_url": run.html_url,
        **annotation_fields([annotation for job in own for annotation in job.annotations]),
        **runner_fields(own, prices),
        **_provenance(provenance),
    }
    return Document("workflows", workflow_id(run), present(body))


def job_document(
    run: Run,
    job: Job,
    outcome: JobOutcome | None = None,
    provenance: Provenance | None = None,
    kind: BranchKind | None = None,
    prices: RunnerPrices | None = None,
) -> Document:
    """One job of one attempt. `outcome`: what classification says of it; None or state
    `off`: no error fields at all. `kind`: what its run ran on. `prices` of
    runners: the shipped list unless given.
    """
    body = {
        **_common(run, job.run_attempt, job.conclusion or job.status, kind),
        **_times(
            created=job.created_at,
            started=job.started_at,
            ended=job.completed_at,
            heard=run.updated_at,
            queued=seconds_between(_queued_at(run, job), job.started_at),
        ),
        "s_workflow_name": job.workflow_name or run.workflow_name,
        "s_html_url": job.html_url,
        **annotation_fields(job.annotations),
        "s_job_id": str(job.job_id),
        "s_job_name": job.name,
        "s_runner_id": str(job.runner_id) if job.runner_id else None,  # GitHub's 0: no runner took it
        "s_runner_name": job.runner_name,
        "s_runner_prefix": runner_prefix(job.runner_name) if job.runner_name else None,
        "s_runner_labels": list(job.labels),
        **runner_fields([job], prices),
        **(job_error_fields(job, outcome) if outcome is not None and job.failed else {}),
        **_provenance(provenance),
    }
    return Document("jobs", job_id(job), present(body))


def step_documents(
    run: Run,
    job: Job,
    outcome: JobOutcome | None = None,
    provenance: Provenance | None = None,
    kind: BranchKind | None = None,
) -> list[Document]:
    """The steps of one job; a failed step of a failed job carries its own error."""
    return [_step_document(run, job, step, outcome, provenance, kind) for step in job.steps]


def document_digest(document: Document) -> str:
    """What the document says, in short: equal digests need no second write,
    whichever Dagster run made them.
    """
    body = {name: value for name, value in document.body.items() if name not in _NOT_DIGESTED}
    text = json.dumps([document.kind, document.id, body], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _step_document(
    run: Run,
    job: Job,
    step: Step,
    outcome: JobOutcome | None,
    provenance: Provenance | None,
    kind: BranchKind | None,
) -> Document:
    judged = outcome is not None and job.failed and step.conclusion in FAILED_CONCLUSIONS
    body = {
        **_common(run, job.run_attempt, step.conclusion or step.status, kind),
        **_times(
            created=job.created_at,
            started=step.started_at,
            ended=step.completed_at,
            heard=job.completed_at or run.updated_at,
            queued=None,
        ),
        "s_workflow_name": job.workflow_name or run.workflow_name,
        "s_html_url": f"{job.html_url}#step:{step.number}:1" if job.html_url else None,
        "s_job_id": str(job.job_id),
        "s_job_name": job.name,
        "s_step_id": f"{job.job_id}_{step.number}",
        "s_step_run_id": str(run.run_id),
        "s_step_name": step.name,
        "l_step_number": step.number,
        **(step_error_fields(job, step, outcome) if judged and outcome is not None else {}),
        **_provenance(provenance),
    }
    return Document("steps", step_id(job, step), present(body))


def _common(run: Run, attempt: int, status: str, kind: BranchKind | None) -> Body:
    return {
        "s_repo": run.repo,
        "s_workflow_id": str(run.run_id),
        "s_workflow_name": run.workflow_name,
        "s_github_event": run.event,
        "s_branch": run.head_branch,
        "s_pr_id": run.pr_id or "N/A",
        "s_commit_sha": run.head_sha,
        "s_branch_kind": kind,
        "s_user_alias": run.actor,
        "s_status": status,
        "l_status_number": STATUS_NUMBERS.get(status),
        "l_run_attempt": attempt,
        "l_retry_count": attempt - 1,
    }


def _times(
    *,
    created: datetime | None,
    started: datetime | None,
    ended: datetime | None,
    heard: datetime | None,
    queued: int | None,
) -> Body:
    return {
        "@timestamp": iso_or_none(ended or heard or started or created),
        "ts_creation_time": iso_or_none(created),
        "ts_start_time": iso_or_none(started),
        "ts_end_time": iso_or_none(ended),
        "l_duration_sec": seconds_between(started, ended),
        "l_queue_time_sec": queued,
    }


def _run_ended(run: Run, jobs: Sequence[Job]) -> datetime | None:
    """GitHub gives a run no completion time, and its `updated_at` moves for other reasons later
    on; its last job's does not.
    """
    if not run.finished:
        return None
    ends = [job.completed_at for job in jobs]
    known = [end for end in ends if end is not None]
    if not known or len(known) < len(ends):
        return run.updated_at
    return max(known)


def _queued_at(run: Run, job: Job) -> datetime | None:
    """When the job began to wait: a re-run job may still carry the
    first attempt's creation time.
    """
    if job.created_at is None:
        return None
    if job.run_attempt > 1 and job.run_attempt == run.run_attempt and run.run_started_at is not None:
        return max(job.created_at, run.run_started_at)
    return job.created_at


def _provenance(provenance: Provenance | None) -> Body:
    if provenance is None:
        return {}
    return {"s_partition": provenance.partition, "s_dagster_run_id": provenance.dagster_run_id}
