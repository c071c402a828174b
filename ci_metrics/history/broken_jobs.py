"""Jobs that fail on the default branch now: since when, and between which commits.

Belongs here: reading which jobs' newest outcome there is a failure. Does not: pull requests
(`pull_request.py`), wording.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ci_metrics.history.failures import FIELDS, Failure, failure_of
from ci_metrics.history.metrics import FAILURE, GATE, PASSED
from ci_metrics.history.pull_request import guess_base
from ci_metrics.history.time_range import TIME, moment_of
from ci_metrics.index.base import Document, DocumentIndex, Where
from ci_metrics.index.times import iso

#: A job that did not run for so long is not looked at: it may be gone.
LOOKED_AT = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenJob:
    """A job of a default branch whose newest outcome is a failure."""

    newest: Failure
    first: Failure  # the first failure since it passed last, or since what was looked at begins
    failures: int  # since then
    last_good: str  # the commit at which it passed last; "" when it did not in that time
    last_good_at: datetime | None


def broken_jobs(index: DocumentIndex, repos: Sequence[str], now: datetime) -> list[BrokenJob]:
    """The broken jobs of these repositories, those that broke last first. Gates are left out: they
    fail only because others do.
    """
    found: list[BrokenJob] = []
    for repo in repos:
        where = Where(
            equals={"s_repo": repo, "s_branch": guess_base(index, repo)},
            ranges={TIME: (iso(now - LOOKED_AT), iso(now))},
        )
        jobs: dict[tuple[str, str], list[Document]] = {}
        for document in index.scan("jobs", where, fields=FIELDS, sort=TIME):
            body = document.body
            # A fork's branch may have the default branch's name.
            own = not str(body.get("s_github_event")).startswith("pull_request")
            if own and not GATE.holds(body) and (FAILURE.holds(body) or PASSED.holds(body)):
                key = (str(body.get("s_workflow_name") or ""), str(body.get("s_job_name") or ""))
                jobs.setdefault(key, []).append(document)
        found += [_broken(outcomes) for outcomes in jobs.values() if FAILURE.holds(outcomes[-1].body)]
    return sorted(found, key=lambda job: (job.first.when, job.newest.id), reverse=True)


def _broken(outcomes: Sequence[Document]) -> BrokenJob:
    passed = [number for number, outcome in enumerate(outcomes) if PASSED.holds(outcome.body)]
    failed = outcomes[passed[-1] + 1 if passed else 0 :]
    good = outcomes[passed[-1]].body if passed else None
    return BrokenJob(
        newest=failure_of(failed[-1]),
        first=failure_of(failed[0]),
        failures=len(failed),
        last_good=str(good.get("s_commit_sha") or "") if good else "",
        last_good_at=moment_of(str(good[TIME])) if good else None,
    )
