"""What it costs: 1,000 failures, four in five of them repeats, against the model server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ci_metrics.llm.prices import load_prices
from ci_metrics.models import Usage
from ci_metrics.settings import load_settings
from ci_metrics.verdicts.judge import Judge, JudgeRequest
from ci_metrics_tests.llm.model_server import ModelServer
from ci_metrics_tests.verdicts.failures import NOON, failure

FAILURES, DISTINCT = 1_000, 200


def replay() -> list[JudgeRequest]:
    """1,000 failures of 200 errors over ten hours, each with an excerpt as long as an
    average one (12,000 characters).
    """
    filler = "\n".join(f"line {n}: " + "compiling something that takes its time " * 4 for n in range(66))
    requests = []
    for n in range(FAILURES):
        error = (n * 7919) % DISTINCT
        text = f"$ run-tests\nAssertionError: case {error} expected 3, got 4\n{filler}"
        requests.append(failure(error, text=text, job_id=n, hour=NOON + timedelta(hours=n % 10)))
    return requests


@pytest.mark.parametrize(
    ("api_format", "model"), [("anthropic", load_settings({}).anthropic_model), ("openai", "gpt-6-luna")]
)
def test_a_thousand_failures_cost_less_than_a_dollar(
    make_judge: Callable[..., Judge],
    server: ModelServer,
    make_client: Callable[..., object],
    api_format: str,
    model: str,
) -> None:
    judge = make_judge(model=make_client(api_format, model=model))
    requests = replay()
    assert sum(len(r.extraction.excerpt) for r in requests) / FAILURES > 11_000
    verdicts = []
    for hour in range(10):
        verdicts += judge.judge(
            [r for r in requests if r.job and r.job.created_at and r.job.created_at.hour == 12 + hour]
        )

    assert len(verdicts) == FAILURES
    assert len(server.prompts) == DISTINCT
    assert sum(v.source == "model" for v in verdicts) == DISTINCT
    assert sum(v.source == "reused" for v in verdicts) == FAILURES - DISTINCT

    cached = [_cached(sent["usage"]) for sent in server.sent]
    assert cached[0] == 0
    assert all(tokens > 4096 for tokens in cached[1:])

    total = sum((v.usage for v in verdicts), Usage())
    assert replace(total, cost_usd=0) == replace(judge.stats.usage, cost_usd=0)
    assert total.cost_usd == pytest.approx(_by_hand(server, model))
    assert 0 < total.cost_usd < 1.0
    print(f"\n{model}: {len(server.prompts)} calls, {total}")


def _cached(usage: dict[str, Any]) -> int:
    details = usage.get("prompt_tokens_details")
    return int(usage.get("cache_read_input_tokens") or (details or {}).get("cached_tokens") or 0)


def _by_hand(server: ModelServer, model: str) -> float:
    """The dollars, from what the server says it sent and the price table."""
    price = load_prices().models[model]
    dollars = 0.0
    for sent in server.sent:
        used = sent["usage"]
        if "input_tokens" in used:
            dollars += used["input_tokens"] * price.input + used["output_tokens"] * price.output
            dollars += used["cache_read_input_tokens"] * (price.cache_read or 0)
            dollars += used["cache_creation_input_tokens"] * (price.cache_write or 0)
        else:
            read = used["prompt_tokens_details"]["cached_tokens"]
            dollars += (used["prompt_tokens"] - read) * price.input + read * (price.cache_read or 0)
            dollars += used["completion_tokens"] * price.output
    return dollars / 1_000_000
