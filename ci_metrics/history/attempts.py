"""Attempts of jobs as history looks at them: flat records read from documents,
failed and passed ones alike.

What belongs here: the record, reading it, and asking the index for those of many values
at once. Does not: decisions about history (`flakiness.py`, `groups.py`), what people
are shown (`failures.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from ci_metrics.history.metrics import FAILURE, MAYBE_FAILED, branch_kind_of
from ci_metrics.history.time_range import TIME, moment_of
from ci_metrics.index.document_index import Body, Document, DocumentIndex, Where
from ci_metrics.telling_quote import headline

#: Values in one question: OpenSearch allows 65,536 terms and SQLite 32,766 variables; more only
#: makes each one slower.
CHUNK = 5_000

#: The fields that `attempt_of` reads.
ATTEMPT_FIELDS = (
    TIME, "s_repo", "s_workflow_id", "s_workflow_name", "s_job_id", "s_job_name", "s_step_name", "s_branch", "s_pr_id",
    "s_commit_sha", "s_github_event", "s_status", "l_run_attempt", "l_duration_sec", "s_error_state", "s_error_type", "s_error_source",
    "s_error_summary", "s_error_evidence", "s_error_fingerprint", "s_error_group", "b_error_generic", "s_classifier_version",
    "b_flaky_suspected", "b_flaky_confirmed", "s_partition", "s_branch_kind", "s_error_domain", "s_owner", "s_first_bad_sha",
    "s_last_good_sha", "f_runner_cost_usd", "f_error_confidence",
)  # fmt: skip


#: The fields that say when and where a job ran, and whether it passed: an index reads them without
#: reading documents.
RAN_FIELDS = (
    TIME, "s_repo", "s_workflow_id", "s_workflow_name", "s_job_name", "s_branch", "s_pr_id", "s_commit_sha", "s_github_event",
    "s_status", "l_run_attempt", "s_partition", "s_branch_kind",
)  # fmt: skip

#: The fields that say what an attempt lost.
_LOST_FIELDS = (
    TIME, "s_repo", "s_workflow_id", "s_job_name", "s_status", "l_run_attempt", "l_duration_sec", "f_runner_cost_usd",
    "s_error_state", "s_error_type", "s_classifier_version",
)  # fmt: skip


class Attempt(NamedTuple):
    """One attempt of one job. `when` is its completion (UTC), `seconds` its duration;
    "" where nothing is known.

    A tuple: a frozen dataclass of so many fields takes ten times as long to make, a tenth of a
    report's time.
    """

    id: str  # of the document
    when: datetime
    repo: str
    run_id: str
    workflow: str
    job_id: str
    job: str
    branch: str
    pr: str
    commit: str
    event: str
    status: str
    failed: bool
    number: int  # of the attempt, from 1
    seconds: float
    type: str
    source: str
    summary: str
    quote: str
    fingerprint: str
    group: str
    generic: bool
    suspected: bool  # as the document says now
    confirmed: bool
    partition: str
    branch_kind: str  # default, pull_request, other (`metrics.branch_kind_of`)
    domain: str  # code, platform, unknown; "" where nothing was classified
    owners: tuple[str, ...]
    first_bad: str  # commits, as the document says now
    last_good: str
    runner_usd: float = 0.0  # at list price; 0 where that is not known
    confidence: float | None = None  # of its verdict; None where it has no category

    @property
    def tells(self) -> bool:
        """Whether its fingerprint says something of a cause: only then can
        it be new, flaky or blamed.
        """
        return self.failed and bool(self.fingerprint) and not self.generic

    @property
    def on_default(self) -> bool:
        """Whether it ran on the repository's default branch."""
        return self.branch_kind == "default"

    @property
    def job_name(self) -> tuple[str, str, str]:
        """The job over all its runs: repository, workflow, name."""
        return self.repo, self.workflow, self.job

    @property
    def same_job(self) -> tuple[str, str, str, str]:
        """What its re-runs share with it: repository, run, job's name, commit."""
        return self.repo, self.run_id, self.job, self.commit


def attempt_of(document: Document) -> Attempt:
    """The record of a job's document."""
    body = document.body
    get = body.get
    pr = get("s_pr_id") or ""
    return Attempt(  # in the order of its fields: by their names it takes eight times as long
        document.id,
        moment_of(get(TIME) or ""),
        get("s_repo") or "",
        get("s_workflow_id") or "",
        get("s_workflow_name") or "",
        get("s_job_id") or "",
        get("s_job_name") or "",
        get("s_branch") or "",
        "" if pr == "N/A" else pr,
        get("s_commit_sha") or "",
        get("s_github_event") or "",
        get("s_status") or "",
        FAILURE.holds(body),
        int(get("l_run_attempt") or 1),
        float(get("l_duration_sec") or 0),
        get("s_error_type") or "",
        get("s_error_source") or "",
        get("s_error_summary") or "",
        headline(get("s_error_evidence") or ""),
        get("s_error_fingerprint") or "",
        get("s_error_group") or "",
        get("b_error_generic") is True,
        get("b_flaky_suspected") is True,
        get("b_flaky_confirmed") is True,
        get("s_partition") or "",
        branch_kind_of(body),
        get("s_error_domain") or "",
        tuple(get("s_owner") or ()),
        get("s_first_bad_sha") or "",
        get("s_last_good_sha") or "",
        float(get("f_runner_cost_usd") or 0),
        float(get("f_error_confidence") or 0) if get("s_error_state") == "classified" else None,
    )


def failed_attempts(index: DocumentIndex, where: Where) -> list[Attempt]:
    """The failed attempts among the matching jobs, oldest first."""
    chosen = where if "s_status" in where.equals else narrowed(where, equals={"s_status": MAYBE_FAILED})
    return failed_among(index.scan("jobs", chosen, fields=ATTEMPT_FIELDS))


def failed_among(documents: Iterable[Document]) -> list[Attempt]:
    """The failed attempts among these documents, oldest first."""
    return in_order(attempt_of(document) for document in documents if FAILURE.holds(document.body))


def attempts_with(
    index: DocumentIndex,
    field: str,
    values: Collection[str],
    where: Where | None = None,
    fields: Sequence[str] = ATTEMPT_FIELDS,
) -> Iterator[Attempt]:
    """The attempts whose `field` is any of `values`, and that match
    `where`; in no order, none twice. `fields`: what is read of them.
    """
    return map(attempt_of, _jobs_with(index, field, values, where or Where(), fields))


def runs_that_ran_again(index: DocumentIndex, run_ids: Collection[str]) -> list[Attempt]:
    """All attempts of those of the runs that have more than one, with what says what they lost."""
    again = Where(ranges={"l_run_attempt": (2, None)})
    runs = [
        run
        for some in _parts(run_ids)
        for run in index.count_by("jobs", "s_workflow_id", narrowed(again, equals={"s_workflow_id": some}))
    ]
    return in_order(attempts_with(index, "s_workflow_id", runs, fields=_LOST_FIELDS))


def _jobs_with(
    index: DocumentIndex, field: str, values: Collection[str], where: Where, fields: Sequence[str]
) -> Iterator[Document]:
    for some in _parts(values):
        yield from index.scan("jobs", narrowed(where, equals={field: some}), fields=fields)


def _parts(values: Collection[str]) -> Iterator[Sequence[str]]:
    ordered = sorted(values)
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]


def in_order(attempts: Iterable[Attempt]) -> list[Attempt]:
    """Oldest first; the same order every time."""
    return sorted(attempts, key=lambda attempt: (attempt.when, attempt.id))


def narrowed(
    where: Where,
    *,
    equals: Mapping[str, Any] | None = None,
    ranges: Mapping[str, tuple[Any, Any]] | None = None,
) -> Where:
    """`where` with further conditions."""
    return replace(where, equals={**where.equals, **(equals or {})}, ranges={**where.ranges, **(ranges or {})})


def first_line(text: str) -> str:
    """The first line that says something; "" when there is none."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def root_error(body: Body) -> Body:
    """The entry of the nested `errors` that the job's own error fields were taken
    from; {} when there is none.
    """
    errors = body.get("errors") or []
    same = [error for error in errors if error.get("s_error_fingerprint") == body.get("s_error_fingerprint")]
    return dict(same[0] if same else errors[0]) if errors else {}
