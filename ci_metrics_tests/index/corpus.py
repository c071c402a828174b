"""Records and documents with known content, for tests of anything that reads an index.

What belongs here: documents made of `builders.py`'s records, and a small corpus whose truth is
known. Does not: assertions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ci_metrics.index.document_index import Document
from ci_metrics.index.documents import Provenance, job_document, step_documents, workflow_document
from ci_metrics.index.error_fields import JobOutcome
from ci_metrics.models import ErrorState, ExtractedError, Verdict
from ci_metrics_tests.builders import a_job, a_run, a_step, a_verdict, an_error

PROVENANCE = Provenance(partition="2026-03-02T05", dagster_run_id="6f1c0d6e")


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
