"""Fixtures for verdicts: judges that ask the model server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.llm.client_protocol import ModelClient
from ci_metrics.verdicts.judge import Judge
from ci_metrics_tests.llm.conftest import make_client as make_client  # fixtures of this folder's tests too
from ci_metrics_tests.llm.conftest import server as server
from ci_metrics_tests.llm.model_server import ModelServer
from ci_metrics_tests.verdicts.failures import Clock, FixedRules, MemoryStore, settings_for


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
def make_judge(
    server: ModelServer, store: MemoryStore, clock: Clock, make_client: Callable[..., ModelClient]
) -> Callable[..., Judge]:
    """A judge over the server, the memory store and fixed rules; settings by name,
    parts by `rules=`, `model=` …
    """

    def make(**given: Any) -> Judge:
        parts: dict[str, Any] = {
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
