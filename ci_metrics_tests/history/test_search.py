from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ci_metrics.commands.search import search as search_command
from ci_metrics.commands.tables import print_csv
from ci_metrics.commands.terminal import terminal_text
from ci_metrics.errors import NotFoundError, SettingsError
from ci_metrics.history.search import Filters, find_failures
from ci_metrics.history.time_range import Window
from ci_metrics.index.document_index import Document, DocumentIndex
from ci_metrics_tests.history.history_documents import index_of_the_sample
from ci_metrics_tests.history.history_documents import job as history_job
from ci_metrics_tests.report.corpus import END, corpus

DOCUMENTS = corpus(14)
FAILED = [d for d in DOCUMENTS if d.kind == "jobs" and d.body["s_status"] == "failure"]
STEPS = [d for d in DOCUMENTS if d.kind == "steps"]
DAY = Window(END - timedelta(days=5), END - timedelta(days=4))


def test_filters_find_what_a_plain_look_finds(any_index: DocumentIndex) -> None:
    any_index.upsert(DOCUMENTS)
    any_index.refresh()
    for filters, expected in _cases():
        found = find_failures(any_index, filters)
        assert {d.id for d in found} == {d.id for d in expected}, filters
        assert [d.body["@timestamp"] for d in found] == sorted((d.body["@timestamp"] for d in found), reverse=True)
    assert [d.id for d in find_failures(any_index, Filters(), 7)] == [
        d.id for d in find_failures(any_index, Filters())
    ][:7]


def test_failures_are_found_behind_many_newer_jobs_that_are_none(any_index: DocumentIndex) -> None:
    failed = [history_job(n, fingerprint="f1-a", at=n) for n in range(5)]
    cancelled = [history_job(100 + n, status="cancelled", at=100 + n % 40) for n in range(130)]
    any_index.upsert([*failed, *cancelled])
    any_index.refresh()
    for limit in (1, 3, 5, 9):
        found = find_failures(any_index, Filters(), limit)
        assert [document.id for document in found] == [document.id for document in reversed(failed)][:limit]


def test_owners_and_who_has_to_act_are_filters_and_a_list_holds_each_owner(any_index: DocumentIndex) -> None:
    ours = history_job(1, fingerprint="f1-a", s_owner=["@acme/pay", "@ann"], s_error_domain="code")
    theirs = history_job(2, fingerprint="f1-b", s_owner=["@acme/it"], s_error_domain="platform")
    nobodys = history_job(3, fingerprint="f1-c", s_error_domain="unknown")
    any_index.upsert([ours, theirs, nobodys])
    any_index.refresh()
    for filters, expected in (
        (Filters(owner="@ann"), {ours.id}),
        (Filters(owner="@acme/*"), {ours.id, theirs.id}),
        (Filters(domain="platform"), {theirs.id}),
        (Filters(domain="unknown"), {nobodys.id}),
    ):
        assert {document.id for document in find_failures(any_index, filters)} == expected
    with pytest.raises(SettingsError, match="--owner"):
        find_failures(any_index, Filters(owner="@nobody"))


def _cases() -> list[tuple[Filters, list[Document]]]:
    def having(documents: list[Document], **wanted: str) -> list[Document]:
        return [d for d in documents if all(d.body.get(name) == value for name, value in wanted.items())]

    in_day = [d for d in FAILED if "2026-11-18" <= d.body["@timestamp"] < "2026-11-19"]
    rounding = [
        d for d in FAILED if "rounding" in d.body.get("s_error_summary", "") and "19.99" in d.body["s_error_summary"]
    ]
    assert in_day and rounding
    return [
        (Filters(), FAILED),
        (Filters(type="timeout"), having(FAILED, s_error_type="timeout")),
        (Filters(type="TIMEOUT"), having(FAILED, s_error_type="timeout")),
        (Filters(state="no_log"), having(FAILED, s_error_state="no_log")),
        (Filters(group="g1-conn-reset", repo="acme/shop"), having(FAILED, s_error_group="g1-conn-reset", s_repo="acme/shop")),
        (Filters(branch="main", workflow="CI"), having(FAILED, s_branch="main", s_workflow_name="CI")),
        (Filters(job="unit*"), [d for d in FAILED if d.body["s_job_name"].startswith("unit")]),
        (Filters(job="unit (3.1?)"), [d for d in FAILED if d.body["s_job_name"].startswith("unit")]),
        (Filters(step="Run unit tests"), having(STEPS, s_step_name="Run unit tests")),
        (Filters(step="end*tests", type="timeout"), having(STEPS, s_error_type="timeout", s_step_name="End-to-end tests")),
        (Filters(text="rounding 19.99"), rounding),
        (Filters(text="ROUNDING nowhere"), []),
        (Filters(window=DAY), in_day),
        (Filters(pr="1*"), [d for d in FAILED if d.body["s_pr_id"].startswith("1")]),
        (Filters(pr="nothing*"), []),
    ]  # fmt: skip


def test_failures_from_before_classification_are_found_by_their_state(any_index: DocumentIndex) -> None:
    job = next(d for d in FAILED)
    body = {name: value for name, value in job.body.items() if "error" not in name}
    any_index.upsert([*FAILED[1:], Document("jobs", job.id, body)])
    any_index.refresh()
    assert [d.id for d in find_failures(any_index, Filters(state="off"))] == [job.id]


def test_a_misspelt_name_is_refused_with_the_nearest_ones(any_index: DocumentIndex) -> None:
    any_index.upsert(FAILED)
    any_index.refresh()
    with pytest.raises(SettingsError, match=r"--branch: no failure has “mian”.*“main”"):
        find_failures(any_index, Filters(branch="mian"))


def test_a_category_finds_the_projects_own_kinds_of_it(any_index: DocumentIndex) -> None:
    kinds = {"lint_failure": "assertion_failure", "policy_failure": "assertion_failure", "slow_test": "timeout"}
    own = [
        replace(d, body={**d.body, "s_error_type": kind, "s_error_base_type": kinds[kind]})
        for d, kind in zip([d for d in FAILED if d.body.get("s_error_type")], [*kinds] * 3, strict=False)
    ]
    changed = {d.id for d in own}
    any_index.upsert([d for d in DOCUMENTS if d.id not in changed] + own)
    any_index.refresh()
    now = [d for d in FAILED if d.id not in changed] + own

    def ids(**wanted: str) -> set[str]:
        return {d.id for d in now if all(d.body.get(name) == value for name, value in wanted.items())}

    for asked, expected in (
        ("assertion_failure", ids(s_error_base_type="assertion_failure")),
        ("Assertion_*", ids(s_error_base_type="assertion_failure")),
        ("timeout", ids(s_error_base_type="timeout")),
        ("lint_failure", ids(s_error_type="lint_failure")),
        ("*_failure", ids(s_error_base_type="assertion_failure")),
    ):
        assert {d.id for d in find_failures(any_index, Filters(type=asked))} == expected != set(), asked
    with pytest.raises(SettingsError, match=r"--type: no failure has “lint”.*“lint_failure”"):
        find_failures(any_index, Filters(type="lint"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CI_METRICS_HOME whose index holds the documents."""
    index = index_of_the_sample(tmp_path, monkeypatch)
    index.upsert(DOCUMENTS)
    index.close()
    return tmp_path


def test_the_command_prints_json_and_csv_of_the_same_failures(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search_command(type="timeout", limit=0, json=True)
    rows = json.loads(capsys.readouterr().out)
    search_command(type="timeout", limit=0, csv=True)
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["id"] for row in rows] == [line["id"] for line in lines]
    assert {line["s_error_type"] for line in lines} == {"timeout"}
    assert len(rows) == sum(d.body.get("s_error_type") == "timeout" for d in FAILED)


def test_the_command_shows_cause_quote_and_link_and_that_there_are_more(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search_command(group="g1-conn-reset", limit=2)
    said = capsys.readouterr().out
    assert "2 newest failures" in said
    assert "ConnectionResetError" in said
    assert "https://github.com/acme/" in said
    assert "--limit 0 for all" in said


def test_without_an_index_the_command_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REPO", raising=False)
    monkeypatch.setenv("CI_METRICS_HOME", str(tmp_path))
    with pytest.raises(NotFoundError, match="ci-metrics upload"):
        search_command()


def test_text_from_ci_cannot_steer_a_terminal_or_a_spreadsheet(capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal_text("a\x1b[31mred\x07\u202eb\n") == "a·[31mred··b·"
    print_csv([{"name": "=cmd()", "n": -1}, {"name": "@sum", "n": 2}], ("name", "n"))
    assert capsys.readouterr().out == "name,n\n'=cmd(),-1\n'@sum,2\n"
