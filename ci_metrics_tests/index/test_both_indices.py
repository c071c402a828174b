"""What both indices promise: every test here runs on the embedded one and on a real OpenSearch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from ci_metrics.errors import ContractError, IndexWriteError
from ci_metrics.index.document_index import Document, DocumentIndex, Kind, Where, Written
from ci_metrics.index.documents import job_document
from ci_metrics.index.verdict_documents import verdict_document, verdict_of
from ci_metrics_tests.builders import HOUR, a_job, a_run, a_verdict, an_error
from ci_metrics_tests.index.corpus import corpus, many_jobs


def a_doc(id_: str, kind: Kind = "jobs", **body: Any) -> Document:
    return Document(kind, id_, {"@timestamp": "2026-03-02T05:00:00Z", **body})


def ids(index: DocumentIndex, where: Where | None = None, kind: Kind = "jobs", **options: Any) -> list[str]:
    return [document.id for document in index.scan(kind, where, **options)]


@pytest.fixture
def filled(any_index: DocumentIndex) -> DocumentIndex:
    any_index.upsert(corpus()[0])
    any_index.refresh()
    return any_index


def test_documents_come_back_as_they_were_written(filled: DocumentIndex) -> None:
    documents, _ = corpus()
    for kind in ("workflows", "jobs", "steps"):
        expected = {document.id: document.body for document in documents if document.kind == kind}
        assert filled.get(kind, [*expected, "github-job-0-attempt-9"]) == expected
        assert {document.id: document.body for document in filled.scan(kind)} == expected


def test_the_same_hour_twice_changes_nothing(any_index: DocumentIndex) -> None:
    documents, _ = corpus()
    first = any_index.upsert(documents)
    any_index.refresh()
    before = {kind: list(any_index.scan(kind, sort="s_workflow_id")) for kind in ("workflows", "jobs", "steps")}
    second = any_index.upsert(documents)
    any_index.refresh()
    after = {kind: list(any_index.scan(kind, sort="s_workflow_id")) for kind in ("workflows", "jobs", "steps")}
    assert first == Written(created=len(documents))
    assert second == Written(updated=len(documents))
    for kind, found in before.items():
        assert sorted(found, key=lambda d: d.id) == sorted(after[kind], key=lambda d: d.id)


def test_a_document_written_again_loses_fields_it_no_longer_has(any_index: DocumentIndex) -> None:
    any_index.upsert([a_doc("j1", s_error_type="timeout", s_status="failure")])
    any_index.upsert([a_doc("j1", s_status="failure")])
    assert any_index.get("jobs", ["j1"])["j1"] == {"@timestamp": "2026-03-02T05:00:00Z", "s_status": "failure"}


def test_of_two_documents_with_one_id_the_later_stays(any_index: DocumentIndex) -> None:
    written = any_index.upsert([a_doc("j1", s_status="queued"), a_doc("j1", s_status="success")])
    assert written == Written(created=1, updated=1)
    assert any_index.get("jobs", ["j1"])["j1"]["s_status"] == "success"


#: (fields, what the message must name): each is refused by strict mappings
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"s_unheard_of": "x"}, "s_unheard_of"),
    ({"l_duration_sec": "long"}, "l_duration_sec"),
    ({"l_duration_sec": "5"}, "l_duration_sec"),
    ({"l_duration_sec": 5.5}, "l_duration_sec"),
    ({"l_duration_sec": 2**63}, "l_duration_sec"),
    ({"f_error_confidence": "sure"}, "f_error_confidence"),
    ({"b_flaky_suspected": "perhaps"}, "b_flaky_suspected"),
    ({"ts_end_time": "yesterday"}, "ts_end_time"),
    ({"s_job_name": {"first": "a"}}, "s_job_name"),
    ({"errors": [{"s_unheard_of": "x"}]}, "s_unheard_of"),
    ({"errors": [{"l_error_line": "x"}]}, "l_error_line"),
    ({"errors": "none"}, "errors"),
]


def test_a_refused_document_is_named_with_the_field(any_index: DocumentIndex) -> None:
    for body, named in REFUSED:
        with pytest.raises(IndexWriteError) as caught:
            any_index.upsert([a_doc("good"), a_doc("bad-one", **body)])
        assert "bad-one: " in str(caught.value)
        assert named in str(caught.value)
        assert "good: " not in str(caught.value)
        with pytest.raises(IndexWriteError, match=named):
            any_index.create(a_doc("bad-two", **body))
        with pytest.raises(IndexWriteError, match=named):
            any_index.update("jobs", {"good": body})
        assert any_index.get("jobs", ["good", "bad-one", "bad-two"]) == {"good": a_doc("good").body}


def test_a_body_that_is_not_json_costs_only_its_own_document(any_index: DocumentIndex) -> None:
    bad = [a_doc("bad-set", s_job_name={"a", "b"}), a_doc("bad-number", f_cost_usd=float("nan"))]
    with pytest.raises(IndexWriteError, match=r"2 documents were refused.*bad-set.*bad-number"):
        any_index.upsert([a_doc("good-1"), *bad, a_doc("good-2")])
    assert set(any_index.get("jobs", ["good-1", "good-2", "bad-set", "bad-number"])) == {"good-1", "good-2"}


def test_of_many_refused_documents_twenty_are_named_and_all_counted(any_index: DocumentIndex) -> None:
    with pytest.raises(IndexWriteError) as caught:
        any_index.upsert(a_doc(f"bad-{number:03}", s_unheard_of="x") for number in range(50))
    text = str(caught.value)
    assert text.count("s_unheard_of") == 20
    assert text.startswith("50 documents were refused")
    assert text.endswith("and 30 more")


def test_a_number_list_or_null_is_no_reason_to_refuse(any_index: DocumentIndex) -> None:
    body: dict[str, Any] = {"f_error_confidence": 1, "s_runner_labels": ["a", "b"], "s_branch": None}
    assert any_index.upsert([a_doc("j1", **body)]).created == 1
    any_index.refresh()
    assert ids(any_index, Where(missing=["s_branch"])) == ["j1"]


def test_an_unknown_conclusion_passes_through(any_index: DocumentIndex) -> None:
    any_index.upsert([job_document(a_run(), a_job(conclusion="paused_by_moon"))])
    any_index.refresh()
    found = list(any_index.scan("jobs", Where(equals={"s_status": "paused_by_moon"}, missing=["l_status_number"])))
    assert [document.body["s_status"] for document in found] == ["paused_by_moon"]
    assert any_index.count_by("jobs", "s_status") == {"paused_by_moon": 1}


def test_a_very_long_keyword_is_stored_but_not_searched(any_index: DocumentIndex) -> None:
    longest, too_long = "x" * 1024, "y" * 40_000
    any_index.upsert([a_doc("fits", s_job_name=longest), a_doc("long", s_job_name=too_long)])
    any_index.refresh()
    assert any_index.get("jobs", ["long"])["long"]["s_job_name"] == too_long
    assert any_index.count_by("jobs", "s_job_name") == {longest: 1}
    assert ids(any_index, Where(equals={"s_job_name": longest})) == ["fits"]
    assert ids(any_index, Where(equals={"s_job_name": too_long})) == []
    assert ids(any_index, Where(missing=["s_job_name"])) == ["long"]


def test_text_of_any_script_and_length_survives(any_index: DocumentIndex) -> None:
    text = "Größe 日本語 🚀 \x00 \t " + "z" * 100_000
    any_index.upsert([a_doc("j1", s_error_summary=text, s_branch="größe/日本語-🚀")])
    any_index.refresh()
    assert any_index.get("jobs", ["j1"])["j1"]["s_error_summary"] == text
    assert any_index.count_by("jobs", "s_branch") == {"größe/日本語-🚀": 1}


def test_conditions_are_joined_by_and(filled: DocumentIndex) -> None:
    job = "github-job-{}-attempt-1".format
    cases = [
        (Where(), {job(n) for n in range(1, 11)}),
        (Where(equals={"s_error_type": "timeout"}), {job(4), job(5)}),
        (Where(equals={"s_error_type": "timeout", "s_status": "failure"}), {job(4)}),
        (Where(equals={"s_error_type": ["timeout", "network_error"]}), {job(4), job(5), job(10)}),
        (Where(equals={"s_error_type": []}), set()),
        (Where(equals={"l_status_number": 0}), {job(3)}),
        (Where(equals={"s_runner_labels": "ubuntu-latest", "s_job_id": "7"}), {job(7)}),
        (Where(ranges={"f_error_confidence": (0.8, None)}), {job(1), job(4), job(5)}),
        (Where(ranges={"f_error_confidence": (0.55, 0.8)}), {job(2), job(10)}),
        (Where(exists=["s_error_state"], missing=["s_error_type"]), {job(6), job(7), job(8)}),
        (Where(exists=["errors"], equals={"s_workflow_id": "200"}), {job(4), job(5), job(6)}),
        (Where(missing=["s_error_state", "l_status_number"]), {job(9)}),
        (Where(exists=["s_runner_labels", "s_error_evidence"], equals={"s_workflow_id": "100"}), {job(1), job(2)}),
    ]
    for where, expected in cases:
        assert set(ids(filled, where)) == expected, where


def test_times_are_compared_whichever_way_they_are_written(any_index: DocumentIndex) -> None:
    any_index.upsert(
        Document("jobs", f"j{hour}", {"@timestamp": f"2026-03-02T{hour:02}:00:00Z"}) for hour in range(4, 8)
    )
    any_index.refresh()
    for low, high in (
        (datetime(2026, 3, 2, 5, tzinfo=UTC), datetime(2026, 3, 2, 7, tzinfo=UTC)),
        ("2026-03-02T05:00:00Z", "2026-03-02T07:00"),
        ("2026-03-02T06:00:00+01:00", "2026-03-02T06:59:59Z"),
    ):
        assert sorted(ids(any_index, Where(ranges={"@timestamp": (low, high)}))) == ["j5", "j6"]
    with pytest.raises(ContractError, match="lately"):
        ids(any_index, Where(ranges={"@timestamp": ("lately", None)}))


def test_words_are_found_in_any_text_field(any_index: DocumentIndex) -> None:
    any_index.upsert(
        [
            a_doc(
                "a", s_error_summary="ModuleNotFoundError: No module named 'yaml'", s_error_evidence="tests/test_a.py:3"
            ),
            a_doc("b", s_error_summary="Connection refused by db.example:5432", s_suggested_fix="Start the database."),
            a_doc("c", s_annotation_messages="[failure] Connection reset; naïve retry (日本語) " + "x" * 40_000),
        ]
    )
    any_index.refresh()
    for text, expected in {
        "connection": ["b", "c"],
        "CONNECTION refused": ["b"],
        "connection database": ["b"],  # one word in each of two fields
        "test_a": ["a"],
        "test": [],  # whole words
        "5432": ["b"],
        "no-module": ["a"],
        "yaml tests py 3": ["a"],
        "…": [],
        "connection yaml": [],
        "NAÏVE": ["c"],
        "na": [],
        "日本語": ["c"],
    }.items():
        assert sorted(ids(any_index, Where(text=text))) == expected, text


def test_fields_narrow_and_sort_orders(filled: DocumentIndex) -> None:
    found = list(filled.scan("jobs", fields=["s_job_id", "f_error_confidence"], sort="-f_error_confidence"))
    assert [d.body["s_job_id"] for d in found[:6]] == ["5", "1", "4", "10", "2", "6"]
    assert all(set(d.body) <= {"s_job_id", "f_error_confidence"} for d in found)
    assert all("f_error_confidence" not in d.body for d in found[6:]), "documents without the field come last"
    assert [d.body["s_job_id"] for d in filled.scan("jobs", sort="f_error_confidence", limit=2)] == ["6", "2"]
    assert [d.body["s_job_id"] for d in filled.scan("jobs", sort="-s_job_id", limit=3)] == ["9", "8", "7"]
    assert list(filled.scan("jobs", limit=0)) == []


@pytest.mark.parametrize(
    "fields",
    [
        ("s_job_id",),
        ("@timestamp", "s_runner_labels", "b_flaky_suspected", "f_error_confidence", "l_duration_sec", "errors"),
    ],
)
def test_a_few_fields_are_what_the_whole_document_has_of_them(filled: DocumentIndex, fields: tuple[str, ...]) -> None:
    odd: dict[str, Any] = {"s_job_name": 'a"b\\c\u2028 ü 漢', "b_flaky_suspected": False, "f_error_confidence": 1.0}
    filled.upsert([a_doc("odd", "jobs", **odd)])
    filled.refresh()
    asked = (*fields, "s_job_name")
    whole = {document.id: document.body for document in filled.scan("jobs")}
    found = {document.id: document.body for document in filled.scan("jobs", fields=asked)}
    assert found == {id_: {name: body[name] for name in asked if name in body} for id_, body in whole.items()}
    assert {type(body.get("b_flaky_suspected")) for body in found.values()} <= {bool, type(None)}


def test_a_field_that_cannot_be_asked_for_is_an_error_not_an_empty_answer(any_index: DocumentIndex) -> None:
    asks: list[Any] = [
        lambda: list(any_index.scan("jobs", Where(equals={"s_typo": "x"}))),
        lambda: list(any_index.scan("jobs", Where(equals={"s_error_summary": "x"}))),
        lambda: list(any_index.scan("jobs", Where(ranges={"errors": (1, 2)}))),
        lambda: list(any_index.scan("jobs", Where(exists=["s_step_id"]))),
        lambda: list(any_index.scan("jobs", Where(missing=["s_typo"]))),
        lambda: list(any_index.scan("jobs", sort="s_typo")),
        lambda: any_index.count_by("jobs", "s_error_summary"),
        lambda: any_index.count_by("jobs", "f_error_confidence"),
        lambda: any_index.count_by("jobs", "s_typo"),
    ]
    for ask in asks:
        with pytest.raises(ContractError):
            ask()


def test_counts_by_field(filled: DocumentIndex) -> None:
    assert filled.count_by("jobs", "s_error_type") == {"infrastructure_error": 2, "timeout": 2, "network_error": 1}
    assert filled.count_by("jobs", "s_error_state", Where(equals={"s_workflow_id": "300"})) == {
        "classified": 1,
        "no_error_found": 1,
        "no_log": 1,
    }
    assert filled.count_by("jobs", "l_status_number") == {"1": 7, "0": 1}
    assert filled.count_by("jobs", "s_runner_labels") == {"ubuntu-latest": 10}
    assert filled.count_by("jobs", "b_flaky_suspected") == {}
    filled.update("jobs", {"github-job-1-attempt-1": {"b_flaky_suspected": True}})
    filled.refresh()
    assert filled.count_by("jobs", "b_flaky_suspected") == {"true": 1}


def test_twelve_thousand_documents_are_scanned_and_counted_whole(any_index: DocumentIndex) -> None:
    count = 12_000
    assert any_index.upsert(many_jobs(count)) == Written(created=count)
    any_index.refresh()
    assert len(set(ids(any_index))) == count
    durations = [
        d.body["l_duration_sec"] for d in any_index.scan("jobs", sort="l_duration_sec", fields=["l_duration_sec"])
    ]
    assert durations == list(range(count))
    assert len(ids(any_index, limit=10_500)) == 10_500
    counts = any_index.count_by("jobs", "s_job_name")
    assert len(counts) == count
    assert set(counts.values()) == {1}
    names = [f"github-job-{number}-attempt-1" for number in range(0, count, 2)]
    assert len(any_index.get("jobs", names)) == count // 2
    assert any_index.delete("jobs", [*names, "not there"]) == count // 2
    any_index.refresh()
    assert len(ids(any_index)) == count // 2


def test_only_the_first_creates(any_index: DocumentIndex) -> None:
    assert any_index.create(a_doc("v1-ffff-c1", "verdicts", s_claimed_by="first")) is True
    assert any_index.create(a_doc("v1-ffff-c1", "verdicts", s_claimed_by="second")) is False
    assert any_index.get("verdicts", ["v1-ffff-c1"])["v1-ffff-c1"]["s_claimed_by"] == "first"


def test_update_merges_removes_and_leaves_the_rest(any_index: DocumentIndex) -> None:
    any_index.upsert([a_doc("j1", s_status="failure", s_error_type="timeout"), a_doc("j2", s_status="failure")])
    changes: dict[str, dict[str, Any]] = {
        "j1": {"s_error_type": None, "s_error_state": "unknown", "b_flaky_suspected": False},
        "j2": {"errors": [{"s_error_type": "timeout"}]},
        "j3": {"s_status": "success"},
    }
    assert any_index.update("jobs", changes) == 2
    found = any_index.get("jobs", ["j1", "j2", "j3"])
    time = {"@timestamp": "2026-03-02T05:00:00Z", "s_status": "failure"}
    assert found == {
        "j1": {**time, "s_error_state": "unknown", "b_flaky_suspected": False},
        "j2": {**time, "errors": [{"s_error_type": "timeout"}]},
    }
    assert any_index.update("jobs", {}) == 0


def test_a_stored_verdict_comes_back_equal(any_index: DocumentIndex) -> None:
    verdict = a_verdict(model="m-1", detail="asked twice", guess=None)
    document = verdict_document(verdict, judged_at=HOUR, error=an_error(), repo="octo/widgets", job_id=500)
    any_index.upsert([document])
    stored = any_index.get("verdicts", [document.id])
    assert verdict_of(Document("verdicts", document.id, stored["v1-aaaa-c1"])) == verdict


def test_empty_requests_are_no_trouble(any_index: DocumentIndex) -> None:
    assert any_index.upsert([]) == Written()
    assert any_index.get("jobs", []) == {}
    assert any_index.delete("jobs", []) == 0
    any_index.refresh()
    assert list(any_index.scan("steps")) == []
    assert any_index.count_by("steps", "s_status") == {}
    any_index.ensure()
    any_index.ensure()
    assert any_index.location


def test_when_each_value_was_seen_first_is_one_question(any_index: DocumentIndex) -> None:
    seen = [("a", 3), ("a", 1), ("b", 2), ("c", 1), ("a", 2)]
    any_index.upsert(
        Document("jobs", f"j{number}", {"@timestamp": f"2026-03-{day:02}T05:00:00Z", "s_error_group": group})
        for number, (group, day) in enumerate(seen)
    )
    any_index.upsert([Document("jobs", "timeless", {"s_error_group": "d"})])
    any_index.refresh()
    asked = ["a", "b", "d", "never", *(f"many-{number}" for number in range(1_200))]
    assert any_index.earliest("jobs", "s_error_group", asked) == {
        "a": "2026-03-01T05:00:00Z",
        "b": "2026-03-02T05:00:00Z",
    }
    assert any_index.earliest("jobs", "s_error_group", []) == {}


def several_jobs() -> list[Document]:
    """Jobs of two pools of runners in two hours; one says nothing of itself."""
    of: dict[str, Any] = {"s_repo": "a/b", "s_workflow_name": "CI", "s_job_name": "test", "f_runner_cost_usd": 0.012}
    return [
        a_doc(
            "j1", **of, s_job_id="1", s_runner_labels=["self-hosted", "linux"], l_queue_time_sec=5, l_runner_minutes=2
        ),
        a_doc(
            "j2", **of, s_job_id="2", s_runner_labels=["self-hosted", "linux"], l_queue_time_sec=9, l_runner_minutes=3
        ),
        a_doc(
            "j3",
            **of,
            s_job_id="3",
            s_runner_labels=["linux", "self-hosted"],
            l_queue_time_sec=1,
            b_flaky_suspected=True,
        ),
        a_doc("j4", s_job_id="4", s_repo="a/c", s_job_name="lint", s_runner_labels=['q"\\'], l_queue_time_sec=9),
        a_doc("j5", s_job_id="5", s_repo="a/c", s_workflow_name="x" * 2_000),
    ]


def test_documents_are_counted_by_combinations_of_values_with_sums(any_index: DocumentIndex) -> None:
    any_index.upsert(several_jobs())
    any_index.upsert([Document("jobs", "late", {"@timestamp": "2026-03-02T06:59:59Z", "s_repo": "a/b"})])
    any_index.refresh()

    def tallied(
        *by: str, where: Where | None = None, sums: Sequence[str] = ()
    ) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        found = any_index.tally("jobs", by, where, sums=sums)
        assert len({each.values for each in found}) == len(found)
        return {each.values: (each.count, *(round(added, 4) for added in each.sums)) for each in found}

    assert tallied("s_repo", "@timestamp") == {
        ("a/b", "2026-03-02T05"): (3,),
        ("a/b", "2026-03-02T06"): (1,),
        ("a/c", "2026-03-02T05"): (2,),
    }
    assert tallied("s_runner_labels") == {
        (("self-hosted", "linux"),): (2,),
        (("linux", "self-hosted"),): (1,),
        (('q"\\',),): (1,),
        (None,): (2,),
    }
    assert tallied("s_workflow_name", "b_flaky_suspected") == {
        ("CI", None): (2,),
        ("CI", True): (1,),
        (None, None): (3,),
    }
    named = Where(exists=("s_workflow_name",))
    assert tallied("s_repo", where=named, sums=("l_runner_minutes", "f_runner_cost_usd")) == {("a/b",): (3, 5, 0.036)}
    (all_of_it,) = any_index.tally("jobs", ("s_repo",), named, sums=("l_runner_minutes", "f_runner_cost_usd"))
    assert all_of_it.present == tuple(
        sum(
            name in each.body
            for each in several_jobs()
            if "s_workflow_name" in each.body and each.body["s_repo"] == "a/b"
        )
        for name in ("l_runner_minutes", "f_runner_cost_usd")
    )
    assert tallied("s_repo", where=Where(equals={"s_repo": "no/such"})) == {}
    with pytest.raises(ContractError, match="f_runner_cost_usd"):
        any_index.tally("jobs", ("f_runner_cost_usd",))


def test_more_combinations_than_one_answer_holds_are_all_counted(
    any_index: DocumentIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ci_metrics.index.opensearch.BUCKETS", 7)
    any_index.upsert(many_jobs(50))
    any_index.refresh()
    assert sorted(each.values[0] for each in any_index.tally("jobs", ("l_duration_sec",))) == list(range(50))


def test_the_first_of_each_combination_are_found_in_the_order_asked_for(any_index: DocumentIndex) -> None:
    any_index.upsert(several_jobs())
    any_index.refresh()

    def first(most: int, *order: str) -> set[str]:
        waited = Where(exists=("l_queue_time_sec",))
        found = any_index.first_of_each(
            "jobs", ("s_repo", "s_branch"), order, most, waited, fields=("s_job_id", "errors")
        )
        assert all(document.body == {"s_job_id": document.id.removeprefix("j")} for document in found)
        return {document.id for document in found}

    assert first(1, "-l_queue_time_sec") == {"j2", "j4"}
    assert first(2, "l_queue_time_sec", "s_job_id") == {"j3", "j1", "j4"}
    assert first(2, "@timestamp", "-s_job_id") == {"j3", "j2", "j4"}


def test_combinations_of_values_are_conditions(any_index: DocumentIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    any_index.upsert(several_jobs())
    any_index.refresh()
    three = ("s_repo", "s_workflow_name", "s_job_name")
    more = [(f"a/{n}", f"w{n % 700}", "test") for n in range(2_000)]  # more than a server takes in one question
    assert ids(any_index, Where(together={three: [*more, ("a/b", "CI", "test"), ("a/b", "CI", "lint")]})) == ids(
        any_index, Where(equals={"s_repo": "a/b", "s_workflow_name": "CI", "s_job_name": ("test", "lint")})
    )
    monkeypatch.setattr("ci_metrics.index.opensearch_query.TOGETHER", 2)
    pairs = [("a/b", "test"), ("a/c", "test"), ("a/c", "lint"), ("a/b", "lint"), ("a/b", "test")]
    fields = ("s_repo", "s_job_name")
    assert set(ids(any_index, Where(together={fields: pairs}))) == {"j1", "j2", "j3", "j4"}
    assert ids(any_index, Where(together={fields: pairs[1:3]})) == ["j4"]
    assert ids(any_index, Where(together={fields: []})) == []
    by = {each.values: each.count for each in any_index.tally("jobs", ("s_repo",), Where(together={fields: pairs}))}
    assert by == {("a/b",): 3, ("a/c",): 1}
    with pytest.raises(ContractError, match="s_error_summary"):
        ids(any_index, Where(together={("s_repo", "s_error_summary"): [("a/b", "x")]}))
