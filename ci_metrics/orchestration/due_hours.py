"""Which hours need another look, of which repositories, and when: pure decisions.

What belongs here: states in, hours and repositories out. Does not: Dagster, files, clocks of its
own.

A run created at 10:59 ends at 13:00; a failed job is re-run two weeks later; the daemon was down
over the weekend. So three reasons bring an hour back: it is *missing* (never worked on), it is
*unfinished* (runs in progress, something that could not be fetched, a verdict still open, a chain
that was broken off), or it has *changed* (GitHub was seen to list other runs or attempts since:
`sweeps.py` looks a day at a time while GitHub still allows a re-run). All but the first are looked
at by repository: GitHub is asked for those alone that are due.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from ci_metrics.orchestration.partitions import (
    HOUR,
    chunks_of,
    day_start,
    hour_key,
    hour_start,
    hours_between,
    last_closed_hour,
)
from ci_metrics.orchestration.storage.hours import HourState, RepoRecord

#: GitHub allows a re-run up to this long after a run. Source: GitHub's documentation, "Re-running
#: workflows and jobs".
RERUN_LIMIT = timedelta(days=30)

#: Days with hours younger than this are swept more often: most re-runs come soon.
YOUNG = timedelta(hours=24)
SWEEP_YOUNG_EVERY = timedelta(hours=3)
SWEEP_OLD_EVERY = timedelta(hours=24)

#: How long to wait before an unfinished hour is redone: by its age, so that a run that hangs for
#: days costs little.
UNFINISHED_EVERY = (
    (timedelta(hours=6), timedelta(minutes=15)),
    (timedelta(days=3), timedelta(hours=2)),
    (RERUN_LIMIT, timedelta(hours=24)),
)
#: What fails again and again is waited for twice as long each time, up to this: a repository that
#: is gone costs little.
SELDOM = timedelta(hours=24)

DAY = timedelta(days=1)

#: Hours are looked at for so long: a day more, in which the last sweep falls.
LOOKED_AT = RERUN_LIMIT + DAY

#: By repository, when its part of an hour was seen to have changed.
Marked = Mapping[str, datetime]

#: The tag of a run that says why it was asked for: one of `Reason` from the sensors, which leave to
#: `due_repositories` whom to ask.
REASON_TAG = "ci_metrics/reason"

#: So many closed hours without one that was indexed are worth telling.
SILENT_HOURS = 6

Reason = Literal["missing", "unfinished", "changed"]
REASONS: tuple[Reason, ...] = ("missing", "unfinished", "changed")


@dataclass(frozen=True, slots=True)
class HourRange:
    """Contiguous hours to redo in one run, and why."""

    first: str
    last: str
    reason: Reason


def due_repositories(
    now: datetime, hour: str, state: HourState, repos: Sequence[str], marked: Marked | None = None
) -> list[str]:
    """Those of `repos` that GitHub is to be asked for again in this hour."""
    reasons = _reasons(now, now - hour_start(hour), state, repos, marked or {})
    return [repo for repo in repos if reasons[repo] is not None]


def repositories_to_ask(
    now: datetime, hour: str, state: HourState, repos: Sequence[str], reason: str, marked: Marked | None = None
) -> list[str]:
    """Of which repositories a run asks GitHub; `reason` is its tag's.

    A person's run, and a schedule's, ask for all of them.
    """
    return due_repositories(now, hour, state, repos, marked) if reason in REASONS else list(repos)


def asked_repositories(state: HourState, repos: Sequence[str], reason: str) -> set[str]:
    """Of which repositories a run asks GitHub further: those that `workflow_runs` asked for."""
    runs = state.of("workflow_runs")
    if reason not in REASONS or runs is None:
        return set(repos)
    return {repo for repo in repos if repo in runs.repos and runs.repos[repo].seen == runs.seen}


def plan(
    now: datetime,
    states: Mapping[str, HourState],
    repos: Sequence[str],
    start: datetime,
    *,
    marked: Mapping[str, Marked] | None = None,
    most_ranges: int = 3,
) -> list[HourRange]:
    """The hours to redo now, as at most `most_ranges` ranges of a day: missing, unfinished,
    changed.

    `states` are those of hours that were worked on; `start` is the first hour of the partition set.
    Before the oldest hour of the last 31 days that was worked on nothing is missing: history is a
    person's decision (a backfill).
    """
    known = {key: state for key, state in states.items() if key >= oldest_swept(now, start)}
    if not known:
        return []
    due: dict[Reason, list[str]] = {reason: [] for reason in REASONS}
    for key in hours_between(min(known), last_closed_hour(now)):
        reason = _reason(now, key, known[key], repos, (marked or {}).get(key, {})) if key in known else "missing"
        if reason is not None:
            due[reason].append(key)
    found = (
        HourRange(first, last, reason)
        for reason in REASONS
        for first, last in sorted(chunks_of(due[reason]), reverse=True)  # newest first
    )
    return list(found)[:most_ranges]


def oldest_swept(now: datetime, start: datetime) -> str:
    """The oldest hour that `plan` looks at."""
    return hour_key(max(start, now - LOOKED_AT))


def old_and_open(now: datetime, states: Mapping[str, HourState]) -> list[str]:
    """The hours too old for `plan` with open verdicts (no money, a failing model), when due again.

    `states`: of the hours that may be such. The money is for a clock hour, so they are due once an
    hour.
    """
    oldest = hour_key(now - LOOKED_AT)
    return [
        key
        for key, state in states.items()
        if key < oldest and state.open and (state.last_seen is None or now - state.last_seen >= HOUR)
    ]


def silent_hours(now: datetime, indexed: Iterable[str], hours: int) -> bool:
    """Whether none of the last `hours` closed hours is among the `indexed` ones."""
    recent = set(hours_between(hour_key(now - hours * HOUR), last_closed_hour(now)))
    return not recent & set(indexed)


def due_sweeps(
    now: datetime, hours: Iterable[str], swept: Mapping[str, datetime], left: Mapping[str, Sequence[str]]
) -> dict[str, Sequence[str] | None]:
    """The days (UTC, like 2026-03-02) of the `hours` in which GitHub is to be asked for re-runs,
    oldest look first, each with the repositories to ask for; None: all.

    `swept`: when each day was looked at last; `left`: those that could not be asked then.
    """
    found: dict[str, Sequence[str] | None] = {}
    for day in sorted(
        {hour[:10] for hour in hours}, key=lambda day: (swept.get(day, datetime.min.replace(tzinfo=UTC)), day)
    ):
        begun = day_start(day)
        if now - begun > LOOKED_AT + DAY:
            continue
        every = SWEEP_YOUNG_EVERY if now - (begun + DAY) < YOUNG else SWEEP_OLD_EVERY
        # Noted by a clock that ran ahead, it would be due no more until the day comes.
        if day not in swept or abs(now - swept[day]) >= every:
            found[day] = None
        elif left.get(day):
            found[day] = left[day]
    return found


def _reason(now: datetime, hour: str, state: HourState, repos: Sequence[str], marked: Marked) -> Reason | None:
    """Why an hour that was worked on is due; None when it is not."""
    age = now - hour_start(hour)
    reasons = set(_reasons(now, age, state, repos, marked).values())
    waited = now - state.last_seen if state.last_seen else RERUN_LIMIT
    tries = max((record.failed.tries for record in state.assets.values() if record.failed), default=0)
    if "unfinished" in reasons or (state.broken_off and waited >= _wait(age, tries)):
        return "unfinished"
    return "changed" if "changed" in reasons else None


def _reasons(
    now: datetime, age: timedelta, state: HourState, repos: Sequence[str], marked: Marked
) -> Mapping[str, Reason | None]:
    """Why each repository's part of an hour is due; None where it is not."""
    runs = state.of("workflow_runs")
    if runs is None or runs.failed:
        seen, tries = state.last_seen, runs.failed.tries if runs and runs.failed else 0
        whole: Reason | None = "unfinished" if seen is None or now - seen >= _wait(age, tries) else None
        return dict.fromkeys(repos, whole)
    # A repository that was added since is due; the others by their parts, which are one object
    # where they are alike.
    reasons: dict[str, Reason | None] = dict.fromkeys(repos, "changed")
    alike = {id(part): _reason_of(now, age, part.seen, [part]) for part in runs.repos.values()}
    reasons.update({repo: alike[id(part)] for repo, part in runs.repos.items() if repo in reasons})
    unfinished = {repo for record in state.assets.values() for repo in record.repos if record is not runs}
    for repo in (
        reasons if "" in unfinished else unfinished & reasons.keys()
    ):  # "": of which one it was, 0.1 did not note
        if repo in runs.repos:
            parts = [*state.of_repository(repo), *state.of_repository("")]
            reasons[repo] = _reason_of(now, age, runs.repos[repo].seen, parts)
    for repo, at in marked.items():
        if repo in reasons and repo in runs.repos and at > runs.repos[repo].seen and reasons[repo] is None:
            reasons[repo] = "changed"
    return reasons


def _reason_of(now: datetime, age: timedelta, seen: datetime, parts: Iterable[RepoRecord]) -> Reason | None:
    """Why a repository that was last asked for at `seen` is due, by its parts of all assets."""
    unfinished = [part for part in parts if not part.is_finished]
    if unfinished:
        return "unfinished" if now - seen >= _wait(age, max(part.tries for part in unfinished)) else None
    return None


def _wait(age: timedelta, tries: int) -> timedelta:
    """How long what is unfinished waits: by its age, twice as long each time it failed again."""
    wait = next((wait for limit, wait in UNFINISHED_EVERY if age <= limit), SELDOM)
    return min(SELDOM, wait * (1 << max(0, min(tries, 10) - 1)))
