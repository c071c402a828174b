"""Tests as things: what is known of their runs, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from ci_metrics.history.failing_tests import FailedTest, failing_tests
from ci_metrics.history.money import Money, dearest
from ci_metrics.index.document_index import Document, DocumentIndex, Where
from ci_metrics.report.fixes import failed_test_in_words, failed_test_row
from ci_metrics_tests.history.history_documents import job, moment

NAME = "tests/test_a.py::test_b"


def failed(run: int, *tests: str, **more: Any) -> Document:
    return job(run, fingerprint="f1-a", s_failed_tests=list(tests), **more)


def rows(index: DocumentIndex, *documents: Document) -> list[FailedTest]:
    index.upsert(documents)
    index.refresh()
    return failing_tests(index, Where())


def test_runs_are_passed_attempts_of_its_jobs_and_failed_ones_that_name_it(any_index: DocumentIndex) -> None:
    documents = [
        failed(1, NAME, at=10),
        job(2, status="success", at=20),
        job(3, status="success", at=30),
        failed(4, "tests/test_c.py::test_d", at=40),  # may have died before it
        job(5, status="success", at=50, name="lint"),  # another job never ran it
        job(6, status="cancelled", at=60),
        job(7, status="success", at=70, repo="acme/other"),
    ]
    row = {each.name: each for each in rows(any_index, *documents)}[NAME]
    assert (row.failures, row.passes, row.runs, row.unknown) == (1, 2, 3, 1)
    assert row.failure_rate == pytest.approx(1 / 3)
    assert (row.first_failed, row.last_failed, row.last_passed) == (moment(10), moment(10), moment(30))


def test_the_flake_rate_is_of_known_runs_and_two_flaked_runs_or_a_confirmed_one_are_for_quarantine(
    any_index: DocumentIndex,
) -> None:
    flaky = {"b_flaky_suspected": True}
    found = rows(
        any_index,
        failed(1, "once", "twice", **flaky),
        failed(2, "twice", at=10, **flaky),
        failed(3, "sure", at=20, b_flaky_confirmed=True, **flaky),
        job(4, status="success", at=30),
    )
    assert [(row.name, row.flakes, bool(row.quarantine)) for row in found] == [
        ("twice", 2, True), ("once", 1, False), ("sure", 1, True)
    ]  # fmt: skip
    assert found[0].flake_rate == pytest.approx(2 / 3)
    assert failed_test_row(found[0])["why"] == "flaked in 2 runs of 3 known"
    assert "2 flaky (flake rate 66.7 %)" in failed_test_in_words(found[0])


def test_a_test_that_only_fails_since_is_broken_and_not_for_quarantine(embedded_index: DocumentIndex) -> None:
    flakes = [failed(n, NAME, at=n, b_flaky_suspected=True) for n in (1, 2)]
    since = [failed(n, NAME, at=100 + n) for n in (3, 4, 5)]
    (row,) = rows(embedded_index, *flakes, job(6, status="success", at=50), *since)
    assert (row.broken, row.quarantine, failed_test_row(row)["quarantine"]) == (True, "", False)


def test_tests_of_two_repositories_are_two(embedded_index: DocumentIndex) -> None:
    found = rows(embedded_index, failed(1, NAME), failed(2, NAME, repo="acme/other"))
    assert [(row.repo, row.failures) for row in found] == [("acme/other", 1), ("acme/shop", 1)]


def test_money_is_added_up_by_labels_workflow_and_repository_and_unknown_prices_are_counted() -> None:
    money = Money()
    linux: dict[str, Any] = {"s_runner_labels": ["ubuntu-latest"], "l_runner_minutes": 10, "f_runner_cost_usd": 0.06}
    for document in (
        job(1, fingerprint="f1-a", **linux),
        job(2, status="success", **linux),
        job(3, status="success", s_runner_labels=["our-pool"], l_runner_minutes=7),
        job(4, status="cancelled"),
    ):
        money.add(document.body)
    assert (money.total.jobs, money.total.minutes, money.total.unpriced) == (3, 27, 7)
    assert [money.total.dollars, money.total.failed_dollars] == pytest.approx([0.12, 0.06])
    assert [(cost.name, cost.minutes) for cost in dearest(money.by_labels.values())] == [
        ("ubuntu-latest", 20),
        ("our-pool", 7),
    ]
    assert set(money.by_workflow) == {"acme/shop · CI"} and set(money.by_repo) == {"acme/shop"}
