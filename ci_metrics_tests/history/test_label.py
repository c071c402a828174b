from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ci_metrics.errors import ContractError, NotFoundError
from ci_metrics.history.labels import Labelled, give, withdraw
from ci_metrics.index.base import Body, Document, DocumentIndex
from ci_metrics.index.verdict_documents import verdict_of
from ci_metrics_tests.history.history_documents import job, step_of

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)


def write(index: DocumentIndex, *documents: Document) -> None:
    index.upsert(documents)
    index.refresh()


def body(index: DocumentIndex, document: Document) -> Body:
    return index.get(document.kind, [document.id])[document.id]


def said(index: DocumentIndex, *documents: Document) -> list[tuple[object, object]]:
    return [(body(index, d).get("s_error_type"), body(index, d).get("s_error_source")) for d in documents]


def label(index: DocumentIndex, document: Document, error_type: str = "timeout", **more: object) -> Labelled:
    given = {"note": "", "fix": "Wait longer.", "all_like_it": False, "user": "ada", "now": NOW, **more}
    current = Document("jobs", document.id, body(index, document))
    return give(index, current, error_type, **given)  # type: ignore[arg-type]


def unlabel(index: DocumentIndex, document: Document, *, all_like_it: bool = False, **more: object) -> Labelled:
    current = Document("jobs", document.id, body(index, document))
    return withdraw(index, current, all_like_it=all_like_it, **more)  # type: ignore[arg-type]


ONE = job(1, fingerprint="f1-a")
LIKE_IT = job(2, fingerprint="f1-a", at=60, hour="2026-03-02T06")
OTHER = job(3, fingerprint="f1-b")


def test_a_label_changes_the_job_and_its_failed_step_at_once_and_nothing_else(any_index: DocumentIndex) -> None:
    step = step_of(ONE)
    write(any_index, ONE, step, LIKE_IT, OTHER)
    done = label(any_index, ONE, note="The database was down.")
    assert said(any_index, ONE, step) == [("timeout", "human")] * 2
    assert said(any_index, LIKE_IT, OTHER) == [("assertion_failure", "rules")] * 2
    changed = body(any_index, ONE)
    assert (changed["f_error_confidence"], changed["s_error_summary"]) == (1.0, "The database was down.")
    assert changed["s_suggested_fix"] == "Wait longer."
    assert (done.jobs, done.steps, done.before) == ((ONE.id,), (step.id,), (("assertion_failure", 1),))


def test_all_like_it_are_those_of_the_fingerprint_in_every_hour(any_index: DocumentIndex) -> None:
    write(any_index, ONE, LIKE_IT, OTHER)
    done = label(any_index, ONE, all_like_it=True)
    assert said(any_index, ONE, LIKE_IT, OTHER) == [("timeout", "human")] * 2 + [("assertion_failure", "rules")]
    assert done.hours == ("2026-03-02T05", "2026-03-02T06")


def test_without_a_note_the_summary_stays(embedded_index: DocumentIndex) -> None:
    write(embedded_index, ONE)
    label(embedded_index, ONE)
    assert body(embedded_index, ONE)["s_error_summary"] == "It failed: f1-a"


def test_the_verdict_is_kept_where_the_judge_looks_for_it(any_index: DocumentIndex) -> None:
    write(any_index, ONE)
    label(any_index, ONE, all_like_it=True, note="Seen in the dashboard.")
    label(any_index, ONE, "runtime_error")
    kept = any_index.get("verdicts", ["f1-a-human", f"{ONE.id}-human"])
    shared = verdict_of(Document("verdicts", "f1-a-human", kept["f1-a-human"]))
    assert (shared.source, shared.error_type, shared.confidence) == ("human", "timeout", 1.0)
    assert (kept["f1-a-human"]["s_user_alias"], kept["f1-a-human"]["s_note"]) == ("ada", "Seen in the dashboard.")
    assert kept[f"{ONE.id}-human"]["s_error_type"] == "runtime_error"


def test_a_label_of_an_own_category_counts_under_its_parent(any_index: DocumentIndex) -> None:
    write(any_index, ONE)
    parents = {"lint_failure": "assertion_failure", "slow_test": "timeout"}
    label(any_index, ONE, "slow_test", all_like_it=True, parents=parents)
    assert body(any_index, ONE)["s_error_base_type"] == "timeout"
    label(any_index, ONE, "lint_failure", parents=parents)
    assert body(any_index, ONE)["s_error_base_type"] == "assertion_failure"
    unlabel(any_index, ONE, parents=parents)  # the one on all like it counts again
    assert (body(any_index, ONE)["s_error_type"], body(any_index, ONE)["s_error_base_type"]) == ("slow_test", "timeout")


def test_a_withdrawn_label_gives_back_exactly_what_the_machine_had_said(any_index: DocumentIndex) -> None:
    step = step_of(ONE)
    write(any_index, ONE, step, LIKE_IT)
    before = [body(any_index, document) for document in (ONE, step, LIKE_IT)]
    label(any_index, ONE, all_like_it=True, note="no")
    done = unlabel(any_index, ONE, all_like_it=True)
    assert [body(any_index, document) for document in (ONE, step, LIKE_IT)] == before
    assert any_index.get("verdicts", ["f1-a-human"]) == {}
    assert done.to_judge_again == {}


def test_withdrawing_one_jobs_label_leaves_the_one_on_all_like_it(embedded_index: DocumentIndex) -> None:
    write(embedded_index, ONE)
    label(embedded_index, ONE, all_like_it=True)
    label(embedded_index, ONE, "runtime_error")
    unlabel(embedded_index, ONE)
    assert said(embedded_index, ONE) == [("timeout", "human")]


def test_withdrawing_the_one_on_all_leaves_a_single_jobs_label(embedded_index: DocumentIndex) -> None:
    write(embedded_index, ONE, LIKE_IT)
    label(embedded_index, ONE, all_like_it=True)
    label(embedded_index, LIKE_IT, "runtime_error")
    unlabel(embedded_index, ONE, all_like_it=True)
    assert said(embedded_index, ONE, LIKE_IT) == [("assertion_failure", "rules"), ("runtime_error", "human")]


def test_what_an_hour_redone_since_has_overwritten_is_to_be_judged_again(embedded_index: DocumentIndex) -> None:
    write(embedded_index, ONE)
    label(embedded_index, ONE)
    current = body(embedded_index, ONE)
    current["errors"][0] |= {"s_error_type": "timeout", "s_error_source": "human"}  # as the chain writes it
    write(embedded_index, Document("jobs", ONE.id, current))
    assert unlabel(embedded_index, ONE).to_judge_again == {"2026-03-02T05": (ONE.id,)}


def test_a_job_without_any_error_found_can_be_labelled(embedded_index: DocumentIndex) -> None:
    silent = job(1, s_error_state="no_log")
    write(embedded_index, silent)
    label(embedded_index, silent, "infrastructure_error", note="The runner burnt down.")
    assert said(embedded_index, silent) == [("infrastructure_error", "human")]
    assert body(embedded_index, silent)["s_error_state"] == "classified"


@pytest.mark.parametrize(
    ("document", "all_like_it", "text"),
    [
        (job(1, status="success"), False, "no verdict to correct: it is “success”"),
        (job(1, fingerprint="f1-exit", generic=True), True, "is generic"),
        (job(1, s_error_state="no_log"), True, "has no fingerprint"),
    ],
)
def test_what_cannot_be_labelled_is_refused_with_a_reason(
    document: Document, all_like_it: bool, text: str, embedded_index: DocumentIndex
) -> None:
    write(embedded_index, document)
    with pytest.raises(ContractError, match=text):
        label(embedded_index, document, all_like_it=all_like_it)
    assert list(embedded_index.scan("verdicts")) == []


def test_a_label_that_is_not_there_cannot_be_withdrawn(embedded_index: DocumentIndex) -> None:
    write(embedded_index, ONE)
    with pytest.raises(NotFoundError, match="nobody has labelled it"):
        unlabel(embedded_index, ONE)
    label(embedded_index, ONE, all_like_it=True)
    with pytest.raises(NotFoundError, match="add --all-like-it"):
        unlabel(embedded_index, ONE)
