"""The history pass: the one later pass over documents, for what only the whole of history can
say of an hour's failures.

What belongs here: which documents' flags an hour speaks for, in other hours too, and bringing them
up to date. Does not: what an hour proves of itself (`flaky_fields.evidence_within`, in the
documents when they are written), deciding what is flaky (`flakiness.py`), since which commit a job
fails (`first_bad_commits.py`).

The fields follow from the documents alone: doing an hour again, or hours in another
order, ends with the same ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from ci_metrics.history.attempts import Attempt, attempts_with, failed_attempts
from ci_metrics.history.first_bad_commits import Began, update_hours
from ci_metrics.history.flakiness import on_base_branch
from ci_metrics.history.flaky_evidence import evidence_of, scheduled_branches, storms_around, suspects_like
from ci_metrics.history.flaky_fields import FlagRules, flag_changes
from ci_metrics.history.job_documents import steps_of, write_changes
from ci_metrics.index.document_index import Document, DocumentIndex, Where


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
    index: DocumentIndex,
    partition: str,
    *,
    rules: FlagRules | None = None,
    before: Collection[str] = (),
    began: Began | None = None,
) -> Flagged:
    """Bring the flags of one hour's documents up to date, and those of other hours' that the
    hour's documents speak for.

    `before`: the fingerprints that this returned for the hour last time, so that evidence
    which is gone is taken back. `began`: since which commits its failures began, where that has
    been brought up to date already.
    """
    began = update_hours(index, [partition]) if began is None else began
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
    changes = flag_changes([*jobs, *steps_of(index, jobs)], said, chosen)
    write_changes(index, changes)
    changed = {id_ for kind, id_ in changes if kind == "jobs"} | set(began.changed.get(partition, ()))
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
        regressions=len(here.keys() & began.known),
        fingerprints=tuple(sorted(speaks)),
    )


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
