"""What asking an endpoint through an SDK has in common, whichever API it speaks.

What belongs here: pace, retries, learning from refusals what an endpoint cannot do. Does not: any API's wire format
(the clients made from this), what an answer means (`schema.py`).
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from ci_metrics.addresses import mask_url
from ci_metrics.errors import CiMetricsError, TransientError
from ci_metrics.llm.capabilities import Capabilities
from ci_metrics.llm.client_protocol import ANSWER_TOKENS, TYPICAL_ANSWER_TOKENS, ModelReply
from ci_metrics.llm.limiter import Limiter
from ci_metrics.llm.prices import PriceTable, load_prices
from ci_metrics.llm.prompt import Prompt
from ci_metrics.llm.retry_policy import RetryPolicy, with_retries
from ci_metrics.models import Usage

Result = TypeVar("Result")


class Closable(Protocol):
    """An SDK's client."""

    def close(self) -> None:
        """Release connections."""


Sdk = TypeVar("Sdk", bound=Closable)
Message = TypeVar("Message")


class RefusedError(Exception):
    """A 400 or 422: perhaps of one parameter only. `error` is ours when nothing is left to leave out."""

    def __init__(self, message: str, error: CiMetricsError) -> None:
        super().__init__(message)
        self.error = error


def counted(value: object) -> int:
    """A number of tokens as an endpoint reports it; 0 where it reports none."""
    return value if isinstance(value, int) else 0


class EndpointClient(ABC, Generic[Sdk, Message]):
    """A `ModelClient` over an SDK; safe to use from several threads."""

    #: Whether this endpoint is expected to serve repeated prefixes from a cache.
    caches_prefix: bool
    #: Parameters that are left out once an endpoint refused them, with the words by which it names them.
    optional: ClassVar[Mapping[str, tuple[str, ...]]]

    def __init__(
        self,
        *,
        api_key: str,
        model: str,
        base_url: str | None = None,
        limiter: Limiter,
        prices: PriceTable | None = None,
        policy: RetryPolicy | None = None,
        timeout: float = 120.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`timeout` in seconds for one try; `base_url` None for the API's own."""
        self.model = model
        self.prices = prices or load_prices()
        self._limiter, self._policy, self._sleep = limiter, policy or RetryPolicy(), sleep
        self._known = Capabilities()
        base = self._base(base_url)
        self._base_url = mask_url(base)  # as it is shown
        self._sdk = self._connect(api_key, base, timeout)

    def ask(self, prompt: Prompt, *, model: str | None = None, max_tokens: int = ANSWER_TOKENS) -> ModelReply:
        """See ModelClient."""
        name = model or self.model

        def once() -> ModelReply:
            settle = self._limiter.acquire(prompt.estimated_tokens + TYPICAL_ANSWER_TOKENS)
            reply = self._reply(self._create(prompt, name, max_tokens), name)
            settle(self._paced_tokens(reply.usage))
            return reply

        return self._retried(once)

    def render(self, prompt: Prompt, *, model: str | None = None, max_tokens: int = ANSWER_TOKENS) -> dict[str, Any]:
        """See ModelClient."""
        return {"url": self._base_url + self._path(), "body": self._body(prompt, model or self.model, max_tokens)}

    def close(self) -> None:
        """Release connections."""
        self._sdk.close()

    def _create(self, prompt: Prompt, model: str, max_tokens: int) -> Message:
        """One call, asked differently as long as the endpoint refuses the way in which it was asked."""
        while True:
            mode, without = self._known.mode(model), self._known.without(model)
            try:
                return self._send(self._body(prompt, model, max_tokens))
            except RefusedError as refused:
                sent = [name for name in self.optional if name not in without]
                if not self._known.learn(model, str(refused), mode=mode, sent=sent, words=self.optional):
                    raise refused.error from None

    def _reply(self, message: Message, asked: str, *, batch: bool = False) -> ModelReply:
        """The API's answer as a reply. Raises TransientError for one of another shape: the SDKs check little of it."""
        try:
            return self._read(message, asked, batch=batch)
        except (AttributeError, TypeError, ValueError, LookupError) as error:
            raise TransientError(
                f"{self._base_url}: an answer of another shape than the API's ({type(error).__name__}: {error})"
            ) from error

    def _retried(self, call: Callable[[], Result]) -> Result:
        return with_retries(call, policy=self._policy, limiter=self._limiter, sleep=self._sleep)

    @abstractmethod
    def _base(self, base_url: str | None) -> str:
        """The endpoint's address as the SDK wants it."""

    @abstractmethod
    def _path(self) -> str:
        """Where, under that address, questions go."""

    @abstractmethod
    def _connect(self, api_key: str, base: str, timeout: float) -> Sdk:
        """The SDK's client, which must not retry by itself."""

    @abstractmethod
    def _body(self, prompt: Prompt, model: str, max_tokens: int) -> dict[str, Any]:
        """The request for a prompt, without what the model is known to refuse."""

    @abstractmethod
    def _send(self, body: dict[str, Any]) -> Message:
        """One request. Raises RefusedError for a 400 or 422, TransientError when the answer is none, else as `ask`."""

    @abstractmethod
    def _read(self, message: Message, asked: str, *, batch: bool = False) -> ModelReply:
        """The API's answer as a reply; any AttributeError, TypeError, ValueError or LookupError means another shape."""

    @abstractmethod
    def _paced_tokens(self, usage: Usage) -> int:
        """The tokens that count against the endpoint's limit per minute."""
