"""All runs created in a span of time, however many: pages that drift, and searches that end at 1,000.

What belongs here: splitting and repeating the search for runs. Does not: one request (`transport.py`).
GitHub's "List workflow runs for a repository": with a `created` filter at most 1,000 results; newest first, so that a new
run moves the others to later pages while we read, and a deleted one moves them to earlier pages, past us.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from ci_metrics.errors import PermanentError
from ci_metrics.github.records import run_from_json
from ci_metrics.github.transport import Transport
from ci_metrics.models import Run

_log = logging.getLogger(__name__)

#: What one search gives at most, and how many results we aim at when we split.
_CAP, _AIM = 1000, 900

#: Times the pages are read again when they hold fewer runs than GitHub says there are.
_REPEATS = 2


def runs_created(transport: Transport, repo: str, first: datetime, end: datetime) -> list[Run]:
    """The latest attempt of each run of `repo` created in [first, end), oldest first.

    GitHub's times are whole seconds, so the last one inside is a second before `end`.
    Raises PermanentError when more than 1,000 runs were created in one second.
    """
    found: dict[int, Run] = {}
    spans = [(_whole(first), _whole(end) - timedelta(seconds=1))]
    while spans:
        low, high = spans.pop()
        if low > high:
            continue
        parts = _search(transport, repo, low, high, found)
        spans += _split(repo, low, high, parts) if parts > 1 else []
    inside = [run for run in found.values() if first <= run.created_at < end]
    return sorted(inside, key=lambda run: (run.created_at, run.run_id))


def _whole(time: datetime) -> datetime:
    """The first whole second that is not before `time`, in UTC."""
    time = time.astimezone(UTC)
    return time if time.microsecond == 0 else time.replace(microsecond=0) + timedelta(seconds=1)


def _search(transport: Transport, repo: str, low: datetime, high: datetime, found: dict[int, Run]) -> int:
    """Add the runs created from `low` to `high`, both inside, to `found`; give back in how many parts to search again (1: done)."""
    params = {"created": f"{stamp(low)}..{stamp(high)}"}
    for repeat in range(_REPEATS + 1):
        here: set[int] = set()
        totals: list[int] = []
        listed = 0
        for page in transport.pages("runs", f"/repos/{repo}/actions/runs", "workflow_runs", params):
            totals.append(page.total or 0)
            if totals[-1] > _CAP:
                return -(-totals[-1] // _AIM)
            for item in page.items:
                run = run_from_json(item, repo)
                found[run.run_id] = run
                here.add(run.run_id)
            listed += len(page.items)
        if listed >= _CAP:
            return 2  # GitHub may say 1,000 when it means "at least"
        shrunk = any(later < earlier for earlier, later in pairwise(totals))
        if not shrunk and len(here) >= totals[0]:
            return 1
        _log.info("%s: %d of %d runs on the pages, reading them again (%d)", repo, len(here), totals[0], repeat + 1)
    _log.warning(
        "⚠️ %s: GitHub says there are %d runs in %s but lists %d", repo, totals[0], params["created"], len(here)
    )
    return 1


def _split(repo: str, low: datetime, high: datetime, parts: int) -> list[tuple[datetime, datetime]]:
    seconds = int((high - low).total_seconds()) + 1
    parts = min(parts, seconds)
    if parts < 2:
        raise PermanentError(
            f"{repo}: more than {_CAP} runs were created in the second {stamp(low)}; GitHub lists no more"
        )
    edges = [low + timedelta(seconds=seconds * part // parts) for part in range(parts + 1)]
    return [(start, stop - timedelta(seconds=1)) for start, stop in pairwise(edges)]


def stamp(time: datetime) -> str:
    """A time as GitHub's searches take it: whole seconds, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
