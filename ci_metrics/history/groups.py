"""Groups of failures over jobs, branches and repositories: computed from documents, never
by incrementing counters.

What belongs here: which failures are one group, since when, how often, at what price, whether it is
new or spiking. Does not: what makes two failures one group (`logs/fingerprint.py`), showing them.

Everything follows from the documents as they are now, so redoing an hour changes nothing, and when
a new version of the fingerprint's algorithm has rewritten history's documents, its groups have
history's dates. Until it has, a group that looks new is looked for among those of other versions
(`earlier_groups.py`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ci_metrics.history.attempts import (
    Attempt,
    attempts_with,
    failed_attempts,
    first_line,
    root_error,
)
from ci_metrics.history.earlier_groups import earlier_names
from ci_metrics.history.lost_time import Losses, losses_and_costs
from ci_metrics.history.period import Period, oldest_failure, period_of
from ci_metrics.history.time_range import moment_of
from ci_metrics.index.document_index import DocumentIndex, Where

#: A group is spiking when so many different runs failed with it lately, and so many
#: times more than usual.
SPIKE_RUNS = 5
SPIKE_FACTOR = 3.0

#: Documents named as examples, newest first.
EXAMPLES = 3

#: How sure a failure without a category counts.
UNSURE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One group of failures. `first_seen` is of all history; the rest is of the
    documents that were asked for.
    """

    id: str
    error_type: str  # the most common; "" when none is classified
    headline: str  # the quoted line, else the summary, of the newest failure
    step: str
    first_seen: datetime
    last_seen: datetime
    count: int  # failed attempts of jobs
    runs: int
    share: float  # of all failures that were asked for, 0 to 1
    jobs: tuple[str, ...]  # names, most frequent first; branches and repos too
    branches: tuple[str, ...]
    repos: tuple[str, ...]
    fingerprints: tuple[str, ...]
    lost_minutes: float  # of failed attempts and of the re-runs they caused
    lost_usd: float  # of runners meanwhile, at list price, as far as prices are known
    suspected: int  # failures that history suspects to be flaky
    confirmed: int
    new: bool  # never seen before the period (at most a week) that was asked for
    spiking: bool
    generic: bool  # says nothing of a cause: never new, spiking, flaky or blamed
    examples: tuple[str, ...]  # document ids, newest first
    certainty: float  # of the examples' verdicts, 0 to 1


def groups(
    index: DocumentIndex,
    where: Where | None = None,
    *,
    failures: Sequence[Attempt] | None = None,
    lost: Losses | None = None,
) -> list[Group]:
    """The groups among the matching failed jobs, most frequent first. Failures without a group
    count only in the shares.

    `failures` and `lost`: those jobs and what each lost, where they are known already.
    """
    chosen = where or Where()
    failures = failed_attempts(index, chosen) if failures is None else failures
    members: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in failures:
        if attempt.group:
            members[attempt.group].append(attempt)
    if not members:
        return []
    period = period_of(chosen, failures)
    seen = {name: found[0].when for name, found in members.items()}
    first = first_seen(index, seen, period)
    seconds, cost = losses_and_costs(index, failures) if lost is None else lost
    spiking = spikes(index, members, period)
    unheard = {
        name for name, found in members.items() if _tells(found) and period.is_new(first[name], seen[name])
    } | spiking
    if unheard:
        names = earlier_names(index, {name: [a.id for a in reversed(members[name])] for name in sorted(unheard)})
        first |= _first_ever(index, {name: ((name, *old), seen[name]) for name, old in names.items()})
        spiking = (spiking - names.keys()) | spikes(index, {name: members[name] for name in names}, period, names)
    steps = _steps(index, members)
    made = [
        _group(
            name,
            found,
            total=len(failures),
            lost=seconds,
            cost=cost,
            first=first[name],
            period=period,
            spiking=name in spiking,
            step=steps.get(name, ""),
        )
        for name, found in members.items()
    ]
    return sorted(made, key=lambda group: (-group.count, -group.lost_minutes, group.id))


def first_seen(index: DocumentIndex, seen: Mapping[str, datetime], period: Period) -> dict[str, datetime]:
    """When each group was seen first in all history. `seen`: when first among the
    documents that were asked for.
    """
    if period.everything:
        return dict(seen)
    return _first_ever(index, {name: ((name,), moment) for name, moment in seen.items()})


def spikes(
    index: DocumentIndex,
    members: Mapping[str, Sequence[Attempt]],
    period: Period,
    names: Mapping[str, Collection[str]] | None = None,
) -> frozenset[str]:
    """The groups that far more runs fail with lately than usual. One run with many jobs is
    one: a matrix is no spike.

    `names`: what other versions of the algorithm call them.
    """
    recent = {
        name: len({attempt.run_id for attempt in found if period.recent(attempt)})
        for name, found in members.items()
        if _tells(found)
    }
    candidates = [name for name, runs in recent.items() if runs >= SPIKE_RUNS]
    if not candidates:
        return frozenset()
    usual: dict[str, set[str]] = defaultdict(set)
    called = {name: {name, *(names or {}).get(name, ())} for name in candidates}
    for attempt in attempts_with(index, "s_error_group", set().union(*called.values()), period.before):
        for name in candidates:
            if attempt.group in called[name]:
                usual[name].add(attempt.run_id)
    lengths = period.lengths_before(oldest_failure(index))
    return frozenset(name for name in candidates if recent[name] >= SPIKE_FACTOR * len(usual[name]) / lengths)


def _tells(found: Sequence[Attempt]) -> bool:
    return not all(attempt.generic for attempt in found)


def _first_ever(index: DocumentIndex, groups: Mapping[str, tuple[Sequence[str], datetime]]) -> dict[str, datetime]:
    """Group -> when it was seen first, given all its names and when among what was asked
    for: one question for all.
    """
    names = sorted({name for called, _ in groups.values() for name in called})
    first = {name: moment_of(time) for name, time in index.earliest("jobs", "s_error_group", names).items()}
    return {
        group: min([seen, *(first[name] for name in called if name in first)])
        for group, (called, seen) in groups.items()
    }


def _steps(index: DocumentIndex, members: Mapping[str, Sequence[Attempt]]) -> dict[str, str]:
    """The step in which each group's newest failure stands: a job's own fields do not
    name it, its root error does.
    """
    newest = {found[-1].id: name for name, found in members.items()}
    bodies = index.get("jobs", sorted(newest))
    return {newest[id_]: str(root_error(body).get("s_step_name") or "") for id_, body in bodies.items()}


def _group(
    name: str,
    found: Sequence[Attempt],
    *,
    total: int,
    lost: Mapping[str, float],
    cost: Mapping[str, float],
    first: datetime,
    period: Period,
    spiking: bool,
    step: str,
) -> Group:
    newest = found[-1]
    generic = not _tells(found)
    new = not generic and period.is_new(first, found[0].when)
    examples = found[: -EXAMPLES - 1 : -1]
    return Group(
        id=name,
        error_type=next(iter(_most(attempt.type for attempt in found)), ""),
        headline=newest.quote or first_line(newest.summary),
        step=step,
        first_seen=first,
        last_seen=newest.when,
        count=len(found),
        runs=len({attempt.run_id for attempt in found}),
        share=len(found) / total,
        jobs=_most(attempt.job for attempt in found),
        branches=_most(attempt.branch for attempt in found),
        repos=_most(attempt.repo for attempt in found),
        fingerprints=_most(attempt.fingerprint for attempt in found),
        lost_minutes=sum(lost[attempt.id] for attempt in found) / 60,
        lost_usd=sum(cost[attempt.id] for attempt in found),
        suspected=sum(attempt.suspected for attempt in found),
        confirmed=sum(attempt.confirmed for attempt in found),
        new=new,
        spiking=spiking and not new,
        generic=generic,
        examples=tuple(attempt.id for attempt in examples),
        certainty=sum(UNSURE if a.confidence is None else a.confidence for a in examples) / len(examples),
    )


def _most(values: Iterable[str]) -> tuple[str, ...]:
    counted = Counter(value for value in values if value)
    return tuple(sorted(counted, key=lambda value: (-counted[value], value)))
