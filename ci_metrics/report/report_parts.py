"""The report's parts that need words: tiles, notices, states, causes.

What belongs here: turning figures and groups into what the page says. Does not: markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from ci_metrics.history.figures import Figures
from ci_metrics.history.flaky_failures import Flakiest
from ci_metrics.history.groups import Group
from ci_metrics.history.period import NEW_FOR
from ci_metrics.history.time_range import Window
from ci_metrics.report.charts import spark
from ci_metrics.report.formats import dollars, minutes, moment, number, percent

#: A newest document older than this is worth a notice: the hourly schedule is late at least three times.
STALE = timedelta(hours=3)

#: A share of failures without a category above this is worth a notice.
MUCH_UNEXPLAINED = 0.25

#: What each state means, and its colour in the style sheet.
_STATES = {
    "classified": ("A category was found, with a quote from the log.", "good"),
    "unknown": ("The log was read; no category fits, or none surely enough.", "k7"),
    "no_error_found": ("The log is there, but nothing in it caused the failure.", "k5"),
    "no_log": ("GitHub has no log: expired, deleted, or the runner died.", "k4"),
    "pending": ("Waits for the budget or for a batch of the model's.", "k8"),
    "llm_failed": ("The model gave no usable answer; it is asked again.", "k3"),
    "off": ("Classification was switched off.", "k11"),
}


@dataclass(frozen=True, slots=True)
class Tile:
    """One number at the top. `tone` is `worse`, `better` or "" and colours the change."""

    name: str
    value: str
    more: str
    href: str
    change: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """How many failures are in a state, what that means, and the name of its colour."""

    name: str
    count: int
    meaning: str
    colour: str


@dataclass(frozen=True, slots=True)
class Cause:
    """A group as the page shows it. `summary` and `link` are of its newest failure; `spark` is safe markup."""

    number: int
    group: Group
    summary: str
    link: str
    spark: Markup


def tiles(
    figures: Figures, before: Figures | None, causes: Sequence[Cause], flaky: Flakiest, *, young: bool
) -> list[Tile]:
    """The numbers of the morning question: what fails, what it costs, what is new, flaky, unexplained.

    `before`: the equally long stretch before; None when history does not reach back so far. `young`: history has no week
    to compare with, so nothing is called new.
    """
    new = [cause for cause in causes if cause.group.new]
    spiking = sum(cause.group.spiking for cause in causes)
    burnt = sum(row.minutes for row in flaky.jobs) * 60
    rate_change = None if figures.rate is None or before is None or before.rate is None else figures.rate - before.rate
    lost_change = figures.lost / before.lost - 1 if before and before.lost else None
    unexplained = figures.unexplained
    news = Tile("New causes", number(len(new)), f"this week{f'; {spiking} spiking' if spiking else ''}", "#new")
    if young:
        news = Tile("Causes", number(len(causes)), "history begins here", "#causes")
    return [
        Tile(
            "Failure rate",
            percent(figures.rate),
            f"{number(figures.failed)} of {number(figures.jobs)} jobs",
            "#failures",
            _change(rate_change, " points"),
            _tone(rate_change),
        ),
        Tile(
            "Lost time",
            minutes(figures.lost),
            "failed attempts and re-runs",
            "#workflows",
            _change(lost_change, " %"),
            _tone(lost_change),
        ),
        news,
        Tile("Flaky failures", number(sum(row.failures for row in flaky.jobs)), f"{minutes(burnt)} burnt", "#flaky"),
        Tile("Unexplained", number(unexplained), f"of {number(figures.failed)} failures", "#states"),
        Tile("Model spend", dollars(figures.spend.cost), f"{number(figures.spend.asked)} failures asked about", "#spend"),
    ]  # fmt: skip


def notices(figures: Figures, newest: datetime | None, now: datetime) -> list[str]:
    """What a reader must know before trusting the numbers."""
    said: list[str] = []
    if newest is None:
        said.append("The index holds no job yet. Run “ci-metrics upload” first.")
    elif now - newest > STALE and figures.window.end > newest:
        said.append(f"The newest job in the index ended on {moment(newest)} UTC: what came after is not here.")
    if figures.unfinished:
        said.append(
            f"{number(figures.unfinished)} jobs were still going when they were last looked at: they are not counted yet."
        )
    unexplained = figures.unexplained
    if figures.failed and unexplained / figures.failed > MUCH_UNEXPLAINED:
        said.append(
            f"{percent(unexplained / figures.failed)} of the failures have no category: see “Known and unknown”."
        )
    return said


def states(figures: Figures) -> list[State]:
    """The states that failed jobs are in, in the order in which `_STATES` explains them."""
    counted = figures.states
    order = [*_STATES, *sorted(set(counted) - set(_STATES))]
    return [State(name, counted[name], *_STATES.get(name, ("", "k11"))) for name in order if name in counted]


def causes_of(found: Iterable[Group], figures: Figures) -> tuple[Cause, ...]:
    """Groups with their newest failure's words; those that say nothing of a cause come last."""
    newest = {failure.group: failure for failure in reversed(figures.failures) if failure.group}
    ordered = sorted(found, key=lambda group: group.generic)
    return tuple(
        Cause(
            place,
            group,
            newest[group.id].cause if group.id in newest else "",
            newest[group.id].link if group.id in newest else "",
            spark([bucket.by_group[group.id] for bucket in figures.buckets]),
        )
        for place, group in enumerate(ordered, 1)
    )


def history_is_young(begins: datetime | None, window: Window) -> bool:
    """Whether there is no week before the stretch's last one: then everything in it counts as new."""
    return begins is not None and begins >= window.end - NEW_FOR


def _change(part: float | None, unit: str) -> str:
    if part is None or abs(part) < 0.0005:
        return ""
    return f"{'▲' if part > 0 else '▼'} {abs(part) * 100:.1f}{unit} on before"


def _tone(part: float | None) -> str:
    return "" if part is None or abs(part) < 0.0005 else "worse" if part > 0 else "better"
