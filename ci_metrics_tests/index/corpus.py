"""Records and documents with known content, for tests of anything that reads an index.

What belongs here: builders with defaults (`a_run`, `a_job` …) and a small corpus whose truth is known. Does not: assertions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ci_metrics.index.base import Document
from ci_metrics.index.documents import Provenance, job_document, step_documents, workflow_document
from ci_metrics.index.error_fields import JobOutcome
from ci_metrics.models import ErrorState, Evidence, ExtractedError, Job, Run, Step, Verdict

HOUR = datetime(2026, 3, 2, 5, tzinfo=UTC)
PROVENANCE = Provenance(partition="2026-03-02T05", dagster_run_id="6f1c0d6e")
RUN_ID = 21_689_681_963


def a_run(**changes: Any) -> Run:
    """A finished, failed first attempt of a run that took ten minutes."""
    run = Run(
        repo="octo/widgets",
        run_id=RUN_ID,
        run_attempt=1,
        workflow_name="CI",
        event="push",
        status="completed",
        conclusion="failure",
        head_branch="main",
        head_sha="0123456789abcdef0123456789abcdef01234567",
        head_owner="octo",
        head_repo="octo/widgets",
        actor="ann",
        pr_id="N/A",
        created_at=HOUR,
        run_started_at=HOUR,
        updated_at=HOUR + timedelta(minutes=10, seconds=2),
        check_suite_id=77,
        run_number=5,
        display_title="Count widgets",
        html_url=f"https://github.com/octo/widgets/actions/runs/{RUN_ID}",
    )
    return replace(run, **changes)


def a_step(number: int, conclusion: str | None = "success", **changes: Any) -> Step:
    """A step that began `number` minutes after the hour and took 30 seconds."""
    begun = HOUR + timedelta(minutes=number)
    step = Step(
        number=number,
        name=f"Step {number}",
        status="completed",
        conclusion=conclusion,
        started_at=begun,
        completed_at=begun + timedelta(seconds=30),
    )
    return replace(step, **changes)


def a_job(**changes: Any) -> Job:
    """A failed job: created with its run, begun 20 seconds later, done after ten minutes; its second step failed."""
    job_id = changes.get("job_id", 500)
    job = Job(
        repo="octo/widgets",
        run_id=RUN_ID,
        run_attempt=1,
        job_id=job_id,
        name="test (3.12)",
        workflow_name="CI",
        status="completed",
        conclusion="failure",
        created_at=HOUR,
        started_at=HOUR + timedelta(seconds=20),
        completed_at=HOUR + timedelta(minutes=10),
        runner_id=9,
        runner_name="GitHub Actions 1000012",
        labels=("ubuntu-latest",),
        head_branch="main",
        head_sha="0123456789abcdef0123456789abcdef01234567",
        html_url=f"https://github.com/octo/widgets/actions/runs/{RUN_ID}/job/{job_id}",
        steps=(a_step(1), a_step(2, "failure")),
    )
    return replace(job, **changes)


def an_error(**changes: Any) -> ExtractedError:
    """An error in the second step, on line 42 of the raw log."""
    error = ExtractedError(
        headline="AssertionError: 3 widgets, not 4",
        line=42,
        spans=((40, 42),),
        lines=(),
        step="Step 2",
        step_number=2,
        fingerprint="v1-aaaa",
        group="v1-gggg",
    )
    return replace(error, **changes)


def a_verdict(**changes: Any) -> Verdict:
    """An assertion failure, by the rules, with one quoted line."""
    verdict = Verdict(
        state="classified",
        error_type="assertion_failure",
        confidence=0.9,
        summary="tests/test_widgets.py expected 4 widgets and got 3.",
        evidence=(Evidence(42, "AssertionError: 3 widgets, not 4"),),
        suggested_fix="Look at how widgets are counted.",
        source="rules",
        fingerprint="v1-aaaa",
        classifier_version="c1",
        rule="pytest-assert",
    )
    return replace(verdict, **changes)


def an_outcome(*pairs: tuple[ExtractedError, Verdict], state: Any = "classified", **changes: Any) -> JobOutcome:
    """What classification says of a job; one classified error when none is given."""
    return JobOutcome(state=state, verdicts=pairs or ((an_error(), a_verdict()),), **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTruth:
    """What is known of one job's document, independently of the code that made it."""

    id: str
    workflow_id: str
    job_name: str
    status: str
    error_type: str | None = None
    confidence: float | None = None


#: job id, run id, conclusion, error type, confidence, state
_CORPUS: tuple[tuple[int, int, str, str | None, float | None, ErrorState | None], ...] = (
    (1, 100, "failure", "infrastructure_error", 0.92, "classified"),
    (2, 100, "failure", "infrastructure_error", 0.55, "classified"),
    (3, 100, "success", None, None, None),
    (4, 200, "failure", "timeout", 0.8, "classified"),
    (5, 200, "timed_out", "timeout", 0.95, "classified"),
    (6, 200, "failure", None, 0.3, "unknown"),
    (7, 300, "failure", None, None, "no_error_found"),
    (8, 300, "failure", None, None, "no_log"),
    (9, 300, "action_required", None, None, None),
    (10, 300, "failure", "network_error", 0.79, "classified"),
)


def corpus() -> tuple[list[Document], list[JobTruth]]:
    """Three runs with ten jobs, in all kinds of documents, and what is true of the jobs."""
    documents: list[Document] = []
    truth: list[JobTruth] = []
    for run_id in sorted({row[1] for row in _CORPUS}):
        run = a_run(run_id=run_id, workflow_name=f"Workflow {run_id}")
        jobs = []
        for job_id, _, conclusion, error_type, confidence, state in (row for row in _CORPUS if row[1] == run_id):
            passed = conclusion not in ("failure", "timed_out")
            steps = (a_step(1), a_step(2, "success" if passed else conclusion))
            job = a_job(job_id=job_id, run_id=run_id, conclusion=conclusion, name=f"job {job_id}", steps=steps)
            jobs.append(job)
            outcome = None
            if state is not None:
                pairs: tuple[tuple[ExtractedError, Verdict], ...] = ()
                if confidence is not None:
                    verdict = a_verdict(state=state, error_type=error_type, confidence=confidence)
                    pairs = ((an_error(fingerprint=f"v1-{job_id:04}"), verdict),)
                outcome = JobOutcome(state=state, verdicts=pairs)
            documents.append(job_document(run, job, outcome, PROVENANCE))
            documents += step_documents(run, job, outcome, PROVENANCE)
            truth.append(
                JobTruth(
                    id=f"github-job-{job_id}-attempt-1",
                    workflow_id=str(run_id),
                    job_name=f"job {job_id}",
                    status=conclusion,
                    error_type=error_type,
                    confidence=confidence,
                )
            )
        documents.append(workflow_document(run, jobs, PROVENANCE))
    return documents, truth


def many_jobs(count: int) -> Iterable[Document]:
    """Small, different, valid job documents."""
    for number in range(count):
        yield Document(
            "jobs",
            f"github-job-{number}-attempt-1",
            {"@timestamp": "2026-03-02T05:00:00Z", "s_job_name": f"job {number}", "l_duration_sec": number},
        )
