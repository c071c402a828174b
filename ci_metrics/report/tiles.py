"""The numbers at the top of the report, and what a reader must know before trusting them.

What belongs here: their wording. Does not: counting (`history/`), markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ci_metrics.history.figures import Figures, Totals
from ci_metrics.history.flakiest import Flakiest
from ci_metrics.report.causes import ShownCause
from ci_metrics.report.readable import counted, dollars, minutes, moment, percent, readable_number
from ci_metrics.report.story import rates_apart

#: A newest document older than this is worth a notice: the hourly schedule is
#: late at least three times.
_STALE = timedelta(hours=3)

#: A share of failures without a category above this is worth a notice.
MUCH_UNEXPLAINED = 0.25


@dataclass(frozen=True, slots=True)
class Tile:
    """One number at the top, and where it leads. `tone` is `worse`, `better` or "" and colours
    the change.
    """

    name: str
    value: str
    more: str
    href: str
    filter: str = ""  # what shows its failures, as `filters.FILTERS` names it
    change: str = ""
    tone: str = ""


def tiles(
    figures: Figures, before: Totals | None, causes: Sequence[ShownCause], flaky: Flakiest, *, young: bool
) -> list[Tile]:
    """The numbers of the morning question: what fails, what it costs, what
    is new, flaky, unexplained.

    `before`: the equally long stretch before; None when history does not reach back so far.
    `young`: history has no week to compare with, so nothing is called new.
    """
    new = [cause for cause in causes if cause.new]
    spiking = sum(cause.spiking for cause in causes)
    burnt = sum(row.minutes for row in flaky.jobs) * 60
    rate_change = None if figures.rate is None or before is None or before.rate is None else figures.rate - before.rate
    lost_change = figures.lost / before.lost - 1 if before and before.lost else None
    unexplained = figures.unexplained
    news = Tile(
        "New causes",
        readable_number(len(new)),
        f"this week{f'; {spiking} spiking' if spiking else ''}",
        "#causes",
        "new=yes",
    )
    if young:
        known = sum(cause.group is not None for cause in causes)
        news = Tile("Causes", readable_number(known), "history begins here", "#causes")
    return [
        Tile(
            "Failure rate",
            percent(figures.rate),
            f"{readable_number(figures.failed)} of {readable_number(figures.jobs)} jobs{_apart(figures)}",
            "#causes",
            change=_change(rate_change, " points"),
            tone=_tone(rate_change),
        ),
        Tile(
            "Lost time",
            minutes(figures.lost),
            "failed attempts and re-runs",
            "#workflows",
            change=_change(lost_change, " %"),
            tone=_tone(lost_change),
        ),
        news,
        Tile("Flaky failures", readable_number(sum(row.failures for row in flaky.jobs)), f"{minutes(burnt)} burnt", "#flaky"),
        Tile("Unexplained", readable_number(unexplained), f"of {readable_number(figures.failed)} failures", "#states"),
        Tile("Model spend", dollars(figures.spend.cost), f"{readable_number(figures.spend.asked)} failures asked about", "#spend"),
    ]  # fmt: skip


def notices(figures: Figures, newest: datetime | None, now: datetime) -> list[str]:
    """What a reader must know before trusting the numbers."""
    said: list[str] = []
    if newest is None:
        said.append("The index holds no job yet. Run “ci-metrics upload” first.")
    elif now - newest > _STALE and figures.window.end > newest:
        said.append(f"The newest job in the index ended on {moment(newest)} UTC: what came after is not here.")
    if figures.unfinished:
        said.append(f"{counted(figures.unfinished, 'job')} still going when last looked at: not counted yet.")
    unexplained = figures.unexplained
    if figures.failed and unexplained / figures.failed > MUCH_UNEXPLAINED:
        said.append(
            f"{percent(unexplained / figures.failed)} of the failures have no category: see “Known and unknown”."
        )
    return said


def _apart(figures: Figures) -> str:
    """The rates of default branches and pull requests, where both are known."""
    apart = rates_apart({kind: row.rate for kind, row in figures.branch_kinds.items()})
    return f": {apart}" if apart else ""


def _change(part: float | None, unit: str) -> str:
    if part is None or abs(part) < 0.0005:
        return ""
    return f"{'▲' if part > 0 else '▼'} {abs(part) * 100:.1f}{unit} against before"


def _tone(part: float | None) -> str:
    return "" if part is None or abs(part) < 0.0005 else "worse" if part > 0 else "better"
