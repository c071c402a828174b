"""Numbers as people read them.

What belongs here: minutes, percentages, dollars, moments as short text. Does not: sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime


def minutes(seconds: float) -> str:
    """`45 s`, `12 min`, `3.4 h`, `5.2 d`: the unit that keeps the number short."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < 72 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} d"


def percent(part: float | None) -> str:
    """`12.3 %`; `–` when there is nothing to be a share of."""
    if part is None:
        return "–"
    return f"{part:.1%}".replace("%", " %") if part < 0.995 else f"{part:.0%}".replace("%", " %")


def dollars(amount: float) -> str:
    """`$0.0041`, `$0.09`, `$1.20`: only sums below a cent keep more digits."""
    return "$0" if not amount else f"${amount:.4f}" if amount < 0.01 else f"${amount:,.2f}"


def readable_number(value: int) -> str:
    """`12,345`."""
    return f"{value:,}"


def counted(count: int, what: str, many: str = "") -> str:
    """`1 job`, `12 jobs`; `many`: the plural where it is not the word with an s."""
    return f"{readable_number(count)} {what if count == 1 else many or what + 's'}"


def failures_in_runs(failures: int, runs: int) -> str:
    """`14 failures`, `14 failures in 12 runs`: the runs only where they are fewer, as “14 in 14
    runs” reads as if it always failed.
    """
    of = f" in {counted(runs, 'run')}" if runs != failures else ""
    return f"{counted(failures, 'failure')}{of}"


def moment(when: datetime) -> str:
    """`20 Nov 14:05`."""
    return when.strftime("%d %b %H:%M")


def hour(when: datetime) -> str:
    """`2026-11-20T14`: as `--from` and the page's filters read it."""
    return when.strftime("%Y-%m-%dT%H")


def day(when: datetime) -> str:
    """`2026-11-20`: as `--from` and the page's filters read it."""
    return when.strftime("%Y-%m-%d")


def minute(when: datetime) -> str:
    """`2026-11-20T14:05`: sorts as text."""
    return when.strftime("%Y-%m-%dT%H:%M")


def telling(quote: str) -> str:
    """The first line of a quote that has more letters than anything else, else its first."""
    lines = [line.strip() for line in quote.splitlines() if line.strip()]
    return next((line for line in lines if sum(map(str.isalpha, line)) * 2 > len(line)), lines[0] if lines else "")


def spoken(name: str) -> str:
    """`network_error` as `network error`; a failure without a name is `no category`."""
    return name.replace("_", " ") if name else "no category"


def some(values: Sequence[str], most: int = 3) -> str:
    """The first values, and how many more there are."""
    more = len(values) - most
    return ", ".join(values[:most]) + (f" and {more} more" if more > 0 else "")


def cut(text: str, most: int) -> str:
    """The text, at most so many characters; a cut is marked."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
