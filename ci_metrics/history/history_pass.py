"""The history pass: the one later pass over documents, for what only the whole of history can
say of an hour's failures.

What belongs here: which documents' flags and commits an hour speaks for, in other hours too, and
bringing them up to date. Does not: what an hour proves of itself (`flaky_fields.evidence_within`,
in the documents when they are written), deciding what is flaky (`flakiness.py`) and since which
commit a job fails (`regressions.py`).

The fields follow from the documents alone: doing an hour again, or hours in another
order, ends with the same ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from ci_metrics.history.attempts import ATTEMPT_FIELDS, Attempt, attempt_of, attempts_with, failed_attempts
from ci_metrics.history.flakiness import on_base_branch
from ci_metrics.history.flaky_evidence import evidence_of, scheduled_branches, storms_around, suspects_like
from ci_metrics.history.flaky_fields import FlagRules, flag_changes
from ci_metrics.history.job_documents import (
    Changes,
    differing,
    failed_with_jobs,
    shares_error,
    steps_of,
    write_changes,
)
from ci_metrics.history.regressions import JobName, regressions, runs_until_passed
from ci_metrics.index.document_index import Body, Document, DocumentIndex, Kind, Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Flagged:
    """What the pass over an hour came to."""

    suspected: tuple[str, ...]  # documents of this hour that are flagged now
    confirmed: tuple[str, ...]
    stormy: int  # failures of this hour that stand in an outage
    changed: int  # jobs' documents that were changed, other hours' too
    changed_elsewhere: int  # of these, those of other hours
    regressions: int = 0  # failures of this hour of which it is known between which commits they began
    fingerprints: tuple[str, ...] = field(default=())  # that this hour has evidence on: give them to the next time


def run_history_pass(
    index: DocumentIndex, partition: str, *, rules: FlagRules | None = None, before: Collection[str] = ()
) -> Flagged:
    """Bring the flags of one hour's documents up to date, and those of other hours' that the
    hour's documents speak for.

    `before`: the fingerprints that this returned for the hour last time, so that evidence
    which is gone is taken back.
    """
    chosen = rules or FlagRules()
    hour = failed_attempts(index, Where(equals={"s_partition": partition}))
    touched = {attempt.id: attempt for attempt in hour}
    for attempt in _touched_elsewhere(index, hour, chosen, before):
        touched.setdefault(attempt.id, attempt)
    said = evidence_of(index, list(touched.values()), chosen.storm_types)
    suspected = {id_ for id_, each in said.items() if each.suspected}
    marked = [
        attempt.id
        for attempt in touched.values()
        if attempt.suspected or attempt.confirmed or attempt.type == chosen.flaky_type or attempt.id in suspected
    ]
    jobs = [Document("jobs", id_, body) for id_, body in index.get("jobs", marked).items()]
    changes = {**flag_changes([*jobs, *steps_of(index, jobs)], said, chosen)}
    began, commits = _commit_changes(index, partition)
    for key, body in commits.items():
        changes[key] = {**changes.get(key, {}), **body}
    write_changes(index, changes)
    changed = {id_ for kind, id_ in changes if kind == "jobs"}
    here = {attempt.id: attempt for attempt in hour}
    flagged = sorted(here.keys() & suspected)
    scheduled = scheduled_branches(index, {attempt.repo for attempt in hour}) if hour else frozenset()
    speaks = {here[id_].fingerprint for id_ in flagged}
    speaks |= {a.fingerprint for a in hour if a.tells and on_base_branch(a, scheduled)}
    return Flagged(
        suspected=tuple(flagged),
        confirmed=tuple(id_ for id_ in flagged if said[id_].confirmed),
        stormy=sum(1 for id_ in here if id_ in said and said[id_].storm),
        changed=len(changed),
        changed_elsewhere=len(changed - here.keys()),
        regressions=len(began & here.keys()),
        fingerprints=tuple(sorted(speaks)),
    )


def _commit_changes(index: DocumentIndex, partition: str) -> tuple[set[str], Changes]:
    """The jobs' documents of which it is known since which commit they fail, and what changes: in
    this hour, and in those after it for which its runs on default branches speak. One repository
    after the other: nothing is compared between them.
    """
    began: set[str] = set()
    changes: dict[tuple[Kind, str], Body] = {}
    found = index.scan("jobs", Where(equals={"s_partition": partition}), fields=ATTEMPT_FIELDS, sort="s_repo")
    for _, attempts in groupby(map(attempt_of, found), key=lambda attempt: attempt.repo):
        known, changed = _commits_of([attempt for attempt in attempts if attempt.on_default], index, partition)
        began |= known
        changes.update(changed)
    return began, changes


def _commits_of(hour: Sequence[Attempt], index: DocumentIndex, partition: str) -> tuple[set[str], Changes]:
    """The same for one repository's attempts on its default branch."""
    branches = {attempt.branch for attempt in hour}

    def beside(jobs: Collection[JobName], way: int) -> list[Attempt]:
        return runs_until_passed(index, jobs, branches, partition, way)

    after = beside({attempt.job_name for attempt in hour}, 1)
    later = [attempt for attempt in (*hour, *after) if attempt.failed]
    if not later:
        return set(), {}
    found = regressions([*beside({attempt.job_name for attempt in later}, -1), *hour, *after])
    wanted: dict[str, Body] = {}
    for attempt in later:
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


def _touched_elsewhere(
    index: DocumentIndex, hour: list[Attempt], rules: FlagRules, before: Collection[str]
) -> Iterable[Attempt]:
    """Flagged failures of other hours for which this hour may prove something, or has."""
    told = {attempt.fingerprint for attempt in hour if attempt.tells}
    yield from suspects_like(index, told | set(before))
    stormy = storms_around(index, hour, rules.storm_types)
    names = {attempt.group for attempt in hour if attempt.id in stormy}
    flagged = Where(equals={"b_flaky_suspected": True})
    yield from (each for each in attempts_with(index, "s_error_group", names, flagged) if each.id in stormy)
