"""Times as documents carry them: ISO 8601 in UTC to the second, the
resolution of GitHub's own times.
"""

from __future__ import annotations

from datetime import UTC, datetime

from ci_metrics.errors import ContractError


def iso(moment: datetime) -> str:
    """`2026-03-02T05:00:00Z`. A naive datetime is refused with a ContractError:
    whose midnight would it be?
    """
    if moment.tzinfo is None:
        raise ContractError(f"time {moment.isoformat()} has no time zone")
    return moment.astimezone(UTC).isoformat()[:19] + "Z"


def iso_or_none(moment: datetime | None) -> str | None:
    """As `iso`; None stays None."""
    return None if moment is None else iso(moment)


def bound(value: object) -> str:
    """An end of a range of times: a datetime, or ISO 8601 text (without a zone: UTC). Raises
    ContractError on other text.
    """
    if isinstance(value, datetime):
        return iso(value)
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise ContractError(f"“{value}” is not a time. Write it like 2026-03-02T05:00:00Z") from None
    return iso(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment)


def seconds_between(start: datetime | None, end: datetime | None) -> int | None:
    """Whole seconds from start to end; None when one is missing or the result
    negative: never 0 for “unknown”.
    """
    if start is None or end is None:
        return None
    seconds = int((end - start).total_seconds())
    return seconds if seconds >= 0 and end >= start else None
