"""What to fix first, and what people said of causes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ci_metrics.errors import ContractError, NotFoundError, SettingsError
from ci_metrics.history.cause_states import CauseRecord, CauseRecords, cause_named, record_for, with_regressions
from ci_metrics.history.fix_first import Fix, fixes, weight_of
from ci_metrics.history.groups import groups
from ci_metrics.index.document_index import Document, DocumentIndex
from ci_metrics.logs import fingerprint
from ci_metrics.report.fixes import fix_row, issue_text
from ci_metrics_tests.history.history_documents import START, job, moment

NOW = moment(24 * 60)


def ranked(index: DocumentIndex, *documents: Document, records: CauseRecords | None = None) -> list[Fix]:
    index.upsert(documents)
    index.refresh()
    return fixes(index, groups(index), records or CauseRecords(), NOW)


def record(group: str, **said: object) -> CauseRecord:
    made = CauseRecord(group=group, fingerprint="f" + group[1:], quote="it broke", changed_at=START)
    return replace(made, **said)  # type: ignore[arg-type]


def names(found: list[Fix]) -> list[str]:
    return [fix.group.id for fix in found]


def test_lost_time_recurrence_and_certainty_decide_the_order(any_index: DocumentIndex) -> None:
    once = job(1, fingerprint="f1-once", minutes=30)
    often = [job(n, fingerprint="f1-often", minutes=5) for n in range(2, 7)]
    unsure = [job(n, fingerprint="f1-unsure", minutes=6, f_error_confidence=0.4) for n in range(7, 12)]
    found = ranked(any_index, once, *often, *unsure)
    assert names(found) == ["g1-often", "g1-once", "g1-unsure"]
    assert [fix.weight for fix in found] == [
        pytest.approx(weight_of(25, 5, 0.9)),
        pytest.approx(weight_of(30, 1, 0.9)),
        pytest.approx(weight_of(30, 5, 0.4)),
    ]


def test_a_cause_that_is_gone_from_the_default_branch_does_not_rank_as_a_live_one(any_index: DocumentIndex) -> None:
    main: dict[str, Any] = {"branch": "main", "event": "push"}
    gone = [job(n, fingerprint="f1-gone", minutes=60, name="build", **main) for n in (1, 2)]
    mended = job(3, name="build", status="success", at=50, **main)
    live = job(4, fingerprint="f1-live", minutes=30, name="lint", **main)
    flaky = job(5, fingerprint="f1-flaky", minutes=20, b_flaky_suspected=True, **main)
    passed = job(6, status="success", at=50, **main)
    found = ranked(any_index, *gone, mended, live, flaky, passed)
    assert names(found) == ["g1-live", "g1-flaky", "g1-gone"]
    assert [fix.gone_since for fix in found] == [None, None, moment(50)]
    assert found[-1].weight == pytest.approx(0.1 * weight_of(120, 2, 0.9))
    row = fix_row(found[-1], 3)
    assert row["gone_since"] == moment(50).isoformat()
    assert "gone from the default branch since 02 Mar 05:50" in issue_text(found[-1])["body"]
    # Where only the first is asked for, one that is gone does not take its place.
    assert names(fixes(any_index, groups(any_index), CauseRecords(), NOW, 1)) == ["g1-live"]


def test_a_failure_that_says_nothing_of_a_cause_is_not_to_be_fixed_first(embedded_index: DocumentIndex) -> None:
    assert ranked(embedded_index, job(1, fingerprint="f1-exit", generic=True, minutes=500)) == []


def test_all_that_a_person_needs_is_gathered_from_the_newest_failures(embedded_index: DocumentIndex) -> None:
    told: dict[str, Any] = {
        "s_suggested_fix": "Pin it.",
        "s_failed_command": "npm ci",
        "s_failed_tests": ["cart › adds"],
        "s_error_log_url": "https://github.com/acme/shop/actions/runs/2/job/1#step:3:7",
        "f_runner_cost_usd": 0.06,
    }
    old, new = (
        job(1, fingerprint="f1-a", quote="old words"),
        job(2, fingerprint="f1-a", at=60, quote="it broke", **told),
    )
    (fix,) = ranked(embedded_index, old, new)
    assert (fix.quote, fix.hint, fix.command, fix.tests) == ("it broke", "Pin it.", "npm ci", ("cart › adds",))
    assert fix.url == told["s_error_log_url"]
    assert fix.group.lost_usd == pytest.approx(0.06)
    row = fix_row(fix, 1)
    assert (row["reproduce"], row["lost_usd"], row["owner"], row["standing"]) == ("npm ci", 0.06, None, "open")


def test_the_money_of_a_rerun_is_lost_to_the_failure_that_caused_it(any_index: DocumentIndex) -> None:
    failed = job(1, fingerprint="f1-a", f_runner_cost_usd=0.06)
    again = job(1, attempt=2, status="success", at=30, f_runner_cost_usd=0.05)
    (fix,) = ranked(any_index, failed, again)
    assert fix.group.lost_usd == pytest.approx(0.11)


def test_an_issues_text_cannot_be_written_by_a_log(embedded_index: DocumentIndex) -> None:
    hostile = "```\n@everyone see https://evil.example <img src=x> #1"
    document = job(
        1,
        fingerprint="f1-a",
        quote=hostile,
        branch="@team",
        s_failed_command="echo ```",
        s_suggested_fix="@all https://evil.example",
    )
    (fix,) = ranked(embedded_index, document)
    issue = issue_text(fix)
    body = issue["body"]
    outside = "".join(body.split("````")[::2])
    assert "@everyone" not in outside and "@team" not in outside and "@all" not in outside
    assert "://evil" not in outside
    assert "\n" not in issue["title"] and len(issue["title"]) <= 120


def test_ignored_and_resolved_causes_leave_the_list_and_a_regressed_one_heads_it(any_index: DocumentIndex) -> None:
    documents = [
        job(1, fingerprint="f1-big", minutes=60),
        job(2, fingerprint="f1-gone", minutes=50),
        job(3, fingerprint="f1-back", minutes=1, at=180, hour="2026-03-02T08"),
        job(4, fingerprint="f1-later", minutes=40),
    ]
    any_index.upsert(documents)
    any_index.refresh()
    said = [
        record("g1-gone", resolved_at=moment(60)),
        record("g1-back", resolved_at=moment(60), assignee="ada"),
        record("g1-later", ignored_until=NOW + timedelta(days=1)),
    ]
    found = ranked(any_index, *documents, records=with_regressions(any_index, said))
    assert names(found) == ["g1-back", "g1-big"]
    assert (found[0].standing, found[0].assignee, found[0].resolved_at) == ("regressed", "ada", moment(60))
    late = [replace(each, ignored_until=NOW) if each.ignored_until else each for each in said]
    assert "g1-later" in names(ranked(any_index, *documents, records=with_regressions(any_index, late)))


def test_a_rerun_of_a_run_from_before_is_no_regression(any_index: DocumentIndex) -> None:
    any_index.upsert([job(1, fingerprint="f1-a"), job(1, attempt=2, fingerprint="f1-a", at=300)])
    any_index.refresh()
    records = with_regressions(any_index, [record("g1-a", resolved_at=moment(60))])
    assert records.standing("g1-a", NOW) == "resolved"


def test_what_was_said_holds_when_another_version_names_the_group_otherwise() -> None:
    quote = "ModuleNotFoundError: No module named 'shop.cart'"
    said = record("g0-old", quote=quote, assignee="ada")
    now_called = fingerprint.group_of_line(quote)
    assert now_called and CauseRecords((said,)).of(now_called) is said


def test_a_cause_is_named_by_fingerprint_group_the_beginning_of_one_or_a_job(any_index: DocumentIndex) -> None:
    one = job(1, fingerprint="f12-abcdef01", group="g12-abcdef01")
    two = job(2, fingerprint="f12-abcdef02", group="g12-abcdef02")
    any_index.upsert([one, two, job(3, fingerprint="f12-dddd", generic=True)])
    any_index.refresh()
    for name in ("f12-abcdef01", "g12-abcdef01", one.id, str(one.body["s_job_id"])):
        assert cause_named(any_index, name).id == one.id
    with pytest.raises(SettingsError, match="begins 2 causes"):
        cause_named(any_index, "g12-abcdef")
    with pytest.raises(NotFoundError, match="no failure of “f12-ffffffff”"):
        cause_named(any_index, "f12-ffffffff")
    with pytest.raises(SettingsError, match="FINGERPRINT: “what” names no cause"):
        cause_named(any_index, "what")
    with pytest.raises(ContractError, match="says nothing of its cause"):
        cause_named(any_index, "f12-dddd")


def test_a_second_word_on_a_cause_keeps_the_first() -> None:
    document = job(1, fingerprint="f1-a", quote="it broke")
    first = replace(record_for(document, None, user="ada", now=START, note="known"), assignee="ada")
    second = record_for(document, first, user="bob", now=NOW, note="")
    assert (second.assignee, second.note, second.user, second.changed_at) == ("ada", "known", "bob", NOW)
