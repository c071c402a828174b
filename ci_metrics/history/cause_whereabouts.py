"""Where a cause stands: on the default branch now, gone from it, or in pull requests only.

What belongs here: deciding it from the cause's failures and the same jobs' later passes. Does not:
which failures are one cause (`groups.py`), words for people (`Whereabouts.in_words` apart).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ci_metrics.history.attempts import Attempt, attempts_with, in_order
from ci_metrics.history.regressions import JobName, passes_on_default
from ci_metrics.index.document_index import DocumentIndex, Where


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a cause stands. `since`: of one that is gone, when the last of its jobs passed on the
    default branch; `pulls`: the pull requests that failed with it, as owner/name#number.
    """

    kind: Literal["default", "gone", "pull_request", "elsewhere"]
    since: datetime | None = None
    pulls: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()  # of its newest failure that has some

    @property
    def in_words(self) -> str:
        """For a label."""
        if self.kind == "default":
            return "on the default branch"
        if self.kind == "gone" and self.since is not None:
            return f"gone from the default branch since {self.since:%d %b %H:%M}"
        if self.kind == "pull_request":
            return f"only in pull request {self.pulls[0]}"
        return (
            f"in {len(self.pulls)} pull requests, not on the default branch" if self.pulls else "on other branches only"
        )


def whereabouts(
    index: DocumentIndex,
    groups: Collection[str],
    where: Where | None = None,
    *,
    failures: Iterable[Attempt] | None = None,
) -> dict[str, Whereabouts]:
    """Where each of these groups stands, by its failures among the matching documents and all that
    came after them. `failures`: of those documents, where they are known already.
    """
    members: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts_with(index, "s_error_group", groups, where) if failures is None else failures:
        if attempt.failed and attempt.group in groups:
            members[attempt.group].append(attempt)
    default = [attempt for found in members.values() for attempt in found if attempt.on_default]
    runs: dict[JobName, list[Attempt]] = defaultdict(list)
    if default:
        names, branches = {a.job_name for a in default}, {a.branch for a in default}
        last: dict[tuple[str, JobName], str] = {}  # only what comes after a cause's last failure of a job tells
        for attempt in default:
            key = attempt.group, attempt.job_name
            last[key] = max(attempt.partition, last.get(key, ""))
        for attempt in passes_on_default(index, names, branches, min(last.values())):
            runs[attempt.job_name].append(attempt)
    return {group: whereabouts_of(in_order(found), runs) for group, found in members.items()}


def whereabouts_of(failures: Sequence[Attempt], runs: Mapping[JobName, Iterable[Attempt]]) -> Whereabouts:
    """Of one cause. `failures`: oldest first; `runs`: all attempts on the default branch of the
    jobs that failed with it there.
    """
    owners = next((attempt.owners for attempt in reversed(failures) if attempt.owners), ())
    pulls = tuple(sorted({f"{a.repo}#{a.pr}" for a in failures if a.pr and not a.on_default}))
    last: dict[JobName, Attempt] = {}  # the newest run that failed with it, by job
    for attempt in failures:
        if attempt.on_default and _order(attempt) >= _order(last.get(attempt.job_name, attempt)):
            last[attempt.job_name] = attempt
    if last:
        # Passed at a later commit, or in a later attempt of the same run.
        passed = [
            next((p.when for p in in_order(runs[job]) if p.status == "success" and _order(p) > _order(failed)), None)
            for job, failed in last.items()
        ]
        known = [when for when in passed if when is not None]
        if len(known) < len(passed):
            return Whereabouts("default", None, pulls, owners)
        return Whereabouts("gone", max(known), pulls, owners)
    one = len(pulls) == 1 and all(attempt.pr for attempt in failures)
    return Whereabouts("pull_request" if one else "elsewhere", None, pulls, owners)


def _order(attempt: Attempt) -> tuple[str, int, int]:
    return attempt.partition, int(attempt.run_id) if attempt.run_id.isdecimal() else 0, attempt.number
