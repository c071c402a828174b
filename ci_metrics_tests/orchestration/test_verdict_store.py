"""The verdict index as a store of verdicts: over the real embedded index."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from upath import UPath

from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.errors import TransientError
from ci_metrics.index.document_index import Document
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.llm.client_protocol import ModelClient
from ci_metrics.llm.clients import build_client
from ci_metrics.models import ErrorState, Evidence, Usage, Verdict
from ci_metrics.orchestration.storage.verdict_store import IndexVerdictStore
from ci_metrics.verdicts.judge import Judge, JudgeRequest
from ci_metrics.verdicts.reuse import StoredVerdict, human_key, verdict_key
from ci_metrics_tests.llm.model_server import KEY, ModelServer, answer_of
from ci_metrics_tests.verdicts.failures import NOON, Clock, FixedRules, failure, settings_for

VERDICT = Verdict(
    state="classified",
    error_type="timeout",
    confidence=0.91,
    summary="The test waited 30 s.",
    evidence=(Evidence(7, "Timeout >30.0s"), Evidence(9, "1 failed")),
    suggested_fix="Raise it.",
    source="model",
    fingerprint="f1-abc",
    classifier_version="c123",
    model="claude-haiku-5-5",
    usage=Usage(6000, 120, 5200, 0.0008),
)
STORED = StoredVerdict(
    key=verdict_key("f1-abc", "c123"),
    verdict=VERDICT,
    group="g1-abc",
    created_at=NOON,
    partitions=("2026-11-20T12",),
    calls=2,
    owner="host-1",
    job_id="65300165119",
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[EmbeddedIndex]:
    index = EmbeddedIndex(tmp_path / "index.sqlite")
    index.ensure()
    yield index
    index.close()


@pytest.fixture
def store(index: EmbeddedIndex, clock: Clock) -> IndexVerdictStore:
    return IndexVerdictStore(index, clock=clock)


@pytest.mark.parametrize("state", ["classified", "unknown", "no_error_found"])
def test_what_is_put_is_got(store: IndexVerdictStore, state: ErrorState) -> None:
    verdict = replace(VERDICT, state=state, error_type=VERDICT.error_type if state == "classified" else None)
    stored = replace(STORED, verdict=verdict)
    store.put([stored])
    assert store.get([stored.key, "nothing"]) == {stored.key: stored}


def test_a_verdict_is_found_under_the_contracts_id(store: IndexVerdictStore, index: EmbeddedIndex) -> None:
    store.put([STORED])
    body = index.get("verdicts", ["f1-abc-c123"])["f1-abc-c123"]
    assert body["s_error_type"] == "timeout"
    assert body["f_cost_usd"] == 0.0008
    assert body["l_model_calls"] == 2


def test_hours_served_are_noted(store: IndexVerdictStore) -> None:
    store.put([STORED])
    store.serve({STORED.key: ["2026-11-20T12", "2026-11-21T01"]})
    assert store.get([STORED.key])[STORED.key].partitions == ("2026-11-20T12", "2026-11-21T01")


def test_one_of_many_gets_a_claim(store: IndexVerdictStore) -> None:
    won: list[int] = []
    barrier = threading.Barrier(8)

    def claim(number: int) -> None:
        barrier.wait()
        if store.claim("k", f"p{number}", 60):
            won.append(number)

    threads = [threading.Thread(target=claim, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_a_claim_can_be_renewed_given_back_and_taken_over_when_it_ran_out(
    store: IndexVerdictStore, clock: Clock
) -> None:
    assert store.claim("k", "a", 60)
    assert store.claim("k", "a", 60)
    assert not store.claim("k", "b", 60)
    store.release("k", "b")  # not b's to give back
    assert not store.claim("k", "b", 60)
    store.release("k", "a")
    assert store.claim("k", "b", 60)
    clock.now += timedelta(seconds=61)
    assert store.claim("k", "a", 60)


def test_a_claim_of_a_process_that_died_here_holds_nobody_up(store: IndexVerdictStore) -> None:
    died = subprocess.Popen([sys.executable, "-c", ""])
    died.wait()
    host = socket.gethostname()
    assert store.claim("k", f"{host}/{died.pid}/abc", 600)
    assert store.claim("k", f"{host}/{os.getpid()}/def", 600)
    assert not store.claim("k", "somebody else", 600)
    assert store.claim("other", f"another-host/{died.pid}/abc", 600)
    assert not store.claim("other", f"{host}/{os.getpid()}/def", 600)


def test_verdicts_that_need_a_likeness_are_found_by_their_fingerprint_and_version(store: IndexVerdictStore) -> None:
    def kept(key: str, when: datetime, sketch: str, **verdict: Any) -> StoredVerdict:
        said = replace(STORED.verdict, origin="plum/kiosk", **verdict)
        return replace(STORED, key=key, verdict=said, created_at=when, sketch=sketch)

    older, newer = kept("f1-a.1-c", NOON, "0a1b2c"), kept("f1-a.2-c", NOON + timedelta(hours=1), "0a1b2d")
    version, fingerprint = STORED.verdict.classifier_version, STORED.verdict.fingerprint
    others = [
        kept("f1-a-c", NOON, ""),
        kept("f1-a.1-d", NOON, "0a1b2c", classifier_version="another"),
        kept("f1-b.1-c", NOON, "0a1b2c", fingerprint="f1-another"),
    ]
    store.put([older, newer, *others])
    assert store.of_fingerprints([fingerprint, "f1-unknown"], version) == [newer, older]
    assert store.of_fingerprints(["f1-unknown"], version) == []


def test_a_claim_is_no_verdict(store: IndexVerdictStore) -> None:
    store.claim(STORED.key, "a", 60)
    assert store.get([STORED.key, f"{STORED.key}-claim"]) == {}


def test_dollars_are_counted_from_a_moment_on(store: IndexVerdictStore, index: EmbeddedIndex) -> None:
    store.put([STORED])
    store.note_spent("a", NOON, 0.5)
    store.note_spent("a", NOON, 0.75)
    store.note_spent("b", NOON, 0.25)
    store.note_spent("a", NOON + timedelta(hours=1), 4.0)
    assert store.spent_since(NOON) == pytest.approx(5.0)
    assert store.spent_since(NOON + timedelta(hours=1)) == pytest.approx(4.0)
    assert store.get([d.id for d in index.scan("verdicts")]).keys() == {STORED.key}, "money is no verdict"


def test_two_judges_over_one_index_pay_once_and_a_humans_word_holds(
    store: IndexVerdictStore, index: EmbeddedIndex, clock: Clock
) -> None:
    from ci_metrics.classifier.taxonomy import load_taxonomy
    from ci_metrics.limits import Limiter
    from ci_metrics.llm.anthropic_client import AnthropicClient

    with ModelServer() as server:
        limiter = Limiter(per_minute=10_000)
        client = AnthropicClient(api_key=KEY, model="claude-haiku-5-5", base_url=server.url, limiter=limiter)
        settings = settings_for(server)

        def judge() -> Judge:
            return Judge(
                settings=settings,
                taxonomy=load_taxonomy(None),
                rules=FixedRules(),
                store=IndexVerdictStore(index, clock=clock),
                model=client,
                clock=clock,
            )

        results: list[list[Verdict]] = []
        requests = [failure(n) for n in range(6)]
        threads = [threading.Thread(target=lambda: results.append(judge().judge(requests))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.prompts) == 6
        assert [{v.error_type for v in verdicts} for verdicts in results] == [{"assertion_failure"}] * 2

        human = Verdict(
            state="classified",
            error_type="timeout",
            confidence=1.0,
            summary="It hangs.",
            source="human",
            fingerprint="f1-0003",
            classifier_version="human",
        )
        store.put([StoredVerdict(key=human_key("f1-0003"), verdict=human, created_at=NOON)])
        [verdict] = judge().judge([failure(3)])
        assert (verdict.source, verdict.error_type) == ("human", "timeout")
        client.close()


class Refusing:
    """An index that takes no verdict for a while."""

    def __init__(self, index: EmbeddedIndex) -> None:
        self._index, self.refuses = index, True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def upsert(self, documents: Iterable[Document]) -> object:
        documents = list(documents)
        if self.refuses and any("s_error_state" in document.body for document in documents):
            raise TransientError("the index is read-only")
        return self._index.upsert(documents)


def judged(server: ModelServer, index: Any, clock: Clock, folder: Path, *requests: JudgeRequest) -> list[Verdict]:
    """What a new process says of these failures."""
    with contextlib.closing(cast(ModelClient, build_client(settings_for(server)))) as client:
        judge = Judge(
            settings=settings_for(server),
            taxonomy=load_taxonomy(None),
            rules=FixedRules(),
            store=IndexVerdictStore(index, unwritten=UPath(folder), clock=clock),
            model=client,
            clock=clock,
        )
        return judge.judge(requests)


def test_a_verdict_that_the_index_did_not_take_is_written_by_the_next_process_and_not_paid_for_again(
    index: EmbeddedIndex, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    refusing, folder = Refusing(index), tmp_path / "unwritten"
    with ModelServer() as server:
        first = judged(server, refusing, clock, folder, failure(1), failure(2, job_id=2))
        assert {verdict.source for verdict in first} == {"model"}
        assert "written to the index later: the index is read-only" in caplog.text
        again = judged(server, refusing, clock, folder, failure(1), failure(2, job_id=2))
        assert again == first, "also while the index takes none"
        refusing.refuses = False
        later = judged(server, refusing, clock, folder, failure(1, job_id=3, hour=NOON + timedelta(hours=1)))
        assert (later[0].source, len(server.prompts)) == ("reused", 2)
    assert list(folder.iterdir()) == []
    kept = [d.body for d in index.scan("verdicts") if d.body.get("s_error_source") == "model"]
    assert sorted(body["s_error_fingerprint"] for body in kept) == ["f1-0001", "f1-0002"]


def test_what_was_written_late_replaces_nothing_newer(index: EmbeddedIndex, clock: Clock, tmp_path: Path) -> None:
    refusing = Refusing(index)
    IndexVerdictStore(refusing, unwritten=UPath(tmp_path), clock=clock).put([STORED])  # type: ignore[arg-type]
    newer = replace(STORED, created_at=NOON + timedelta(hours=1), verdict=replace(VERDICT, error_type="network_error"))
    IndexVerdictStore(index, clock=clock).put([newer])
    store = IndexVerdictStore(index, unwritten=UPath(tmp_path), clock=clock)
    assert store.get([STORED.key]) == {STORED.key: newer}
    assert list(tmp_path.glob("*.json")) == []


def test_a_damaged_file_of_a_verdict_is_named_and_keeps_nothing_up(
    index: EmbeddedIndex, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    IndexVerdictStore(Refusing(index), unwritten=UPath(tmp_path), clock=clock).put([STORED])  # type: ignore[arg-type]
    (tmp_path / "broken.json").write_text("{")
    assert IndexVerdictStore(index, unwritten=UPath(tmp_path), clock=clock).get([STORED.key]) == {STORED.key: STORED}
    assert "broken.json" in caplog.text


KILLED = """
import sys, time
from pathlib import Path
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.orchestration.storage.verdict_store import IndexVerdictStore
from ci_metrics.verdicts.judge import Judge
from ci_metrics.llm.clients import build_client
from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.settings import load_settings
from ci_metrics_tests.verdicts.failures import FixedRules, failure
from ci_metrics_tests.llm.model_server import KEY

settings = load_settings({}, enable_error_classification=True, anthropic_api_key=KEY, api_base_url=sys.argv[2])
index = EmbeddedIndex(Path(sys.argv[1]))
judge = Judge(settings=settings, taxonomy=load_taxonomy(None), rules=FixedRules(), store=IndexVerdictStore(index),
              model=build_client(settings))
verdicts = judge.judge([failure(n) for n in range(12)])
print(sorted(v.state for v in verdicts))
"""


def test_a_process_killed_in_the_middle_is_continued_without_paying_again(tmp_path: Path, index: EmbeddedIndex) -> None:
    with ModelServer() as server:
        seen = threading.Semaphore(0)

        def answer(user: str) -> dict[str, object]:
            seen.release()
            time.sleep(0.1)
            return answer_of(user)

        server.answer = answer
        command = [sys.executable, "-c", KILLED, str(tmp_path / "index.sqlite"), server.url]
        root = Path(__file__).parents[2]
        first = subprocess.Popen(command, cwd=root)
        for _ in range(7):
            assert seen.acquire(timeout=60)
        first.kill()
        first.wait()
        kept = len(index.get("verdicts", [d.id for d in index.scan("verdicts") if "s_error_state" in d.body]))
        assert 0 < kept < 12
        paid = -1
        while paid != len(server.prompts):  # what was on its way when the process died still arrives
            paid = len(server.prompts)
            time.sleep(0.3)

        second = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
        assert second.stdout.count("classified") == 12, second.stderr
        assert len(server.prompts) == paid + 12 - kept
        # Money spent is a document too, and so may be the claim of the process that was killed.
        documents = [d for d in index.scan("verdicts") if "s_error_state" in d.body]
        assert len(documents) == 12
        assert {d.body["s_error_type"] for d in documents} == {"assertion_failure"}
