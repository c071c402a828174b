"""All runs created in a span of time, however many: pages that drift, and
searches that end at 1,000.

What belongs here: splitting and repeating the search for runs. Does not: one request
(`transport.py`). GitHub's "List workflow runs for a repository": with a `created` filter at most
1,000 results; newest first, so that a new run moves the others to later pages while we read, and a
deleted one moves them to earlier pages, past us.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TypeVar

from ci_metrics.errors import IncompleteError, PermanentError
from ci_metrics.github.listings import AGAIN, REPEATS, refusals
from ci_metrics.github.pages import Page, Shape
from ci_metrics.github.schemas import ListedRun, WorkflowRun
from ci_metrics.github.transport import Transport
from ci_metrics.models import Run, RunStanding

Listed = TypeVar("Listed", bound=ListedRun)
_log = logging.getLogger(__name__)

#: What one search gives at most, and how many results we aim at when we split.
_CAP, _AIM = 1000, 900


def runs_created(transport: Transport, repo: str, first: datetime, end: datetime) -> list[Run]:
    """The latest attempt of each run of `repo` created in [first, end), oldest first.

    Raises as `_found` does, with the runs that came.
    """
    try:
        shape = run_shape(repo, lambda run: _outside(run, first, end))
        return [run.record(repo) for run in _found(transport, repo, first, end, shape)]
    except IncompleteError as error:
        raise IncompleteError(str(error), found=[run.record(repo) for run in error.found]) from None


def standings(transport: Transport, repo: str, first: datetime, end: datetime) -> list[RunStanding]:
    """How each run of `repo` created in [first, end) stands, oldest first; raises as `_found` does.

    It is asked for again every day: of each run a fraction is kept of what `runs_created` reads.
    """
    shape = Shape(
        ListedRun, repo, "workflow_runs", lambda run: _outside(run, first, end), lambda run: _elsewhere(run, repo)
    )
    return [run.standing() for run in _found(transport, repo, first, end, shape)]


def _found(transport: Transport, repo: str, first: datetime, end: datetime, shape: Shape[Listed]) -> list[Listed]:
    """The runs that GitHub lists.

    GitHub's times are whole seconds, so the last one inside is a second before `end`. Raises
    PermanentError when more than 1,000 runs were created in one second; IncompleteError, with the
    runs that came, when GitHub lists fewer than it counts or one cannot be used.
    """
    found: dict[int, Listed] = {}
    missing: list[str] = []
    spans = [(_whole(first), _whole(end) - timedelta(seconds=1))]
    while spans:
        low, high = spans.pop()
        if low > high:
            continue
        parts = _search(transport, repo, low, high, shape, found, missing)
        spans += _split(repo, low, high, parts) if parts > 1 else []
    listed = sorted(found.values(), key=lambda run: (run.created_at, run.id))
    if missing:
        raise IncompleteError(f"{repo}: {'; '.join(missing[:3])}{AGAIN}", found=listed)
    return listed


def _whole(time: datetime) -> datetime:
    """The first whole second that is not before `time`, in UTC."""
    time = time.astimezone(UTC)
    return time if time.microsecond == 0 else time.replace(microsecond=0) + timedelta(seconds=1)


def _search(
    transport: Transport,
    repo: str,
    low: datetime,
    high: datetime,
    shape: Shape[Listed],
    found: dict[int, Listed],
    missing: list[str],
) -> int:
    """Add the runs created from `low` to `high`, both inside, to `found`, and
    what is `missing` of them.

    Gives back in how many parts to search again (1: done).
    """
    params = {"created": f"{search_time(low)}..{search_time(high)}"}
    for again in range(REPEATS + 1):
        here: set[int] = set()
        totals: list[int] = []
        read: list[Page[Listed]] = []
        for page in transport.pages("runs", f"/repos/{repo}/actions/runs", shape, params, fresh=again > 0):
            totals.append(page.total or 0)
            if totals[-1] > _CAP:
                return -(-totals[-1] // _AIM)
            read.append(page)
            found.update({run.id: run for run in page.items})
            here.update(run.id for run in page.items)
        if sum(len(page.items) + len(page.refused) for page in read) >= _CAP:
            return 2  # GitHub may say 1,000 when it means "at least"
        shrunk = any(later < earlier for earlier, later in pairwise(totals))
        refused = refusals(shape, read, len(here))
        if not shrunk and not refused and len(here) >= totals[0]:
            return 1
        _log.info("%s: %d of %d runs on the pages, reading them again (%d)", repo, len(here), totals[0], again + 1)
    if len(here) < max(totals):
        missing.append(f"short: {len(here)} of {max(totals)} runs created {params['created']}")
    missing += [refused] if refused else []
    return 1


def run_shape(repo: str, misplaced: Callable[[WorkflowRun], str] = lambda _: "") -> Shape[WorkflowRun]:
    """A listing of runs of `repo`; `misplaced`: as for `Shape`."""
    return Shape(WorkflowRun, repo, "workflow_runs", misplaced, lambda run: _elsewhere(run, repo))


def _outside(run: ListedRun, first: datetime, end: datetime) -> str:
    """Why a run is none of [first, end): its own hour lists it."""
    asked = f"{search_time(first)} to {search_time(end)}"
    inside = first <= run.created_at < end
    return "" if inside else f"it was created {search_time(run.created_at)}, asked for was {asked}"


def _elsewhere(run: ListedRun, repo: str) -> str:
    """Why it is none of this repository's; GitHub's names do not tell capitals apart."""
    seen = run.repository.full_name if run.repository is not None else None
    return "" if seen is None or seen.lower() == repo.lower() else f"it belongs to {seen}"


def _split(repo: str, low: datetime, high: datetime, parts: int) -> list[tuple[datetime, datetime]]:
    seconds = int((high - low).total_seconds()) + 1
    parts = min(parts, seconds)
    if parts < 2:
        raise PermanentError(
            f"{repo}: more than {_CAP} runs were created in the second {search_time(low)}; GitHub lists no more"
        )
    edges = [low + timedelta(seconds=seconds * part // parts) for part in range(parts + 1)]
    return [(start, stop - timedelta(seconds=1)) for start, stop in pairwise(edges)]


def search_time(time: datetime) -> str:
    """A time as GitHub's searches take it: whole seconds, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
