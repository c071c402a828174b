"""The order of decision, and that a failing model costs no document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ci_metrics.errors import SettingsError
from ci_metrics.models import Annotation, Evidence, Verdict
from ci_metrics.verdicts.judge import Judge, unsettled
from ci_metrics.verdicts.reuse import StoredVerdict
from ci_metrics_tests.llm.model_server import Fault, ModelServer, answer_of
from ci_metrics_tests.verdicts.failures import (
    NOON,
    Clock,
    FixedRules,
    MemoryStore,
    extraction_of,
    failure,
)

MakeJudge = Callable[..., Judge]


def answering(**changes: Any) -> Callable[[str], dict[str, Any]]:
    return lambda user: {**answer_of(user), **changes}


def test_the_model_decides_and_its_quote_stands_on_its_line(make_judge: MakeJudge, server: ModelServer) -> None:
    [verdict] = make_judge().judge([failure(1)])
    assert (verdict.state, verdict.error_type, verdict.source) == ("classified", "assertion_failure", "model")
    assert verdict.evidence == (Evidence(101, "AssertionError: case 1 expected 3, got 4"),)
    assert verdict.model == "claude-haiku-5-5"
    assert verdict.fingerprint == "f1-0001"
    assert verdict.classifier_version
    assert verdict.usage.prompt_tokens > 4096
    assert verdict.usage.cost_usd > 0


def test_without_a_model_the_rules_decide_and_nothing_leaves_the_machine(
    make_judge: MakeJudge, server: ModelServer
) -> None:
    [verdict] = make_judge(model=None).judge([failure(1)])
    assert (verdict.state, verdict.error_type, verdict.source) == ("classified", "runtime_error", "rules")
    assert server.requests == []


def test_verdicts_come_in_the_order_of_the_requests_one_each(make_judge: MakeJudge, server: ModelServer) -> None:
    requests = [failure(n % 7, job_id=n) for n in range(40)]
    verdicts = make_judge().judge(requests)
    assert [v.fingerprint for v in verdicts] == [r.error.fingerprint for r in requests if r.error]
    assert len(server.prompts) == 7
    assert sum(v.source == "model" for v in verdicts) == 7
    assert sum(v.source == "reused" for v in verdicts) == 33


def test_no_requests_no_verdicts(make_judge: MakeJudge) -> None:
    assert make_judge().judge([]) == []


def test_a_reused_verdict_costs_nothing_and_quotes_its_own_log(make_judge: MakeJudge) -> None:
    shifted = extraction_of("$ setup\n$ run\nAssertionError: case 1", headline_line=102, fingerprint="f1-0001")
    text = "$ run\nAssertionError: case 1"
    first = failure(1, text=text)
    second = replace(first, extraction=shifted, error=shifted.errors[0])
    asked, reused = make_judge().judge([first, second])
    assert asked.evidence == (Evidence(101, "AssertionError: case 1"),)
    assert reused.evidence == (Evidence(102, "AssertionError: case 1"),)
    assert (reused.source, reused.usage.cost_usd, reused.usage.prompt_tokens) == ("reused", 0.0, 0)
    assert reused.error_type == asked.error_type


def test_only_primary_errors_are_sent(make_judge: MakeJudge, server: ModelServer) -> None:
    primary, other = make_judge().judge([failure(1), failure(2, primary=False)])
    assert (primary.source, other.source) == ("model", "rules")
    assert len(server.prompts) == 1


def test_a_secondary_error_shares_what_was_found_out_for_a_primary_one(make_judge: MakeJudge) -> None:
    other, primary = make_judge().judge([failure(1, primary=False), failure(1)])
    assert (primary.source, other.source) == ("model", "reused")


@pytest.mark.parametrize("state", ["no_error_found", "no_log"])
def test_a_log_without_an_error_is_not_sent(make_judge: MakeJudge, server: ModelServer, state: str) -> None:
    request = failure(1)
    empty = replace(request.extraction, state=state, lines=(), errors=())  # type: ignore[arg-type]
    [verdict] = make_judge().judge([replace(request, extraction=empty, error=None)])
    assert verdict.state == state
    assert server.requests == []


@pytest.mark.parametrize("policy", ["all", "unsure"])
@pytest.mark.parametrize("generic", [True, False])
def test_a_failed_job_whose_excerpt_is_its_last_words_is_asked_about_though_no_program_knows_them(
    make_judge: MakeJudge, server: ModelServer, policy: str, generic: bool
) -> None:
    last_words = failure(1, text="$ make release\nnothing to say about 4.1\nbye", generic=generic)
    [verdict] = make_judge(rules=FixedRules(None, 0.0), model_policy=policy).judge([last_words])
    assert (verdict.state, verdict.source) == ("classified", "model")
    assert verdict.evidence == (Evidence(101, "nothing to say about 4.1"),)
    assert "it knows no failure like this one" in server.prompts[0]


def test_what_the_rules_left_open_for_one_job_does_not_keep_the_model_from_another(
    make_judge: MakeJudge, server: ModelServer
) -> None:
    judge = make_judge(rules=FixedRules(None, 0.0))
    [unasked] = judge.judge([failure(1, primary=False)])
    [asked] = judge.judge([failure(1, job_id=2)])
    assert (unasked.state, asked.source, len(server.prompts)) == ("unknown", "model", 1)


def test_a_human_wins_over_everything_whatever_the_version(
    make_judge: MakeJudge, store: MemoryStore, server: ModelServer
) -> None:
    human = Verdict(state="classified", error_type="timeout", confidence=1.0, summary="It hangs.", source="human")
    store.put([StoredVerdict(key="f1-0001-human", verdict=human, created_at=NOON - timedelta(days=900))])
    verdicts = make_judge(confidence_threshold=1.0).judge([failure(1), failure(1, job_id=2, primary=False)])
    assert [(v.error_type, v.source, v.state) for v in verdicts] == [("timeout", "human", "classified")] * 2
    assert server.requests == []


def test_rules_come_first_where_they_are_sure_if_the_policy_says_so(make_judge: MakeJudge, server: ModelServer) -> None:
    [sure] = make_judge(model_policy="unsure", rules=FixedRules(confidence=0.9)).judge([failure(1)])
    assert (sure.source, server.requests) == ("rules", [])
    [unsure] = make_judge(model_policy="unsure", rules=FixedRules(confidence=0.5)).judge([failure(2)])
    assert unsure.source == "model"


# Bad answers


@pytest.mark.parametrize("kind", ["refusal", "truncated", "not_json", "wrong_shape", "foreign"])
@pytest.mark.parametrize("api_format", ["anthropic", "openai"])
def test_a_bad_answer_is_asked_again_once_and_both_are_paid_for(
    make_judge: MakeJudge, server: ModelServer, kind: str, api_format: str
) -> None:
    server.fault(kind)
    judge = make_judge(api_format=api_format)
    [verdict] = judge.judge([failure(1)])
    assert (verdict.state, verdict.source) == ("classified", "model")
    assert len(server.prompts) == 2
    assert verdict.usage.completion_tokens == judge.stats.usage.completion_tokens
    assert verdict.usage.prompt_tokens > 2 * 4096


DEEP, HUGE = "[" * 100_000, "1" + "0" * 400


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (DEEP, "not JSON"),
        ('{"a":' * 50_000, "not JSON"),
        ('"' + "x" * 100_000, "not JSON"),
        ("[]", "fields"),
        ("null", "fields"),
        ('{"error_type": "timeout", "confidence": ' + HUGE + "}", "not between 0 and 1"),
        ('{"error_type": "timeout", "confidence": NaN}', "not between 0 and 1"),
        ('{"error_type": "timeout", "confidence": -1e999}', "not between 0 and 1"),
        ('{"error_type": ["timeout"], "confidence": 0.9}', "fields"),
    ],
    ids=["deep", "deep object", "endless string", "list", "null", "huge", "nan", "minus infinity", "list of types"],
)
def test_an_answer_made_to_break_its_reader_costs_no_document(
    make_judge: MakeJudge, server: ModelServer, monkeypatch: pytest.MonkeyPatch, text: str, why: str
) -> None:
    monkeypatch.setattr(server, "answer_text", lambda user, fault: text)
    [verdict] = make_judge().judge([failure(1)])
    assert (verdict.source, verdict.state) == ("rules", "classified")
    assert why in verdict.detail
    assert len(verdict.detail) < 400


@pytest.mark.parametrize("text", ["half \ud800 a pair", "nul \0 and bell \a", "turned \u202e round"])
def test_a_models_words_can_always_be_stored(make_judge: MakeJudge, server: ModelServer, text: str) -> None:
    server.answer = answering(summary=text, suggested_fix=text)
    [verdict] = make_judge().judge([failure(1)])
    assert verdict.source == "model"
    for said in (verdict.summary, verdict.suggested_fix):
        assert said.encode().decode().isprintable()


@pytest.mark.parametrize("api_format", ["anthropic", "openai"])
@pytest.mark.parametrize(
    ("change", "source"),
    [
        ({"usage": {}}, "model"),
        ({"usage": {"prompt_tokens": None, "input_tokens": None, "output_tokens": "many"}}, "model"),
        ({"model": None}, "model"),
        ({"content": [None], "choices": [None]}, "rules"),
        ({"content": None, "choices": []}, "rules"),
        ({"content": "text", "choices": [{"message": "text"}]}, "rules"),
    ],
    ids=str,
)
def test_an_endpoint_that_answers_in_another_shape_than_the_apis_costs_no_document(
    make_judge: MakeJudge,
    server: ModelServer,
    monkeypatch: pytest.MonkeyPatch,
    api_format: str,
    change: dict[str, Any],
    source: str,
) -> None:
    name = "message" if api_format == "anthropic" else "completion"
    answer = getattr(server, name)

    def changed(body: Any, fault: Any) -> dict[str, Any]:
        whole = answer(body, fault)
        return {**whole, **{key: value for key, value in change.items() if key in whole}}

    monkeypatch.setattr(server, name, changed)
    [verdict] = make_judge(api_format=api_format).judge([failure(1)])
    assert (verdict.state, verdict.source) == ("classified", source)
    assert unsettled(verdict) == (source == "rules")


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded", "pause_turn"])
def test_an_answer_that_was_not_ended_is_asked_again(
    make_judge: MakeJudge, server: ModelServer, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    message = server.message
    monkeypatch.setattr(
        server,
        "message",
        lambda body, fault: {**message(body, fault), **({} if len(server.requests) > 1 else {"stop_reason": reason})},
    )
    [verdict] = make_judge().judge([failure(1)])
    assert (verdict.source, len(server.prompts)) == ("model", 2)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("refusal", "declined"),
        ("truncated", "cut off"),
        ("not_json", "not JSON"),
        ("wrong_shape", "fields"),
        ("foreign", "gremlins"),
    ],
)
def test_two_bad_answers_leave_the_rules_and_say_why(
    make_judge: MakeJudge, server: ModelServer, kind: str, why: str
) -> None:
    server.fault(kind, kind, kind, kind)
    [verdict] = make_judge().judge([failure(1)])
    assert (verdict.state, verdict.error_type, verdict.source) == ("classified", "runtime_error", "rules")
    assert why in verdict.detail
    assert unsettled(verdict)
    assert len(server.prompts) == 2
    assert verdict.usage.cost_usd > 0


def test_where_the_rules_know_nothing_either_the_state_is_llm_failed(
    make_judge: MakeJudge, server: ModelServer
) -> None:
    server.fault("not_json", "not_json")
    [verdict] = make_judge(rules=FixedRules(error_type=None)).judge([failure(1)])
    assert (verdict.state, verdict.error_type) == ("llm_failed", None)
    assert "not JSON" in verdict.detail
    assert unsettled(verdict)


def test_a_longer_answer_is_allowed_after_one_was_cut_off(make_judge: MakeJudge, server: ModelServer) -> None:
    server.fault("truncated")
    make_judge().judge([failure(1)])
    first, second = (request["body"]["max_tokens"] for request in server.requests)
    assert second > first


# Quotes


def larger_of(text: str) -> Callable[[int], Any]:
    return lambda budget: extraction_of(text, headline_line=101, fingerprint="f1-0001")


def test_invalid_quotes_get_more_context_then_the_stronger_model_then_the_rules(
    make_judge: MakeJudge, server: ModelServer
) -> None:
    server.fault("bad_quotes", "bad_quotes", "bad_quotes")
    request = failure(1, larger=larger_of("$ run-tests\nAssertionError: case 1\nmore\nand more"))
    [verdict] = make_judge(stronger_model="claude-sonnet-5-5").judge([request])
    assert [r["body"]["model"] for r in server.requests] == ["claude-haiku-5-5"] * 2 + ["claude-sonnet-5-5"]
    assert "and more" not in server.prompts[0]
    assert "and more" in server.prompts[1]
    assert (verdict.source, verdict.error_type) == ("rules", "runtime_error")
    assert "no quoted line" in verdict.detail


def test_the_stronger_models_proved_answer_counts(make_judge: MakeJudge, server: ModelServer) -> None:
    server.fault("bad_quotes")
    [verdict] = make_judge(stronger_model="claude-sonnet-5-5").judge([failure(1)])
    assert (verdict.source, verdict.model) == ("model", "claude-sonnet-5-5")
    assert verdict.evidence


@pytest.mark.parametrize(
    "quotes",
    [
        [],
        [{"line": 101, "text": ""}],
        [{"line": 101, "text": "   "}],
        [{"line": 102, "text": "AssertionError: case 1 expected 3, got 4"}],
        [{"line": 101, "text": "assertionerror: case 1 expected 3, got 4"}],
        [{"line": 5000, "text": "AssertionError"}],
        [{"line": 0, "text": "AssertionError: case 1"}],
        [{"line": 101, "text": "er"}],
    ],
)
def test_what_is_no_quote(make_judge: MakeJudge, server: ModelServer, quotes: list[dict[str, Any]]) -> None:
    server.answer = answering(quotes=quotes)
    [verdict] = make_judge().judge([failure(1)])
    assert verdict.source == "rules"


def test_an_annotation_may_be_the_proof(make_judge: MakeJudge, server: ModelServer) -> None:
    quote = {"line": 0, "text": "exceeded the maximum execution time of 6h"}
    server.answer = answering(quotes=[quote], error_type="timeout")
    note = Annotation(level="failure", message="The job has exceeded the maximum execution time of 6h0m0s")
    [verdict] = make_judge().judge([failure(1, annotations=(note,))])
    assert (verdict.error_type, verdict.source, verdict.evidence) == ("timeout", "model", ())


# Confidence


def by_size(user: str) -> dict[str, Any]:
    return {**answer_of(user), "confidence": 0.88 if "and more" in user else 0.55}


def test_a_low_confidence_is_asked_again_once_with_more_context(make_judge: MakeJudge, server: ModelServer) -> None:
    server.answer = by_size
    asked: list[int] = []

    def larger(budget: int) -> Any:
        asked.append(budget)
        return larger_of("$ run-tests\nAssertionError: case 1\nand more")(budget)

    judge = make_judge()
    [verdict] = judge.judge([failure(1, larger=larger)])
    assert verdict.confidence == 0.88
    assert asked and asked[0] > 12_000
    assert len(server.prompts) == 2
    assert verdict.usage == judge.stats.usage


def test_the_better_of_two_answers_wins(make_judge: MakeJudge, server: ModelServer) -> None:
    server.answer = lambda user: {**by_size(user), "confidence": 0.3 if "and more" in user else 0.6}
    [verdict] = make_judge().judge([failure(1, larger=larger_of("$ run-tests\nAssertionError: case 1\nand more"))])
    assert verdict.confidence == 0.6
    assert len(server.prompts) == 2


def test_without_more_context_the_same_question_is_not_paid_for_twice(
    make_judge: MakeJudge, server: ModelServer
) -> None:
    server.answer = answering(confidence=0.5)
    request = failure(1)
    [verdict] = make_judge().judge([replace(request, larger=lambda budget: request.extraction)])
    assert verdict.confidence == 0.5
    assert len(server.prompts) == 1


def test_a_failure_while_asking_again_keeps_the_first_answer(make_judge: MakeJudge, server: ModelServer) -> None:
    server.answer = answering(confidence=0.5)

    def larger(budget: int) -> Any:
        server.fault("500", "500", "500")
        return larger_of("$ run-tests\nAssertionError: case 1\nand more")(budget)

    [verdict] = make_judge().judge([failure(1, larger=larger)])
    assert (verdict.source, verdict.confidence) == ("model", 0.5)


def test_below_the_threshold_the_type_is_withheld_and_the_guess_kept(
    make_judge: MakeJudge, server: ModelServer, store: MemoryStore
) -> None:
    server.answer = answering(confidence=0.75)
    [verdict] = make_judge(confidence_threshold=0.9).judge([failure(1)])
    assert (verdict.state, verdict.error_type, verdict.guess) == ("unknown", None, "assertion_failure")
    assert verdict.summary
    [kept] = store.kept.values()
    assert (kept.verdict.state, kept.verdict.guess) == ("unknown", "assertion_failure")


def test_a_lower_threshold_later_brings_the_type_back_without_asking(
    make_judge: MakeJudge, server: ModelServer
) -> None:
    server.answer = answering(confidence=0.75)
    make_judge(confidence_threshold=0.9).judge([failure(1)])
    [verdict] = make_judge(confidence_threshold=0.7).judge([failure(1, job_id=2)])
    assert (verdict.state, verdict.error_type, verdict.source) == ("classified", "assertion_failure", "reused")
    assert len(server.prompts) == 1


def test_the_threshold_holds_for_rules_too(make_judge: MakeJudge) -> None:
    [verdict] = make_judge(model=None, confidence_threshold=0.7).judge([failure(1)])
    assert (verdict.state, verdict.error_type, verdict.guess) == ("unknown", None, "runtime_error")


def test_an_unknown_answer_needs_no_quote(make_judge: MakeJudge, server: ModelServer) -> None:
    server.answer = answering(error_type="unknown", quotes=[], summary="It only says that it failed.")
    [verdict] = make_judge().judge([failure(1)])
    assert (verdict.state, verdict.error_type, verdict.source) == ("unknown", None, "model")
    assert verdict.summary == "It only says that it failed."


def test_a_gate_that_only_the_model_recognizes_has_no_error_of_its_own_and_is_not_paid_for_again(
    make_judge: MakeJudge, server: ModelServer
) -> None:
    gate = failure(1, text="$ check\nbuild=success, test=failure\nnot everything went well")
    server.answer = answering(error_type="no_error_found")
    for _ in range(2):
        [verdict] = make_judge(rules=FixedRules(None, 0.0)).judge([gate])
        assert (verdict.state, verdict.error_type) == ("no_error_found", None)
    assert len(server.prompts) == 1


def test_no_error_of_its_own_needs_a_line_that_says_so(make_judge: MakeJudge, server: ModelServer) -> None:
    server.answer = answering(error_type="no_error_found", quotes=[{"line": 101, "text": "all good"}])
    [verdict] = make_judge().judge([failure(1)])
    assert (verdict.state, verdict.error_type, verdict.source) == ("classified", "runtime_error", "rules")


# Flaky


def test_a_model_alone_cannot_say_flaky(make_judge: MakeJudge, server: ModelServer) -> None:
    server.answer = answering(error_type="flaky_test")
    [verdict] = make_judge().judge([failure(1)])
    assert (verdict.state, verdict.error_type) == ("unknown", None)
    assert "history" in verdict.detail
    sent = server.requests[0]["body"]["output_config"]["format"]["schema"]["properties"]["error_type"]["enum"]
    assert "flaky_test" not in sent


def test_with_history_it_can(make_judge: MakeJudge, server: ModelServer) -> None:
    server.answer = answering(error_type="flaky_test")
    [verdict] = make_judge().judge([failure(1, history="The same commit and job passed in attempt 2.")])
    assert verdict.error_type == "flaky_test"
    assert "passed in attempt 2" in server.prompts[0]


# A failing endpoint


@pytest.mark.parametrize("kind", ["500", "529", "429", "broken", "html"])
@pytest.mark.parametrize("api_format", ["anthropic", "openai"])
def test_a_passing_fault_is_retried(make_judge: MakeJudge, server: ModelServer, kind: str, api_format: str) -> None:
    server.fault(kind, kind)
    [verdict] = make_judge(api_format=api_format).judge([failure(1)])
    assert (verdict.state, verdict.source) == ("classified", "model")


@pytest.mark.parametrize("api_format", ["anthropic", "openai"])
def test_an_endpoint_that_is_down_costs_no_document_and_is_not_tried_for_ever(
    make_judge: MakeJudge, server: ModelServer, api_format: str
) -> None:
    server.fault(*["500"] * 1000)
    requests = [failure(n) for n in range(60)]
    verdicts = make_judge(api_format=api_format, max_rpm=50).judge(requests)
    assert {v.source for v in verdicts} == {"rules"}
    assert all(unsettled(v) and "500" in v.detail for v in verdicts)
    assert len(server.requests) < 60


def test_a_refused_key_is_tried_once_and_named(make_judge: MakeJudge, server: ModelServer, make_client: Any) -> None:
    verdicts = make_judge(model=make_client(api_key="wrong")).judge([failure(n) for n in range(10)])
    assert all("ANTHROPIC_API_KEY" in v.detail for v in verdicts)
    assert "wrong" not in "".join(v.detail for v in verdicts)
    assert len(server.requests) <= 5


def test_a_failed_model_is_tried_again_in_the_next_pass(make_judge: MakeJudge, server: ModelServer) -> None:
    server.fault("500", "500", "500")
    judge = make_judge()
    assert judge.judge([failure(1)])[0].source == "rules"
    assert judge.judge([failure(1)])[0].source == "model"


def test_a_wait_that_is_too_long_is_not_waited_for(make_judge: MakeJudge, server: ModelServer) -> None:
    server.fault(Fault("429", retry_after="3600"))
    [verdict] = make_judge().judge([failure(1)])
    assert verdict.source == "rules"
    assert len(server.requests) == 1


def test_a_limit_in_dollars_needs_a_price(make_judge: MakeJudge, make_client: Any) -> None:
    with pytest.raises(SettingsError, match=r"MAX_USD_PER_HOUR.*house-model.*PRICES_FILE"):
        make_judge(model=make_client(model="house-model"), max_usd_per_hour=1.0)


def test_the_clock_of_a_verdict_is_the_judges(make_judge: MakeJudge, store: MemoryStore, clock: Clock) -> None:
    make_judge().judge([failure(1)])
    assert {kept.created_at for kept in store.kept.values()} == {clock.now}
