"""Any OpenAI-compatible endpoint (chat completions) through the openai SDK.

What belongs here: our prompt -> its request, its completion -> our reply. Does not: retries and limits
(`model_client.py`, `limiter.py`), what an answer means (`schema.py`). Batches are left to the normal path: compatible
endpoints rarely have them, and OpenAI's want files uploaded first.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import openai
from openai.types.chat import ChatCompletion

from ci_metrics.addresses import mask_url
from ci_metrics.errors import TransientError
from ci_metrics.verdicts.limiter import Limiter
from ci_metrics.verdicts.model_client import (
    ANSWER_TOKENS,
    TYPICAL_ANSWER_TOKENS,
    ModelReply,
    RetryPolicy,
    error_for_status,
    with_retries,
)
from ci_metrics.verdicts.output_modes import Capabilities
from ci_metrics.verdicts.prices import PriceTable, Tokens, load_prices
from ci_metrics.verdicts.prompt import Prompt
from ci_metrics.verdicts.schema import SCHEMA_NAME

DEFAULT_BASE_URL = "https://api.openai.com/v1"

# Reasoning is billed as output and seldom changes what kind of failure a log shows.
_REASONS = re.compile(r"(?:^|/)(?:gpt-[56]|o[134])")

_OPTIONAL = {
    "reasoning_effort": ("reasoning_effort", "reasoning effort", "reasoning.effort"),
    "max_tokens": ("max_tokens", "max_completion_tokens"),
}


class OpenAIClient:
    """Asks an endpoint that speaks OpenAI's chat completions."""

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
        """`timeout` in seconds for one try; `base_url` with the API's own `/v1`."""
        self.model = model
        self.prices = prices or load_prices()
        self.caches_prefix = False  # some report cached tokens, many have no cache: no warning when none come
        self._limiter, self._policy, self._sleep = limiter, policy or RetryPolicy(), sleep
        self._known = Capabilities()
        base = (base_url or DEFAULT_BASE_URL).removesuffix("/")
        self._base_url = mask_url(base)  # as it is shown
        self._sdk = openai.OpenAI(api_key=api_key, base_url=base, max_retries=0, timeout=timeout)

    def ask(self, prompt: Prompt, *, model: str | None = None, max_tokens: int = ANSWER_TOKENS) -> ModelReply:
        """See ModelClient."""
        name = model or self.model

        def once() -> ModelReply:
            settle = self._limiter.acquire(prompt.estimated_tokens + TYPICAL_ANSWER_TOKENS)
            reply = self._read(self._create(prompt, name, max_tokens), name)
            settle(reply.usage.prompt_tokens + reply.usage.completion_tokens)
            return reply

        return with_retries(once, policy=self._policy, limiter=self._limiter, sleep=self._sleep)

    def close(self) -> None:
        """Release connections."""
        self._sdk.close()

    def render(self, prompt: Prompt, *, model: str | None = None, max_tokens: int = ANSWER_TOKENS) -> dict[str, Any]:
        """See ModelClient."""
        url = f"{self._base_url}/chat/completions"
        return {"url": url, "body": self._body(prompt, model or self.model, max_tokens)}

    def _create(self, prompt: Prompt, model: str, max_tokens: int) -> ChatCompletion:
        while True:
            mode, without = self._known.mode(model), self._known.without(model)
            body = self._body(prompt, model, max_tokens)
            try:
                create: Any = self._sdk.chat.completions.create
                completion = create(**body)
            except openai.APIStatusError as error:
                sent = [name for name in _OPTIONAL if name not in without]
                refused = error.status_code in (400, 422)
                if refused and self._known.learn(model, error.message, mode=mode, sent=sent, words=_OPTIONAL):
                    continue
                raise error_for_status(
                    error.status_code, error.response.headers, error.message, who=self._base_url
                ) from None
            except (openai.APIConnectionError, openai.APIResponseValidationError, json.JSONDecodeError) as error:
                raise TransientError(f"{self._base_url}: {type(error).__name__}: {error}") from None
            # A proxy's page with status 200 comes back as a string, some gateways' errors without choices.
            if (
                not isinstance(completion, ChatCompletion)
                or not completion.choices
                or not completion.choices[0].message
            ):
                raise TransientError(f"{self._base_url}: the answer is no chat completion: {str(completion)[:120]}")
            return completion

    def _body(self, prompt: Prompt, model: str, max_tokens: int) -> dict[str, Any]:
        mode, without = self._known.mode(model), self._known.without(model)
        user = prompt.user
        if mode == "text":
            user += f"\nAnswer with one JSON object and nothing else. Its JSON schema:\n{json.dumps(prompt.schema)}"
        # OpenAI's own newer models want the longer name, compatible servers know only the older one.
        newer = (self._base_url == DEFAULT_BASE_URL) != ("max_tokens" in without)
        body: dict[str, Any] = {
            "model": model,
            "max_completion_tokens" if newer else "max_tokens": max_tokens,
            "messages": [{"role": "system", "content": prompt.system}, {"role": "user", "content": user}],
        }
        if mode == "schema":
            named = {"name": SCHEMA_NAME, "strict": True, "schema": prompt.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        if mode == "tool":
            function = {"name": SCHEMA_NAME, "description": "Give the verdict.", "parameters": prompt.schema}
            body["tools"] = [{"type": "function", "function": function}]
            body["tool_choice"] = {"type": "function", "function": {"name": SCHEMA_NAME}}
        if _REASONS.search(model) and "reasoning_effort" not in without:
            body["reasoning_effort"] = "low"
        return body

    def _read(self, completion: ChatCompletion, model: str) -> ModelReply:
        choice = completion.choices[0]
        message = choice.message
        text = message.content or ""
        for call in message.tool_calls or ():
            if call.type == "function" and call.function.name == SCHEMA_NAME:
                text = call.function.arguments
                break
        used = completion.usage
        details = used.prompt_tokens_details if used else None
        read = (details.cached_tokens or 0) if details else 0
        written = (details.cache_write_tokens or 0) if details else 0
        tokens = Tokens(
            uncached=max(0, (used.prompt_tokens if used else 0) - read - written),
            cache_read=read,
            cache_write=written,
            output=used.completion_tokens if used else 0,
        )
        declined = bool(message.refusal) or choice.finish_reason == "content_filter"
        named = completion.model or model
        return ModelReply(
            text=text,
            stop="refusal" if declined else "truncated" if choice.finish_reason == "length" else "end",
            model=named,
            usage=self.prices.usage(named if self.prices.find(named) else model, tokens),
            cache_write_tokens=written,
        )
