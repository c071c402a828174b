"""Anthropic's Messages API through its SDK, with structured output, prompt
caching and message batches.

What belongs here: our prompt -> its request, its message -> our reply. Does not: retries and limits
(`endpoint.py`), what an answer means (`schema.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, TypeVar

import anthropic
import httpx2
from anthropic.types import Message
from anthropic.types.messages import MessageBatch

from ci_metrics.deadline import bounded_answers
from ci_metrics.errors import NotFoundError, TransientError
from ci_metrics.llm.client_protocol import ANSWER_TOKENS, BatchResult, BatchState, ModelReply
from ci_metrics.llm.endpoint import SCHEMA, SCHEMA_WORDS, EndpointClient, RefusedError, asked_in_words, token_count
from ci_metrics.llm.prices import Tokens
from ci_metrics.llm.prompt import Prompt
from ci_metrics.llm.status_errors import error_for_status
from ci_metrics.models import Usage

_DEFAULT_BASE_URL = "https://api.anthropic.com"

# Thinking is billed as output and seldom changes what kind of failure a log shows. These think
# unless told not to, and may be told (migration guide of claude-haiku-5-5); the others of their
# generation only take a lower effort.
_MAY_NOT_THINK = re.compile(r"claude-(?:haiku-5|opus-5(?!-5))")
_TAKES_EFFORT = re.compile(r"claude-(?:sonnet|opus|fable|mythos)-5")

_Result = TypeVar("_Result")


class AnthropicClient(EndpointClient[anthropic.Anthropic, Message]):
    """Asks Anthropic's API, or an endpoint that speaks it; the address may end in `/v1` or not."""

    caches_prefix = True
    optional: ClassVar = {
        "thinking": ("thinking",),
        "effort": ("effort",),
        "cache_control": ("cache_control", "cache control"),
        SCHEMA: SCHEMA_WORDS,
    }

    def _base(self, base_url: str | None) -> str:
        return (base_url or _DEFAULT_BASE_URL).removesuffix("/").removesuffix("/v1")

    def _path(self) -> str:
        return "/v1/messages"

    def _connect(self, api_key: str, base: str, timeout: float) -> anthropic.Anthropic:
        http = anthropic.DefaultHttpxClient(
            follow_redirects=False, timeout=timeout, event_hooks=bounded_answers(timeout)
        )  # the key and the log stay with this address
        return anthropic.Anthropic(api_key=api_key, base_url=base, max_retries=0, timeout=timeout, http_client=http)

    def _paced_tokens(self, usage: Usage) -> int:
        # Tokens read from the cache do not count against the limit on input tokens.
        return usage.prompt_tokens - usage.cached_tokens + usage.completion_tokens

    def _send(self, body: dict[str, Any]) -> Message:
        message = self._call(lambda: self._sdk.messages.create(**body))
        # A proxy's page with status 200 comes back as a string; the SDK does
        # not check what it parses.
        if isinstance(message, Message) and isinstance(message.content, list) and message.usage:
            return message
        raise TransientError(f"{self._base_url}: the answer is no message: {str(message)[:120]}")

    def _body(self, prompt: Prompt, model: str, max_tokens: int, without: frozenset[str]) -> dict[str, Any]:
        system: dict[str, Any] = {"type": "text", "text": prompt.system}
        if "cache_control" not in without:
            system["cache_control"] = {"type": "ephemeral"}
        body: dict[str, Any] = {
            "model": model,
            "max_tokens": max_tokens,
            "system": [system],
            "messages": [{"role": "user", "content": asked_in_words(prompt) if SCHEMA in without else prompt.user}],
        }
        output: dict[str, Any] = {}
        if SCHEMA not in without:
            output["format"] = {"type": "json_schema", "schema": prompt.schema}
        name = model.rsplit("/", 1)[-1]
        if _MAY_NOT_THINK.search(name):
            if "thinking" not in without:
                body["thinking"] = {"type": "disabled"}
        elif _TAKES_EFFORT.search(name) and "effort" not in without:
            output["effort"] = "low"
        if output:
            body["output_config"] = output
        return body

    def _read(self, message: Message, asked: str, *, batch: bool = False) -> ModelReply:
        text = "".join(block.text for block in message.content if block.type == "text")
        used = message.usage
        tokens = Tokens(
            uncached=token_count(used.input_tokens),
            cache_read=token_count(used.cache_read_input_tokens),
            cache_write=token_count(used.cache_creation_input_tokens),
            output=token_count(used.output_tokens),
        )
        reason, named = message.stop_reason, message.model or asked
        cut = reason in ("max_tokens", "model_context_window_exceeded", "pause_turn")
        return ModelReply(
            text=text,
            stop="refusal" if reason == "refusal" else "truncated" if cut else "end",
            model=named,
            usage=self.prices.usage(named if self.prices.find(named) else asked, tokens, batch=batch),
            cache_write_tokens=tokens.cache_write,
        )

    def create_batch(self, prompts: Sequence[tuple[str, Prompt]]) -> str:
        """See BatchClient."""
        requests = [{"custom_id": key, "params": self._batch_body(prompt)} for key, prompt in prompts]
        create: Any = self._sdk.messages.batches.create
        batch: MessageBatch = self._batch_call(lambda: create(requests=requests))
        return batch.id

    def request_bytes(self, prompt: Prompt) -> int:
        """See BatchClient."""
        return len(json.dumps(self._batch_body(prompt))) + 128

    def _batch_body(self, prompt: Prompt) -> dict[str, Any]:
        return self._body(prompt, self.model, ANSWER_TOKENS, self._without(self.model))

    def batch_state(self, batch_id: str) -> BatchState:
        """See BatchClient."""
        return _state(self._batch_call(lambda: self._sdk.messages.batches.retrieve(batch_id)))

    def recent_batches(self) -> list[BatchState]:
        """See BatchClient."""
        return [_state(batch) for batch in self._batch_call(lambda: self._sdk.messages.batches.list(limit=100)).data]

    def batch_results(self, batch_id: str) -> Iterator[BatchResult]:
        """See BatchClient."""
        for item in self._batch_call(lambda: list(self._sdk.messages.batches.results(batch_id))):
            result = item.result
            if result.type == "succeeded":
                yield self._batch_reply(item.custom_id, result.message)
            elif result.type == "errored":
                error = result.error.error
                retry = error.type in ("api_error", "overloaded_error", "rate_limit_error", "timeout_error")
                detail = f"{error.type}: {error.message}"
                yield BatchResult(
                    custom_id=item.custom_id, reply=None, outcome="errored", retry=retry, detail=detail[:300]
                )
            else:
                yield BatchResult(custom_id=item.custom_id, reply=None, outcome=result.type, retry=True)

    def _batch_reply(self, custom_id: str, message: Message) -> BatchResult:
        try:
            reply = self._reply(message, self.model, batch=True)
        except TransientError as error:
            return BatchResult(custom_id=custom_id, reply=None, outcome="errored", retry=True, detail=str(error))
        return BatchResult(custom_id=custom_id, reply=reply, outcome="succeeded")

    def _batch_call(self, call: Callable[[], _Result]) -> _Result:
        def once() -> _Result:
            try:
                return self._call(call)
            except RefusedError as refused:
                raise refused.error from None

        return self._retried(once)

    def _call(self, call: Callable[[], _Result]) -> _Result:
        try:
            return call()
        except anthropic.APIStatusError as error:
            if error.status_code in (404, 405, 501) and "batch" in str(error.request.url):
                raise NotFoundError(f"{self._base_url} knows no such batch, or no batches at all") from None
            mapped = error_for_status(error.status_code, error.response.headers, error.message, who=self._base_url)
            if error.status_code in (400, 422):
                raise RefusedError(error.message, mapped) from None
            raise mapped from None
        except (
            anthropic.APIConnectionError,
            anthropic.APIResponseValidationError,
            json.JSONDecodeError,
            httpx2.HTTPError,  # a batch's results are read line by line, past the SDK's own handling
        ) as error:
            raise TransientError(f"{self._base_url}: {type(error).__name__}: {error}") from None


def _state(batch: MessageBatch) -> BatchState:
    counts = batch.request_counts
    return BatchState(
        id=batch.id,
        ended=batch.processing_status == "ended",
        created_at=batch.created_at.timestamp(),
        total=counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired,
    )
