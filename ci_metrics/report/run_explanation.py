"""One attempt of a run, explained: its failed jobs, and what else is known of it.

Belongs here: the record, and reading it from the index. Does not: one job (`explanation.py`),
GitHub, the terminal, markdown (`verdict_markdown.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ci_metrics.history.failures import web_url
from ci_metrics.history.flaky_fields import STORM_TYPES
from ci_metrics.history.job_reference import RunReference
from ci_metrics.history.metrics import ENDED, FAILURE, GATE, PASSED
from ci_metrics.history.pull_request import newest_jobs
from ci_metrics.index.document_index import Body, Document, DocumentIndex, Where
from ci_metrics.report.explanation import Details, Explanation, explain_job

#: Failed jobs of a run that are explained; the others are named.
MOST_JOBS_TOLD = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RunExplanation:
    """One attempt of a run. Jobs are named by their names; "" where nothing is known."""

    repo: str
    run_id: str
    attempt: int
    workflow: str
    branch: str
    pr: str
    commit: str
    status: str  # GitHub's conclusion; before there is one, its status
    url: str
    in_index: bool
    jobs: tuple[Explanation, ...]  # those that failed, at most MOST_JOBS_TOLD
    more: tuple[str, ...]  # further failed jobs, which were not looked at
    gates: tuple[str, ...]  # failed only because those did
    passed: int
    unfinished: tuple[str, ...]  # not ended when this was read


def stored_run(
    index: DocumentIndex,
    reference: RunReference,
    details: Callable[[Document], Details],
    storm_types: Collection[str] = STORM_TYPES,
) -> RunExplanation | None:
    """The run as the index has it; None when it holds no attempt of it."""
    runs = list(index.scan("workflows", Where(equals={"s_workflow_id": reference.run_id}), sort="-l_run_attempt"))
    chosen = [r.body for r in runs if reference.attempt in (None, int(r.body.get("l_run_attempt") or 1))]
    if not chosen:
        return None
    body = chosen[0]
    jobs = newest_jobs(index, [reference.run_id], int(body.get("l_run_attempt") or 1))
    failed = index.get("jobs", [job.id for job in jobs if FAILURE.holds(job.body)])  # whole: `newest_jobs` reads some

    def text(name: str) -> str:
        return str(body.get(name) or "")

    return RunExplanation(
        repo=text("s_repo"),
        run_id=text("s_workflow_id"),
        attempt=int(body.get("l_run_attempt") or 1),
        workflow=text("s_workflow_name"),
        branch=text("s_branch"),
        pr="" if text("s_pr_id") == "N/A" else text("s_pr_id"),
        commit=text("s_commit_sha"),
        status=text("s_status"),
        url=web_url(text("s_html_url")),
        in_index=True,
        jobs=tuple(
            explain_job(index, document, details(document), storm_types=storm_types)
            for document in [Document("jobs", id_, whole) for id_, whole in failed.items()][:MOST_JOBS_TOLD]
        ),
        more=_names(list(failed.values())[MOST_JOBS_TOLD:]),
        gates=_names([job.body for job in jobs if GATE.holds(job.body)]),
        passed=sum(PASSED.holds(job.body) for job in jobs),
        unfinished=_names([job.body for job in jobs if not ENDED.holds(job.body)]),
    )


def _names(bodies: Sequence[Body]) -> tuple[str, ...]:
    return tuple(sorted({str(body.get("s_job_name") or "") for body in bodies}))
