"""Between which commits jobs on default branches began to fail, in their documents.

What belongs here: which failures some hours speak for, in other hours too, and bringing what they
say up to date. Does not: between which commits a failure began (`regressions.py`).

The fields follow from the documents alone: doing an hour again, hours in another order, or many
hours at once, ends with the same ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import groupby

from ci_metrics.errors import IndexWriteError
from ci_metrics.history.attempts import ATTEMPT_FIELDS, RAN_FIELDS, Attempt, attempt_of, narrowed
from ci_metrics.history.job_documents import (
    Changes,
    differing,
    failed_with_jobs,
    shares_error,
    steps_of,
    write_changes,
)
from ci_metrics.history.metrics import MAYBE_FAILED
from ci_metrics.history.regressions import JobName, regressions, runs_until_passed
from ci_metrics.index.document_index import Body, Document, DocumentIndex, Where

#: Jobs of the hours that are brought up to date at once: then each job's document is read once, and
#: not by all the hours around it: in a profile of 720 hours a tenth of the time.
MOST_JOBS = 5_000

#: Attempts whose repositories are looked at together: of an hour of 100,000 jobs not all are held.
ATTEMPTS_AT_ONCE = 500

#: What an index refuses, and what a document raises that no version of ours wrote.
_OF_ONE_HOUR = (IndexWriteError, ValueError, LookupError, TypeError)


@dataclass(frozen=True, slots=True)
class Began:
    """What was brought up to date of some hours, by jobs' document ids."""

    known: Collection[str] = frozenset()  # failures of which it is known between which commits they began
    #: By hour, what changed; with the last of the hours what changed in later ones.
    changed: Mapping[str, Collection[str]] = field(default_factory=dict)


class FirstBadCommits:
    """Brings hours up to date, those together that a run does one after the other."""

    def __init__(self, index: DocumentIndex, hours: Sequence[str], *, most: int = MOST_JOBS) -> None:
        """`hours` (partitions): those that will be asked for, whose documents are all there."""
        self._index, self._hours, self._most = index, sorted(hours), most
        self._began = Began()

    def of(self, hour: str) -> Began:
        """What an hour says and changes; the next hours are brought up to date with it."""
        if hour in self._began.changed:
            return self._began
        self._index.refresh()
        hours = self._together(hour)
        try:
            self._began = update_hours(self._index, hours)
        except _OF_ONE_HOUR:
            if len(hours) == 1:
                raise
            self._hours, hours = [], [hour]  # from now on each alone, so that only the one is set aside
            self._began = update_hours(self._index, hours)
        return self._began

    def _together(self, first: str) -> list[str]:
        """An hour and those after it that have few jobs together."""
        hours = [hour for hour in self._hours if hour >= first] or [first]
        count = self._index.count_by("jobs", "s_partition", _within(hours))
        total, most = count.get(first, 0), 1
        for hour in hours[1:]:
            total += count.get(hour, 0)
            if total > self._most:
                break
            most += 1
        return hours[:most]


def update_hours(index: DocumentIndex, hours: Sequence[str]) -> Began:
    """Write between which commits the failures of these hours (in order) began, and those after
    them for which their runs on default branches speak. Some repositories at a time: nothing is
    compared between them.
    """
    known: set[str] = set()
    changed: dict[str, set[str]] = {hour: set() for hour in hours}
    for attempts in _by_repositories(_on_default(index, hours)):
        found, changes = _changes(attempts, index, hours)
        known |= found
        write_changes(index, changes)
        of = {attempt.id: attempt.partition for attempt in attempts}
        for id_ in (id_ for kind, id_ in changes if kind == "jobs"):
            changed.get(of.get(id_, ""), changed[hours[-1]]).add(id_)
    return Began(known, changed)


def _within(hours: Sequence[str]) -> Where:
    return Where(ranges={"s_partition": (hours[0], f"{hours[-1]}~")})


def _on_default(index: DocumentIndex, hours: Sequence[str]) -> Iterator[Attempt]:
    """The attempts of the hours on default branches, in order of their repositories."""
    where = _within(hours)
    failed = narrowed(where, equals={"s_status": MAYBE_FAILED})
    found = index.scan("jobs", failed, fields=ATTEMPT_FIELDS, sort="s_repo")
    ran = index.scan("jobs", where, fields=RAN_FIELDS, sort="s_repo")
    passed = (document for document in ran if document.body.get("s_status") not in MAYBE_FAILED)
    attempts = map(attempt_of, merge(found, passed, key=lambda document: str(document.body.get("s_repo"))))
    return (attempt for attempt in attempts if attempt.on_default)


def _by_repositories(attempts: Iterable[Attempt]) -> Iterator[list[Attempt]]:
    """All attempts of some repositories at a time, of those that are sorted by them."""
    part: list[Attempt] = []
    for _, of_one in groupby(attempts, key=lambda attempt: attempt.repo):
        part += of_one
        if len(part) >= ATTEMPTS_AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def _changes(here: Sequence[Attempt], index: DocumentIndex, hours: Sequence[str]) -> tuple[set[str], Changes]:
    """Of some repositories' attempts in these hours on their default branches: the failures of
    which it is known between which commits they began, and what changes.
    """
    branches = {(attempt.repo, attempt.branch) for attempt in here}

    def beside(jobs: Collection[JobName], way: int) -> list[Attempt]:
        return runs_until_passed(index, jobs, branches, hours[-1] if way > 0 else hours[0], way)

    after = beside({attempt.job_name for attempt in here}, 1)
    failed = [attempt for attempt in (*here, *after) if attempt.failed]
    if not failed:
        return set(), {}
    found = regressions([*beside({attempt.job_name for attempt in failed}, -1), *here, *after])
    wanted: dict[str, Body] = {}
    for attempt in failed:
        known = found.get(attempt.id)
        good, bad = (known.last_good, known.first_bad) if known else ("", "")
        if (good, bad) != (attempt.last_good, attempt.first_bad):
            wanted[attempt.id] = {"s_last_good_sha": good or None, "s_first_bad_sha": bad or None}
    jobs = [Document("jobs", id_, body) for id_, body in index.get("jobs", sorted(wanted)).items()]
    changes = {
        (document.kind, document.id): diff
        for document, job in failed_with_jobs([*jobs, *steps_of(index, jobs)])
        if document is job or shares_error(document, job)
        if (diff := differing(document.body, wanted[job.id]))
    }
    return set(found), changes
