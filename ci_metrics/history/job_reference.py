"""How people name a job or a run: its id, its document's id, its page's address; and finding a
job's document.

What belongs here: reading the name, looking it up. Does not: fetching what the index does not hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ci_metrics.errors import NotFoundError, SettingsError
from ci_metrics.index.document_index import Document, DocumentIndex, Where
from ci_metrics.urls import split_address

_DOCUMENT = re.compile(r"github-(?:job-(\d{1,20})|step-(\d{1,20})_\d+)-attempt-(\d{1,20})", re.ASCII)
#: owner/name in an address: nothing that leads elsewhere (`..`), no pattern.
_REPO = r"(?:/api/v3)?(?:/repos)?/([\w-]+/(?!\.\.?/)[\w.-]+)"
_ID = r"(\d{1,20})"
_PAGE = re.compile(
    rf"{_REPO}/(?:actions/runs/{_ID}(?:/attempts/\d+)?/jobs?/{_ID}|actions/jobs/{_ID}|runs/{_ID})/?", re.ASCII
)
_RUN_DOCUMENT = re.compile(r"github-workflow-(\d{1,20})-attempt-(\d{1,20})", re.ASCII)
_RUN_PAGE = re.compile(rf"{_REPO}/actions/runs/{_ID}(?:/attempts/(\d{{1,9}}))?/?", re.ASCII)

_FORMS = (
    "Write the job's id (123), its document's id (github-job-123-attempt-1) or the address of its page "
    "(https://github.com/owner/name/actions/runs/1/job/123)"
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReference:
    """A job as it was named; what the name does not say is None."""

    job_id: str
    attempt: int | None = None
    repo: str | None = None  # owner/name
    host: str | None = None  # of the page: github.com or an Enterprise host


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReference:
    """A run as it was named; what the name does not say is None."""

    run_id: str
    attempt: int | None = None
    repo: str | None = None  # owner/name
    host: str | None = None


def is_id(text: str) -> bool:
    """Whether a text is an id as GitHub gives them."""
    return bool(re.fullmatch(_ID, text, re.ASCII))


def read_run(text: str) -> RunReference | None:
    """The run whose page or document a person named; None when it names something else."""
    name = text.strip()
    if document := _RUN_DOCUMENT.fullmatch(name):
        return RunReference(run_id=document[1], attempt=int(document[2]))
    parts = split_address(name if "//" in name else f"https://{name}")
    page = _RUN_PAGE.fullmatch(parts.path) if parts is not None else None
    if parts is None or page is None or parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    return RunReference(run_id=page[2], attempt=int(page[3]) if page[3] else None, repo=page[1], host=parts.netloc)


def read_reference(text: str) -> JobReference:
    """What a person wrote. Raises SettingsError: what was seen and which forms there are."""
    name = text.strip()
    if is_id(name):
        return JobReference(job_id=name)
    if document := _DOCUMENT.fullmatch(name):
        return JobReference(job_id=document[1] or document[2], attempt=int(document[3]))
    parts = split_address(name if "//" in name else f"https://{name}")
    if parts is None:
        raise SettingsError("JOB", f"“{text}” names no job", _FORMS)
    page = _PAGE.fullmatch(parts.path)
    if parts.scheme in ("http", "https") and parts.netloc and page:
        return JobReference(job_id=page[3] or page[4] or page[5], repo=page[1], host=parts.netloc)
    if "/actions/runs/" in parts.path:
        raise SettingsError("JOB", f"“{text}” is a run's page, and a run may have many jobs", _FORMS)
    raise SettingsError("JOB", f"“{text}” names no job", _FORMS)


def find_job(index: DocumentIndex, reference: JobReference) -> Document | None:
    """The job's document, the latest attempt's when none was named; None when
    the index does not hold it.
    """
    if reference.attempt is not None:
        id_ = f"github-job-{reference.job_id}-attempt-{reference.attempt}"
        body = index.get("jobs", [id_]).get(id_)
        return Document("jobs", id_, body) if body is not None else None
    equals = {"s_job_id": reference.job_id, **({"s_repo": reference.repo} if reference.repo else {})}
    return next(iter(index.scan("jobs", Where(equals=equals), sort="-l_run_attempt", limit=1)), None)


def known_job(index: DocumentIndex, text: str) -> Document:
    """The document of the job that a person named.

    Raises SettingsError for what names no job, NotFoundError for one that was never ingested.
    """
    reference = read_reference(text)
    document = find_job(index, reference)
    if document is None:
        raise NotFoundError(
            f"job {reference.job_id} is not in {index.location}. Check the id, or ingest its hour: ci-metrics upload --from HOUR --to HOUR"
        )
    return document
