"""Fixtures for verdicts: the model server and judges that ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.verdicts.anthropic_client import AnthropicClient
from ci_metrics.verdicts.calling import RetryPolicy
from ci_metrics.verdicts.judge import Judge
from ci_metrics.verdicts.limiter import Limiter
from ci_metrics.verdicts.model_client import ModelClient
from ci_metrics.verdicts.openai_client import OpenAIClient
from ci_metrics_tests.verdicts.failures import Clock, FixedRules, MemoryStore, settings_for
from ci_metrics_tests.verdicts.model_server import KEY, ModelServer


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
def make_client(server: ModelServer) -> Iterator[Callable[..., ModelClient]]:
    made: list[ModelClient] = []

    def make(api_format: str = "anthropic", **given: Any) -> ModelClient:
        kind = AnthropicClient if api_format == "anthropic" else OpenAIClient
        values: dict[str, Any] = {
            "api_key": KEY,
            "model": "claude-haiku-5-5",
            "base_url": server.url + ("/v1" if api_format == "openai" else ""),
            "limiter": Limiter(rpm=100_000, tpm=100_000_000),
            "policy": RetryPolicy(attempts=3, first_wait=0.001, longest_wait=5.0),
            "timeout": 20.0,
        }
        client = kind(**{**values, **given})
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def make_judge(
    server: ModelServer, store: MemoryStore, clock: Clock, make_client: Callable[..., ModelClient]
) -> Callable[..., Judge]:
    """A judge over the server, the memory store and fixed rules; settings by name, parts by `rules=`, `model=` …"""

    def make(**given: Any) -> Judge:
        parts = {
            "rules": FixedRules(),
            "store": store,
            "clock": clock,
            "taxonomy": load_taxonomy(None),
            "sleep": lambda seconds: None,
            "redact": lambda text: (text, 0),
        }
        for name in ("rules", "store", "model", "batches", "budget", "taxonomy", "sleep", "redact"):
            if name in given:
                parts[name] = given.pop(name)
        if "model" not in parts:
            parts["model"] = make_client(given.get("api_format", "anthropic"))
        return Judge(settings=settings_for(server, **given), **parts)

    return make
