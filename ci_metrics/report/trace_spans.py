"""Runs, jobs and steps as the spans of a trace, named by OpenTelemetry's conventions for CI. Pure.

Belongs here: which spans an attempt is, their ids, names, times and attributes. Does not: sending
(`span_export.py`), which attempts are due (`orchestration/trace_span_job.py`).

An attempt of a run is a trace: the run above its jobs, each above its steps. Ids follow from
GitHub's, so that what is sent twice is the same span. Attributes are those of the conventions'
registry (`cicd.*`, `vcs.*`, `error.type`); `error.type` is our category where there is a verdict,
else GitHub's conclusion.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ci_metrics.models import Job, Run, Step

#: GitHub's conclusions -> the conventions' results; others are passed through.
_RESULTS = {
    "success": "success",
    "neutral": "success",
    "failure": "failure",
    "startup_failure": "error",
    "timed_out": "timeout",
    "cancelled": "cancellation",
    "skipped": "skip",
}
_BAD = frozenset({"failure", "error", "timeout", "cancellation"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSpan:
    """One span. Ids are numbers of 128 and 64 bits, times UTC."""

    trace_id: int
    span_id: int
    parent_id: int | None
    kind: Literal["run", "job", "step"]
    name: str
    start: datetime
    end: datetime
    attributes: Mapping[str, str]
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCategories:
    """What a failed job's verdicts say: its category, and those of its steps by number."""

    job: str = ""
    steps: Mapping[int, str]


def spans_of(run: Run, jobs: Sequence[Job], verdicts: Mapping[int, JobCategories]) -> list[TraceSpan]:
    """The spans of one finished attempt, the run's first. `verdicts`: by job id. What has no start
    or no end, as a skipped job, is no span.
    """
    trace = _number(16, run.repo, run.run_id, run.run_attempt)
    top = _number(8, "run", run.repo, run.run_id, run.run_attempt)
    below = [span for job in jobs for span in _job(run, job, verdicts.get(job.job_id), trace, top)]
    start = run.run_started_at or run.created_at
    ends = [span.end for span in below]
    end = max(ends) if ends else run.updated_at or start
    failed = [job for job in jobs if job.conclusion == "failure" and job.job_id in verdicts]
    category = next((verdicts[job.job_id].job for job in failed if verdicts[job.job_id].job), "")
    action = f"RUN {run.workflow_name}".strip()
    whole = _span(
        run.conclusion, category, trace_id=trace, span_id=top, parent=None, kind="run", name=action,
        times=(start, max(start, end)), attributes=_of_run(run),
    )  # fmt: skip
    return [whole, *below]


def _job(run: Run, job: Job, verdict: JobCategories | None, trace: int, parent: int) -> Iterator[TraceSpan]:
    if job.started_at is None or job.completed_at is None:
        return
    own = _number(8, "job", job.repo, job.job_id, job.run_attempt)
    attributes = {
        "cicd.pipeline.task.name": job.name,
        "cicd.pipeline.task.run.id": str(job.job_id),
        "cicd.pipeline.task.run.url.full": job.html_url,
        "cicd.worker.id": str(job.runner_id or ""),
        "cicd.worker.name": job.runner_name or "",
    }
    yield _span(
        job.conclusion, verdict.job if verdict else "", trace_id=trace, span_id=own, parent=parent, kind="job",
        name=job.name, times=(job.started_at, max(job.started_at, job.completed_at)),
        attributes=_task(run, attributes, job.conclusion),
    )  # fmt: skip
    for step in job.steps:
        if step.started_at is not None and step.completed_at is not None:
            yield _step(run, job, step, verdict, trace, own)


def _step(run: Run, job: Job, step: Step, verdict: JobCategories | None, trace: int, parent: int) -> TraceSpan:
    assert step.started_at is not None and step.completed_at is not None
    attributes = {"cicd.pipeline.task.name": step.name, "cicd.pipeline.task.run.id": f"{job.job_id}_{step.number}"}
    return _span(
        step.conclusion, verdict.steps.get(step.number, "") if verdict else "", trace_id=trace,
        span_id=_number(8, "step", job.repo, job.job_id, job.run_attempt, step.number), parent=parent, kind="step",
        name=step.name, times=(step.started_at, max(step.started_at, step.completed_at)),
        attributes=_task(run, attributes, step.conclusion),
    )  # fmt: skip


def _span(
    conclusion: str | None,
    category: str,
    *,
    trace_id: int,
    span_id: int,
    parent: int | None,
    kind: Literal["run", "job", "step"],
    name: str,
    times: tuple[datetime, datetime],
    attributes: Mapping[str, str],
) -> TraceSpan:
    failed = _result(conclusion) in _BAD
    error = {"error.type": category or conclusion or "_OTHER"} if failed else {}
    return TraceSpan(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent,
        kind=kind,
        name=name,
        start=times[0],
        end=times[1],
        attributes={name: value for name, value in {**attributes, **error}.items() if value},
        failed=failed,
    )


def _of_run(run: Run) -> dict[str, str]:
    owner, _, name = run.repo.partition("/")
    return {
        "cicd.pipeline.name": run.workflow_name,
        "cicd.pipeline.action.name": "RUN",
        "cicd.pipeline.run.id": str(run.run_id),
        "cicd.pipeline.run.url.full": run.html_url,
        "cicd.pipeline.result": _result(run.conclusion),
        "vcs.provider.name": "github",
        "vcs.owner.name": owner,
        "vcs.repository.name": name,
        "vcs.repository.url.full": run.html_url.partition("/actions/")[0],
        "vcs.ref.head.name": run.head_branch,
        "vcs.ref.head.type": "branch",
        "vcs.ref.head.revision": run.head_sha,
        "vcs.ref.base.name": run.base_branch,
        "vcs.change.id": "" if run.pr_id == "N/A" else run.pr_id,
    }


def _task(run: Run, attributes: dict[str, str], conclusion: str | None) -> dict[str, str]:
    return {
        **attributes,
        "cicd.pipeline.task.run.result": _result(conclusion),
        "cicd.pipeline.name": run.workflow_name,
        "cicd.pipeline.run.id": str(run.run_id),
    }


def _result(conclusion: str | None) -> str:
    return _RESULTS.get(conclusion or "", conclusion or "")


def _number(width: int, *parts: object) -> int:
    """A number of so many bytes; never 0, which is no id."""
    digest = hashlib.sha256("\n".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:width], "big") or 1
