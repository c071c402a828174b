"""The report's first screen: the answer in sentences, and what to fix first.

What belongs here: wording what was computed, for `templates/story.html` and
`templates/fix_first.html`. Does not: computing it (`history/`), markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ci_metrics.history.figures import Figures, Totals
from ci_metrics.history.flaky_failures import Flakiest
from ci_metrics.report.causes import ShownCause
from ci_metrics.report.readable import cut, minutes, percent, readable_number, some, spoken, telling

#: How many causes are named as the first to fix.
MOST_TO_FIX = 5


@dataclass(frozen=True, slots=True)
class Sentence:
    """One plain sentence, and where to see what it says ("" for nowhere)."""

    text: str
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToFix:
    """One cause to fix, as the first screen shows it; "" and None where nothing is known."""

    cause: str  # in a line
    name: str  # of its category
    filter: str  # what shows its failures: name=value, as in `filters.FILTERS`
    failures: int
    lost: float  # seconds
    cost: float | None = None  # US dollars
    owner: str = ""
    hint: str = ""


def what_to_fix(causes: Sequence[ShownCause]) -> tuple[ToFix, ...]:
    """The causes that lost most time, those left out that say nothing of a cause."""
    known = sorted((cause for cause in causes if not cause.generic), key=lambda cause: (-cause.lost, cause.number))
    return tuple(
        ToFix(
            cause=_line(cause),
            name=cause.name,
            filter=f"cause={cause.number}",
            failures=len(cause.failures),
            lost=cause.lost,
            owner=cause.owner,
            hint=cause.hint,
        )
        for cause in known[:MOST_TO_FIX]
    )


def story_of(
    figures: Figures, before: Totals | None, causes: Sequence[ShownCause], flaky: Flakiest, *, young: bool
) -> tuple[Sentence, ...]:
    """What happened, in at most five sentences; () when nothing failed. `before` and `young` as
    for `tiles`.
    """
    if not figures.failed:
        return ()
    than = ""
    if before is not None and before.rate is not None:
        than = f", after {percent(before.rate)} in the equally long stretch before"
    said = [
        f"{_some(figures.failed, 'job')} of {readable_number(figures.jobs)} failed ({percent(figures.rate)}{than}); "
        f"{minutes(figures.lost)} went into failed attempts and re-runs."
    ]
    biggest = what_to_fix(causes)
    if biggest and figures.lost:
        first = next(cause for cause in causes if f"cause={cause.number}" == biggest[0].filter)
        part = percent(first.lost / figures.lost)
        said.append(
            f"The costliest cause, {part} of that, is the {spoken(first.name)} in {_places(first)}: “{_line(first)}”"
        )
    new = [cause for cause in causes if cause.new]
    if new and not young:
        most = max(new, key=lambda cause: (len(cause.failures), -cause.number))
        said.append(f"{_some(len(new), 'cause')} new this week, the most frequent in {_places(most)}: “{_line(most)}”")
    if flaky.jobs:
        burnt = sum(row.minutes for row in flaky.jobs) * 60
        worst = flaky.jobs[0]
        failures = _some(sum(row.failures for row in flaky.jobs), "failure")
        where = f"“{cut(worst.name, 80)}” in {some(worst.repos, 2)}"
        said.append(
            f"{failures} passed when run again at the same commit ({minutes(burnt)} burnt), most of all {where}."
        )
    if figures.unexplained:
        said.append(
            f"{_some(figures.unexplained, 'failure')} {'is' if figures.unexplained == 1 else 'are'} without a known category."
        )
    return tuple(map(Sentence, said))


def _line(cause: ShownCause) -> str:
    """The quoted line that tells most, else the summary."""
    return cut(" ".join(telling(cause.quote).split()) or cause.summary, 120)


def _places(cause: ShownCause) -> str:
    return some(cause.group.jobs, 2) if cause.group else "many jobs"


def _some(count: int, noun: str) -> str:
    return f"{readable_number(count)} {noun}{'' if count == 1 else 's'}"
