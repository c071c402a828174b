"""One way to try again: what passes is repeated in bounds, what does not pass is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from ci_metrics.errors import CiMetricsError, PermanentError, RateLimitedError, TransientError
from ci_metrics.retrying import RetryPolicy, retrying, seconds_to_wait


def failing(error: CiMetricsError, calls: list[int]) -> Callable[[], None]:
    def call() -> None:
        calls.append(len(calls))
        raise error

    return call


@pytest.mark.parametrize(
    ("error", "pausing", "tries"),
    [
        (TransientError("503"), False, 4),
        (PermanentError("404"), False, 1),
        (RateLimitedError("soon", retry_after=5), False, 1),
        (RateLimitedError("soon", retry_after=5), True, 4),
        (RateLimitedError("late", retry_after=90), True, 1),
    ],
    ids=["passing", "for good", "a limit", "a limit that everybody waits for", "a limit beyond the longest wait"],
)
def test_how_often_a_call_is_tried(error: CiMetricsError, pausing: bool, tries: int) -> None:
    calls: list[int] = []
    naps: list[float] = []
    pauses: list[float] = []
    policy = RetryPolicy(attempts=4, first_wait=1, longest_wait=60)
    with pytest.raises(type(error)):
        retrying(policy, sleep=naps.append, pause=pauses.append if pausing else None)(failing(error, calls))
    assert len(calls) == tries
    assert len(naps) == tries - 1
    assert pauses == ([5.0] * tries if pausing and tries > 1 else [])


def test_waits_double_and_stay_below_the_longest() -> None:
    naps: list[float] = []
    policy = RetryPolicy(attempts=8, first_wait=1, longest_wait=10)
    with pytest.raises(TransientError):
        retrying(policy, sleep=naps.append)(failing(TransientError("503"), []))
    assert all(longest / 2 <= nap <= longest for nap, longest in zip(naps, [1, 2, 4, 8, 10, 10, 10], strict=True))


@pytest.mark.parametrize(
    ("header", "seconds"), [(None, None), ("", None), ("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("soon", None)]
)
def test_the_header_says_how_long_to_wait(header: str | None, seconds: float | None) -> None:
    assert seconds_to_wait(header) == seconds


def test_the_header_may_name_a_moment() -> None:
    then = datetime.now(UTC) + timedelta(seconds=90)
    assert seconds_to_wait(format_datetime(then, usegmt=True)) == pytest.approx(90, abs=2)
