"""`ci-metrics top`: what fails most.

Belongs here: options and columns. Does not: counting (`ci_metrics.history.top`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from ci_metrics.commands.open_index import reading_index
from ci_metrics.commands.tables import NotNegative, Switch, print_csv, print_json, print_table
from ci_metrics.commands.terminal import terminal_text
from ci_metrics.history.search import repositories
from ci_metrics.history.time_range import asked_window, default_window
from ci_metrics.history.top import TopRow, top_rows
from ci_metrics.report.readable import cut, minutes, moment, percent, spoken
from ci_metrics.report.story import story_of
from ci_metrics.settings import load_settings

What = Literal["groups", "types", "states", "repos", "workflows", "jobs", "steps", "branches", "runners", "events"]

#: Characters of a headline that a table shows.
MOST = 140

#: What rates are told apart by, and its name in columns.
APART = {"default": "default_branch", "pull_request": "pull_request"}

COLUMNS = (
    "name",
    "failed",
    "jobs",
    "failure_rate",
    "default_branch_rate",
    "pull_request_rate",
    "share",
    "lost_minutes",
    "last_seen",
    "error_type",
    "headline",
)


def top(
    what: What = "groups",
    *,
    from_: str | None = None,
    to: str | None = None,
    repo: str = "",
    limit: NotNegative = 10,
    json: Switch = False,
    csv: Switch = False,
) -> None:
    """Count failures by one thing, most first, with their rate and the time they cost.

    Parameters
    ----------
    what
        What to count by.
    from_
        Start: 2026-11-20, 2026-11-20T05:30 (UTC), or 36h, 7d, 2w before now. Default: the
        last four weeks in the index.
    to
        End, written the same way; a date alone means its whole day, an hour alone its whole hour.
    repo
        Only this repository, owner/name, in which * and ? may stand; several separated by commas.
    limit
        At most so many; 0 for all.
    json
        A JSON array.
    csv
        A header and a line for each row.
    """
    now = datetime.now(UTC)
    with reading_index(load_settings()) as index:
        repos = repositories(index, repo)
        window = asked_window(from_, to, now) or default_window(index, now, repos)
        rows = top_rows(index, what, window.where(repos), limit or None)
        told = [] if json or csv or not rows else story_of(index, window, repos)
    if json:
        print_json([_plain(row) for row in rows])
    elif csv:
        print_csv([_plain(row) for row in rows], COLUMNS)
    elif not rows:
        print(f"No failure in {window}.")
    else:
        for sentence in told:
            print(terminal_text(sentence.text))
        print()
        rated = any(row.jobs is not None for row in rows)
        headings = [
            "Failed",
            *(["Rate"] if rated else []),
            "Share",
            "Lost",
            "Last",
            what.removesuffix("s").capitalize(),
        ]
        print_table([_cells(row, what, rated) for row in rows], headings, f"What fails most, by {what}: {window}")


def _cells(row: TopRow, what: What, rated: bool) -> list[object]:
    rate = [percent(row.rate)] if rated else []
    apart = [
        f"{name.replace('_', ' ')} {percent(row.rate_on(kind))}" for kind, name in APART.items() if row.jobs_on[kind]
    ]
    last = moment(row.last_seen) if row.last_seen else ""
    kind = "" if row.error_type == row.name else spoken(row.error_type)
    said = ": ".join(part for part in (kind, cut(" ".join(row.headline.split()), MOST)) if part)
    lines = (said, row.name) if what == "groups" else (row.name, f"  {said}", f"  {', '.join(apart)}")
    name = tuple(line for line in lines if line.strip())
    return [row.failed, *rate, percent(row.share), minutes(row.lost_minutes * 60), last, name]


def _plain(row: TopRow) -> dict[str, object]:
    return {
        "name": row.name,
        "failed": row.failed,
        "jobs": row.jobs,
        "failure_rate": _rounded(row.rate),
        **{f"{name}_rate": _rounded(row.rate_on(kind)) for kind, name in APART.items()},
        "share": round(row.share, 4),
        "lost_minutes": round(row.lost_minutes, 1),
        "last_seen": row.last_seen.isoformat() if row.last_seen else None,
        "error_type": row.error_type,
        "headline": row.headline,
    }


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 4)
