from __future__ import annotations

import itertools
from typing import Any

import pytest

from ci_metrics.history.attempts import attempt_of
from ci_metrics.history.flakiest import flakiest
from ci_metrics.history.flakiness import storms
from ci_metrics.history.flaky_evidence import evidence_for
from ci_metrics.history.flaky_fields import FlagRules
from ci_metrics.history.history_pass import run_history_pass
from ci_metrics.index.document_index import Document, DocumentIndex, Where
from ci_metrics_tests.history.history_documents import attempts, job, step_of

HOUR, NEXT, LATER = "2026-03-02T05", "2026-03-02T06", "2026-03-03T05"


def flake(run: int, hour: str = HOUR, at: float = 10, **more: object) -> list[Document]:
    """A job that fails and passes at the same commit."""
    failed = job(run, at=at, hour=hour, **{"fingerprint": "f1-flake", **more})  # type: ignore[arg-type]
    name = str(failed.body["s_job_name"])
    return [failed, job(run, attempt=2, at=at + 10, status="success", hour=hour, minutes=5, name=name)]


def write(index: DocumentIndex, *documents: Document) -> None:
    index.upsert(documents)
    index.refresh()


def flags(index: DocumentIndex, document: Document) -> str:
    body = index.get(document.kind, [document.id])[document.id]
    if body.get("b_flaky_confirmed"):
        assert body.get("b_flaky_suspected") is True
        return "confirmed"
    return "suspected" if body.get("b_flaky_suspected") else ""


def test_the_same_commit_and_job_passing_later_is_suspected(embedded_index: DocumentIndex) -> None:
    failed, passed = flake(1)
    write(embedded_index, failed, passed)
    run_history_pass(embedded_index, HOUR)
    assert (flags(embedded_index, failed), flags(embedded_index, passed)) == ("suspected", "")


NOT_FLAKY: dict[str, list[Document]] = {
    "another job passed": [job(1, fingerprint="f1-a"), job(1, attempt=2, name="other", status="success")],
    "another commit passed": [job(1, fingerprint="f1-a"), job(1, attempt=2, commit="other", status="success")],
    "another run passed": [
        job(1, fingerprint="f1-a", commit="same"),
        job(2, attempt=2, commit="same", status="success"),
    ],
    "it passed before, not later": [job(1, attempt=2, status="success"), job(1, attempt=3, fingerprint="f1-a")],
    "it never passed": [job(1, fingerprint="f1-a"), job(1, attempt=2, fingerprint="f1-a")],
    "a generic fingerprint": flake(1, fingerprint="f1-exit", generic=True),
    "no fingerprint": [job(1), job(1, attempt=2, status="success")],
    "somebody cancelled it": flake(1, status="cancelled"),
}


@pytest.mark.parametrize("case", NOT_FLAKY)
def test_what_proves_nothing_sets_no_flag(case: str, embedded_index: DocumentIndex) -> None:
    write(embedded_index, *NOT_FLAKY[case])
    assert run_history_pass(embedded_index, HOUR).suspected == ()
    assert {flags(embedded_index, document) for document in NOT_FLAKY[case]} == {""}


def test_the_same_fingerprint_passing_on_rerun_at_another_commit_confirms_both(any_index: DocumentIndex) -> None:
    one, other = flake(1), flake(2, hour=NEXT, at=80)
    write(any_index, *one, *other)
    run_history_pass(any_index, HOUR)
    assert flags(any_index, one[0]) == "suspected"
    done = run_history_pass(any_index, NEXT)
    assert (flags(any_index, one[0]), flags(any_index, other[0])) == ("confirmed", "confirmed")
    assert (done.changed, done.changed_elsewhere) == (2, 1)


def test_two_jobs_of_one_commit_do_not_confirm_each_other(embedded_index: DocumentIndex) -> None:
    one, other = flake(1), flake(1, name="other")
    write(embedded_index, *one, *other)
    run_history_pass(embedded_index, HOUR)
    assert {flags(embedded_index, one[0]), flags(embedded_index, other[0])} == {"suspected"}


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ({"branch": "main", "event": "push"}, "confirmed"),
        ({"branch": "release", "event": "push"}, "suspected"),
        ({"branch": "main", "event": "pull_request"}, "suspected"),  # a fork's branch of that name
        ({"branch": "main", "event": "push", "at": 500}, "suspected"),  # after, not before
        ({"branch": "main", "event": "push", "repo": "acme/other"}, "suspected"),
        ({"branch": "main", "event": "push", "commit": "c1"}, "suspected"),  # the very same change
    ],
)
def test_a_fingerprint_on_the_base_branch_before_confirms(
    base: dict[str, object], expected: str, embedded_index: DocumentIndex
) -> None:
    failed, passed = flake(1, hour=NEXT, at=70)
    stands = job(7, **{"fingerprint": "f1-flake", "at": 5, **base})  # type: ignore[arg-type]
    write(embedded_index, failed, passed, stands)
    run_history_pass(embedded_index, NEXT)
    assert (flags(embedded_index, failed), flags(embedded_index, stands)) == (expected, "")


def test_the_default_branch_is_known_from_scheduled_runs(any_index: DocumentIndex) -> None:
    failed, passed = flake(1, hour=NEXT, at=70)
    stands = job(7, fingerprint="f1-flake", at=5, branch="stable", event="push")
    body = {
        "@timestamp": "2026-03-01T00:00:00Z",
        "s_repo": "acme/shop",
        "s_branch": "stable",
        "s_github_event": "schedule",
    }
    write(any_index, failed, passed, stands, Document("workflows", "github-workflow-9-attempt-1", body))
    run_history_pass(any_index, NEXT)
    assert flags(any_index, failed) == "confirmed"


def storm(jobs: int, apart: float = 5, **more: Any) -> list[Document]:
    made: list[Document] = []
    for n in range(jobs):
        documents = flake(10 + n, at=n * apart, fingerprint=f"f1-net{n}", group="g1-net", type="network_error", **more)
        made += documents
    return made


def one_group_of_tests() -> list[Document]:
    made: list[Document] = []
    for n in range(6):
        made += flake(10 + n, at=n, fingerprint=f"f1-t{n}", group="g1-tests")
    return made


@pytest.mark.parametrize(
    ("documents", "flagged"),
    [
        (storm(6), 0),
        (storm(4), 4),  # too few for an outage
        (storm(6, apart=60), 6),  # not at once
        (one_group_of_tests(), 6),
    ],
    ids=["an outage", "four jobs", "spread over hours", "six failing tests of one group"],
)
def test_an_outage_is_not_flakiness(documents: list[Document], flagged: int, embedded_index: DocumentIndex) -> None:
    write(embedded_index, *documents)
    done = run_history_pass(embedded_index, HOUR)
    assert len(done.suspected) == flagged
    assert done.stormy == (6 if flagged == 0 else 0)


def test_only_the_categories_of_an_outage_make_one() -> None:
    failures = attempts(*(job(n, at=n, fingerprint="f1-a", type="network_error") for n in range(5)))
    assert set(storms(failures, {"network_error"}).values()) == {5}
    assert storms(failures, {"infrastructure_error"}) == {}


def test_an_outage_that_shows_only_with_the_next_hour_takes_flags_back(any_index: DocumentIndex) -> None:
    early, late = storm(3), storm(6)[6:]
    for document in late:
        document.body["s_partition"] = NEXT
    write(any_index, *early)
    run_history_pass(any_index, HOUR)
    assert flags(any_index, early[0]) == "suspected"
    write(any_index, *late)
    run_history_pass(any_index, NEXT)
    assert {flags(any_index, document) for document in (*early, *late)} == {""}


def test_any_order_of_hours_and_any_repetition_ends_with_the_same_flags(embedded_index: DocumentIndex) -> None:
    documents = {
        HOUR: [*flake(1), job(7, fingerprint="f1-other", branch="main", event="push")],
        NEXT: [*flake(2, hour=NEXT, at=80), *flake(3, hour=NEXT, at=90, fingerprint="f1-other")],
        LATER: [*flake(4, hour=LATER, at=1500), *flake(5, hour=LATER, at=1510, fingerprint="f1-lonely")],
    }
    failed = [d for hour in documents.values() for d in hour if d.body["s_status"] == "failure"]
    seen = set()
    for order in itertools.permutations(documents):
        embedded_index.delete("jobs", [d.id for hour in documents.values() for d in hour])
        known: dict[str, tuple[str, ...]] = {}
        for hour in (*order, *order):  # each hour written and done twice
            write(embedded_index, *documents[hour])
            known[hour] = run_history_pass(embedded_index, hour, before=known.get(hour, ())).fingerprints
        seen.add(tuple(flags(embedded_index, document) for document in failed))
    assert seen == {("confirmed", "", "confirmed", "confirmed", "confirmed", "suspected")}


def test_evidence_that_is_gone_is_taken_back(embedded_index: DocumentIndex) -> None:
    one, other = flake(1), flake(2, hour=NEXT, at=80)
    write(embedded_index, *one, *other)
    run_history_pass(embedded_index, HOUR)
    before = run_history_pass(embedded_index, NEXT).fingerprints
    assert flags(embedded_index, one[0]) == "confirmed"
    write(embedded_index, job(2, at=80, hour=NEXT, fingerprint="f1-something-else"))  # the log was read again, better
    run_history_pass(embedded_index, NEXT, before=before)
    assert flags(embedded_index, one[0]) == "suspected"


def test_doing_an_hour_again_changes_no_document(embedded_index: DocumentIndex) -> None:
    write(embedded_index, *flake(1), *flake(2))
    run_history_pass(embedded_index, HOUR)
    again = run_history_pass(embedded_index, HOUR)
    assert (again.changed, len(again.confirmed)) == (0, 2)


def kind(index: DocumentIndex, document: Document) -> object:
    body = index.get(document.kind, [document.id])[document.id]
    assert body["s_error_base_type"] == body["s_error_type"]  # neither is changed without the other
    return body["s_error_type"]


def test_a_confirmed_test_failure_gets_the_type_and_gives_it_back(any_index: DocumentIndex) -> None:
    one, other = flake(1), flake(2, hour=NEXT, at=80)
    step = step_of(one[0])
    write(any_index, *one, step, *other)
    run_history_pass(any_index, HOUR)
    assert kind(any_index, one[0]) == "assertion_failure"  # suspicion alone is no type
    before = run_history_pass(any_index, NEXT).fingerprints
    assert {kind(any_index, one[0]), kind(any_index, other[0]), kind(any_index, step)} == {"flaky_test"}
    assert flags(any_index, step) == "confirmed"
    any_index.delete("jobs", [document.id for document in other])
    any_index.refresh()
    run_history_pass(any_index, NEXT, before=before)
    assert (kind(any_index, one[0]), kind(any_index, step), flags(any_index, step)) == ("assertion_failure",) * 2 + (
        "suspected",
    )


@pytest.mark.parametrize(
    ("more", "rules", "expected"),
    [
        ({"type": "network_error"}, None, "network_error"),
        ({"type": "resource_exhaustion"}, None, "resource_exhaustion"),
        ({"type": "timeout"}, None, "flaky_test"),
        ({"type": "timeout", "status": "timed_out"}, None, "timeout"),  # the whole job hung, no test of it
        ({"s_error_source": "human"}, None, "assertion_failure"),
        ({"type": "ui_test"}, FlagRules(test_types=frozenset({"ui_test"})), "flaky_test"),
        ({}, FlagRules(flaky_type=None), "assertion_failure"),
    ],
)
def test_only_a_tests_failure_becomes_a_flaky_test(
    more: dict[str, Any], rules: FlagRules | None, expected: str, embedded_index: DocumentIndex
) -> None:
    one = flake(1, **more)
    write(embedded_index, *one, *flake(2))
    run_history_pass(embedded_index, HOUR, rules=rules)
    assert (flags(embedded_index, one[0]), kind(embedded_index, one[0])) == ("confirmed", expected)


def test_the_flakiest_jobs_and_tests_come_with_the_minutes_they_burn(any_index: DocumentIndex) -> None:
    documents = [
        *flake(1),
        *flake(2),
        *flake(3, name="e2e", fingerprint="f1-slow", minutes=40, quote="test_checkout FAILED"),
    ]
    write(any_index, *documents, job(9, fingerprint="f1-broken", minutes=500))
    run_history_pass(any_index, HOUR)
    found = flakiest(any_index, Where(equals={"s_repo": "acme/shop"}))
    assert [(row.name, row.failures, row.confirmed, row.minutes) for row in found.jobs] == [
        ("e2e", 1, 0, 45.0),
        ("test", 2, 2, 30.0),
    ]
    assert [(row.name, row.fingerprint, row.minutes) for row in found.tests] == [
        ("test_checkout FAILED", "f1-slow", 45.0),
        ("It failed: f1-flake", "f1-flake", 30.0),
    ]
    assert found.jobs[0].examples == (documents[4].id,)


def test_the_evidence_names_the_documents_that_give_it(any_index: DocumentIndex) -> None:
    one, other = flake(1), flake(2, hour=NEXT, at=80)
    base = job(7, fingerprint="f1-flake", branch="main", event="push")
    write(any_index, *one, *other, base)
    run_history_pass(any_index, HOUR)
    run_history_pass(any_index, NEXT)
    found = evidence_for(any_index, attempt_of(one[0]))
    assert found is not None and found.confirmed
    assert (found.passed_in, found.elsewhere, found.on_base) == (one[1].id, (other[0].id,), (base.id,))
    assert "a later attempt passed at the same commit" in found.why
    assert evidence_for(any_index, attempt_of(job(8, fingerprint="f1-exit", generic=True))) is None
