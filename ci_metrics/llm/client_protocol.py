"""What the rest needs of a language model, whoever serves it: one question, one reply;
batches where there are any.

What belongs here: the protocols and their records. Does not: any API's wire format
(`anthropic_client.py`, `openai_client.py`), how a call is made (`endpoint.py`, `retry_policy.py`),
choosing a client (`clients.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from ci_metrics.llm.prices import PriceTable
from ci_metrics.llm.prompt import Prompt
from ci_metrics.models import Usage

#: Tokens an answer may have, and when one was cut off, the second time. Small models think
#: little; an answer is short.
ANSWER_TOKENS = 2_048
LONGER_ANSWER_TOKENS = 8_192

#: About what an answer takes, for reservations.
TYPICAL_ANSWER_TOKENS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """What came back for one prompt. `text` should be the JSON object;
    nothing of it is checked yet.
    """

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

        Raises TransientError (RateLimitedError when the wait asked for is too long),
        AuthenticationError or PermanentError when no reply came.
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
        """Submit (custom id, prompt) pairs; the batch's id. As `ask`, and NotFoundError
        where there are no batches.
        """

    def batch_state(self, batch_id: str) -> BatchState:
        """How far it is. Raises NotFoundError when the endpoint knows no such batch."""

    def batch_results(self, batch_id: str) -> Iterator[BatchResult]:
        """The outcomes of an ended batch, in any order."""

    def recent_batches(self) -> list[BatchState]:
        """The newest batches that the endpoint knows, at most a hundred."""

    def request_bytes(self, prompt: Prompt) -> int:
        """How large this prompt's part of a batch is."""
