"""Money and pace: what may be spent in an hour, and how fast calls may leave."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ci_metrics.errors import TransientError
from ci_metrics.llm.prices import load_prices
from ci_metrics.verdicts.budget import Budget
from ci_metrics.verdicts.judge import Judge, unsettled
from ci_metrics_tests.llm.model_server import ModelServer, answer_of
from ci_metrics_tests.verdicts.failures import NOON, Clock, MemoryStore, failure

MakeJudge = Callable[..., Judge]


def test_a_spent_budget_leaves_the_rest_pending_and_a_later_hour_does_it(
    make_judge: MakeJudge, server: ModelServer, clock: Clock
) -> None:
    requests = [failure(n) for n in range(30)]
    judge = make_judge(max_usd_per_hour=0.003)
    first = judge.judge(requests)
    pending = [v for v in first if v.state == "pending"]
    assert 0 < len(pending) < 30
    assert all(v.error_type is None and "MAX_USD_PER_HOUR" in v.detail and unsettled(v) for v in pending)
    assert {(v.guess, v.confidence, v.source) for v in pending} == {("runtime_error", 0.6, "rules")}
    assert all("guess is runtime_error (60% sure). rules saw: AssertionError" in v.summary for v in pending)
    assert all(v.evidence for v in pending)
    assert judge.stats.usage.cost_usd <= 0.003
    hours = 1
    while any(v.state == "pending" for v in first) and hours < 40:
        clock.now += timedelta(hours=1)
        first = judge.judge(requests)
        hours += 1
    assert {v.state for v in first} == {"classified"}
    assert len(server.prompts) == 30


def test_the_budget_is_one_for_all_processes_of_the_hour(make_judge: MakeJudge, server: ModelServer) -> None:
    make_judge(max_usd_per_hour=0.003).judge([failure(n) for n in range(30)])
    asked = len(server.prompts)
    verdicts = make_judge(max_usd_per_hour=0.003).judge([failure(n) for n in range(100, 130)])
    assert len(server.prompts) <= asked + 1
    assert sum(v.state == "pending" for v in verdicts) >= 29


@pytest.mark.parametrize("api_format", ["anthropic", "openai"])
def test_a_plan_costs_about_what_asking_then_does(
    make_judge: MakeJudge, server: ModelServer, make_client: Any, api_format: str
) -> None:
    requests = [failure(n) for n in range(40)]
    server.caches = api_format == "anthropic"
    planned = make_judge(model=make_client(api_format)).plan(requests)
    judge = make_judge(model=make_client(api_format))
    judge.judge(requests)
    assert planned.to_ask == judge.stats.calls == 40
    # The server answers in fewer tokens than the 400 that are reckoned with.
    assert 0.7 < planned.usd / judge.stats.usage.cost_usd < 2.5


def test_a_first_question_reserves_what_writing_the_cache_costs(
    make_judge: MakeJudge, server: ModelServer, make_client: Any
) -> None:
    judge = make_judge()
    plan = judge.plan([failure(1)])
    judge.judge([failure(1)])
    assert judge.stats.usage.cost_usd <= plan.usd


def test_a_guess_below_the_threshold_is_not_shown_while_it_waits(make_judge: MakeJudge) -> None:
    [verdict] = make_judge(max_usd_per_hour=0, confidence_threshold=0.7).judge([failure(1)])
    assert (verdict.state, verdict.guess) == ("pending", "runtime_error")
    assert verdict.summary.startswith("rules saw: ")


def test_money_for_answers_that_were_no_use_counts_for_all_processes_of_the_hour(
    make_judge: MakeJudge, server: ModelServer, store: MemoryStore, clock: Clock
) -> None:
    server.fault(*["not_json"] * 100)
    first = make_judge(max_usd_per_hour=0.003)
    first.judge([failure(n) for n in range(30)])
    assert store.kept == {}
    assert store.spent_since(NOON) == pytest.approx(first.stats.usage.cost_usd)
    assert first.stats.usage.cost_usd > 0.002
    asked = len(server.prompts)
    make_judge(max_usd_per_hour=0.003).judge([failure(n) for n in range(30)])
    assert len(server.prompts) <= asked + 1
    clock.now += timedelta(hours=1)
    assert store.spent_since(clock.now) == 0


def test_a_question_asked_again_for_another_hour_does_not_hide_what_the_first_one_cost(
    make_judge: MakeJudge, server: ModelServer, store: MemoryStore
) -> None:
    server.answer = lambda user: {**answer_of(user), "confidence": 0.75}
    judges = [make_judge(), make_judge()]
    for hour, judge in enumerate(judges):
        judge.judge([failure(1, hour=NOON + timedelta(hours=hour))])
    assert len(server.prompts) == 2
    assert store.spent_since(NOON) == pytest.approx(sum(judge.stats.usage.cost_usd for judge in judges))


def test_money_that_cannot_be_noted_costs_no_verdict_and_is_said(
    make_judge: MakeJudge, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    class Deaf(MemoryStore):
        def note_spent(self, process: str, hour: datetime, dollars: float) -> None:
            raise TransientError("the index is read-only")

    [verdict] = make_judge(store=Deaf(store.clock)).judge([failure(1)])
    assert verdict.source == "model"
    assert "could not be noted" in caplog.text


def test_of_many_threads_spending_the_last_note_holds_all_of_it() -> None:
    notes: list[float] = []
    budget = Budget(None, clock=Clock(), note=lambda process, hour, dollars: notes.append(dollars))
    threads = [threading.Thread(target=lambda: budget.settle(0, 0.5)) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    budget.settle(0, 3.0, noted=True)
    assert notes[-1] == 20.0
    assert notes == sorted(notes)


def test_no_budget_at_all_asks_nothing_but_a_free_model(
    make_judge: MakeJudge, server: ModelServer, make_client: Any, tmp_path: Path
) -> None:
    [verdict] = make_judge(max_usd_per_hour=0).judge([failure(1)])
    assert (verdict.state, server.requests) == ("pending", [])
    prices = tmp_path / "prices.toml"
    prices.write_text('[models."house-model"]\ninput = 0\noutput = 0\n')
    free = make_client(model="house-model", prices=load_prices(prices))
    [verdict] = make_judge(model=free, max_usd_per_hour=0).judge([failure(2)])
    assert (verdict.source, verdict.usage.cost_usd) == ("model", 0.0)
    assert verdict.usage.prompt_tokens > 0


def test_what_is_reserved_counts_until_it_is_settled() -> None:
    budget = Budget(1.0, clock=Clock())
    assert budget.reserve(0.6)
    assert not budget.reserve(0.6, wait=False)
    assert not budget.reserve(1.1)
    budget.settle(0.6, 0.1)
    assert budget.reserve(0.6)
    assert budget.spent == pytest.approx(0.1)


def test_other_threads_reservations_are_waited_for_not_taken_for_money_spent() -> None:
    budget = Budget(1.0, clock=Clock())
    budget.reserve(0.9)
    got: list[bool] = []
    thread = threading.Thread(target=lambda: got.append(budget.reserve(0.5)))
    thread.start()
    budget.settle(0.9, 0.01)
    thread.join(10)
    assert got == [True]


def test_spending_elsewhere_and_here_are_added_not_mixed_up() -> None:
    clock, elsewhere = Clock(), [0.0]
    budget = Budget(1.0, clock=clock, spent_elsewhere=lambda since: elsewhere[0])
    budget.reserve(0.3)
    budget.settle(0.3, 0.3)
    elsewhere[0] = 0.7  # 0.3 of it ours, 0.4 another process's
    clock.now += timedelta(minutes=2)
    assert budget.spent == pytest.approx(0.7)
    budget.settle(0, 0.2)
    assert budget.spent == pytest.approx(0.9)
    assert not budget.reserve(0.2)
    clock.now = NOON + timedelta(hours=1)
    elsewhere[0] = 0.0
    assert budget.spent == 0
    assert budget.reserve(0.2)


def test_a_second_question_that_cannot_be_paid_keeps_the_first_answer(
    make_judge: MakeJudge, server: ModelServer
) -> None:
    from ci_metrics_tests.verdicts.failures import extraction_of

    server.answer = lambda user: {**answer_of(user), "confidence": 0.5}
    more = extraction_of(
        "$ run-tests\nAssertionError: case 1\n" + "more\n" * 40_000, headline_line=101, fingerprint="f1-0001"
    )
    [verdict] = make_judge(max_usd_per_hour=0.0015).judge([failure(1, larger=lambda budget: more)])
    assert (verdict.source, verdict.confidence) == ("model", 0.5)
    assert len(server.prompts) == 1


def test_the_memory_store_sums_what_the_budget_reads(make_judge: MakeJudge, store: MemoryStore) -> None:
    judge = make_judge()
    judge.judge([failure(n) for n in range(3)])
    assert store.spent_since(NOON) == pytest.approx(judge.stats.usage.cost_usd)
