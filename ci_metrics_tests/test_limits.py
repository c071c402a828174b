"""One limiter: no minute sees more calls or tokens than allowed, a pause holds for all, and who
cannot wait is told when to come.
"""

from __future__ import annotations

import threading

import pytest

from ci_metrics.errors import RateLimitedError
from ci_metrics.limits import Limiter


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@pytest.mark.parametrize(("rpm", "calls", "minutes"), [(50, 50, 0), (50, 51, 1), (50, 101, 2), (1, 3, 2)])
def test_no_minute_sees_more_calls_than_allowed(rpm: int, calls: int, minutes: int) -> None:
    time = Time()
    limiter = Limiter(per_minute=rpm, clock=lambda: time.now, sleep=time.sleep)
    for _ in range(calls):
        with limiter.slot(tokens=10):
            pass
    assert time.now == 60 * minutes


def test_no_minute_sees_more_tokens_than_allowed_and_estimates_are_corrected() -> None:
    time = Time()
    limiter = Limiter(per_minute=1000, tokens_per_minute=10_000, clock=lambda: time.now, sleep=time.sleep)
    with limiter.slot(tokens=9_000) as call:
        call.took(2_000)
    with limiter.slot(tokens=8_000):
        assert time.now == 0
    with limiter.slot(tokens=1_000):
        assert time.now == 60


def test_a_call_larger_than_the_limit_goes_out_alone() -> None:
    time = Time()
    limiter = Limiter(per_minute=1000, tokens_per_minute=10_000, clock=lambda: time.now, sleep=time.sleep)
    for _ in range(2):
        with limiter.slot(tokens=50_000):
            pass
    assert time.now == 60


def test_a_pause_holds_for_every_thread() -> None:
    time = Time()
    lock = threading.Lock()
    left: list[float] = []

    def sleep(seconds: float) -> None:
        with lock:
            time.now = max(time.now, 30.0)

    limiter = Limiter(per_minute=1000, clock=lambda: time.now, sleep=sleep)
    limiter.pause(30)

    def call() -> None:
        with limiter.slot(tokens=1):
            left.append(time.now)

    threads = [threading.Thread(target=call) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert left == [30.0] * 5


def test_a_pause_longer_than_one_can_wait_is_an_error_at_once_that_says_how_long() -> None:
    time = Time()
    limiter = Limiter(per_minute=10, clock=lambda: time.now, sleep=time.sleep)
    assert limiter.pause(400) == 400
    assert limiter.pause(100) == 0, "it was on longer already"
    with pytest.raises(RateLimitedError) as raised, limiter.slot(patience=300):
        pass
    assert (raised.value.retry_after, time.now) == (400, 0)
    with limiter.slot(patience=400):
        assert time.now == 400


def test_calls_to_another_host_hold_a_slot_and_are_not_counted() -> None:
    time = Time()
    limiter = Limiter(per_minute=1, concurrency=1, clock=lambda: time.now, sleep=time.sleep)
    for _ in range(3):
        with limiter.free_slot():
            pass
    with limiter.slot():
        assert time.now == 0
