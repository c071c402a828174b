"""What a person said of all failures like one holds when a new version gives them another fingerprint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ci_metrics.errors import NotFoundError
from ci_metrics.history.labels import give, withdraw
from ci_metrics.index.base import Document
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.index.verdict_documents import verdict_of
from ci_metrics.logs import extract
from ci_metrics.models import Verdict
from ci_metrics.orchestration.carried_labels import carry_labels
from ci_metrics.orchestration.rows import JobExtraction, JobVerdicts, JudgedError
from ci_metrics.verdicts.reuse import label_key
from ci_metrics_tests.builders import a_job, a_job_log
from ci_metrics_tests.history.history_documents import job

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
QUOTE = "ModuleNotFoundError: No module named 'grape'"
#: A job's document as version 1 of the algorithm wrote it.
OLD = job(1, fingerprint="f1-0123456789abcdef", quote=QUOTE, l_error_line=2)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[EmbeddedIndex]:
    index = EmbeddedIndex(tmp_path / "index.sqlite")
    index.ensure()
    index.upsert([OLD])
    yield index
    index.close()


def labelled(index: EmbeddedIndex, *, all_like_it: bool = True, error_type: str = "timeout") -> None:
    current = Document("jobs", OLD.id, index.get("jobs", [OLD.id])[OLD.id])
    give(index, current, error_type, note="Seen.", fix="", all_like_it=all_like_it, user="ada", now=NOW)


def row(*lines: str, job_id: int = 7) -> JobExtraction:
    found = extract("\n".join(["$ run", *lines, "##[error]Process completed with exit code 1."]).encode())
    assert found.errors
    return JobExtraction(
        repo="acme/shop",
        run_id=1,
        run_attempt=1,
        job_id=job_id,
        log=a_job_log(a_job(repo="acme/shop", run_id=1, job_id=job_id)),
        extraction=found,
        digest="d",
    )


def test_an_error_of_the_labelled_name_gets_the_label_under_its_own_fingerprint(index: EmbeddedIndex) -> None:
    labelled(index)
    like, other = row(QUOTE), row(QUOTE.replace("grape", "plum"))
    assert carry_labels(index, [like, other]) == 1
    key = label_key(like.extraction.errors[0])
    [carried] = index.get("verdicts", [key, label_key(other.extraction.errors[0])]).items()
    verdict = verdict_of(Document("verdicts", *carried))
    assert (carried[0], verdict.error_type, verdict.source, verdict.detail) == (key, "timeout", "human", "Seen.")
    assert verdict.fingerprint == like.extraction.errors[0].fingerprint


def test_what_a_person_said_since_stays(index: EmbeddedIndex) -> None:
    labelled(index)
    rows = [row(QUOTE)]
    assert carry_labels(index, rows) == 1
    key = label_key(rows[0].extraction.errors[0])
    index.update("verdicts", {key: {"s_error_type": "network_error"}})
    assert carry_labels(index, rows) == 0
    assert index.get("verdicts", [key])[key]["s_error_type"] == "network_error"


def test_a_label_on_one_job_is_no_label_on_all_like_it(index: EmbeddedIndex) -> None:
    labelled(index, all_like_it=False)
    assert carry_labels(index, [row(QUOTE)]) == 0


def test_a_job_that_carried_the_label_carries_it_on_whatever_its_quote_said(index: EmbeddedIndex) -> None:
    index.upsert([replace(OLD, body={**OLD.body, "s_error_evidence": "exit code 1"})])
    labelled(index)
    now = row("FAILED tests/test_cart.py::test_total - KeyError: 'sku'")
    assert carry_labels(index, [now]) == 0
    root = replace(now.extraction.errors[0], fingerprint="f1-0123456789abcdef")
    human = Verdict(state="classified", error_type="timeout", confidence=1.0, summary="", source="human")
    last = JobVerdicts(
        repo="acme/shop",
        run_id=1,
        run_attempt=1,
        job_id=7,
        state="classified",
        judged=(JudgedError(error=root, verdict=human),),
        digest="d",
    )
    assert carry_labels(index, [now], {last.key: last}) == 1
    assert label_key(now.extraction.errors[0]) in {document.id for document in index.scan("verdicts")}


def test_withdrawing_a_carried_label_withdraws_the_original_so_that_it_does_not_come_back(index: EmbeddedIndex) -> None:
    labelled(index)
    rows = [row(QUOTE)]
    carry_labels(index, rows)
    new = job(2, fingerprint=rows[0].extraction.errors[0].fingerprint, quote=QUOTE)
    index.upsert([replace(new, body={**new.body, "s_error_source": "human", "s_error_type": "timeout"})])
    current = Document("jobs", new.id, index.get("jobs", [new.id])[new.id])
    done = withdraw(index, current, all_like_it=True)
    assert set(done.jobs) == {OLD.id, new.id}, "the old version's documents too"
    assert carry_labels(index, rows) == 0
    with pytest.raises(NotFoundError):
        withdraw(index, current, all_like_it=True)
