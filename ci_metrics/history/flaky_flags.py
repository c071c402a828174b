"""Flaky flags in documents: what history says, brought into the documents already written.

What belongs here: which documents' flags (and type) must change, and changing them. Does not: deciding what is flaky
(`flakiness.py`).

The flags follow from the documents alone: doing an hour again, or hours in another order, ends with the same ones. An hour's
documents that are written anew lose their flags until this has run for that hour, so it runs right after.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ci_metrics.history.attempts import CHUNK, Attempt, attempts_with, failed_attempts, root_error
from ci_metrics.history.flakiness import FlakyEvidence, on_base_branch
from ci_metrics.history.flaky_failures import STORM_TYPES, evidence_of, scheduled_branches, storms_around, suspects_like
from ci_metrics.index.base import Body, DocumentIndex, Where

#: The type that only history (or the log's own word) may give.
FLAKY_TYPE = "flaky_test"

#: What the log alone says of a flaky test. An outage of the network, a full disk and the like keep the type of their cause.
TEST_TYPES = frozenset({"assertion_failure", "runtime_error", "timeout"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRules:
    """Which categories mean what, in the taxonomy in force: a project's own kinds of the ten are added to theirs."""

    storm_types: frozenset[str] = STORM_TYPES
    test_types: frozenset[str] = TEST_TYPES
    flaky_type: str | None = FLAKY_TYPE  # None: the taxonomy has none, and types stay


@dataclass(frozen=True, slots=True, kw_only=True)
class Flagged:
    """What bringing the flags up to date came to."""

    suspected: tuple[str, ...]  # documents of this hour that are flagged now
    confirmed: tuple[str, ...]
    stormy: int  # failures of this hour that stand in an outage
    changed: int  # jobs' documents that were changed, other hours' too
    changed_elsewhere: int  # of these, those of other hours
    fingerprints: tuple[str, ...] = field(default=())  # that this hour has evidence on: give them to the next time


def update_flags(
    index: DocumentIndex, partition: str, *, rules: FlagRules | None = None, before: Collection[str] = ()
) -> Flagged:
    """Bring the flags of one hour's documents up to date, and those of other hours' that the hour's documents speak for.

    `before`: the fingerprints that this returned for the hour last time, so that evidence which is gone is taken back.
    """
    chosen = rules or FlagRules()
    hour = failed_attempts(index, Where(equals={"s_partition": partition}))
    touched = {attempt.id: attempt for attempt in hour}
    for attempt in _touched_elsewhere(index, hour, chosen, before):
        touched.setdefault(attempt.id, attempt)
    said = evidence_of(index, list(touched.values()), chosen.storm_types)
    changes = _changes(index, touched.values(), said, chosen)
    jobs = {id_: body for (kind, id_), body in changes.items() if kind == "jobs"}
    steps = {id_: body for (kind, id_), body in changes.items() if kind == "steps"}
    if jobs:
        index.update("jobs", jobs)
    if steps:
        index.update("steps", steps)
    if changes:
        index.refresh()
    here = {attempt.id: attempt for attempt in hour}
    flagged = [id_ for id_ in here if id_ in said and said[id_].suspected]
    scheduled = scheduled_branches(index, {attempt.repo for attempt in hour}) if hour else frozenset()
    speaks = {here[id_].fingerprint for id_ in flagged}
    speaks |= {a.fingerprint for a in hour if a.tells and on_base_branch(a, scheduled)}
    return Flagged(
        suspected=tuple(sorted(flagged)),
        confirmed=tuple(sorted(id_ for id_ in flagged if said[id_].confirmed)),
        stormy=sum(1 for id_ in here if id_ in said and said[id_].storm),
        changed=len(jobs),
        changed_elsewhere=len(jobs.keys() - here.keys()),
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


def _changes(
    index: DocumentIndex, attempts: Iterable[Attempt], said: Mapping[str, FlakyEvidence], rules: FlagRules
) -> dict[tuple[str, str], Body]:
    """(kind, id) -> the fields that differ from what the documents have."""
    found = {attempt.id: attempt for attempt in attempts}
    marked = [
        a.id for a in found.values() if a.suspected or a.confirmed or a.type == rules.flaky_type or _is(said, a.id)
    ]
    bodies = index.get("jobs", marked)
    wanted = {id_: _wanted(body, said.get(id_), rules) for id_, body in bodies.items()}
    changes = {("jobs", id_): diff for id_, body in bodies.items() if (diff := _differing(body, wanted[id_]))}
    by_job = {(str(body["s_job_id"]), body["l_run_attempt"]): id_ for id_, body in bodies.items()}
    ids = sorted({job for job, _ in by_job})
    for start in range(0, len(ids), CHUNK):
        where = Where(equals={"s_job_id": ids[start : start + CHUNK]}, exists=("s_error_fingerprint",))
        for step in index.scan("steps", where):
            id_ = by_job.get((str(step.body["s_job_id"]), step.body["l_run_attempt"]))
            if id_ is None or step.body["s_error_fingerprint"] != bodies[id_].get("s_error_fingerprint"):
                continue
            if diff := _differing(step.body, wanted[id_]):
                changes["steps", step.id] = diff
    return changes


def _wanted(body: Body, said: FlakyEvidence | None, rules: FlagRules) -> Body:
    """The flags, and the type, that a job's document should have. Flags that are not true are absent."""
    suspected = said is not None and said.suspected
    confirmed = said is not None and said.confirmed
    wanted: Body = {
        "b_flaky_suspected": True if suspected else None,
        "b_flaky_confirmed": True if confirmed else None,
        "s_error_type": body.get("s_error_type"),
        "s_error_base_type": body.get("s_error_base_type"),
    }
    # The nested error keeps what the log alone said, so that the type can be given back when the evidence is gone.
    own = root_error(body).get("s_error_type")
    if rules.flaky_type is None or own is None or body.get("s_error_source") == "human":
        return wanted
    if confirmed and own in rules.test_types and body.get("s_status") == "failure":
        wanted["s_error_type"] = wanted["s_error_base_type"] = rules.flaky_type
    elif body.get("s_error_type") == rules.flaky_type:
        wanted["s_error_type"], wanted["s_error_base_type"] = own, root_error(body).get("s_error_base_type")
    return wanted


def _differing(body: Body, wanted: Body) -> Body:
    return {name: value for name, value in wanted.items() if body.get(name) != value}


def _is(said: Mapping[str, FlakyEvidence], id_: str) -> bool:
    return id_ in said and said[id_].suspected
