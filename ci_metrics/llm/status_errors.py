"""What an HTTP status of a model's endpoint means: ask again, wait, or never.

What belongs here: statuses -> this project's errors, with advice. Does not: asking again
(`retrying.py`), any API's wire format.
"""

from __future__ import annotations

from collections.abc import Mapping

from ci_metrics.errors import AuthenticationError, CiMetricsError, PermanentError, RateLimitedError, TransientError
from ci_metrics.redaction import redact
from ci_metrics.retrying import seconds_to_wait

#: Characters of an endpoint's message that are looked at.
_TOLD = 4_000


def error_for_status(status: int, headers: Mapping[str, str], message: str, *, who: str) -> CiMetricsError:
    """Our exception for an HTTP status of a model endpoint; `message` is what it said,
    `who` names it for people.
    """
    told = redact(" ".join(message[:_TOLD].split()))[0]  # some quote the key that they refuse
    text = f"{who} answered {status}: {told[:300]}"
    if status in (401, 403):
        return AuthenticationError(
            f"{text}. Check ANTHROPIC_API_KEY, API_BASE_URL and that the key may use this model."
        )
    if 300 <= status < 400:
        return PermanentError(
            f"{text}. It points elsewhere, which is not followed: set API_BASE_URL to the endpoint itself."
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
    milliseconds = seconds_to_wait(headers.get("retry-after-ms"))  # OpenAI's own header
    return seconds_to_wait(headers.get("retry-after")) if milliseconds is None else milliseconds / 1000
