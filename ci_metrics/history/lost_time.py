"""Lost time: the duration of failed attempts and of the re-runs they
caused, each second blamed once; and the money that runners cost meanwhile, blamed alike.

What belongs here: the blame, and asking an index for the re-runs. Does not: adding
it up by category or group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Protocol

from ci_metrics.history.attempts import Attempt, runs_that_ran_again
from ci_metrics.index.document_index import DocumentIndex


class Failed(Protocol):
    """What a failed attempt must say of itself to be blamed."""

    @property
    def id(self) -> str:
        """Of its document."""

    @property
    def run_id(self) -> str:
        """Of its run."""

    @property
    def seconds(self) -> float:
        """Its duration."""


class Priced(Failed, Protocol):
    """The same, and what its runner cost."""

    @property
    def runner_usd(self) -> float:
        """US dollars at list price; 0 where that is not known."""


#: Seconds and US dollars lost to each failed attempt, by document id.
Losses = tuple[Mapping[str, float], Mapping[str, float]]

#: What of an attempt is lost.
Amount = Callable[[Attempt], float]
_SECONDS: Amount = attrgetter("seconds")
_DOLLARS: Amount = attrgetter("runner_usd")


def losses(index: DocumentIndex, failures: Sequence[Failed]) -> dict[str, float]:
    """Seconds lost to each failed attempt, by document id: its own, and those
    of the re-runs it caused.
    """
    again = lost_seconds(runs_that_ran_again(index, {failure.run_id for failure in failures}))
    return {failure.id: again.get(failure.id, failure.seconds) for failure in failures}


def losses_and_costs(index: DocumentIndex, failures: Sequence[Priced]) -> Losses:
    """The same, and the US dollars that runners cost meanwhile."""
    again = runs_that_ran_again(index, {failure.run_id for failure in failures})
    seconds, dollars = lost_seconds(again), lost_seconds(again, _DOLLARS)
    return (
        {failure.id: seconds.get(failure.id, failure.seconds) for failure in failures},
        {failure.id: dollars.get(failure.id, failure.runner_usd) for failure in failures},
    )


def lost_seconds(attempts: Iterable[Attempt], amount: Amount = _SECONDS) -> dict[str, float]:
    """Seconds (or another `amount`) lost to each failed attempt, by document id. `attempts`: all
    of each run that has failures, passed ones too.

    A failed attempt loses its own duration. A later attempt of the same job that did not fail is
    the failed one's loss as well. A job that had passed and ran again all the same (somebody re-ran
    the whole run) is shared equally between the failed jobs of the attempt before. A job that had
    not run before (it waited for a failed one) loses nothing.
    """
    lost: dict[str, float] = {}
    runs: dict[tuple[str, str], list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        runs[attempt.repo, attempt.run_id].append(attempt)
        if attempt.failed:
            lost[attempt.id] = amount(attempt)
    for run in runs.values():
        if len({attempt.number for attempt in run}) > 1:
            _blame_reruns(run, lost, amount)
    return lost


def _blame_reruns(run: list[Attempt], lost: dict[str, float], amount: Amount) -> None:
    ran: dict[str, Attempt] = {}  # by the job's name, its latest attempt so far
    failed_in: dict[int, list[Attempt]] = defaultdict(list)
    for attempt in run:
        if attempt.failed:
            failed_in[attempt.number].append(attempt)
    for attempt in sorted(run, key=lambda each: (each.number, each.id)):
        if attempt.status == "skipped":
            continue
        before = ran.get(attempt.job)
        ran[attempt.job] = attempt
        if attempt.failed or before is None or before.number == attempt.number:
            continue
        blamed = [before] if before.failed else failed_in[_attempt_before(run, attempt.number)]
        for each in blamed:
            lost[each.id] += amount(attempt) / len(blamed)


def _attempt_before(run: list[Attempt], number: int) -> int:
    return max((attempt.number for attempt in run if attempt.number < number), default=0)
