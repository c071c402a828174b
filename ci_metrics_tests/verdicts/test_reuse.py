"""Once per distinct error: within an hour, across hours, across processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ci_metrics.errors import TransientError
from ci_metrics.models import Usage
from ci_metrics.verdicts.excerpt_similarity import likeness, near_equal, sketch
from ci_metrics.verdicts.judge import Judge, JudgeRequest, unsettled
from ci_metrics.verdicts.reuse import StoredVerdict, human_key
from ci_metrics_tests.llm.model_server import ModelServer, answer_of
from ci_metrics_tests.verdicts.failures import NOON, Clock, FixedRules, MemoryStore, failure

MakeJudge = Callable[..., Judge]
LATER = NOON + timedelta(hours=5)


def test_another_hour_reuses_what_one_hour_paid_for(make_judge: MakeJudge, server: ModelServer) -> None:
    make_judge().judge([failure(1)])
    [verdict] = make_judge().judge([failure(1, job_id=2, hour=LATER)])
    assert (verdict.source, verdict.error_type, verdict.usage.cost_usd) == ("reused", "assertion_failure", 0.0)
    assert len(server.prompts) == 1


@pytest.mark.parametrize(("hours", "asked_again"), [(167, False), (168, False), (169, True)])
def test_a_verdict_is_fresh_for_as_many_hours_as_the_setting_says(
    make_judge: MakeJudge, server: ModelServer, clock: Clock, hours: int, asked_again: bool
) -> None:
    make_judge().judge([failure(1)])
    clock.now += timedelta(hours=hours)
    make_judge().judge([failure(1, hour=LATER)])
    assert len(server.prompts) == 1 + asked_again


@pytest.mark.parametrize(("confidence", "asked_again"), [(0.79, True), (0.8, False), (0.95, False)])
def test_another_hour_reuses_only_what_was_sure_enough(
    make_judge: MakeJudge, server: ModelServer, confidence: float, asked_again: bool
) -> None:
    server.answer = lambda user: {**answer_of(user), "confidence": confidence}
    make_judge().judge([failure(1)])
    make_judge().judge([failure(1, hour=LATER)])
    assert len(server.prompts) == 1 + asked_again


def test_an_hour_never_pays_twice_however_old_or_unsure_its_verdict(
    make_judge: MakeJudge, server: ModelServer, clock: Clock
) -> None:
    server.answer = lambda user: {**answer_of(user), "confidence": 0.4}
    make_judge().judge([failure(1)])
    clock.now += timedelta(days=29)
    [same, other] = make_judge().judge([failure(1), failure(1, job_id=2)])
    assert (same.source, same.confidence) == ("model", 0.4)
    assert (other.source, other.confidence) == ("reused", 0.4)
    assert len(server.prompts) == 1


def test_an_hour_done_again_says_the_same_of_the_failure_that_was_asked_about_and_its_money_once(
    make_judge: MakeJudge, server: ModelServer
) -> None:
    requests = [failure(1, job_id=1), failure(1, job_id=2), failure(2, job_id=2)]
    first = make_judge().judge(requests)
    assert make_judge().judge(requests) == first
    assert make_judge().judge(requests[::-1]) == first[::-1], "in any order"
    assert len(server.prompts) == 2


def test_what_was_paid_in_vain_before_stays_with_its_failure_and_is_not_counted_for_others(
    make_judge: MakeJudge, server: ModelServer, store: MemoryStore
) -> None:
    server.fault("not_json", "not_json")
    [failed] = make_judge().judge([failure(1)])
    assert unsettled(failed) and failed.usage.cost_usd > 0
    again = replace(failure(1), spent=failed.usage)
    judge = make_judge()
    [verdict, other] = judge.judge([again, failure(1, job_id=2)])
    assert verdict.usage == failed.usage + judge.stats.usage
    assert other.usage == Usage()
    [kept] = store.kept.values()
    assert kept.verdict.usage == judge.stats.usage, "an interrupted hour adds it again, so it is not kept twice"
    assert make_judge().judge([again])[0].usage == verdict.usage


def test_an_hour_that_reused_a_verdict_keeps_it_after_the_ttl(
    make_judge: MakeJudge, server: ModelServer, clock: Clock
) -> None:
    make_judge().judge([failure(1)])
    make_judge().judge([failure(1, hour=LATER)])
    clock.now += timedelta(days=20)
    make_judge().judge([failure(1, hour=LATER)])
    assert len(server.prompts) == 1


def test_an_interrupted_hour_pays_only_for_what_it_had_not(
    make_judge: MakeJudge, server: ModelServer, store: MemoryStore
) -> None:
    class Interrupted(MemoryStore):
        def put(self, verdicts: Any) -> None:
            super().put(verdicts)
            if len(self.kept) == 4:
                raise KeyboardInterrupt

    half = Interrupted(store.clock)
    requests = [failure(n) for n in range(10)]
    with pytest.raises(KeyboardInterrupt):
        make_judge(store=half, max_rpm=1).judge(requests)
    paid = len(server.prompts)
    kept = set(half.kept)
    assert len(kept) >= 4
    store.kept = dict(half.kept)
    make_judge().judge(requests)
    assert len(server.prompts) == paid + 10 - len(kept)


def test_what_the_model_could_not_prove_is_not_paid_for_again(make_judge: MakeJudge, server: ModelServer) -> None:
    server.fault("bad_quotes")
    make_judge().judge([failure(1)])
    [verdict] = make_judge().judge([failure(1)])
    assert verdict.source == "rules"
    assert "no quoted line" in verdict.detail
    assert len(server.prompts) == 1


def test_what_failed_is_not_kept(make_judge: MakeJudge, server: ModelServer, store: MemoryStore) -> None:
    server.fault("not_json", "not_json")
    make_judge().judge([failure(1)])
    assert store.kept == {}
    assert store.claims == {}


def test_another_model_taxonomy_or_extractor_asks_anew(
    make_judge: MakeJudge, server: ModelServer, make_client: Any
) -> None:
    make_judge().judge([failure(1)])
    make_judge(model=make_client(model="claude-sonnet-5-5")).judge([failure(1)])
    request = failure(1)
    make_judge().judge([replace(request, extraction=replace(request.extraction, version="e-next"))])
    assert len(server.prompts) == 3


def test_fresh_passes_over_a_stored_verdict(make_judge: MakeJudge, server: ModelServer) -> None:
    make_judge().judge([failure(1)])
    [verdict] = make_judge().judge([failure(1, fresh=True)])
    assert verdict.source == "model"
    assert len(server.prompts) == 2


def test_a_generic_fingerprint_does_not_make_two_errors_one(make_judge: MakeJudge, server: ModelServer) -> None:
    one = failure(text="$ a\nProcess completed with exit code 1.", fingerprint="f1-exit1", generic=True)
    two = failure(text="$ b\nProcess completed with exit code 1.", fingerprint="f1-exit1", generic=True)
    same = failure(text="$ a\nProcess completed with exit code 1.", fingerprint="f1-exit1", generic=True, job_id=3)
    verdicts = make_judge().judge([one, two, same])
    assert [v.source for v in verdicts] == ["model", "model", "reused"]
    assert {v.fingerprint for v in verdicts} == {"f1-exit1"}
    assert len(server.prompts) == 2


# Across repositories

FIXED = "$ {command}\nchecking {count} parts\n{one}\n{two}\nError: Input required and not supplied: token\n{end}"
KIOSK = FIXED.format(command="kiosk", count=3, one="cart is there", two="till is there", end="bye from kiosk")
DEPOT = FIXED.format(command="depot", count=9, one="gate opens", two="crane stands", end="the depot is shut")
KIOSK_AGAIN = KIOSK.replace("checking 3 parts", "checking 41 parts")


def fixed(text: str, repo: str, **more: Any) -> JudgeRequest:
    """A failure whose fingerprint is a tool's fixed sentence."""
    return failure(text=text, fingerprint="f1-token", telling=False, repo=repo, **more)


@pytest.mark.parametrize("together", [True, False])
def test_a_strangers_verdict_on_a_tools_fixed_sentence_decides_nothing_elsewhere(
    make_judge: MakeJudge, server: ModelServer, together: bool
) -> None:
    ours, theirs = fixed(KIOSK, "plum/kiosk"), fixed(DEPOT, "fig/depot", job_id=2)
    passes = [[ours, theirs]] if together else [[ours], [theirs]]
    sources = [verdict.source for requests in passes for verdict in make_judge().judge(requests)]
    assert (sources, len(server.prompts)) == (["model", "model"], 2)
    again = make_judge().judge([fixed(KIOSK, "plum/kiosk", job_id=3), fixed(DEPOT, "fig/depot", job_id=4)])
    assert ([verdict.source for verdict in again], len(server.prompts)) == (["reused", "reused"], 2), "each has its own"


def test_within_a_repository_a_fixed_sentence_is_asked_about_once_whatever_stands_around_it(
    make_judge: MakeJudge, server: ModelServer
) -> None:
    make_judge().judge([fixed(KIOSK, "plum/kiosk")])
    [verdict] = make_judge().judge([fixed(DEPOT, "plum/kiosk", job_id=2, hour=LATER)])
    assert (verdict.source, len(server.prompts)) == ("reused", 1)


def test_a_strangers_verdict_counts_where_the_excerpts_are_nearly_equal(
    make_judge: MakeJudge, server: ModelServer, store: MemoryStore
) -> None:
    make_judge().judge([fixed(KIOSK, "plum/kiosk")])
    [key] = store.kept
    [verdict] = make_judge().judge([fixed(KIOSK_AGAIN, "fig/kiosk-fork", job_id=2, hour=LATER)])
    assert (verdict.source, verdict.error_type, verdict.usage) == ("reused", "assertion_failure", Usage())
    assert len(server.prompts) == 1
    assert store.kept[key].partitions == ("2026-11-20T12", "2026-11-20T17"), "the verdict knows whom it served"


@pytest.mark.parametrize(("confidence", "hours"), [(0.6, 1), (0.9, 200)])
def test_a_strangers_verdict_that_is_unsure_or_old_does_not_count_however_alike_the_excerpts(
    make_judge: MakeJudge, server: ModelServer, clock: Clock, confidence: float, hours: int
) -> None:
    server.answer = lambda user: {**answer_of(user), "confidence": confidence}
    make_judge().judge([fixed(KIOSK, "plum/kiosk")])
    asked = len(server.prompts)
    clock.now += timedelta(hours=hours)
    make_judge().judge([fixed(KIOSK_AGAIN, "fig/kiosk-fork", job_id=2, hour=NOON + timedelta(hours=hours))])
    assert len(server.prompts) > asked


def test_a_telling_fingerprint_is_asked_about_once_for_all_repositories(
    make_judge: MakeJudge, server: ModelServer
) -> None:
    make_judge().judge([failure(1, repo="plum/kiosk")])
    [verdict] = make_judge().judge([failure(1, job_id=2, repo="fig/depot", text="other words\nAssertionError: case 1")])
    assert (verdict.source, len(server.prompts)) == ("reused", 1)


def test_a_generic_fingerprint_decides_for_no_other_repository_even_with_an_equal_excerpt(
    make_judge: MakeJudge, server: ModelServer
) -> None:
    text = "$ make\nProcess completed with exit code 1."
    make_judge().judge([failure(text=text, fingerprint="f1-exit1", generic=True, repo="plum/kiosk")])
    make_judge().judge([failure(text=text, fingerprint="f1-exit1", generic=True, repo="fig/depot", job_id=2)])
    assert len(server.prompts) == 2


def test_a_persons_verdict_on_all_failures_like_it_holds_in_every_repository(
    make_judge: MakeJudge, server: ModelServer, store: MemoryStore
) -> None:
    [machine] = make_judge().judge([fixed(KIOSK, "plum/kiosk")])
    said = replace(machine, source="human", error_type="timeout", classifier_version="human")
    store.put([StoredVerdict(key=human_key("f1-token"), verdict=said, created_at=NOON)])
    [verdict] = make_judge().judge([fixed(DEPOT, "fig/depot", job_id=2)])
    assert (verdict.source, verdict.error_type, len(server.prompts)) == ("human", "timeout", 1)


@pytest.mark.parametrize(
    ("lines", "alike"),
    [
        ([f"line {word}" for word in "abcdefghij"], True),
        ([f"2031-01-01 line {word} took 3.1s" for word in "abcdefghij"], False),
        ([f"  LINE {word}  " for word in "abcdefghij"], True),
        ([f"line {word}" for word in "abcdefghzy"], False),
        ([f"line {word}" for word in "abcdefghijk"], True),
        ([f"line {word}" for word in "qrstuvwxyz"], False),
        ([], False),
    ],
)
def test_excerpts_are_nearly_equal_when_seven_in_ten_of_all_their_lines_are_shared(
    lines: list[str], alike: bool
) -> None:
    ours = [f"line {word}" for word in "abcdefghij"]
    assert near_equal(sketch(ours), sketch(lines)) == alike


def test_numbers_and_ids_make_no_two_excerpts_different_and_few_lines_none_alike() -> None:
    one = [f"step {n} of {name} took {n}.5s, id {n}3f2a9c1" for n, name in enumerate("abcdefgh")]
    other = [f"step {n + 7} of {name} took {n}9.1s, id {n}0b1c2d3" for n, name in enumerate("abcdefgh")]
    assert likeness(sketch(one), sketch(other)) == 1.0
    assert not near_equal(sketch(one[:4]), sketch(one[:4]))


def test_a_sketch_of_any_excerpt_fits_a_document_and_tells_the_share_in_common() -> None:
    words = [f"{a}{b} was said" for a in "abcdefghijklmnopqrst" for b in "abcdefghijklmnopqrst"]
    assert len(sketch(words)) <= 256
    half = likeness(sketch(words[:300]), sketch(words[100:]))  # 200 of 400 in common
    assert 0.25 <= half <= 0.75


def test_rules_verdicts_are_kept_but_never_taken_for_a_models(
    make_judge: MakeJudge, server: ModelServer, store: MemoryStore
) -> None:
    make_judge(model_policy="unsure", rules=FixedRules(confidence=0.95)).judge([failure(1)])
    [kept] = store.kept.values()
    assert (kept.verdict.source, kept.calls) == ("rules", 0)
    [verdict] = make_judge().judge([failure(1)])
    assert verdict.source == "model"
    [kept] = store.kept.values()
    assert (kept.verdict.source, kept.calls, kept.partitions) == ("model", 1, ("2026-11-20T12",))


# Two processes


def test_while_another_process_asks_one_waits_and_takes_its_verdict(
    make_judge: MakeJudge, server: ModelServer, store: MemoryStore
) -> None:
    first = make_judge()
    first.judge([failure(1)])
    [(key, kept)] = store.kept.items()
    store.kept.clear()
    store.claim(key, "another process", 600)
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            store.put([replace(kept, verdict=replace(kept.verdict, confidence=0.3), owner="another process")])

    [verdict] = make_judge(sleep=sleep).judge([failure(1, job_id=2)])
    assert (verdict.source, verdict.confidence) == ("reused", 0.3)
    assert len(server.prompts) == 1
    assert len(naps) == 3


def test_a_claim_that_was_given_up_or_ran_out_is_taken_over(
    make_judge: MakeJudge, server: ModelServer, store: MemoryStore, clock: Clock
) -> None:
    make_judge(model_policy="unsure", rules=FixedRules(confidence=0.95)).judge([failure(1)])
    [key] = store.kept
    store.claim(key, "a process that died", 600)

    def sleep(seconds: float) -> None:
        clock.now += timedelta(seconds=200)

    [verdict] = make_judge(sleep=sleep).judge([failure(1)])
    assert verdict.source == "model"
    assert len(server.prompts) == 1


def test_nobody_waits_for_ever_for_another_process(make_judge: MakeJudge, store: MemoryStore) -> None:
    make_judge(model_policy="unsure", rules=FixedRules(confidence=0.95)).judge([failure(1)])
    [key] = store.kept
    store.claim(key, "a process that hangs", 10**7)
    naps: list[float] = []
    [verdict] = make_judge(sleep=naps.append).judge([failure(1)])
    assert verdict.state == "pending"
    assert sum(naps) < 700


def test_paying_twice_is_counted(make_judge: MakeJudge, store: MemoryStore) -> None:
    judge = make_judge()

    class Raced(MemoryStore):
        """Another process that had no claim writes the same verdict in the meantime."""

        def get(self, keys: Any) -> Any:
            found = super().get(keys)
            if self.claims and len(keys) == 1:
                self.looks = getattr(self, "looks", 0) + 1
                if self.looks == 2:
                    [kept] = store.kept.values()
                    return {keys[0]: replace(kept, owner="another process")}
            return found

    judge.judge([failure(1)])
    raced = make_judge(store=Raced(store.clock))
    raced.judge([failure(1)])
    assert raced.stats.paid_twice == 1


def test_a_store_that_cannot_be_written_loses_no_verdict(make_judge: MakeJudge, store: MemoryStore) -> None:
    class ReadOnly(MemoryStore):
        def put(self, verdicts: Any) -> None:
            raise TransientError("the index is read-only")

    [verdict] = make_judge(store=ReadOnly(store.clock)).judge([failure(1)])
    assert verdict.source == "model"


def test_a_store_that_cannot_be_read_stops_before_anything_is_paid(
    make_judge: MakeJudge, store: MemoryStore, server: ModelServer
) -> None:
    class Down(MemoryStore):
        def get(self, keys: Any) -> Any:
            raise TransientError("the index is down")

    with pytest.raises(TransientError):
        make_judge(store=Down(store.clock)).judge([failure(1)])
    assert server.requests == []


def test_without_a_store_distinct_errors_are_still_asked_once(make_judge: MakeJudge, server: ModelServer) -> None:
    make_judge(store=None).judge([failure(1), failure(1, job_id=2)])
    assert len(server.prompts) == 1


def test_a_claim_is_renewed_while_its_process_asks_and_given_back_afterwards(
    make_judge: MakeJudge, server: ModelServer, store: MemoryStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ci_metrics.verdicts.claims.RENEW_EVERY_SECONDS", 0.005)
    ends: list[Any] = []

    def slowly(user: str) -> dict[str, Any]:
        for _ in range(4):
            clock.now += timedelta(seconds=50)
            [(_, until)] = store.claims.values()
            for _ in range(400):
                if next(iter(store.claims.values()))[1] > until:
                    break
                time.sleep(0.005)
            ends.append(next(iter(store.claims.values()))[1] > clock.now)
        return answer_of(user)

    server.answer = slowly
    make_judge().judge([failure(1)])
    assert ends == [True] * 4
    assert store.claims == {}
