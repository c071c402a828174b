"""What asking an endpoint through an SDK has in common, whichever API it speaks.

What belongs here: pace, retries, learning from refusals what an endpoint cannot do. Does not: any
API's wire format (the clients made from this), what an answer means (`schema.py`).

Endpoints differ (gateways, older models, local servers), and a list of who can do what would be
wrong within a month: each parameter that is not needed is sent until an endpoint refuses it for a
model. The answer's schema is one of them: without it the prompt asks for the JSON object in words.
"""

from __future__ import annotations

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from ci_metrics.errors import CiMetricsError, TransientError
from ci_metrics.limits import Limiter
from ci_metrics.llm.client_protocol import ANSWER_TOKENS, TYPICAL_ANSWER_TOKENS, ModelReply
from ci_metrics.llm.prices import PriceTable, load_prices
from ci_metrics.llm.prompt import Prompt
from ci_metrics.models import Usage
from ci_metrics.retrying import RetryPolicy, retrying
from ci_metrics.urls import mask_url

_Result = TypeVar("_Result")

#: A model's own limits last longer than a server's hiccup: a minute at most is waited out at once.
_RETRIES = RetryPolicy(attempts=5, first_wait=1.0, longest_wait=60.0)

#: The optional parameter that holds the answer's schema, and the words by which
#: an endpoint refuses it.
SCHEMA = "schema"
SCHEMA_WORDS = ("output_config", "output_format", "response_format", "json_schema", "structured output", "schema")


class Closable(Protocol):
    """An SDK's client."""

    def close(self) -> None:
        """Release connections."""


Sdk = TypeVar("Sdk", bound=Closable)
_Message = TypeVar("_Message")


class RefusedError(Exception):
    """A 400 or 422: perhaps of one parameter only. `error` is ours when
    nothing is left to leave out.
    """

    def __init__(self, message: str, error: CiMetricsError) -> None:
        super().__init__(message)
        self.error = error


def token_count(value: object) -> int:
    """A number of tokens as an endpoint reports it; 0 where it reports none."""
    return value if isinstance(value, int) else 0


def asked_in_words(prompt: Prompt) -> str:
    """The user text for an endpoint that takes no schema."""
    return f"{prompt.user}\nAnswer with one JSON object and nothing else. Its JSON schema:\n{json.dumps(prompt.schema)}"


class EndpointClient(ABC, Generic[Sdk, _Message]):
    """A `ModelClient` over an SDK; safe to use from several threads."""

    #: Whether this endpoint is expected to serve repeated prefixes from a cache.
    caches_prefix: bool
    #: Parameters that are left out once an endpoint refused them, with the words by which it names
    #: them; the first match counts.
    optional: ClassVar[Mapping[str, tuple[str, ...]]]

    def __init__(
        self,
        *,
        api_key: str,
        model: str,
        base_url: str | None = None,
        limiter: Limiter,
        prices: PriceTable | None = None,
        policy: RetryPolicy = _RETRIES,
        timeout: float = 120.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`timeout` in seconds for one try; `base_url` None for the API's own."""
        self.model = model
        self.prices = prices or load_prices()
        self._limiter, self._policy, self._sleep = limiter, policy, sleep
        self._lock = threading.Lock()
        self._refused: dict[str, frozenset[str]] = {}  # model -> optional parameters it does not take
        base = self._base(base_url)
        self._base_url = mask_url(base)  # as it is shown
        self._sdk = self._connect(api_key, base, timeout)

    def ask(self, prompt: Prompt, *, model: str | None = None, max_tokens: int = ANSWER_TOKENS) -> ModelReply:
        """See ModelClient."""
        name = model or self.model

        def once() -> ModelReply:
            with self._limiter.slot(tokens=prompt.estimated_tokens + TYPICAL_ANSWER_TOKENS) as call:
                reply = self._reply(self._create(prompt, name, max_tokens), name)
                call.took(self._paced_tokens(reply.usage))
            return reply

        return self._retried(once)

    def render(self, prompt: Prompt, *, model: str | None = None, max_tokens: int = ANSWER_TOKENS) -> dict[str, Any]:
        """See ModelClient."""
        name = model or self.model
        return {"url": self._base_url + self._path(), "body": self._body(prompt, name, max_tokens, self._without(name))}

    def close(self) -> None:
        """Release connections."""
        self._sdk.close()

    def _create(self, prompt: Prompt, model: str, max_tokens: int) -> _Message:
        """One call, asked differently as long as the endpoint refuses the
        way in which it was asked.
        """
        while True:
            without = self._without(model)
            try:
                return self._send(self._body(prompt, model, max_tokens, without))
            except RefusedError as refused:
                text = str(refused).lower()
                named = (name for name, words in self.optional.items() if any(word in text for word in words))
                culprit = next((name for name in named if name not in without), None)
                if culprit is None:
                    raise refused.error from None
                with self._lock:
                    self._refused[model] = self._refused.get(model, frozenset()) | {culprit}

    def _without(self, model: str) -> frozenset[str]:
        """The optional parameters that this model refused."""
        with self._lock:
            return self._refused.get(model, frozenset())

    def _reply(self, message: _Message, asked: str, *, batch: bool = False) -> ModelReply:
        """The API's answer as a reply. Raises TransientError for one of another shape:
        the SDKs check little of it.
        """
        try:
            return self._read(message, asked, batch=batch)
        except (AttributeError, TypeError, ValueError, LookupError) as error:
            raise TransientError(
                f"{self._base_url}: an answer of another shape than the API's ({type(error).__name__}: {error})"
            ) from error

    def _retried(self, call: Callable[[], _Result]) -> _Result:
        return retrying(self._policy, sleep=self._sleep, pause=self._limiter.pause)(call)

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
    def _body(self, prompt: Prompt, model: str, max_tokens: int, without: frozenset[str]) -> dict[str, Any]:
        """The request for a prompt, without these optional parameters."""

    @abstractmethod
    def _send(self, body: dict[str, Any]) -> _Message:
        """One request. Raises RefusedError for a 400 or 422, TransientError when the
        answer is none, else as `ask`.
        """

    @abstractmethod
    def _read(self, message: _Message, asked: str, *, batch: bool = False) -> ModelReply:
        """The API's answer as a reply; any AttributeError, TypeError, ValueError or
        LookupError means another shape.
        """

    @abstractmethod
    def _paced_tokens(self, usage: Usage) -> int:
        """The tokens that count against the endpoint's limit per minute."""
