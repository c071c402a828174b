"""The report's causes, and the states of failures: groups and counts with the words and colours
that the page gives them.

What belongs here: what is said of each, which failures stand below it. Does not: which failures
are one group (`history/groups.py`), what the list is narrowed by (`filters.py`), markup.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from ci_metrics.history.cause_whereabouts import Whereabouts
from ci_metrics.history.failures import Failure
from ci_metrics.history.figures import Figures
from ci_metrics.history.groups import Group
from ci_metrics.history.period import NEW_FOR
from ci_metrics.history.time_range import Window
from ci_metrics.report.charts import spark
from ci_metrics.report.readable import spoken

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCause:
    """What the page shows as one cause: a group, or the failures of one state that have none.

    `failures` are newest first; `summary`, `quote`, `owner` and `hint` are of the newest, ""
    where nothing is known. `spark` is safe markup.
    """

    number: int
    group: Group | None
    name: str  # of the category, or of the state
    summary: str
    quote: str
    owner: str
    hint: str
    lost: float  # seconds
    failures: tuple[Failure, ...]
    spark: Markup
    whereabouts: Whereabouts | None = None  # None where nobody looked

    @property
    def began(self) -> Failure | None:
        """The newest failure of which it is known since which commit it is there; None of a flaky
        cause, which is no commit's.
        """
        return None if self.flaky else next((failure for failure in self.failures if failure.first_bad), None)

    @property
    def new(self) -> bool:
        """Whether it was never seen before the last week."""
        return self.group is not None and self.group.new

    @property
    def spiking(self) -> bool:
        """Whether far more runs fail with it lately than usual."""
        return self.group is not None and self.group.spiking

    @property
    def generic(self) -> bool:
        """Whether it says nothing of a cause."""
        return self.group is None or self.group.generic

    @property
    def first_seen(self) -> datetime:
        """Of a group, in all history; else among the failures shown."""
        return self.group.first_seen if self.group else self.failures[-1].when

    @property
    def repos(self) -> tuple[str, ...]:
        """Names, most frequent first."""
        return self.group.repos if self.group else _most(failure.repo for failure in self.failures)

    @property
    def jobs(self) -> tuple[str, ...]:
        """Names, most frequent first."""
        return self.group.jobs if self.group else _most(failure.job for failure in self.failures)

    @property
    def step(self) -> str:
        """In which its newest failure stands; "" where that is not known."""
        return self.group.step if self.group else ""

    @property
    def flaky(self) -> str:
        """What history says of its failures at best: confirmed, suspected or ""."""
        said = {failure.flaky for failure in self.failures}
        return "confirmed" if "confirmed" in said else "suspected" if "suspected" in said else ""


def count_states(figures: Figures) -> list[StateCount]:
    """The states that failed jobs are in, in the order in which `_STATES` explains them."""
    counted = figures.states
    order = [*_STATES, *sorted(set(counted) - set(_STATES))]
    return [StateCount(name, counted[name], *_STATES.get(name, ("", "k11"))) for name in order if name in counted]


def show_causes(
    found: Iterable[Group], figures: Figures, whereabouts: Mapping[str, Whereabouts] | None = None
) -> tuple[ShownCause, ...]:
    """All failures by their cause: the groups as they come, then those that say nothing of a
    cause, then what has no group, by state. So every failure stands below exactly one.
    `whereabouts`: where those groups stand that were looked at.
    """
    members: dict[str, list[Failure]] = defaultdict(list)
    loose: dict[str, list[Failure]] = defaultdict(list)
    for failure in figures.failures:
        if failure.group:
            members[failure.group].append(failure)
        else:
            loose[failure.state].append(failure)
    named = [(group, members[group.id]) for group in sorted(found, key=lambda group: group.generic)]
    rest = sorted(loose.items(), key=lambda item: (-len(item[1]), item[0]))
    groups = ((group, failures) for group, failures in [*named, *((None, failures) for _, failures in rest)])
    return tuple(
        _cause(number, group, failures, figures, (whereabouts or {}).get(group.id) if group else None)
        for number, (group, failures) in enumerate(((g, f) for g, f in groups if f), 1)
    )


def _cause(
    number: int, group: Group | None, failures: Sequence[Failure], figures: Figures, whereabouts: Whereabouts | None
) -> ShownCause:
    newest = failures[0]
    state = f"{spoken(newest.state).capitalize()}: no cause is known. {_STATES.get(newest.state, ('', ''))[0]}"
    name = group.error_type if group else ""
    return ShownCause(
        number=number,
        group=group,
        name=name or newest.state,
        summary=(newest.cause or group.headline) if group else state,
        quote=newest.quote if group else "",
        owner=owner_names(newest),
        hint=newest.fix if group else "",
        lost=sum(figures.lost_by_failure[failure.id] for failure in failures),
        failures=tuple(failures),
        spark=spark(_over_time(failures, figures)),
        whereabouts=whereabouts,
    )


def _over_time(failures: Sequence[Failure], figures: Figures) -> list[int]:
    counts = {bucket.start: 0 for bucket in figures.buckets}
    for failure in failures:
        counts[figures.window.bucket_of(failure.when)] += 1
    return list(counts.values())


def _most(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name, _ in Counter(values).most_common())


def owner_names(failure: Failure) -> str:
    """Whose a failure is; "" when that is not known."""
    return ", ".join(failure.owners)


def history_is_young(begins: datetime | None, window: Window) -> bool:
    """Whether there is no week before the stretch's last one: then
    everything in it counts as new.
    """
    return begins is not None and begins >= window.end - NEW_FOR
