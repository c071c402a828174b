"""The home of labels: it outlives the index, and what a person said of all failures like one
outlives their fingerprint.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from upath import UPath

from ci_metrics.history.labels import label_for, said_at_once
from ci_metrics.index.document_index import Document
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.index.verdict_documents import verdict_of
from ci_metrics.logs import extract
from ci_metrics.models import JobLog, Verdict
from ci_metrics.orchestration.storage.labels import LabelStore
from ci_metrics.orchestration.storage.rows import JobExtraction, JobKey, JobVerdicts, JudgedError
from ci_metrics.verdicts.reuse import label_key
from ci_metrics_tests.history.history_documents import job

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
QUOTE = "ModuleNotFoundError: No module named 'grape'"
#: A job's document as version 1 of the algorithm wrote it.
OLD = job(1, fingerprint="f1-0123456789abcdef", quote=QUOTE, l_error_line=2)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[EmbeddedIndex]:
    index = EmbeddedIndex(tmp_path / "index.sqlite")
    index.ensure()
    yield index
    index.close()


@pytest.fixture(params=["folder", "object store"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> UPath:
    return UPath(tmp_path / "hours") if request.param == "folder" else UPath(f"memory://labels-{uuid.uuid4().hex}")


@pytest.fixture
def store(root: UPath, index: EmbeddedIndex) -> LabelStore:
    return LabelStore(root, index)


def labelled(*, all_like_it: bool = True, error_type: str = "timeout", document: Document = OLD) -> Document:
    return label_for(document, error_type, note="Seen.", fix="", all_like_it=all_like_it, user="ada", now=NOW)


def row(*lines: str, job_id: int = 7) -> JobExtraction:
    found = extract("\n".join(["$ run", *lines, "##[error]Process completed with exit code 1."]).encode())
    assert found.errors
    return JobExtraction(
        repo="acme/shop",
        run_id=1,
        run_attempt=1,
        job_id=job_id,
        log=JobLog(repo="acme/shop", run_id=1, job_id=job_id, run_attempt=1, state="stored"),
        extraction=found,
        digest="d",
    )


def carried(store: LabelStore, rows: list[JobExtraction], before: dict[JobKey, JobVerdicts] | None = None) -> int:
    """How many labels were given because they hold for these rows too; all in force are told."""
    there = store.labels()
    told = store.carry(rows, before)
    assert told == store.labels()
    return len(told) - len(there)


def test_labels_survive_the_loss_of_the_index(root: UPath, store: LabelStore, tmp_path: Path) -> None:
    given = [labelled(), labelled(all_like_it=False, error_type="network_error")]
    store.give(given)
    other = EmbeddedIndex(tmp_path / "new.sqlite")
    anew = LabelStore(root, other)
    assert anew.labels() == {label.id: label for label in given}
    assert {document.id: document for document in other.scan("verdicts")} == {label.id: label for label in given}
    anew.withdraw(given[:1])
    assert set(anew.labels()) == set(LabelStore(root, other).labels()) == {given[1].id}
    other.close()


def test_labels_that_only_the_index_has_get_their_files(root: UPath, index: EmbeddedIndex, tmp_path: Path) -> None:
    index.upsert([labelled()])  # as version 0.1 left them
    assert set(LabelStore(root, index).labels()) == {labelled().id}
    other = EmbeddedIndex(tmp_path / "new.sqlite")
    assert set(LabelStore(root, other).labels()) == {labelled().id}
    other.close()


def test_a_damaged_label_is_named_and_the_others_count(
    root: UPath, store: LabelStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.give([labelled()])
    for name, text in (("a", "{"), ("b", "[]"), ("c", '{"id": "c-human"}')):
        (root / "labels" / f"{name}-human.json").write_text(text)
    assert set(store.labels()) == {labelled().id}
    assert caplog.text.count("is damaged and counts no more") == 3


def test_an_error_of_the_labelled_name_gets_the_label_under_its_own_fingerprint(store: LabelStore) -> None:
    store.give([labelled()])
    like, other = row(QUOTE), row(QUOTE.replace("grape", "plum"))
    assert carried(store, [like, other]) == 1
    key = label_key(like.extraction.errors[0])
    labels = store.labels()
    assert set(labels) == {labelled().id, key}
    verdict = verdict_of(labels[key])
    assert (verdict.error_type, verdict.source, verdict.detail) == ("timeout", "human", "Seen.")
    assert verdict.fingerprint == like.extraction.errors[0].fingerprint


def test_what_a_person_said_since_stays(store: LabelStore) -> None:
    store.give([labelled()])
    rows = [row(QUOTE)]
    assert carried(store, rows) == 1
    error = rows[0].extraction.errors[0]
    new = job(2, fingerprint=error.fingerprint, quote=QUOTE)
    store.give([labelled(document=new, error_type="network_error")])
    assert carried(store, rows) == 0
    assert store.labels()[label_key(error)].body["s_error_type"] == "network_error"


def test_a_label_on_one_job_is_no_label_on_all_like_it(store: LabelStore) -> None:
    store.give([labelled(all_like_it=False)])
    assert carried(store, [row(QUOTE)]) == 0


def test_a_job_judged_under_the_labels_fingerprint_carries_it_on_whatever_its_quote_said(store: LabelStore) -> None:
    old = replace(OLD, body={**OLD.body, "s_error_evidence": "exit code 1"})
    store.give([labelled(document=old)])
    now = row("FAILED tests/test_cart.py::test_total - KeyError: 'sku'")
    assert carried(store, [now]) == 0
    root = replace(now.extraction.errors[0], fingerprint="f1-0123456789abcdef")
    machine = Verdict(state="classified", error_type="timeout", confidence=1.0, summary="", source="rules")
    last = JobVerdicts(
        repo="acme/shop",
        run_id=1,
        run_attempt=1,
        job_id=7,
        state="classified",
        judged=(JudgedError(error=root, verdict=machine),),
        digest="d",
    )
    assert carried(store, [now], {last.key: last}) == 1
    assert label_key(now.extraction.errors[0]) in store.labels()


def test_withdrawing_a_carried_label_withdraws_the_original_so_that_it_does_not_come_back(store: LabelStore) -> None:
    store.give([labelled(), labelled(all_like_it=False)])
    rows = [row(QUOTE)]
    store.carry(rows)
    copy = store.labels()[label_key(rows[0].extraction.errors[0])]
    store.withdraw(said_at_once(copy, store.labels()))
    assert set(store.labels()) == {labelled(all_like_it=False).id}
    assert carried(store, rows) == 0
