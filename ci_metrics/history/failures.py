"""One failed job as people look at it: a flat, typed view of a document.

What belongs here: reading a job's or step's document into a record. Does not: which jobs count as
failed (`metrics.py`), counting (`job_counts.py`), showing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ci_metrics.history.metrics import branch_kind_of
from ci_metrics.history.time_range import TIME, moment_of
from ci_metrics.index.document_index import Document

#: The fields that `failure_of` reads.
FAILURE_FIELDS = (
    TIME, "s_repo", "s_workflow_id", "s_workflow_name", "s_job_id", "s_job_name", "s_step_name", "s_branch", "s_pr_id",
    "s_commit_sha", "s_github_event", "s_status", "l_run_attempt", "l_duration_sec", "l_queue_time_sec", "s_html_url",
    "s_runner_labels", "s_runner_prefix", "s_error_type", "s_error_summary", "f_error_confidence", "s_error_state",
    "s_error_source", "s_error_evidence", "l_error_line", "s_error_log_url", "s_error_fingerprint", "s_error_group",
    "s_suggested_fix", "s_classifier_version", "s_model", "f_cost_usd", "l_prompt_tokens", "l_completion_tokens", "l_cached_tokens",
    "b_flaky_suspected", "b_flaky_confirmed", "s_partition", "s_branch_kind", "s_error_domain", "s_error_path", "s_owner",
    "s_first_bad_sha", "s_last_good_sha", "errors", "l_runner_minutes", "f_runner_cost_usd",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failed job (or step), as its document tells it. Times are UTC, `seconds` its duration;
    "" where nothing is known.
    """

    id: str
    when: datetime
    repo: str
    run_id: str
    workflow: str
    job_id: str
    job: str
    step: str
    branch: str
    pr: str
    commit: str
    status: str
    attempt: int
    seconds: float
    url: str
    state: str
    type: str
    summary: str
    confidence: float | None
    source: str
    quote: str
    line: int | None
    log_url: str
    fingerprint: str
    group: str
    fix: str
    model: str
    cost: float
    asked: bool  # whether a model was asked for this very document
    flaky: str  # "confirmed", "suspected" or ""
    partition: str
    other_errors: int  # errors of the same job besides its root cause
    branch_kind: str  # default, pull_request, other (`metrics.branch_kind_of`)
    domain: str  # code, platform, unknown; "" where nothing was classified
    path: str  # the repository's file that the error names
    owners: tuple[str, ...]
    first_bad: str  # commit
    last_good: str
    runner_usd: float = 0.0  # at list price; 0 where that is not known
    gates: tuple[str, ...] = ()  # jobs of the same attempt that failed only because this one did (`gate_jobs.py`)

    @property
    def cause(self) -> str:
        """The summary, without the quote that is shown beside it."""
        return without_quote(self.summary, self.quote)

    @property
    def compare(self) -> str:
        """What changed between the last good and the first bad commit; "" where not known."""
        return compare_url(self.url, self.last_good, self.first_bad)

    @property
    def link(self) -> str:
        """The best address: the log line, else the job. "" when neither is an http(s) address."""
        return web_url(self.log_url) or web_url(self.url)


def failure_of(document: Document) -> Failure:
    """The record of one document."""
    body = document.body
    confidence = body.get("f_error_confidence")
    line = body.get("l_error_line")
    flaky = "confirmed" if body.get("b_flaky_confirmed") else "suspected" if body.get("b_flaky_suspected") else ""

    def text(field: str) -> str:
        return str(body.get(field) or "")

    pr = text("s_pr_id")
    errors: list[Mapping[str, Any]] = body.get("errors") or []
    root_step = str(errors[0].get("s_step_name") or "") if errors else ""
    return Failure(
        id=document.id,
        when=moment_of(text(TIME)),
        repo=text("s_repo"),
        run_id=text("s_workflow_id"),
        workflow=text("s_workflow_name"),
        job_id=text("s_job_id"),
        job=text("s_job_name"),
        step=text("s_step_name") or root_step,
        branch=text("s_branch"),
        pr="" if pr == "N/A" else pr,
        commit=text("s_commit_sha"),
        status=text("s_status"),
        attempt=int(body.get("l_run_attempt") or 1),
        seconds=float(body.get("l_duration_sec") or 0),
        url=text("s_html_url"),
        state=text("s_error_state") or "off",
        type=text("s_error_type"),
        summary=text("s_error_summary"),
        confidence=None if confidence is None else float(confidence),
        source=text("s_error_source"),
        quote=text("s_error_evidence"),
        line=None if line is None else int(line),
        log_url=text("s_error_log_url"),
        fingerprint=text("s_error_fingerprint"),
        group=text("s_error_group"),
        fix=text("s_suggested_fix"),
        model=text("s_model"),
        cost=float(body.get("f_cost_usd") or 0),
        asked=bool(body.get("l_prompt_tokens")),
        flaky=flaky,
        partition=text("s_partition"),
        other_errors=max(0, len(errors) - 1),
        runner_usd=float(body.get("f_runner_cost_usd") or 0),
        branch_kind=branch_kind_of(body),
        domain=text("s_error_domain"),
        path=text("s_error_path"),
        owners=tuple(body.get("s_owner") or ()),
        first_bad=text("s_first_bad_sha"),
        last_good=text("s_last_good_sha"),
    )


def compare_url(job_url: str, last_good: str, first_bad: str) -> str:
    """GitHub's page of what lies between two commits, given the address of a job's page; "" where
    one of these is not known.
    """
    page, found, _ = web_url(job_url).partition("/actions/")
    return f"{page}/compare/{last_good}...{first_bad}" if found and last_good.isalnum() and first_bad.isalnum() else ""


def web_url(url: str) -> str:
    """The address when it is http(s), else "": a document's text never
    becomes a `javascript:` link.
    """
    return url if url.startswith(("https://", "http://")) and not any(c in url for c in " \t\r\n\"'<>`") else ""


def without_quote(summary: str, quote: str) -> str:
    """A summary that ends with the quoted line, without it: where both
    are shown, once is enough.
    """
    said, opened, rest = summary.partition(": “")
    first = " ".join(quote.split("\n", 1)[0].split())
    ending = " ".join(rest.removesuffix(".").removesuffix("”").split()).removesuffix("…")
    return f"{said}." if opened and ending and first.startswith(ending) else summary
