"""Message batches: submitted, collected, sent again, and found again after a crash."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from anthropic.types.messages import MessageBatch, MessageBatchIndividualResponse
from upath import UPath

from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.errors import ContractError, TransientError
from ci_metrics.llm.anthropic_client import AnthropicClient
from ci_metrics.llm.batch_ledger import BatchContents, BatchRecord
from ci_metrics.llm.client_protocol import ModelClient
from ci_metrics.models import Usage
from ci_metrics.orchestration.storage.batch_files import FileBatchLedger
from ci_metrics.verdicts.batches import Batches
from ci_metrics.verdicts.judge import Judge, unsettled
from ci_metrics_tests.llm.model_server import ModelServer, answer_of
from ci_metrics_tests.verdicts.failures import NOON, Clock, MemoryStore, extraction_of, failure, settings_for

MakeJudge = Callable[..., Judge]


class Desk:
    """One process's judge and batches over the shared store and ledger;
    `again()` is the next process.
    """

    def __init__(self, parts: dict[str, Any], make_judge: MakeJudge, make_client: Callable[..., ModelClient]) -> None:
        self._parts, self._make_judge, self._make_client = parts, make_judge, make_client
        self.again()

    def again(self, **given: Any) -> Desk:
        settings = settings_for(self._parts["server"], **given.pop("settings", {}))
        self.client = self._make_client(**given.pop("client", {}))
        self.ledger = FileBatchLedger(UPath(self._parts["folder"]))
        self.batches = Batches(
            settings=settings,
            taxonomy=load_taxonomy(None),
            model=self.client,
            store=self._parts["store"],
            ledger=self.ledger,
            clock=self._parts["clock"],
            **given,
        )
        self.judge = self._make_judge(model=self.client, batches=self.batches)
        return self


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "batches"


@pytest.fixture
def desk(
    server: ModelServer,
    store: MemoryStore,
    clock: Clock,
    folder: Path,
    make_judge: MakeJudge,
    make_client: Callable[..., ModelClient],
) -> Iterator[Desk]:
    # The endpoint's batches are created at the real time; the ledger's must lie near it.
    from datetime import UTC, datetime

    clock.now = datetime.now(UTC).replace(microsecond=0)
    yield Desk({"server": server, "store": store, "clock": clock, "folder": folder}, make_judge, make_client)


REQUESTS = [failure(n % 6, job_id=n, hour=NOON + timedelta(hours=n % 2)) for n in range(12)]


def test_history_is_pending_then_collected_at_half_price_then_reused(
    desk: Desk, server: ModelServer, store: MemoryStore
) -> None:
    verdicts = desk.judge.judge(REQUESTS, defer_to_batches=True)
    assert {v.state for v in verdicts} == {"pending"}
    assert all(unsettled(v) and v.error_type is None for v in verdicts)
    assert server.prompts == []
    [batch] = server.batches.values()
    assert len(batch.requests) == 6
    assert desk.batches.collect().still_open == 1

    server.end_batches()
    collected = desk.batches.collect()
    assert (collected.verdicts, collected.still_open, collected.failed) == (6, 0, {})
    assert collected.partitions == {"2026-11-20T12", "2026-11-20T13"}

    verdicts = desk.judge.judge(REQUESTS, defer_to_batches=True)
    assert {(v.state, v.error_type) for v in verdicts} == {("classified", "assertion_failure")}
    assert [v.source for v in verdicts] == ["model"] * 6 + ["reused"] * 6, (
        "the failures that were asked about, and theirs"
    )
    assert server.prompts == []
    usage = sum((v.usage for v in verdicts), Usage())
    assert usage.prompt_tokens == collected.usage.prompt_tokens, "a batch's money stands in their documents, once"
    assert usage.cost_usd == pytest.approx(collected.usage.cost_usd)

    price = desk.client.prices.models["claude-haiku-5-5"]
    full = sum(
        m["usage"]["input_tokens"] * price.input
        + m["usage"]["cache_creation_input_tokens"] * (price.cache_write or 0)
        + m["usage"]["cache_read_input_tokens"] * (price.cache_read or 0)
        + m["usage"]["output_tokens"] * price.output
        for m in server.sent
    )
    assert collected.usage.cost_usd == pytest.approx(full / 1_000_000 / 2)
    assert sum(v.verdict.usage.cost_usd for v in store.kept.values()) == pytest.approx(collected.usage.cost_usd)


def test_the_servers_batches_are_what_the_sdk_says_they_are(desk: Desk, server: ModelServer) -> None:
    server.outcome = lambda custom_id, position: ["succeeded", "errored", "expired", "canceled"][position % 4]
    desk.judge.judge(REQUESTS, defer_to_batches=True)
    server.end_batches()
    [batch] = server.batches.values()
    MessageBatch.model_validate(server.batch_info(batch))
    for position, request in enumerate(batch.requests):
        MessageBatchIndividualResponse.model_validate(server.batch_line(request, position))


def test_a_batchs_requests_are_those_that_would_have_been_asked(desk: Desk, server: ModelServer) -> None:
    desk.judge.judge([failure(1)], defer_to_batches=True)
    [batch] = server.batches.values()
    server.requests.clear()
    desk.again(settings={"model_batches": False}).judge.judge([failure(2)])
    [params], asked = [r["params"] for r in batch.requests], server.requests[0]["body"]
    assert {k: v for k, v in params.items() if k != "messages"} == {k: v for k, v in asked.items() if k != "messages"}
    assert json.dumps(batch.requests[0]["custom_id"]).strip('"').isalnum()


def test_what_waits_is_not_submitted_or_asked_again(desk: Desk, server: ModelServer) -> None:
    desk.judge.judge(REQUESTS, defer_to_batches=True)
    again = desk.again().judge.judge(REQUESTS, defer_to_batches=True)
    now = desk.judge.judge(REQUESTS)
    assert {v.state for v in [*again, *now]} == {"pending"}
    assert len(server.batches) == 1
    assert server.prompts == []


def test_batches_stay_below_the_apis_limits(desk: Desk, server: ModelServer) -> None:
    desk.again(most_requests=4).judge.judge(REQUESTS, defer_to_batches=True)
    assert [len(b.requests) for b in server.batches.values()] == [4, 2]
    server.end_batches()
    assert desk.batches.collect().verdicts == 6


def test_batches_stay_below_the_apis_size(desk: Desk, server: ModelServer) -> None:
    most = 3 * 40_000
    desk.again(most_bytes=most).judge.judge(REQUESTS, defer_to_batches=True)
    sizes = [len(json.dumps(b.requests)) for b in server.batches.values()]
    assert len(sizes) > 1
    assert max(sizes) <= most


@pytest.mark.parametrize("kind", ["expired", "canceled"])
def test_what_expired_is_sent_again_and_arrives(desk: Desk, server: ModelServer, kind: str) -> None:
    server.outcome = lambda custom_id, position: kind if position < 2 and len(server.batches) == 1 else "succeeded"
    desk.judge.judge(REQUESTS, defer_to_batches=True)
    server.end_batches()
    first = desk.batches.collect()
    assert (first.verdicts, first.resubmitted) == (4, 2)
    assert [len(b.requests) for b in server.batches.values()] == [6, 2]
    server.end_batches()
    second = desk.again().batches.collect()
    assert (second.verdicts, second.resubmitted, second.still_open) == (2, 0, 0)


def test_what_expires_for_ever_is_given_up_and_said_then_asked_the_normal_way(desk: Desk, server: ModelServer) -> None:
    server.outcome = lambda custom_id, position: "expired"
    desk.judge.judge([failure(1)], defer_to_batches=True)
    failed: dict[str, str] = {}
    for _ in range(5):
        server.end_batches()
        failed |= desk.batches.collect().failed
    assert len(server.batches) == 3
    assert len(failed) == 1
    assert desk.batches.waiting() == set()
    [verdict] = desk.judge.judge([failure(1)])
    assert verdict.source == "model"


def test_what_the_endpoint_finds_wrong_is_not_sent_again(desk: Desk, server: ModelServer) -> None:
    server.outcome = lambda custom_id, position: "errored" if position == 0 else "succeeded"
    desk.judge.judge(REQUESTS, defer_to_batches=True)
    server.end_batches()
    collected = desk.batches.collect()
    assert collected.verdicts == 5
    assert ["too long" in why for why in collected.failed.values()] == [True]
    assert len(server.batches) == 1


def test_an_unproved_answer_is_no_verdict_and_goes_the_normal_way(
    desk: Desk, server: ModelServer, store: MemoryStore
) -> None:
    server.answer = lambda user: {**answer_of(user), "quotes": [{"line": 3, "text": "nobody printed this"}]}
    desk.judge.judge([failure(1)], defer_to_batches=True)
    server.end_batches()
    collected = desk.batches.collect()
    assert (collected.verdicts, collected.unproven) == (0, 1)
    assert {kept.verdict.state for kept in store.kept.values()} == {"llm_failed"}, "only its price is kept"
    server.answer = answer_of
    [verdict, other] = desk.judge.judge([failure(1), failure(1, job_id=2)])
    assert (verdict.source, other.source) == ("model", "reused")
    paid = collected.usage + desk.judge.stats.usage
    assert (verdict.usage.prompt_tokens, other.usage.prompt_tokens) == (paid.prompt_tokens, 0), "kept, and counted once"
    [again] = desk.again().judge.judge([failure(1)])
    assert again.usage == verdict.usage


def test_useless_answers_of_a_batch_are_paid_once_by_the_verdict_that_comes_at_last(
    desk: Desk, server: ModelServer
) -> None:
    server.answer = lambda user: {**answer_of(user), "quotes": []}
    usage = Usage()
    for last in (False, False, True):
        server.answer = answer_of if last else server.answer
        [pending] = desk.again().judge.judge([failure(1)], defer_to_batches=True)
        assert (pending.state, pending.usage) == ("pending", Usage())
        server.end_batches()
        usage += desk.batches.collect().usage
    [verdict] = desk.judge.judge([failure(1)], defer_to_batches=True)
    assert verdict.source == "model"
    assert verdict.usage.prompt_tokens == usage.prompt_tokens
    assert verdict.usage.cost_usd == pytest.approx(usage.cost_usd)


def test_an_unsure_answer_is_asked_again_with_more_context_and_both_are_paid(
    desk: Desk, server: ModelServer, store: MemoryStore
) -> None:
    server.answer = lambda user: {**answer_of(user), "confidence": 0.9 if "and more" in user else 0.5}
    more = extraction_of("$ run-tests\nAssertionError: case 1\nand more", headline_line=101, fingerprint="f1-0001")
    request = failure(1, larger=lambda budget: more)
    desk.judge.judge([request], defer_to_batches=True)
    server.end_batches()
    desk.batches.collect()
    [verdict] = desk.judge.judge([request], defer_to_batches=True)
    assert verdict.state == "pending"
    server.end_batches()
    desk.batches.collect()
    [verdict] = desk.judge.judge([request], defer_to_batches=True)
    assert (verdict.source, verdict.confidence) == ("model", 0.9)
    [kept] = store.kept.values()
    assert kept.calls == 2
    assert kept.verdict.usage.prompt_tokens > 2 * 4096
    assert len(server.batches) == 2


# Crashes


def test_a_crash_before_the_batch_was_sent_sends_it_once(
    desk: Desk, server: ModelServer, folder: Path, clock: Clock
) -> None:
    server.fault(*["500"] * 3)
    begin = desk.ledger.begin

    class CrashError(Exception):
        pass

    def crash(*given: Any) -> BatchRecord:
        begin(*given)
        raise CrashError

    desk.ledger.begin = crash  # type: ignore[method-assign, assignment]
    with pytest.raises(CrashError):
        desk.judge.judge(REQUESTS, defer_to_batches=True)
    assert server.batches == {}
    server.faults.clear()
    desk.again()
    assert len(desk.batches.waiting()) == 6
    assert desk.batches.collect().still_open == 1
    assert server.batches == {}, "another process may still be sending it"
    clock.now += timedelta(minutes=16)
    desk.batches.collect()
    assert len(server.batches) == 1
    server.end_batches()
    assert desk.batches.collect().verdicts == 6


def test_a_batch_whose_id_was_never_noted_is_found_again_not_paid_twice(
    desk: Desk, server: ModelServer, folder: Path, clock: Clock
) -> None:

    class CrashError(Exception):
        pass

    def crash(*given: Any) -> BatchRecord:
        raise CrashError

    desk.ledger.change = crash  # type: ignore[method-assign, assignment]
    with pytest.raises(CrashError):
        desk.judge.judge(REQUESTS, defer_to_batches=True)
    assert len(server.batches) == 1
    desk.again()
    server.end_batches()
    assert desk.batches.collect().verdicts == 0
    clock.now += timedelta(minutes=16)
    assert desk.batches.collect().verdicts == 6
    assert len(server.batches) == 1


def test_a_batch_that_one_process_is_sending_is_not_sent_by_another_that_collects(
    desk: Desk, server: ModelServer, make_client: Callable[..., ModelClient]
) -> None:
    create = AnthropicClient.create_batch

    def slowly(client: AnthropicClient, prompts: Any) -> str:
        desk.again().batches.collect()  # the sensor's tick, in another process
        return create(client, prompts)

    assert isinstance(desk.client, AnthropicClient)
    desk.client.create_batch = slowly.__get__(desk.client)  # type: ignore[method-assign]
    desk.judge.judge(REQUESTS, defer_to_batches=True)
    assert len(server.batches) == 1
    server.end_batches()
    assert desk.again().batches.collect().verdicts == 6


def test_results_that_break_off_are_read_again_later_and_keep_no_other_batch_up(
    desk: Desk, store: MemoryStore, server: ModelServer
) -> None:
    desk.again(most_requests=3).judge.judge(REQUESTS, defer_to_batches=True)
    server.end_batches()
    server.cut_results = {"msgbatch_1"}
    collected = desk.batches.collect()
    assert (collected.verdicts, collected.still_open) == (3, 1)
    server.cut_results = set()
    assert desk.batches.collect().verdicts == 3
    assert len(store.kept) == 6


def test_every_hour_that_met_the_error_is_told_when_its_batch_ends_until_it_was_judged_again(
    desk: Desk, server: ModelServer
) -> None:
    hours = [NOON + timedelta(hours=n) for n in range(3)]
    for hour in hours:  # one hour after the other, as a backfill goes
        desk.again().judge.judge([failure(1, job_id=hour.hour, hour=hour)], defer_to_batches=True)
    [batch] = server.batches.values()
    assert len(batch.requests) == 1
    assert desk.again().batches.collect().partitions == set()
    server.end_batches()
    names = {f"{hour:%Y-%m-%dT%H}" for hour in hours}
    assert desk.again().batches.collect().partitions == names
    assert desk.again().batches.collect().partitions == names, "also when the process died that was told first"
    for hour in hours[:2]:
        [verdict] = desk.again().judge.judge([failure(1, job_id=hour.hour, hour=hour)], defer_to_batches=True)
        assert verdict.state == "classified"
    assert desk.again().batches.collect().partitions == {f"{hours[2]:%Y-%m-%dT%H}"}


def test_an_answer_of_another_shape_loses_only_its_own_question(
    desk: Desk, server: ModelServer, store: MemoryStore
) -> None:
    message, made = server.message, [0]

    def odd(body: Any, fault: Any) -> dict[str, Any]:
        made[0] += 1
        return {**message(body, fault), **({"content": [None]} if made[0] == 1 else {})}

    server.message = odd  # type: ignore[method-assign]
    desk.judge.judge(REQUESTS, defer_to_batches=True)
    server.end_batches()
    collected = desk.batches.collect()
    assert (collected.verdicts, collected.resubmitted) == (5, 1)
    server.end_batches()
    desk.batches.collect()
    assert len(store.kept) == 6


def test_a_crash_while_collecting_loses_and_repeats_nothing(
    desk: Desk, server: ModelServer, store: MemoryStore
) -> None:
    desk.judge.judge(REQUESTS, defer_to_batches=True)
    server.end_batches()
    put, count = store.put, [0]

    def failing(verdicts: Any) -> None:
        count[0] += 1
        if count[0] == 3:
            raise TransientError("the index went away")
        put(verdicts)

    store.put = failing  # type: ignore[method-assign]
    assert desk.batches.collect().still_open == 1
    store.put = put  # type: ignore[method-assign]
    desk.again().batches.collect()
    assert len(store.kept) == 6
    assert len(server.batches) == 1
    assert {v.source for v in desk.judge.judge(REQUESTS)} == {"model", "reused"}
    assert server.prompts == []


def test_a_batch_the_endpoint_forgot_is_sent_again(desk: Desk, server: ModelServer) -> None:
    desk.judge.judge(REQUESTS, defer_to_batches=True)
    server.batches.clear()
    assert desk.batches.collect().resubmitted == 6
    server.end_batches()
    assert desk.batches.collect().verdicts == 6


def test_an_endpoint_that_is_down_keeps_everything_waiting(desk: Desk, server: ModelServer) -> None:
    desk.judge.judge(REQUESTS, defer_to_batches=True)
    server.end_batches()
    server.has_batches = False
    collected = desk.batches.collect()
    assert collected.verdicts == 0


def test_a_batch_that_cannot_be_submitted_is_said_and_tried_again_later(desk: Desk, server: ModelServer) -> None:
    server.fault("500", "500", "500")
    verdicts = desk.judge.judge([failure(1)], defer_to_batches=True)
    assert verdicts[0].state == "pending"
    assert "could not be submitted" in verdicts[0].detail
    assert desk.batches.waiting() == set()
    desk.judge.judge([failure(1)], defer_to_batches=True)
    assert len(server.batches) == 1


# Without batches


@pytest.mark.parametrize("given", [{"client": {"api_format": "openai"}}, {"settings": {"model_batches": False}}])
def test_where_there_are_no_batches_the_normal_path_is_taken(
    desk: Desk, server: ModelServer, given: dict[str, Any]
) -> None:
    verdicts = desk.again(**given).judge.judge(REQUESTS, defer_to_batches=True)
    assert {v.state for v in verdicts} == {"classified"}
    assert len(server.prompts) == 6
    assert server.batches == {}


@pytest.mark.parametrize("money", [None, 1.0])
def test_an_endpoint_that_turns_out_to_have_no_batches_is_asked_the_normal_way_at_once(
    desk: Desk, server: ModelServer, money: float | None
) -> None:
    server.has_batches = False
    desk.again(settings={"max_usd_per_hour": money}, most_requests=2)
    verdicts = desk.judge.judge(REQUESTS, defer_to_batches=True)
    assert {v.state for v in verdicts} == {"classified"}
    assert len(server.prompts) == 6
    assert desk.batches.waiting() == set()
    if money is not None:
        left = money - desk.batches.budget.spent
        assert desk.batches.budget.reserve(left, wait=False), "nothing is set aside any more"
        desk.batches.budget.settle(left, 0.0)
    posts = [r for r in server.requests if r["path"].endswith("/batches")]
    desk.judge.judge([failure(50)], defer_to_batches=True)
    assert [r for r in server.requests if r["path"].endswith("/batches")] == posts, "it is not tried again"


def test_the_hours_money_limits_what_is_submitted(desk: Desk, server: ModelServer) -> None:
    verdicts = desk.again(settings={"max_usd_per_hour": 0.0012}).judge.judge(REQUESTS, defer_to_batches=True)
    assert {v.state for v in verdicts} == {"pending"}
    [batch] = server.batches.values()
    assert 0 < len(batch.requests) < 6


def test_a_plan_says_what_it_would_cost_without_asking(desk: Desk, server: ModelServer, store: MemoryStore) -> None:
    plan = desk.judge.plan(REQUESTS)
    assert (plan.distinct, plan.to_ask) == (6, 6)
    assert plan.tokens > 6 * 4096
    assert 0 < plan.usd < 0.01
    assert (server.requests, store.kept) == ([], {})


def test_a_batchs_number_is_never_given_again(folder: Path) -> None:
    long_ago, contents = time.time() - 3 * 86_400, BatchContents(systems={}, items=())
    new = BatchRecord(id="", state="open", model="m", created_at=long_ago)
    others = FileBatchLedger(UPath(folder))
    for number in range(1, 4):
        ledger = FileBatchLedger(UPath(folder))
        begun = ledger.begin(replace(new, remote_id=f"r{number}"), contents, ledger.look())
        assert [record.remote_id for record in others.look().records] == [f"r{number}"]
        ledger.change(begun, replace(begun, state="done"))
    assert not (folder / "00000001.json").exists(), "what is done is forgotten, but for the newest"


def test_a_broken_record_is_named(folder: Path) -> None:
    folder.mkdir()
    (folder / "x.json").write_text("{")
    with pytest.raises(ContractError, match=r"x\.json"):
        FileBatchLedger(UPath(folder)).look()


def test_a_broken_note_of_a_waiting_hour_is_named(folder: Path) -> None:
    FileBatchLedger(UPath(folder)).note_waiting("2026-11-20T12", ["k"])
    (folder / "waiting" / "2026-11-20T12.json").write_text("{")
    with pytest.raises(ContractError, match=r"2026-11-20T12\.json"):
        FileBatchLedger(UPath(folder)).waiting_partitions()


def test_many_batches_are_looked_at_with_few_requests(desk: Desk, server: ModelServer, folder: Path) -> None:
    desk.again(most_requests=1).judge.judge(REQUESTS, defer_to_batches=True)
    assert len(server.batches) == 6
    looks: list[str] = []
    info = server.batch_info
    server.batch_info = lambda batch: looks.append(batch.id) or info(batch)  # type: ignore[method-assign, func-returns-value]
    assert desk.batches.collect().still_open == 6
    assert sorted(looks) == sorted(server.batches)
    server.end_batches()
    assert desk.batches.collect().verdicts == 6
    assert [path.suffix for path in folder.iterdir() if path.is_file()].count(".zst") == 0


def test_a_batchs_money_counts_in_the_hour_in_which_it_was_sent(desk: Desk, server: ModelServer, clock: Clock) -> None:
    desk.again(settings={"max_usd_per_hour": 0.0012})
    desk.judge.judge(REQUESTS, defer_to_batches=True)
    spent = desk.batches.budget.spent
    assert spent > 0.0006
    assert desk.again(settings={"max_usd_per_hour": 0.0012}).batches.budget.spent == pytest.approx(spent)
    server.end_batches()
    clock.now += timedelta(hours=1)
    assert desk.batches.collect().verdicts > 0
    assert desk.again(settings={"max_usd_per_hour": 0.0012}).batches.budget.spent == 0
