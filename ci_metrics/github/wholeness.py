"""Whether an answer is what was asked for, and whole.

What belongs here: saying what is missing or of another. Does not: asking again (`transport.py`),
counting a listing's entries (`listings.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ci_metrics.errors import IncompleteError
from ci_metrics.models import Run

T = TypeVar("T")


def attempt_name(run: Run) -> str:
    """How messages name an attempt."""
    return f"{run.repo} run {run.run_id} attempt {run.run_attempt}"


def another(noun: str, seen: int, wanted: int) -> str:
    """Why an object is no answer to the question; "" when it is."""
    return "" if seen == wanted else f"it belongs to {noun} {seen}, asked for was {noun} {wanted}"


def whole(found: T, where: str, missing: Sequence[str]) -> T:
    """What was found; IncompleteError with it when something is missing."""
    said = [what for what in missing if what]
    if said:
        more = f" (and {len(said) - 3} more)" if len(said) > 3 else ""
        raise IncompleteError(f"{where}: {'; '.join(said[:3])}{more}. It is asked for again later", found=found)
    return found
