"""One bounded way to call a model's endpoint: how long to go on trying, and what a status means.

What belongs here: retries, HTTP statuses -> our exceptions. Does not: any API's wire format, what is asked.

The SDKs' own retries are switched off (`max_retries=0`), so that theirs and ours are not multiplied.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

import tenacity

from ci_metrics.errors import AuthenticationError, CiMetricsError, PermanentError, RateLimitedError, TransientError
from ci_metrics.llm.limiter import Limiter

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long to go on trying one call: at most `attempts` tries, no single wait above `longest_wait` seconds."""

    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0


def with_retries(
    call: Callable[[], Result],
    *,
    policy: RetryPolicy,
    limiter: Limiter,
    sleep: Callable[[float], None] = time.sleep,
) -> Result:
    """Do `call` until it works, fails for good, or the policy's bound is met; then its last exception is raised.

    A wait that the server asked for (`retry-after`) holds back every call under the same limiter.
    """

    def wait(state: tenacity.RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        if isinstance(failure, RateLimitedError):
            limiter.pause(failure.retry_after)
            return failure.retry_after
        backoff: float = policy.first_wait * 2 ** (state.attempt_number - 1)
        return min(policy.longest_wait, backoff * random.uniform(0.5, 1.5))

    def again(failure: BaseException) -> bool:
        if isinstance(failure, RateLimitedError):
            return failure.retry_after <= policy.longest_wait
        return isinstance(failure, TransientError)

    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(policy.attempts),
        wait=wait,
        retry=tenacity.retry_if_exception(again),
        sleep=sleep,
        reraise=True,
    )
    return retrying(call)


def error_for_status(status: int, headers: Mapping[str, str], message: str, *, who: str) -> CiMetricsError:
    """Our exception for an HTTP status of a model endpoint; `message` is what it said, `who` names it for people."""
    text = f"{who} answered {status}: {' '.join(message.split())[:300]}"
    if status in (401, 403):
        return AuthenticationError(
            f"{text}. Check ANTHROPIC_API_KEY, API_BASE_URL and that the key may use this model."
        )
    if status == 404:
        return PermanentError(f"{text}. Check ANTHROPIC_MODEL, API_BASE_URL and API_FORMAT.")
    retry_after = _retry_after(headers)
    if retry_after is not None and (status == 429 or status >= 500):
        return RateLimitedError(text, retry_after=retry_after)
    if status in (408, 409, 425, 429) or status >= 500:
        return TransientError(text)
    return PermanentError(text)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    milliseconds = headers.get("retry-after-ms")
    try:
        if milliseconds:
            return max(0.0, float(milliseconds) / 1000)
        value = headers.get("retry-after")
        if not value:
            return None
        if value.replace(".", "", 1).isdigit():
            return float(value)
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
