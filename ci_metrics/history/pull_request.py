"""What the index knows of one pull request's newest commit.

What belongs here: which runs and jobs count, what failed, what else history says of it, what is
missing. Does not: wording (`pr_comment.py`), GitHub (`github/comments.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ci_metrics.history.attempts import attempt_of
from ci_metrics.history.failures import FAILURE_FIELDS, Failure, failure_of
from ci_metrics.history.flakiness import FlakyEvidence
from ci_metrics.history.flaky_evidence import evidence_for, scheduled_branches
from ci_metrics.history.metrics import BASE_BRANCHES, ENDED, FAILURE, GATE, PASSED
from ci_metrics.history.time_range import TIME
from ci_metrics.index.document_index import Document, DocumentIndex, Where
from ci_metrics.index.times import iso

#: How far back the base branch is looked at.
BASE_DAYS = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class OnBase:
    """The same error on the base branch before: how often, when last, and since which commit, where
    that is known.
    """

    count: int
    last: datetime
    url: str
    first_bad: str = ""
    compare: str = ""  # address of what changed between the last good commit and that


@dataclass(frozen=True, slots=True)
class FailedJob:
    """One failed job of the pull request, and what history says of its error."""

    failure: Failure
    on_base: OnBase | None
    flaky: FlakyEvidence | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """A pull request's newest commit in the index. `gaps` says in words what is not known
    yet: green is not final then.
    """

    repo: str
    number: int
    base: str
    commit: str  # "" when the index has no run of the pull request
    passed: int
    failed: tuple[FailedJob, ...]
    gates: tuple[str, ...]  # names of jobs that failed only because those did
    gaps: tuple[str, ...]
    partitions: tuple[str, ...]  # the hours that its runs belong to

    @property
    def green(self) -> bool:
        """Whether everything is known and nothing failed."""
        return bool(self.passed) and not self.failed and not self.gates and not self.gaps


def read_pull_request(
    index: DocumentIndex,
    repo: str,
    number: int,
    *,
    base: str = "",
    head: str = "",
    now: datetime,
    gaps: Sequence[str] = (),
) -> PullRequest:
    """Read the newest commit's runs. `base` "": guessed; `head`: the commit that GitHub names,
    to notice that it is not here yet.
    """
    base = base or guess_base(index, repo)
    runs = _newest_runs(index, repo, number)
    commit = str(runs[0].body.get("s_commit_sha") or "") if runs else ""
    missing = list(gaps)
    if not runs:
        missing.append("the index has no run of this pull request yet")
    elif head and head != commit:
        missing.append(f"the newest commit {head[:7]} is not in the index yet")
    jobs = newest_jobs(index, [str(run.body["s_workflow_id"]) for run in runs])
    failed = [document for document in jobs if FAILURE.holds(document.body)]
    going = sum(not ENDED.holds(document.body) for document in (*runs, *jobs))
    if going:
        missing.append(f"{going} runs and jobs are not finished" if going > 1 else "a run or job is not finished")
    gates = [document for document in jobs if GATE.holds(document.body)]
    with_jobs = {document.body.get("s_workflow_id") for document in (*failed, *gates)}
    for run in runs:
        if FAILURE.holds(run.body) and run.body.get("s_workflow_id") not in with_jobs:
            missing.append("a run failed, but which of its jobs did is not in the index")
    if gates and not failed:
        missing.append("a job that waits for others failed, but none of those is in the index")
    return PullRequest(
        repo=repo,
        number=number,
        base=base,
        commit=commit,
        passed=sum(PASSED.holds(document.body) for document in jobs),
        failed=tuple(_failed_jobs(index, failed, repo, base, now)),
        gates=tuple(sorted({str(document.body.get("s_job_name") or "") for document in gates})),
        gaps=tuple(dict.fromkeys(missing)),
        partitions=tuple(sorted({str(run.body["s_partition"]) for run in runs if "s_partition" in run.body})),
    )


def guess_base(index: DocumentIndex, repo: str) -> str:
    """The branch that scheduled runs ran on, else the base-like branch
    with most pushes, else main.
    """
    scheduled = sorted(branch for _, branch in scheduled_branches(index, {repo}))
    if scheduled:
        return scheduled[0]
    where = Where(equals={"s_repo": repo, "s_github_event": "push", "s_branch": tuple(sorted(BASE_BRANCHES))})
    pushes = index.count_by("workflows", "s_branch", where)
    return min(pushes, key=lambda branch: (-pushes[branch], branch)) if pushes else "main"


def _newest_runs(index: DocumentIndex, repo: str, number: int) -> list[Document]:
    """The newest commit's runs in their latest attempts, one per
    workflow and event, newest first.
    """
    where = Where(equals={"s_repo": repo, "s_pr_id": str(number)})
    wanted = (
        "s_workflow_id",
        "s_workflow_name",
        "s_github_event",
        "s_commit_sha",
        "s_status",
        "l_run_attempt",
        "ts_creation_time",
        "s_partition",
    )
    found = list(index.scan("workflows", where, fields=wanted))
    found.sort(
        key=lambda d: (
            str(d.body.get("ts_creation_time")),
            str(d.body["s_workflow_id"]),
            d.body.get("l_run_attempt") or 1,
        ),
        reverse=True,
    )
    newest: dict[tuple[str, str], Document] = {}
    for document in found:
        if document.body.get("s_commit_sha") == found[0].body.get("s_commit_sha"):
            key = (str(document.body.get("s_workflow_name")), str(document.body.get("s_github_event")))
            newest.setdefault(key, document)
    return list(newest.values())


def newest_jobs(index: DocumentIndex, run_ids: Sequence[str], until: int | None = None) -> list[Document]:
    """Each job of these runs in its latest attempt: a re-run of failed
    jobs runs only those again. `until`: no later attempt than this.
    """
    if not run_ids:
        return []
    newest: dict[tuple[str, str], Document] = {}
    for document in index.scan("jobs", Where(equals={"s_workflow_id": tuple(run_ids)}), fields=FAILURE_FIELDS):
        key = (str(document.body["s_workflow_id"]), str(document.body.get("s_job_name")))
        attempt = int(document.body.get("l_run_attempt") or 1)
        if until is not None and attempt > until:
            continue
        if key not in newest or attempt > int(newest[key].body.get("l_run_attempt") or 1):
            newest[key] = document
    return sorted(
        newest.values(), key=lambda d: (str(d.body.get("s_workflow_name")), str(d.body.get("s_job_name")), d.id)
    )


def _failed_jobs(
    index: DocumentIndex, documents: Sequence[Document], repo: str, base: str, now: datetime
) -> list[FailedJob]:
    attempts = {document.id: attempt_of(document) for document in documents}
    telling = {attempt.fingerprint for attempt in attempts.values() if attempt.tells}
    on_base = _on_base(index, telling, repo, base, now - BASE_DAYS)
    return [
        FailedJob(failure_of(document), on_base.get(attempt.fingerprint), evidence_for(index, attempt))
        for document, attempt in ((document, attempts[document.id]) for document in documents)
    ]


def _on_base(index: DocumentIndex, fingerprints: set[str], repo: str, base: str, since: datetime) -> dict[str, OnBase]:
    """The base branch's own failures with these fingerprints. A fork's branch may have the same
    name: its runs are left out.
    """
    if not fingerprints:
        return {}
    equals = {"s_repo": repo, "s_branch": base, "s_error_fingerprint": tuple(sorted(fingerprints))}
    found: dict[str, OnBase] = {}
    documents = index.scan(
        "jobs", Where(equals=equals, ranges={TIME: (iso(since), None)}), fields=FAILURE_FIELDS, sort=TIME
    )
    for document in documents:
        if FAILURE.holds(document.body) and not str(document.body.get("s_github_event")).startswith("pull_request"):
            failure = failure_of(document)
            before = found.get(failure.fingerprint)
            count = before.count + 1 if before else 1
            found[failure.fingerprint] = OnBase(count, failure.when, failure.link, failure.first_bad, failure.compare)
    return found
