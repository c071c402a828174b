"""Tests as things: how often each ran, failed and failed for nothing, as far as documents can tell.

What belongs here: counting runs, failures and flakes of a test, and which to quarantine. Does not:
the names (`logs/failed_tests.py`, `logs/junit_report.py`), what is flaky (`flakiness.py`).

Only failed tests are named in documents. A test's runs are therefore known from the jobs in which
it was ever seen to fail: an attempt that passed ran it and it passed, one that failed and names it
ran it too. Of an attempt that failed of something else nobody knows whether it came that far: such
attempts are counted apart and are in no rate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ci_metrics.history.attempts import narrowed
from ci_metrics.history.job_counts import maybe_failed
from ci_metrics.history.metrics import FAILURE, PASSED, share
from ci_metrics.history.time_range import TIME, moment_of
from ci_metrics.index.document_index import Body, Document, DocumentIndex, Where

#: What the denominator of a test's rates is, in words.
DENOMINATOR = "attempts of its jobs that passed, or failed and name it; others that failed are left out"

#: A test is proposed for quarantine when it flaked in so many runs, or once where history
#: confirms it.
FLAKED_RUNS = 2
#: The last so many of a test's known runs all failed: it is broken, and a quarantine would
#: hide that.
BROKEN = 3

#: The fields that are read of jobs that may have failed, and of those that passed.
FAILED_TEST_FIELDS = (
    TIME, "s_repo", "s_workflow_id", "s_workflow_name", "s_job_name", "s_status", "s_error_state", "s_error_type",
    "s_classifier_version", "s_failed_tests", "b_flaky_suspected", "b_flaky_confirmed", "s_html_url", "s_error_log_url",
)  # fmt: skip

_PASSED_FIELDS = (TIME, "s_repo", "s_workflow_name", "s_job_name")

_Job = tuple[str, str, str]  # repository, workflow, job


@dataclass(slots=True, kw_only=True)
class FailedTest:
    """One test of one repository."""

    name: str
    repo: str
    jobs: set[str] = field(default_factory=set)
    failures: int = 0
    flakes: int = 0  # failures whose job passed later at the same commit
    confirmed: int = 0  # of these, those that history confirms
    flaked_runs: set[str] = field(default_factory=set)
    passes: int = 0
    unknown: int = 0  # attempts of its jobs that failed without naming it: in no rate
    first_failed: datetime | None = None
    last_failed: datetime | None = None
    last_passed: datetime | None = None
    url: str = ""  # of its newest failure
    failed_at: list[datetime] = field(default_factory=list)

    @property
    def runs(self) -> int:
        """Known runs: the denominator of both rates."""
        return self.failures + self.passes

    @property
    def failure_rate(self) -> float | None:
        """Failures among its known runs."""
        return share(self.failures, self.runs)

    @property
    def flake_rate(self) -> float | None:
        """Flakes among its known runs."""
        return share(self.flakes, self.runs)

    @property
    def broken(self) -> bool:
        """Whether its last known runs all failed: it is no flake then."""
        passed = self.last_passed
        return sum(passed is None or when > passed for when in self.failed_at) >= BROKEN

    @property
    def quarantine(self) -> str:
        """Why it should be set aside until it is mended; "" when it should not."""
        if self.broken or not self.flakes:
            return ""
        if self.confirmed:
            return f"{self.confirmed} confirmed flake{'s' if self.confirmed > 1 else ''} in {self.runs} known runs"
        if len(self.flaked_runs) >= FLAKED_RUNS:
            return f"flaked in {len(self.flaked_runs)} runs of {self.runs} known"
        return ""


def failing_tests(index: DocumentIndex, where: Where, documents: Sequence[Document] | None = None) -> list[FailedTest]:
    """The tests that failed, most flakes first, then most failures. `documents`: the matching jobs
    that may have failed, by id and with `FAILED_TEST_FIELDS`, where they are known already.
    """
    rows: dict[tuple[str, str], FailedTest] = {}
    jobs: dict[_Job, dict[str, FailedTest]] = defaultdict(dict)
    failed = maybe_failed(index, where, FAILED_TEST_FIELDS) if documents is None else documents
    for document in failed:
        for name in _tests(document.body):
            _add_failure(rows, jobs, name, document.body)
    for document in failed:
        known = jobs.get(_job(document.body), {}) if FAILURE.holds(document.body) else {}
        named = _tests(document.body)
        for name, row in known.items():
            row.unknown += name not in named
    if rows:
        repos = sorted({row.repo for row in rows.values()})
        equals = {"s_status": PASSED.values} | ({} if "s_repo" in where.equals else {"s_repo": repos})
        for document in index.scan("jobs", narrowed(where, equals=equals), fields=_PASSED_FIELDS):
            _add_pass(jobs.get(_job(document.body), {}).values(), document.body)
    return sorted(rows.values(), key=lambda row: (-row.flakes, -row.failures, row.repo, row.name))


def _tests(body: Body) -> list[str]:
    return list(body.get("s_failed_tests") or []) if FAILURE.holds(body) else []


def _job(body: Body) -> _Job:
    return str(body.get("s_repo")), str(body.get("s_workflow_name") or ""), str(body.get("s_job_name") or "")


def _add_failure(
    rows: dict[tuple[str, str], FailedTest], jobs: dict[_Job, dict[str, FailedTest]], name: str, body: Body
) -> None:
    job = _job(body)
    row = rows.setdefault((job[0], name), FailedTest(name=name, repo=job[0]))
    row.jobs.add(job[2])
    jobs[job][name] = row
    when = moment_of(str(body[TIME]))
    row.failures += 1
    row.failed_at.append(when)
    if body.get("b_flaky_suspected") or body.get("b_flaky_confirmed"):
        row.flakes += 1
        row.confirmed += body.get("b_flaky_confirmed") is True
        row.flaked_runs.add(str(body.get("s_workflow_id")))
    row.first_failed = min(row.first_failed or when, when)
    if row.last_failed is None or when >= row.last_failed:
        row.last_failed = when
        row.url = str(body.get("s_error_log_url") or body.get("s_html_url") or "")


def _add_pass(rows: Iterable[FailedTest], body: Body) -> None:
    when = moment_of(str(body[TIME]))
    for row in rows:
        row.passes += 1
        row.last_passed = max(row.last_passed or when, when)
