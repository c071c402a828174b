"""The report's first screen: the answer in sentences.

What belongs here: wording what was computed, for `templates/story.html`. Does not: computing it
(`history/`), what to fix first (`fixes.py`), markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ci_metrics.history.figures import Figures, Totals
from ci_metrics.history.flaky_failures import Flakiest
from ci_metrics.report.causes import ShownCause
from ci_metrics.report.readable import cut, minutes, percent, readable_number, some, spoken, telling


@dataclass(frozen=True, slots=True)
class Sentence:
    """One plain sentence, and where to see what it says ("" for nowhere)."""

    text: str
    link: str = ""


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
    known = [cause for cause in causes if not cause.generic]
    if known and figures.lost:
        first = max(known, key=lambda cause: (cause.lost, -cause.number))
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
