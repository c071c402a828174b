"""Documents of failing and passing jobs for tests of history: short to
write, valid for both indices.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ci_metrics.history.attempts import Attempt, attempt_of
from ci_metrics.index.document_index import Document
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.index.times import iso

#: The moment that `at` counts minutes from.
START = datetime(2026, 3, 2, 5, tzinfo=UTC)


def moment(minutes: float) -> datetime:
    """So many minutes after START."""
    return START + timedelta(minutes=minutes)


def job(
    run: int,
    *,
    attempt: int = 1,
    name: str = "test",
    at: float = 0,
    minutes: float = 10,
    status: str = "failure",
    fingerprint: str | None = None,
    group: str | None = None,
    type: str = "assertion_failure",
    generic: bool = False,
    commit: str | None = None,
    branch: str = "topic",
    event: str = "pull_request",
    repo: str = "acme/shop",
    hour: str | None = None,
    quote: str = "",
    **more: Any,
) -> Document:
    """One attempt of a job of run number `run` that ended `at` minutes after START; its hour is
    its run's, by default START's.
    """
    job_id = run * 1000 + attempt * 100 + sum(map(ord, name)) % 100
    end = moment(at)
    body: dict[str, Any] = {
        "@timestamp": iso(end),
        "s_repo": repo,
        "s_workflow_id": str(run),
        "s_workflow_name": "CI",
        "s_github_event": event,
        "s_branch": branch,
        "s_pr_id": "N/A",
        "s_commit_sha": commit or f"c{run}",
        "s_status": status,
        "l_run_attempt": attempt,
        "l_retry_count": attempt - 1,
        "l_duration_sec": round(minutes * 60),
        "ts_end_time": iso(end),
        "s_job_id": str(job_id),
        "s_job_name": name,
        "s_partition": hour or START.strftime("%Y-%m-%dT%H"),
    }
    if fingerprint is not None and status != "success":
        error = {
            "s_error_state": "classified",
            "s_error_type": type,
            "s_error_base_type": type,
            "s_error_source": "rules",
            "f_error_confidence": 0.9,
            "s_error_summary": f"It failed: {fingerprint}",
            "s_error_fingerprint": fingerprint,
            "s_error_group": group or "g" + fingerprint.removeprefix("f"),
            **({"s_error_evidence": quote} if quote else {}),
            **({"b_error_generic": True} if generic else {}),
        }
        body |= {**error, "errors": [{**error, "s_step_name": "Run tests"}]}
    return Document("jobs", f"github-job-{job_id}-attempt-{attempt}", {**body, **more})


def step_of(document: Document, number: int = 3) -> Document:
    """The failed step of a job's document, with the job's own error."""
    names = ("errors", "ts_end_time", "s_error_log_url")
    body = {name: value for name, value in document.body.items() if name not in names}
    job_id = body["s_job_id"]
    body |= {"s_step_id": f"{job_id}_{number}", "s_step_name": "Run tests", "l_step_number": number}
    return Document("steps", f"github-step-{job_id}_{number}-attempt-{body['l_run_attempt']}", body)


def attempts(*documents: Document) -> list[Attempt]:
    """The documents as history reads them."""
    return [attempt_of(document) for document in documents]


def index_of_the_sample(home: Path, monkeypatch: pytest.MonkeyPatch) -> EmbeddedIndex:
    """The embedded index that commands read where nothing is set but this home."""
    monkeypatch.chdir(home)
    for name in ("REPO", "GITHUB_TOKEN", "JOB_INDEX", "WORKFLOW_INDEX", "STEPS_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CI_METRICS_HOME", str(home))
    return EmbeddedIndex(home / "sample" / "index.sqlite")
