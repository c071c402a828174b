"""Whose a failure is and since when it is there, in a line: for terminals, comments and alerts.

What belongs here: the words. Does not: owners (`history/owners.py`), commits
(`history/regressions.py`), the report's markup (`templates/whose.html`).
"""

from __future__ import annotations

from ci_metrics.history.failures import Failure
from ci_metrics.report.readable import some


def responsibility(failure: Failure) -> str:
    """Who has to act, the owner and the commits, as far as they are known; "" where nothing was
    classified.
    """
    if not failure.domain:
        return ""
    parts = [
        failure.domain if failure.domain != "unknown" else "code or platform: unknown",
        owners_in_words(failure),
        began(failure),
    ]
    return " · ".join(part for part in parts if part)


def owners_in_words(failure: Failure) -> str:
    """The owners, and the file that they own."""
    if not failure.owners:
        return "owner unknown"
    of = f" ({failure.path})" if failure.path else ""
    return f"owner {some(failure.owners)}{of}"


def began(failure: Failure) -> str:
    """Between which commits of the default branch it began; "" where that is not known, and of a
    flaky failure.
    """
    if not failure.first_bad or failure.flaky:
        return ""
    return f"fails since {failure.first_bad[:7]}, passed last at {failure.last_good[:7]}"
