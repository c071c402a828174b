"""The report's causes, and the states of failures: groups and counts with the words and colours
that the page gives them.

What belongs here: what is said of each. Does not: which failures are one group
(`history/groups.py`), markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from ci_metrics.history.failures import Failure
from ci_metrics.history.figures import Figures
from ci_metrics.history.groups import Group
from ci_metrics.history.period import NEW_FOR
from ci_metrics.history.standings import Standing
from ci_metrics.history.time_range import Window
from ci_metrics.report.charts import spark

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
class StateCount:
    """How many failures are in a state, what that means, and the name of its colour."""

    name: str
    count: int
    meaning: str
    colour: str


@dataclass(frozen=True, slots=True)
class ShownCause:
    """A group as the page shows it. `summary` and `link` are of its newest
    failure; `spark` is safe markup. `standing`: None where nobody looked.
    """

    number: int
    group: Group
    summary: str
    link: str
    spark: Markup
    newest: Failure | None
    began: Failure | None  # the newest failure of which it is known since which commit it is there
    standing: Standing | None

    @property
    def owners(self) -> tuple[str, ...]:
        """Of its newest failure that has some."""
        return self.standing.owners if self.standing is not None else self.newest.owners if self.newest else ()


def count_states(figures: Figures) -> list[StateCount]:
    """The states that failed jobs are in, in the order in which `_STATES` explains them."""
    counted = figures.states
    order = [*_STATES, *sorted(set(counted) - set(_STATES))]
    return [StateCount(name, counted[name], *_STATES.get(name, ("", "k11"))) for name in order if name in counted]


def show_causes(
    found: Iterable[Group], figures: Figures, standings: Mapping[str, Standing] | None = None
) -> tuple[ShownCause, ...]:
    """Groups with their newest failure's words; those that say nothing of a cause come last.
    `standings`: where those stand that were looked at.
    """
    newest = {failure.group: failure for failure in reversed(figures.failures) if failure.group}
    began = {failure.group: failure for failure in reversed(figures.failures) if failure.group and failure.first_bad}
    ordered = sorted(found, key=lambda group: group.generic)
    return tuple(
        ShownCause(
            place,
            group,
            newest[group.id].cause if group.id in newest else "",
            newest[group.id].link if group.id in newest else "",
            spark([bucket.by_group[group.id] for bucket in figures.buckets]),
            newest.get(group.id),
            began.get(group.id),
            (standings or {}).get(group.id),
        )
        for place, group in enumerate(ordered, 1)
    )


def history_is_young(begins: datetime | None, window: Window) -> bool:
    """Whether there is no week before the stretch's last one: then
    everything in it counts as new.
    """
    return begins is not None and begins >= window.end - NEW_FOR
