"""What the rest needs of a language model, whoever serves it: one question, one reply; batches where there are any.

What belongs here: the protocols and their records, one bounded way to retry, HTTP statuses -> our exceptions, choosing
the client that the settings name. Does not: any API's wire format (`anthropic_client.py`, `openai_client.py`).

Retries: the SDKs' own are switched off (`max_retries=0`), so that theirs and ours are not multiplied.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import tenacity

from ci_metrics.errors import (
    AuthenticationError,
    CiMetricsError,
    PermanentError,
    RateLimitedError,
    SettingsError,
    TransientError,
)
from ci_metrics.models import Usage
from ci_metrics.settings import Settings
from ci_metrics.verdicts.limiter import Limiter
from ci_metrics.verdicts.prices import PriceTable, load_prices
from ci_metrics.verdicts.prompt import Prompt

#: Tokens an answer may have, and when one was cut off, the second time. Small models think little; an answer is short.
ANSWER_TOKENS = 2_048
LONGER_ANSWER_TOKENS = 8_192

#: About what an answer takes, for reservations.
TYPICAL_ANSWER_TOKENS = 400

Result = TypeVar("Result")

#: How an endpoint is made to answer in the schema, best first; what it refuses is not tried again.
OutputMode = Literal["schema", "tool", "text"]
OUTPUT_MODES: tuple[OutputMode, ...] = ("schema", "tool", "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """What came back for one prompt. `text` should be the JSON object; nothing of it is checked yet."""

    text: str
    stop: Literal["end", "truncated", "refusal"]
    model: str  # that answered, as the endpoint names it
    usage: Usage
    cache_write_tokens: int = 0


class ModelClient(Protocol):
    """One question, one reply. Safe to use from several threads."""

    model: str
    prices: PriceTable
    caches_prefix: bool  # whether this endpoint is expected to serve repeated prefixes from a cache

    def ask(self, prompt: Prompt, *, model: str | None = None, max_tokens: int = ANSWER_TOKENS) -> ModelReply:
        """Ask once, with bounded retries.

        Raises TransientError (RateLimitedError when the wait asked for is too long), AuthenticationError or
        PermanentError when no reply came.
        """

    def render(self, prompt: Prompt, *, model: str | None = None, max_tokens: int = ANSWER_TOKENS) -> dict[str, Any]:
        """The address and the body that `ask` would send, without any key."""

    def close(self) -> None:
        """Release connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchState:
    """How far a batch is. `total` counts all its requests."""

    id: str
    ended: bool
    created_at: float  # seconds since the epoch
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """One request's outcome in an ended batch: a reply, or why there is none."""

    custom_id: str
    reply: ModelReply | None
    outcome: Literal["succeeded", "errored", "canceled", "expired"]
    retry: bool = False  # asking again may help
    detail: str = ""


@runtime_checkable
class BatchClient(Protocol):
    """A client whose endpoint also answers many prompts later, at a lower price."""

    def create_batch(self, prompts: Sequence[tuple[str, Prompt]]) -> str:
        """Submit (custom id, prompt) pairs; the batch's id. Same exceptions as `ask`."""

    def batch_state(self, batch_id: str) -> BatchState:
        """How far it is. Raises NotFoundError when the endpoint knows no such batch."""

    def batch_results(self, batch_id: str) -> Iterator[BatchResult]:
        """The outcomes of an ended batch, in any order."""

    def recent_batches(self) -> list[BatchState]:
        """The newest batches that the endpoint knows, at most a hundred."""

    def request_bytes(self, prompt: Prompt) -> int:
        """How large this prompt's part of a batch is."""


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


def build_client(settings: Settings, *, limiter: Limiter | None = None) -> ModelClient | None:
    """The client that the settings name; None when no model is to be asked.

    Raises ContractError when PRICES_FILE is wrong, SettingsError when the model cannot be one of the endpoint's.
    """
    if not settings.uses_model or settings.anthropic_api_key is None:
        return None
    limiter = limiter or Limiter(rpm=settings.max_rpm, tpm=settings.max_tpm)
    key = settings.anthropic_api_key.get_secret_value().strip()
    if not (key.isascii() and key.isprintable()):
        raise SettingsError("ANTHROPIC_API_KEY", "has characters that no key has", "Copy the key again, without quotes")
    return _client(settings, key, limiter)


def client_to_show(settings: Settings) -> ModelClient:
    """A client that renders requests as the settings' own would, with no key: it cannot ask."""
    return _client(settings, "no-key", Limiter(rpm=1, tpm=1))


def _client(settings: Settings, key: str, limiter: Limiter) -> ModelClient:
    from ci_metrics.verdicts.anthropic_client import AnthropicClient  # the SDKs take a second to import
    from ci_metrics.verdicts.openai_client import OpenAIClient

    if (
        settings.api_format == "openai"
        and settings.api_base_url is None
        and settings.anthropic_model.startswith("claude")
    ):
        raise SettingsError(
            "ANTHROPIC_MODEL",
            f"“{settings.anthropic_model}”, while API_FORMAT=openai and no API_BASE_URL ask OpenAI, which has no such model",
            "Name one of its models, or set API_BASE_URL to the endpoint that serves it",
        )
    kind = AnthropicClient if settings.api_format == "anthropic" else OpenAIClient
    client: ModelClient = kind(
        api_key=key,
        model=settings.anthropic_model,
        base_url=settings.api_base_url,
        limiter=limiter,
        prices=load_prices(settings.prices_file),
    )
    return client
