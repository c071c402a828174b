"""What a month of many repositories costs, and how late a re-run is seen: `python bench/lateness.py
[--repos 1000 --jobs 100]`.

A simulation: no request is sent. Runs are made up (a seed; lengths, failures and re-runs as stated
below), and the same decisions as in production (`due_hours.py`) say at each tick of five minutes
what GitHub is asked; each answer's pages are counted, those that have not changed as 304. A few
repositories are simulated and their cost multiplied: a repository's cost depends on no other.
"""

from __future__ import annotations

import argparse
import math
import random
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ci_metrics.orchestration.due_hours import DAY, RERUN_LIMIT, YOUNG, due_repositories, due_sweeps
from ci_metrics.orchestration.partitions import HOUR, day_start, hour_key
from ci_metrics.orchestration.storage.hours import AssetRecord, HourState, RepoRecord

START = datetime(2026, 3, 1, tzinfo=UTC)
TICK = timedelta(minutes=5)
PAGE = 100

#: Of all jobs; of all runs; of those run again, so many after at most an hour, a day, 30 days.
FAILING, RUN_AGAIN = 0.1, 0.03
AGAIN_WITHIN = ((0.5, HOUR), (0.35, DAY), (0.15, RERUN_LIMIT))

#: What an installation of an App on an organisation of so many repositories may ask in an hour
#: (GitHub's documentation "Rate limits for GitHub Apps": 5,000, and 50 for each repository above
#: 20, up to 12,500).
MOST_AN_INSTALLATION = 12_500


@dataclass(slots=True)
class Attempt:
    """One attempt of a run."""

    began: datetime
    ends: datetime


@dataclass(slots=True)
class SimulatedRun:
    """A run and what will become of it."""

    created: datetime
    attempts: list[Attempt]

    def standing(self, now: datetime) -> tuple[int, bool]:
        """Its latest attempt's number, and whether that has ended."""
        there = [attempt for attempt in self.attempts if attempt.began <= now]
        return len(there), bool(there) and there[-1].ends <= now


@dataclass(slots=True)
class Month:
    """What was counted."""

    requests: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    by_hour: Counter[int] = field(default_factory=Counter)  # counted ones
    late: list[tuple[timedelta, timedelta]] = field(default_factory=list)  # of re-runs: run's age at the end, delay
    never: int = 0  # re-runs that were not seen to have ended
    jobs: int = 0
    noted: int = 0  # jobs whose annotations were asked for, a hundred at once, by GraphQL

    def ask(self, kind: str, now: datetime, pages: int, changed: int | None = None) -> None:
        """`pages` requests, of which `changed` (None: all) take from the quota."""
        new = pages if changed is None else changed
        self.requests[kind] += pages
        self.counted[kind] += new
        self.by_hour[int((now - START) / HOUR)] += new


def runs_of(chance: random.Random, days: int, runs_an_hour: float) -> list[SimulatedRun]:
    """The runs of one repository, by day more than by night."""
    made: list[SimulatedRun] = []
    for hour in range(days * 24):
        mean = runs_an_hour * (1 + 0.8 * math.sin(2 * math.pi * (hour - 8) / 24))
        for _ in range(int(mean + chance.random())):
            created = START + hour * HOUR + timedelta(seconds=chance.randrange(3600))
            attempts = [_attempt(chance, created)]
            if chance.random() < RUN_AGAIN:
                limit = chance.choices([each for _, each in AGAIN_WITHIN], [share for share, _ in AGAIN_WITHIN])[0]
                attempts.append(_attempt(chance, max(attempts[0].ends, created + limit * chance.random())))
            made.append(SimulatedRun(created, attempts))
    return sorted(made, key=lambda run: run.created)


def _attempt(chance: random.Random, began: datetime) -> Attempt:
    minutes = min(chance.lognormvariate(math.log(8), 0.9), 360)
    return Attempt(began, began + timedelta(minutes=minutes))


class Repository:
    """One repository: what is stored of it, and what looking at it costs."""

    name = "acme/web"

    def __init__(self, runs: Sequence[SimulatedRun], jobs_a_run: int, month: Month) -> None:
        """Nothing is stored yet."""
        self._runs, self._jobs_a_run, self._month = runs, jobs_a_run, month
        self._by_hour: dict[str, list[SimulatedRun]] = {}
        for run in runs:
            self._by_hour.setdefault(hour_key(run.created), []).append(run)
        self._listed: dict[str, list[tuple[int, bool]]] = {}  # what each hour's rows were made of
        self._pages: dict[str, list[object]] = {}  # what each page of a day said last
        self._known: dict[int, tuple[int, bool]] = {}
        self._states: dict[str, HourState] = {}
        self._open: list[str] = []  # hours that are unfinished, or marked
        self._marked: dict[str, dict[str, datetime]] = {}
        self._swept: dict[str, datetime] = {}
        self._days: list[str] = []

    def tick(self, now: datetime) -> None:
        """All that is due now."""
        if now.minute == 15:
            self._fetch(hour_key(now - HOUR), now)
        for day in due_sweeps(now, self._days, self._swept, {}):
            self._sweep(day[:10], now)
        for hour in list(self._open):
            if due_repositories(now, hour, self._states[hour], [self.name], self._marked.get(hour)):
                self._fetch(hour, now)

    def _fetch(self, hour: str, now: datetime) -> None:
        runs = [run for run in self._by_hour.get(hour, ()) if run.created <= now]
        standing = [run.standing(now) for run in runs]
        pages = max(1, -(-len(runs) // PAGE))
        self._month.ask("runs", now, pages, None if self._listed.get(hour) != standing else 0)
        for run, stands in zip(runs, standing, strict=True):
            self._fetch_jobs(run, stands, now)
        self._listed[hour] = standing
        part = RepoRecord(seen=now, unfinished=sum(not ended for _, ended in standing))
        done = {name: AssetRecord(seen=now) for name in ("indexed_documents", "failure_history")}
        record = AssetRecord(seen=now, repos={self.name: part})
        self._states[hour] = HourState(assets={"workflow_runs": record, **done})
        if not self._days or self._days[-1][:10] != hour[:10]:
            self._days.append(hour)
        place = bisect_left(self._open, hour)
        is_open = place < len(self._open) and self._open[place] == hour
        if part.unfinished and not is_open:
            insort(self._open, hour)
        elif not part.unfinished and is_open:
            del self._open[place]

    def _fetch_jobs(self, run: SimulatedRun, stands: tuple[int, bool], now: datetime) -> None:
        known, ended = self._known.get(id(run), (0, False))
        number, over = stands
        if (known, ended) == stands and over:
            return
        first = known if ended else max(known - 1, 0)
        for attempt in range(first, number):
            finished = attempt < number - 1 or over
            jobs = self._jobs_a_run if attempt == 0 else max(1, round(self._jobs_a_run * FAILING))
            self._month.ask("jobs", now, -(-jobs // PAGE))
            if attempt < number - 1 and attempt >= known:
                self._month.ask("attempt", now, 1)
            if finished:
                failed = self._jobs_a_run * FAILING if attempt == 0 else 0.3
                whole = int(failed) + (random.Random(id(run)).random() < failed % 1)
                self._month.noted += jobs
                self._month.ask("logs", now, whole)
                self._month.jobs += jobs
                if attempt > 0:
                    ends = run.attempts[attempt].ends
                    self._month.late.append((ends - run.created, now - ends))
        self._known[id(run)] = stands

    def _sweep(self, day: str, now: datetime) -> None:
        self._swept[day] = now
        begins = day_start(day)
        hours = [hour_key(begins + n * HOUR) for n in range(24)]
        runs = [run for hour in hours for run in self._by_hour.get(hour, ()) if run.created <= now]
        shown = [(id(run), run.standing(now)) for run in reversed(runs)]  # newest first, as GitHub lists them
        pages: list[object] = [shown[n : n + PAGE] for n in range(0, len(shown), PAGE)] or [[]]
        before = self._pages.get(day, [])
        self._month.ask("sweeps", now, len(pages), sum(p not in before[n : n + 1] for n, p in enumerate(pages)))
        self._pages[day] = pages
        for hour in hours:
            if hour in self._listed:
                standing = [run.standing(now) for run in self._by_hour.get(hour, ()) if run.created <= now]
                if standing != self._listed[hour]:
                    self._marked[hour] = {self.name: now}
                    if hour not in self._open:
                        insort(self._open, hour)

    def close(self, end: datetime) -> None:
        """Count the re-runs that ended long ago and were not seen."""
        for run in self._runs:
            for number, attempt in enumerate(run.attempts[1:], start=2):
                if attempt.ends < end - 2 * DAY and attempt.ends - run.created <= RERUN_LIMIT:
                    known = self._known.get(id(run), (0, False))
                    self._month.never += known < (number, True)


def simulate(*, repos: int = 4, days: int = 32, jobs_an_hour: int = 100, jobs_a_run: int = 10, seed: int = 1) -> Month:
    """So many repositories for so long, with the decisions of production."""
    month, chance = Month(), random.Random(seed)
    for _ in range(repos):
        repository = Repository(runs_of(chance, days, jobs_an_hour / jobs_a_run), jobs_a_run, month)
        ticks = days * DAY // TICK
        for n in range(1, ticks + 1):
            repository.tick(START + n * TICK)
        repository.close(START + days * DAY)
    return month


def latest(month: Month) -> tuple[timedelta, timedelta]:
    """The longest delay of a re-run that ended within a day of its run, and of a later one."""
    soon = [late for age, late in month.late if age <= YOUNG]
    later = [late for age, late in month.late if age > YOUNG]
    return max(soon, default=timedelta()), max(later, default=timedelta())


def main() -> None:
    """Simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repos", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=100, help="a repository and hour")
    parser.add_argument("--jobs-a-run", type=int, default=10)
    parser.add_argument("--simulated", type=int, default=10, help="repositories that are simulated, for all")
    given = parser.parse_args()
    month = simulate(repos=given.simulated, jobs_an_hour=given.jobs, jobs_a_run=given.jobs_a_run)
    times, hours = given.repos / given.simulated, 32 * 24
    print(f"{given.repos} repositories, {month.jobs * times / hours:,.0f} jobs an hour, 32 days")
    for kind, number in month.requests.most_common():
        counted = month.counted[kind]
        print(
            f"  {kind:12} {number * times / hours:9,.0f} requests an hour, {counted * times / hours:9,.0f} of the quota"
        )
    graphql = month.noted / 100 * times / hours
    print(f"  {'graphql':12} {graphql:9,.0f} requests an hour, of another quota")
    quota = month.counted.total() * times / hours
    busiest = max(month.by_hour.values()) * times
    print(f"  together     {month.requests.total() * times / hours:9,.0f} requests an hour, {quota:9,.0f} of the quota")
    print(f"  the busiest hour: {busiest:,.0f} of the quota: {math.ceil(busiest / MOST_AN_INSTALLATION)} installations")
    soon, later = latest(month)
    print(f"  {len(month.late)} re-runs seen, {month.never} not; within a day at most {soon} late, later ones {later}")


if __name__ == "__main__":
    main()
