"""Fixtures for models: the model server, and clients that ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ci_metrics.limits import Limiter
from ci_metrics.llm.anthropic_client import AnthropicClient
from ci_metrics.llm.client_protocol import ModelClient
from ci_metrics.llm.openai_client import OpenAIClient
from ci_metrics.retrying import RetryPolicy
from ci_metrics_tests.llm.model_server import KEY, ModelServer


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def make_client(server: ModelServer) -> Iterator[Callable[..., ModelClient]]:
    made: list[ModelClient] = []

    def make(api_format: str = "anthropic", **given: Any) -> ModelClient:
        kind = AnthropicClient if api_format == "anthropic" else OpenAIClient
        values: dict[str, Any] = {
            "api_key": KEY,
            "model": "claude-haiku-5-5",
            "base_url": server.url + ("/v1" if api_format == "openai" else ""),
            "limiter": Limiter(per_minute=100_000, concurrency=32),
            "policy": RetryPolicy(attempts=3, first_wait=0.001, longest_wait=5.0),
            "timeout": 20.0,
        }
        client = kind(**{**values, **given})
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()
