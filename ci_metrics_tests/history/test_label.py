"""What documents say with a person's label and without it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from ci_metrics.errors import ContractError, NotFoundError
from ci_metrics.history.job_documents import merged_body
from ci_metrics.history.labels import label_for, label_to_withdraw, labelled, said_at_once, unlabelled
from ci_metrics.index.document_index import Document
from ci_metrics.index.validation import problem_of
from ci_metrics.index.verdict_documents import verdict_of
from ci_metrics_tests.history.history_documents import job, step_of

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)

ONE = job(1, fingerprint="f1-a")
STEP = step_of(ONE)
LIKE_IT = job(2, fingerprint="f1-a", at=60, hour="2026-03-02T06")
OTHER = job(3, fingerprint="f1-b")


def label(document: Document, error_type: str = "timeout", *, all_like_it: bool = False, note: str = "") -> Document:
    return label_for(document, error_type, note=note, fix="Wait longer.", all_like_it=all_like_it, user="ada", now=NOW)


def with_labels(
    documents: list[Document], *given: Document, parents: Mapping[str, str] | None = None
) -> list[Document]:
    return merged_body(documents, labelled(documents, {each.id: each for each in given}, parents or {}))


def said(documents: list[Document]) -> list[tuple[object, object]]:
    return [(each.body.get("s_error_type"), each.body.get("s_error_source")) for each in documents]


def test_a_label_changes_the_job_and_its_failed_step_and_nothing_else() -> None:
    documents = with_labels([ONE, STEP, LIKE_IT, OTHER], label(ONE, note="The database was down."))
    assert said(documents) == [("timeout", "human")] * 2 + [("assertion_failure", "rules")] * 2
    changed = documents[0].body
    assert (changed["f_error_confidence"], changed["s_error_summary"]) == (1.0, "The database was down.")
    assert changed["s_suggested_fix"] == "Wait longer."
    assert changed["errors"] == ONE.body["errors"], "what the machine said is kept"
    assert [problem for each in documents if (problem := problem_of(each.kind, each.body))] == []


def test_all_like_it_are_those_of_the_fingerprint_and_steps_with_it_in_other_jobs() -> None:
    second_error = step_of(OTHER, 5)
    second_error.body["s_error_fingerprint"] = "f1-a"
    documents = with_labels([ONE, LIKE_IT, OTHER, second_error], label(ONE, all_like_it=True))
    assert said(documents) == [
        ("timeout", "human"), ("timeout", "human"), ("assertion_failure", "rules"), ("timeout", "human")
    ]  # fmt: skip


def test_a_label_on_one_job_wins_over_the_one_on_all_like_it() -> None:
    documents = with_labels([ONE, LIKE_IT], label(ONE, all_like_it=True), label(ONE, "runtime_error"))
    assert said(documents) == [("runtime_error", "human"), ("timeout", "human")]


def test_without_a_note_the_summary_stays() -> None:
    assert with_labels([ONE], label(ONE))[0].body["s_error_summary"] == "It failed: f1-a"


def test_a_label_is_a_verdict_of_the_verdict_index_where_the_judge_looks_for_it() -> None:
    shared = label(ONE, all_like_it=True, note="Seen in the dashboard.")
    assert (shared.id, label(ONE).id) == ("f1-a-human", f"{ONE.id}-human")
    verdict = verdict_of(shared)
    assert (verdict.source, verdict.error_type, verdict.confidence) == ("human", "timeout", 1.0)
    assert (shared.body["s_user_alias"], shared.body["s_note"]) == ("ada", "Seen in the dashboard.")
    assert problem_of("verdicts", shared.body) is None


def test_a_label_of_an_own_category_counts_under_its_parent() -> None:
    parents = {"lint_failure": "assertion_failure", "slow_test": "timeout"}
    given = label(ONE, "slow_test", all_like_it=True)
    assert with_labels([ONE], given, parents=parents)[0].body["s_error_base_type"] == "timeout"


def test_without_its_label_a_document_says_again_exactly_what_the_machine_had_said() -> None:
    before = [ONE, STEP, LIKE_IT]
    documents = with_labels(before, label(ONE, all_like_it=True, note="no"))
    changes, lost = unlabelled(documents, {})
    assert (merged_body(documents, changes), lost) == (before, ())


def test_what_was_judged_while_the_label_was_in_force_cannot_say_what_the_machine_would() -> None:
    (document,) = with_labels([ONE], label(ONE))
    document.body["errors"] = [{**document.body["errors"][0], "s_error_type": "timeout", "s_error_source": "human"}]
    changes, lost = unlabelled([document], {})
    assert (changes, lost) == ({}, (document,))


def test_a_job_without_any_error_found_can_be_labelled() -> None:
    silent = job(1, s_error_state="no_log")
    given = label(silent, "infrastructure_error", note="The runner burnt down.")
    (document,) = with_labels([silent], given)
    assert said([document]) == [("infrastructure_error", "human")]
    assert document.body["s_error_state"] == "classified"
    assert said_at_once(given, {given.id: given}) == [given]


@pytest.mark.parametrize(
    ("document", "all_like_it", "text"),
    [
        (job(1, status="success"), False, "no verdict to correct: it is “success”"),
        (job(1, fingerprint="f1-exit", generic=True), True, "is generic"),
        (job(1, s_error_state="no_log"), True, "has no fingerprint"),
    ],
)
def test_what_cannot_be_labelled_is_refused_with_a_reason(document: Document, all_like_it: bool, text: str) -> None:
    with pytest.raises(ContractError, match=text):
        label(document, all_like_it=all_like_it)


def test_a_label_that_is_not_there_cannot_be_withdrawn() -> None:
    with pytest.raises(NotFoundError, match="nobody has labelled it"):
        label_to_withdraw({}, ONE, all_like_it=False)
    own, shared = label(ONE), label(ONE, all_like_it=True)
    with pytest.raises(NotFoundError, match="add --all-like-it"):
        label_to_withdraw({shared.id: shared}, ONE, all_like_it=False)
    with pytest.raises(NotFoundError, match="leave out --all-like-it"):
        label_to_withdraw({own.id: own}, ONE, all_like_it=True)
    assert label_to_withdraw({own.id: own, shared.id: shared}, ONE, all_like_it=True) == shared
