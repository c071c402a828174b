from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

from ci_metrics.commands.explain import flaky_in_words, show_explanation
from ci_metrics.errors import ContractError, NotFoundError, SettingsError
from ci_metrics.history.flakiness import FlakyEvidence
from ci_metrics.history.history_pass import run_history_pass
from ci_metrics.history.job_documents import merged_body
from ci_metrics.history.job_reference import JobReference, find_job, known_job, read_reference, read_run
from ci_metrics.history.labels import label_for, labelled
from ci_metrics.index.document_index import Document, DocumentIndex
from ci_metrics.models import Evidence, LogLine, Verdict
from ci_metrics.report.explanation import Details, Explanation, ShownQuote, explain_job
from ci_metrics_tests.history.history_documents import job, moment

PAGE = "https://github.com/acme/shop/actions/runs/7/job/123"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("123", JobReference(job_id="123")),
        (" github-job-123-attempt-2 ", JobReference(job_id="123", attempt=2)),
        ("github-step-123_4-attempt-1", JobReference(job_id="123", attempt=1)),
        (PAGE, JobReference(job_id="123", repo="acme/shop", host="github.com")),
        (f"{PAGE}?pr=5#step:3:14", JobReference(job_id="123", repo="acme/shop", host="github.com")),
        (
            "github.com/acme/shop/actions/runs/7/job/123",
            JobReference(job_id="123", repo="acme/shop", host="github.com"),
        ),
        (
            "https://github.com/acme/shop/actions/runs/7/attempts/2/job/123",
            JobReference(job_id="123", repo="acme/shop", host="github.com"),
        ),
        ("https://ghe.corp/acme/shop/runs/123", JobReference(job_id="123", repo="acme/shop", host="ghe.corp")),
        (
            "https://api.github.com/repos/acme/shop/actions/jobs/123",
            JobReference(job_id="123", repo="acme/shop", host="api.github.com"),
        ),
        (
            "https://ghe.corp/api/v3/repos/acme/shop/actions/jobs/123",
            JobReference(job_id="123", repo="acme/shop", host="ghe.corp"),
        ),
    ],
)
def test_a_job_is_named_as_people_have_it_at_hand(text: str, expected: JobReference) -> None:
    assert read_reference(text) == expected


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("", "names no job"),
        ("unit tests", "names no job"),
        ("github-workflow-7-attempt-1", "names no job"),
        ("https://github.com/acme/shop/actions/runs/7", "is a run's page"),
        ("https://github.com/acme/shop/pull/3", "names no job"),
        ("https://[::1/acme/shop/actions/runs/7/job/123", "names no job"),
        ("https://github.com/../user/runs/123", "names no job"),
        ("https://github.com/acme/../runs/123", "names no job"),
        ("https://github.com/acme/*/runs/123", "names no job"),
        ("²", "names no job"),
        ("1" * 5_000, "names no job"),
    ],
)
def test_what_names_no_job_is_refused_with_the_forms_there_are(text: str, seen: str) -> None:
    with pytest.raises(SettingsError, match=seen) as refused:
        read_reference(text)
    assert "github-job-123-attempt-1" in str(refused.value)


@pytest.mark.parametrize("text", ["https://[::1/a/b/actions/runs/7", "https://github.com/a/../actions/runs/7", "²"])
def test_what_names_no_run_is_none(text: str) -> None:
    assert read_run(text) is None


def test_without_an_attempt_the_latest_is_found(any_index: DocumentIndex) -> None:
    first, second = job(1, fingerprint="f1-a"), job(1, attempt=2, fingerprint="f1-a")
    second.body["s_job_id"] = first.body["s_job_id"]
    any_index.upsert([first, second])
    any_index.refresh()
    found = find_job(any_index, JobReference(job_id=first.body["s_job_id"]))
    assert found is not None and found.id == second.id


def test_an_unknown_job_says_where_it_was_looked_for(embedded_index: DocumentIndex) -> None:
    with pytest.raises(NotFoundError, match=r"job 99 is not in .*index\.sqlite"):
        known_job(embedded_index, "99")


def explained(index: DocumentIndex, document: Document, details: Details | None = None) -> Explanation:
    index.refresh()
    return explain_job(index, Document("jobs", document.id, index.get("jobs", [document.id])[document.id]), details)


def test_an_explanation_goes_from_the_category_to_all_that_failed_like_it(any_index: DocumentIndex) -> None:
    failed = job(
        1,
        at=10,
        fingerprint="f1-a",
        quote="assert 3 == 4\nassert 5 == 6",
        l_error_line=40,
        s_suggested_fix="Correct it.",
        s_error_log_url=f"{PAGE}#step:3:14",
        s_html_url=PAGE,
        s_dagster_run_id="r-1",
        s_model="claude-x",
        s_error_source="model",
        l_prompt_tokens=900,
        l_completion_tokens=60,
        l_cached_tokens=800,
        f_cost_usd=0.002,
        s_classifier_version="c1",
    )
    others = [job(n, at=n, fingerprint="f1-a", name=f"leg {n}", branch=f"b{n}") for n in range(2, 9)]
    any_index.upsert([failed, *others])
    found = explained(any_index, failed)
    assert (found.error_type, found.confidence, found.step) == ("assertion_failure", 0.9, "Run tests")
    assert found.quotes == (ShownQuote(line=40, text="assert 3 == 4", proves=True),)
    assert found.why is not None
    assert (found.why.in_words, found.why.classifier_version) == ("the model claude-x", "c1")
    assert (found.why.prompt_tokens, found.why.completion_tokens, found.why.cached_tokens) == (900, 60, 800)
    assert found.group is not None
    assert (found.group.count, found.group.first_seen, found.group.last_seen) == (8, moment(2), moment(10))
    assert [other.job for other in found.others] == ["leg 8", "leg 7", "leg 6", "leg 5", "leg 4"]
    assert (found.suggested_fix, found.log_url) == ("Correct it.", f"{PAGE}#step:3:14")
    assert (found.partition, found.dagster_run_id) == ("2026-03-02T05", "r-1")
    assert found.flaky is not None and not found.flaky.suspected


def test_the_stored_hour_adds_rule_context_and_what_was_withheld(embedded_index: DocumentIndex) -> None:
    failed = job(1, fingerprint="f1-a")
    embedded_index.upsert([failed])
    verdict = Verdict(
        state="unknown",
        error_type=None,
        confidence=0.3,
        summary="",
        evidence=(Evidence(5, "boom"),),
        rule="r1",
        guess="timeout",
    )
    context = tuple(LogLine(n, f"line {n}") for n in range(3, 8))
    found = explained(embedded_index, failed, Details(verdict=verdict, extractor="e9", context=context))
    assert [(q.line, q.text, q.proves) for q in found.quotes if q.line in (4, 5)] == [
        (4, "line 4", False),
        (5, "boom", True),
    ]
    assert found.why is not None and (found.why.rule, found.why.extractor_version) == ("r1", "e9")
    assert found.guess == "timeout"


def test_a_generic_group_names_no_other_jobs_and_is_not_flaky(embedded_index: DocumentIndex) -> None:
    failed = [job(n, fingerprint="f1-exit", generic=True, name=f"leg {n}") for n in range(3)]
    embedded_index.upsert(failed)
    found = explained(embedded_index, failed[0])
    assert found.group is not None and found.group.generic
    assert (found.others, found.flaky) == ((), None)


def test_history_and_the_log_are_told_apart(embedded_index: DocumentIndex) -> None:
    documents = [
        document
        for run in (1, 2)
        for document in (job(run, fingerprint="f1-a"), job(run, attempt=2, at=9, status="success"))
    ]
    embedded_index.upsert(documents)
    run_history_pass(embedded_index, "2026-03-02T05")
    found = explained(embedded_index, documents[0])
    assert (found.error_type, found.type_by_log) == ("flaky_test", "assertion_failure")
    assert found.flaky is not None and found.flaky.elsewhere == (documents[2].id,)


def test_a_persons_verdict_is_shown_as_theirs(embedded_index: DocumentIndex) -> None:
    failed = job(1, fingerprint="f1-a")
    embedded_index.upsert([failed])
    now = datetime(2026, 3, 9, tzinfo=UTC)
    given = label_for(failed, "timeout", note="I saw it.", fix="", all_like_it=False, user="ada", now=now)
    embedded_index.upsert([given, *merged_body([failed], labelled([failed], {given.id: given}, {}))])
    why = explained(embedded_index, failed).why
    assert why is not None
    assert (why.in_words, why.human, why.note, why.classifier_version) == (
        "ada said so on 2026-03-09", "ada", "I saw it.", "human"
    )  # fmt: skip


def test_a_failure_that_was_not_classified_is_still_explained(embedded_index: DocumentIndex) -> None:
    failed = job(1)
    embedded_index.upsert([failed])
    found = explained(embedded_index, failed)
    assert (found.state, found.why, found.group, found.quotes) == ("off", None, None, ())


def test_a_job_that_passed_has_nothing_to_explain(embedded_index: DocumentIndex) -> None:
    passed = job(1, status="success")
    embedded_index.upsert([passed])
    with pytest.raises(ContractError, match="“success”: there is no failure to explain"):
        explained(embedded_index, passed)


def test_a_flaky_test_by_the_logs_own_word_is_not_said_to_show_no_sign_of_it() -> None:
    found = cast(Explanation, SimpleNamespace(error_type="flaky_test", flaky=FlakyEvidence()))
    assert flaky_in_words(found).startswith("By the log's own word")
    later = cast(
        Explanation, SimpleNamespace(error_type="flaky_test", flaky=FlakyEvidence(passed_in="a-later-attempt"))
    )
    assert flaky_in_words(later).startswith("Suspected")


def test_an_explanation_says_whose_it_is_since_which_commit_and_where_it_stands(
    embedded_index: DocumentIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    known = job(
        1, branch="main", event="push", fingerprint="f1-a", s_error_domain="code", s_owner=["@acme/pay"], s_error_path="src/pay.py",
        s_first_bad_sha="b" * 40, s_last_good_sha="a" * 40, s_html_url="https://github.com/acme/shop/actions/runs/1/job/1",
    )  # fmt: skip
    embedded_index.upsert([known])
    found = explain_job(embedded_index, known)
    assert found.compare_url == f"https://github.com/acme/shop/compare/{'a' * 40}...{'b' * 40}"
    show_explanation(found, "http://127.0.0.1:3000", Console(highlight=False, soft_wrap=True))
    said = " ".join(capsys.readouterr().out.split())
    for part in (
        "who acts code", "owner @acme/pay", "names src/pay.py", f"fails since commit {'b' * 12}; the job passed last at {'a' * 12}",
        "stands on the default branch", "what changed https://github.com/acme/shop/compare/",
    ):  # fmt: skip
        assert part in said
    bare = explain_job(embedded_index, job(2, fingerprint="f1-b", s_error_domain="unknown"))
    show_explanation(bare, "http://127.0.0.1:3000", Console(highlight=False, soft_wrap=True))
    said = " ".join(capsys.readouterr().out.split())
    assert "who acts unknown: the code or the platform owner unknown" in said
    assert "fails since" not in said
