"""The job that asks GitHub what has changed in the last 30 days, a day of a repository at a time.

Belongs here: asking, comparing with what hours were made of, marking what differs, noting when each
day was looked at. Does not: which days are due and what follows (`due_hours.py`).

    <root>/sweeps.json

GitHub lists runs by creation and says nowhere what was run again lately. So each day's runs are
listed and compared with what the hour's rows were made of (`listed` in their notes). A day that
has not changed is a 304, which costs no quota: a day is one to three pages where its hours would be
24. Nothing is lost by a failure in between: what differs still differs at the next look.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b

import dagster as dg
from pydantic import TypeAdapter, ValidationError

from ci_metrics.errors import CiMetricsError
from ci_metrics.github import GitHub
from ci_metrics.models import Run, RunStanding
from ci_metrics.orchestration.due_hours import DAY, due_sweeps, oldest_swept
from ci_metrics.orchestration.fair_order import fairly
from ci_metrics.orchestration.partitions import day_start, hour_key
from ci_metrics.orchestration.parts import FETCH_THREADS, GitHubPart, HoursPart
from ci_metrics.orchestration.storage.atomic_files import fetch, put
from ci_metrics.orchestration.storage.hours import HourState
from ci_metrics.orchestration.storage.store import HourStore

_RUNS = "workflow_runs"

#: Days that one run looks at: of a thousand busy repositories some ten minutes of requests, after
#: which the newest hour may have its turn.
MOST_DAYS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeps:
    """When each day was looked at last, and which repositories could not be asked then."""

    swept: Mapping[str, datetime] = field(default_factory=dict)
    left: Mapping[str, Sequence[str]] = field(default_factory=dict)


_FILE = TypeAdapter(Sweeps)


def listing_digest(runs: Iterable[Run | RunStanding]) -> str:
    """Names what GitHub lists of runs: which, at which attempt, how they stand; "" for none."""
    said = sorted((run.run_id, run.run_attempt, run.status, run.conclusion or "") for run in runs)
    return blake2b(repr(said).encode(), digest_size=8).hexdigest() if said else ""


@dg.op(pool="github", description="Ask for re-runs of the days that are due, and mark the hours that have changed.")
def look_for_changes(
    context: dg.OpExecutionContext, hours: dg.ResourceParam[HoursPart], github: dg.ResourceParam[GitHubPart]
) -> None:
    """Look at each due day, oldest look first; what one repository cannot give does not keep the
    others.
    """
    before, changed = github.client.requests, 0
    days = days_due(hours, hours.now())
    for day in days:
        changed += sweep_day(hours, github.client, day)
    spent = github.client.requests - before
    context.add_output_metadata(
        {"days": len(days), "changed": changed, "requests": spent.total, "requests_counted": spent.counted}
    )


@dg.job(description="Look for runs that were run again in the last 30 days, and mark their hours.")
def sweep_repositories() -> None:
    """`look_for_changes`, and nothing else."""
    look_for_changes()


def days_due(hours: HoursPart, now: datetime) -> list[str]:
    """The days to look at in one run, oldest look first."""
    oldest = oldest_swept(now, hours.settings.partitions_start)
    known = (hour for hour in hours.store.hours() if hour >= oldest)
    sweeps = read_sweeps(hours.store)
    return list(due_sweeps(now, known, sweeps.swept, sweeps.left))[:MOST_DAYS]


def sweep_day(hours: HoursPart, github: GitHub, day: str) -> int:
    """Look at one day, mark what has changed and note the look; how many parts of hours have.

    A day whose last look left some repositories out is looked at for those alone.
    """
    now, sweeps = hours.now(), read_sweeps(hours.store)
    states = hours.store.states(f"{day}T00", f"{day}T23")
    due = due_sweeps(now, states, sweeps.swept, sweeps.left).get(day)
    repos = fairly(hours.awaited_repos, str, day)
    asked = [repo for repo in repos if due is None or repo in due]
    with ThreadPoolExecutor(FETCH_THREADS) as pool:
        answers = dict(zip(asked, pool.map(lambda repo: _listed(github, repo, day), asked), strict=True))
    found = {repo: answer for repo, answer in answers.items() if not isinstance(answer, CiMetricsError)}
    failed = {repo: answer for repo, answer in answers.items() if isinstance(answer, CiMetricsError)}
    hours.failing.note({**dict.fromkeys(found), **failed}, now)
    changed = changed_parts(hours.store, states, found)
    hours.marked.mark(changed, now)
    oldest = oldest_swept(now, hours.settings.partitions_start)
    hours.marked.drop(
        lambda hour, repo, at: hour >= oldest and (hour not in states or _is_waited_for(states[hour], repo, at))
    )
    kept = {each: seen for each, seen in sweeps.swept.items() if now - day_start(each) < 40 * DAY}
    left = {each: repos for each, repos in sweeps.left.items() if each in kept}
    noted = Sweeps(swept={**kept, day: now if due is None else kept[day]}, left={**left, day: sorted(failed)})
    put(hours.store.root / "sweeps.json", _FILE.dump_json(noted))
    return sum(map(len, changed.values()))


def changed_parts(
    store: HourStore, states: Mapping[str, HourState], found: Mapping[str, Mapping[str, str]]
) -> dict[str, list[str]]:
    """By hour, the repositories of which GitHub lists something else than its rows were made of.

    `found`: by repository and hour, what is listed (`listing_digest`).
    """
    changed: dict[str, list[str]] = {}
    for hour, state in states.items():
        record = state.of(_RUNS)
        if record is None or record.failed:
            continue
        made_of = store.notes(_RUNS, hour).get("listed", {})
        differing = [
            repo
            for repo, listed in found.items()
            if repo in record.repos and listed.get(hour, "") != made_of.get(repo, "")
        ]
        if differing:
            changed[hour] = differing
    return changed


def read_sweeps(store: HourStore) -> Sweeps:
    """What was noted last; nothing when the file is missing or damaged: every day is due then."""
    try:
        return _FILE.validate_json(fetch(store.root / "sweeps.json"))
    except (FileNotFoundError, ValidationError):
        return Sweeps()


def _listed(github: GitHub, repo: str, day: str) -> dict[str, str] | CiMetricsError:
    """By hour, what GitHub lists of a repository's runs of a day."""
    start = day_start(day)
    try:
        runs = github.standings(repo, start, start + DAY)
    except CiMetricsError as error:
        return error
    by_hour: dict[str, list[RunStanding]] = {}
    for run in runs:
        by_hour.setdefault(hour_key(run.created_at), []).append(run)
    return {hour: listing_digest(found) for hour, found in by_hour.items()}


def _is_waited_for(state: HourState, repo: str, at: datetime) -> bool:
    record = state.of(_RUNS)
    return record is not None and repo in record.repos and at > record.repos[repo].seen
