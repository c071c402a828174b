"""Any OpenAI-compatible endpoint (chat completions) through the openai SDK.

What belongs here: our prompt -> its request, its completion -> our reply. Does not: retries and
limits (`endpoint.py`), what an answer means (`schema.py`). Batches are left to the normal path:
compatible endpoints rarely have them, and OpenAI's want files uploaded first.
"""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar

import openai
from openai.types.chat import ChatCompletion

from ci_metrics.deadline import bounded_answers
from ci_metrics.errors import TransientError
from ci_metrics.llm.client_protocol import ModelReply
from ci_metrics.llm.endpoint import SCHEMA, SCHEMA_WORDS, EndpointClient, RefusedError, asked_in_words, token_count
from ci_metrics.llm.prices import Tokens
from ci_metrics.llm.prompt import Prompt
from ci_metrics.llm.schema import SCHEMA_NAME
from ci_metrics.llm.status_errors import error_for_status
from ci_metrics.models import Usage

_DEFAULT_BASE_URL = "https://api.openai.com/v1"

# Reasoning is billed as output and seldom changes what kind of failure a log shows.
_REASONS = re.compile(r"(?:^|/)(?:gpt-[56]|o[134])")


class OpenAIClient(EndpointClient[openai.OpenAI, ChatCompletion]):
    """Asks an endpoint that speaks OpenAI's chat completions; the address is given
    with the API's own `/v1`.
    """

    caches_prefix = False  # some report cached tokens, many have no cache: no warning when none come
    optional: ClassVar = {
        "reasoning_effort": ("reasoning_effort", "reasoning effort", "reasoning.effort"),
        "max_tokens": ("max_tokens", "max_completion_tokens"),
        SCHEMA: SCHEMA_WORDS,
    }

    def _base(self, base_url: str | None) -> str:
        return (base_url or _DEFAULT_BASE_URL).removesuffix("/")

    def _path(self) -> str:
        return "/chat/completions"

    def _connect(self, api_key: str, base: str, timeout: float) -> openai.OpenAI:
        http = openai.DefaultHttpxClient(
            follow_redirects=False, timeout=timeout, event_hooks=bounded_answers(timeout)
        )  # the key and the log stay with this address
        return openai.OpenAI(api_key=api_key, base_url=base, max_retries=0, timeout=timeout, http_client=http)

    def _paced_tokens(self, usage: Usage) -> int:
        return usage.prompt_tokens + usage.completion_tokens

    def _send(self, body: dict[str, Any]) -> ChatCompletion:
        try:
            create: Any = self._sdk.chat.completions.create
            completion = create(**body)
        except openai.APIStatusError as error:
            mapped = error_for_status(error.status_code, error.response.headers, error.message, who=self._base_url)
            if error.status_code in (400, 422):
                raise RefusedError(error.message, mapped) from None
            raise mapped from None
        except (openai.APIConnectionError, openai.APIResponseValidationError, json.JSONDecodeError) as error:
            raise TransientError(f"{self._base_url}: {type(error).__name__}: {error}") from None
        # A proxy's page with status 200 comes back as a string, some gateways'
        # errors without choices.
        choices = completion.choices if isinstance(completion, ChatCompletion) else None
        if isinstance(choices, list) and choices and getattr(choices[0], "message", None):
            return completion  # type: ignore[no-any-return]
        raise TransientError(f"{self._base_url}: the answer is no chat completion: {str(completion)[:120]}")

    def _body(self, prompt: Prompt, model: str, max_tokens: int, without: frozenset[str]) -> dict[str, Any]:
        user = asked_in_words(prompt) if SCHEMA in without else prompt.user
        # OpenAI's own newer models want the longer name, compatible servers
        # know only the older one.
        newer = (self._base_url == _DEFAULT_BASE_URL) != ("max_tokens" in without)
        body: dict[str, Any] = {
            "model": model,
            "max_completion_tokens" if newer else "max_tokens": max_tokens,
            "messages": [{"role": "system", "content": prompt.system}, {"role": "user", "content": user}],
        }
        if SCHEMA not in without:
            named = {"name": SCHEMA_NAME, "strict": True, "schema": prompt.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        if _REASONS.search(model) and "reasoning_effort" not in without:
            body["reasoning_effort"] = "low"
        return body

    def _read(self, message: ChatCompletion, asked: str, *, batch: bool = False) -> ModelReply:
        completion, choice = message, message.choices[0]
        answer = choice.message
        used = completion.usage
        details = used.prompt_tokens_details if used else None
        read = token_count(details.cached_tokens) if details else 0
        written = token_count(details.cache_write_tokens) if details else 0
        tokens = Tokens(
            uncached=max(0, (token_count(used.prompt_tokens) if used else 0) - read - written),
            cache_read=read,
            cache_write=written,
            output=token_count(used.completion_tokens) if used else 0,
        )
        declined = bool(answer.refusal) or choice.finish_reason == "content_filter"
        named = completion.model or asked
        return ModelReply(
            text=_text(answer.content),
            stop="refusal" if declined else "truncated" if choice.finish_reason == "length" else "end",
            model=named,
            usage=self.prices.usage(named if self.prices.find(named) else asked, tokens, batch=batch),
            cache_write_tokens=written,
        )


def _text(content: object) -> str:
    """An answer's text; some gateways give it in parts."""
    if isinstance(content, list):
        return "".join(str(part["text"]) for part in content if part.get("type") == "text")
    return content if isinstance(content, str) else ""
