"""The report's first screen: what to fix first.

What belongs here: wording what was computed, for `templates/fix_first.html`. Does not: computing it
(`history/`), the answer in sentences (`story.py`), markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ci_metrics.report.causes import ShownCause
from ci_metrics.report.readable import cut, telling

#: How many causes are named as the first to fix.
MOST_TO_FIX = 5


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


def _line(cause: ShownCause) -> str:
    """The quoted line that tells most, else the summary."""
    return cut(" ".join(telling(cause.quote).split()) or cause.summary, 120)
