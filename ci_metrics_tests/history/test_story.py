"""The story of a stretch of time: facts from documents, and the sentences on every surface."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ci_metrics.commands.top import top
from ci_metrics.history.flakiest import flakiest
from ci_metrics.history.groups import groups
from ci_metrics.history.history_pass import run_history_pass
from ci_metrics.history.job_counts import collect
from ci_metrics.history.period import oldest_failure
from ci_metrics.history.regressions import shifted
from ci_metrics.history.story import Story, read_story
from ci_metrics.history.stretch import Stretch
from ci_metrics.history.time_range import Window
from ci_metrics.index.document_index import Document, DocumentIndex
from ci_metrics.report.page import build_report, render_page
from ci_metrics.report.story import Sentence, story, told_of
from ci_metrics_tests.history.history_documents import START, index_of_the_sample, job, moment

DAY = Window(START - timedelta(hours=5), START + timedelta(hours=19))
RUN_PAGE = "https://github.com/acme/shop/actions/runs/1/job/1"
GOOD, BAD, FIX = "a" * 40, "b" * 40, "f" * 40


def main(run: int, commit: str, status: str = "success", **fields: Any) -> Document:
    named = {"fingerprint": "f1-broken", "quote": "assert total == 4"} if status == "failure" else {}
    return job(run, commit=commit, status=status, **{"event": "push", "branch": "main", **named, **fields})


def run_of(number: int, commit: str, *, pr: str = "N/A", event: str = "push", **fields: Any) -> Document:
    body = {
        "@timestamp": "2026-03-02T06:00:00Z", "s_repo": "acme/shop", "s_workflow_id": str(number), "s_commit_sha": commit, "s_pr_id": pr,
        "s_github_event": event, "s_status": "failure", "l_run_attempt": 1, "s_partition": START.strftime("%Y-%m-%dT%H"), **fields,
    }  # fmt: skip
    return Document("workflows", f"github-workflow-{number}-attempt-1", body)


def red_main() -> list[Document]:
    """main red for four hours, two heirs of it, the pull request that broke it, and another."""
    return [
        main(1, GOOD, at=0),
        main(2, BAD, "failure", at=60, s_html_url=RUN_PAGE, s_owner=["@acme/pay"]),
        main(3, "c" * 40, "failure", at=120),
        main(4, FIX, at=300),
        *(job(10 + n, fingerprint="f1-broken", at=70 + n, s_pr_id=str(pr)) for n, pr in enumerate((7, 8, 41, 7))),
        job(20, fingerprint="f1-other", at=80, s_pr_id="9"),
        job(21, fingerprint="f1-broken", at=400, s_pr_id="10"),  # after it was mended
        run_of(2, BAD, s_commit_author="Ada Lovelace", s_commit_pr_id="41", s_user_alias="merge-bot"),
        run_of(40, "d" * 40, pr="41", event="pull_request"),
    ]


def an_outage() -> list[Document]:
    common: dict[str, Any] = {
        "type": "network_error",
        "s_error_domain": "platform",
        "fingerprint": "f1-net",
        "s_status": "failure",
    }
    return [job(100 + n, repo=f"acme/r{n % 3}", at=600 + 5 * n, name=f"job{n}", **common) for n in range(9)]


def flakes() -> list[Document]:
    return [
        document
        for n in range(3)
        for document in (
            job(200 + n, name="e2e", fingerprint="f1-flake", quote="FAILED test_clock.py::test_now", at=20 * n),
            job(200 + n, name="e2e", attempt=2, status="success", at=20 * n + 9),
        )
    ]


def told(index: DocumentIndex, *documents: Document) -> Story:
    index.upsert(documents)
    index.refresh()
    for hour in sorted({str(d.body["s_partition"]) for d in documents}):
        run_history_pass(index, hour)
    figures, where = collect(index, DAY), DAY.where()
    return read_story(
        index, figures, groups(index, where), flakiest(index, where), history_begins=oldest_failure(index)
    )


def texts(found: Story) -> list[str]:
    return [sentence.text for sentence in story(found)]


def test_a_red_spell_is_told_with_its_commit_author_pull_request_end_and_heirs(any_index: DocumentIndex) -> None:
    first = story(told(any_index, *red_main()))[0]
    assert first == Sentence(
        "CI / test on main of acme/shop was red for 4.0 h, from 02 Mar 06:00 to 10:00 UTC, with “assert total == 4”: first bad "
        "commit bbbbbbb by Ada Lovelace (#41); commit fffffff ended it; pull requests #7, #8 failed with it too; owner @acme/pay.",
        f"https://github.com/acme/shop/compare/{GOOD}...{BAD}",
    )


def test_a_branch_that_is_still_red_is_told_as_far_as_it_was_seen_to_be(embedded_index: DocumentIndex) -> None:
    still = [document for document in red_main() if document.body["s_commit_sha"] != FIX]
    assert texts(told(embedded_index, *still))[0].startswith(
        "CI / test on main of acme/shop has been red since 02 Mar 06:00 UTC, last seen at 07:00 (60 min), with "
        "“assert total == 4”: first bad commit"
    )


def test_jobs_that_one_commit_broke_are_named_together_before_their_branch(embedded_index: DocumentIndex) -> None:
    red = [
        main(run, commit, status, name=name, at=at)
        for name in ("lint", "test")
        for run, commit, status, at in ((1, GOOD, "success", 0), (2, BAD, "failure", 60), (3, BAD, "failure", 90))
    ]
    assert texts(told(embedded_index, *red))[0].startswith(
        "CI / lint, CI / test on main of acme/shop have been red since 02 Mar 06:00 UTC, last seen at 06:30 (30 min)"
    )


def test_a_branch_whose_newest_run_is_its_first_red_one_is_news_for_some_hours(any_index: DocumentIndex) -> None:
    first = [main(1, GOOD), main(2, BAD, "failure", at=60)]
    assert texts(told(any_index, *first))[0].startswith(
        "CI / test on main of acme/shop turned red at 02 Mar 06:00 UTC, in its newest run"
    )
    late = job(3, fingerprint="f1-late", at=60 + 13 * 60, s_pr_id="9")
    assert told(any_index, late).spells == ()


def test_top_red_shows_each_spell_with_its_error_commit_and_author(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    index = index_of_the_sample(tmp_path, monkeypatch)
    second = [main(30, FIX, name="lint", at=310), main(31, "e" * 40, "failure", name="lint", at=400)]
    second += [main(32, "e" * 40, "failure", name="lint", at=410)]
    told(index, *red_main(), *second)
    index.close()
    day = {"from_": "2026-03-02", "to": "2026-03-02"}
    top("red", json=True, **day)  # type: ignore[arg-type]
    lint, test = json.loads(capsys.readouterr().out)
    assert (lint["jobs"], lint["ended"], lint["headline"]) == (["lint"], None, "assert total == 4")
    assert (test["author"], test["pull_request"], test["inherited"], test["ended_by"]) == (
        "Ada Lovelace",
        "41",
        ["7", "8"],
        FIX,
    )
    top("red", limit=1, **day)  # type: ignore[arg-type]
    said = capsys.readouterr().out
    assert "1. CI / lint on main of acme/shop has been red since" in said
    assert "Still red first; of those, a known first bad commit" in said
    assert "1 more: --limit 0 shows all." in said
    top("red", from_="2020-01-01", to="2020-01-02")
    assert "No default branch was red in" in capsys.readouterr().out


def test_no_culprit_is_named_where_none_is_known(embedded_index: DocumentIndex) -> None:
    without = [document for document in red_main() if document.id != main(1, GOOD).id]
    text = texts(told(embedded_index, *without))[0]
    assert "since which commit is not known" in text
    assert "Ada" not in text


def test_nobody_is_named_where_commits_before_were_not_tested(embedded_index: DocumentIndex) -> None:
    cancelled = main(5, "e" * 40, "cancelled", at=30, hour=START.strftime("%Y-%m-%dT%H"))
    moved = [main(6, BAD, "failure", at=60), main(7, "c" * 40, "failure", at=120), main(8, FIX, at=300)]
    text = texts(told(embedded_index, main(1, GOOD), cancelled, *moved, run_of(6, BAD, s_commit_author="Ada")))[0]
    assert (
        "first seen at commit bbbbbbb, after 1 commit at which it did not run to an end; commit fffffff ended it"
        in text
    )
    assert "Ada" not in text


def test_a_gate_on_main_is_no_failure_of_its_commit(any_index: DocumentIndex) -> None:
    gate = main(2, BAD, "failure", at=60, s_error_state="no_error_found", s_classifier_version="c1", fingerprint=None)
    failed = [main(3, "c" * 40, "failure", at=120), main(4, "d" * 40, "failure", at=130), main(5, FIX, at=300)]
    (spell,) = (each.spell for each in told(any_index, main(1, GOOD, at=0), gate, *failed).spells)
    assert (spell.last_good, spell.first_bad, spell.untested, spell.runs) == (GOOD, "c" * 40, 1, 2)


def test_a_flaky_test_on_main_and_a_single_failure_are_no_red_spells(embedded_index: DocumentIndex) -> None:
    once = [main(1, GOOD), main(2, BAD, "failure", at=60), main(3, FIX, at=70)]
    flaky = [main(4, BAD, "failure", name="e2e", fingerprint="f1-flake", at=n) for n in (80, 90)]
    assert told(embedded_index, *once, *flaky, *flakes()).spells == ()


def test_an_outage_is_told_with_its_time_its_repositories_and_that_no_commit_caused_it(
    any_index: DocumentIndex,
) -> None:
    (said, *_) = texts(told(any_index, *an_outage()))
    assert said == (
        "From 02 Mar 15:00 to 15:40 UTC an outage (network error) failed 9 jobs in 3 repositories: no commit caused that."
    )


def test_the_flakiest_failure_is_told_with_its_rate_and_what_that_is_of(any_index: DocumentIndex) -> None:
    passing = [job(300 + n, name="e2e", status="success", at=n) for n in range(4)]
    (said,) = (text for text in texts(told(any_index, *flakes(), *passing)) if "flakiest" in text)
    assert said == (
        "The flakiest failure is “FAILED test_clock.py::test_now”: in 3 of 10 runs of e2e (30.0 %) it failed and then passed "
        "at the same commit."
    )


def test_new_is_said_only_where_there_is_a_week_to_compare_with(embedded_index: DocumentIndex) -> None:
    assert told(embedded_index, *red_main()).new is None
    old = shifted(START.strftime("%Y-%m-%dT%H"), -timedelta(days=9))
    before = [job(400 + n, fingerprint="f1-broken", at=-60 * 24 * 9, hour=old) for n in range(2)]
    found = told(embedded_index, *red_main(), *before)
    assert [group.id for group in found.new or ()] == ["g1-other"]
    assert any("1 cause is new since 02 Mar 00:00 UTC; it is “It failed: f1-other" in text for text in texts(found))


def test_the_last_sentence_counts_default_branch_and_pull_requests_apart(embedded_index: DocumentIndex) -> None:
    found = told(embedded_index, *red_main())
    assert texts(found)[-1].startswith(
        "8 of 10 jobs failed (80.0 %: 50.0 % on default branches, 100 % in pull requests); they and their re-runs took 80 min"
    )


def test_nothing_is_said_of_nothing_and_little_where_nothing_failed(embedded_index: DocumentIndex) -> None:
    assert texts(told(embedded_index)) == []
    assert texts(told(embedded_index, main(1, GOOD))) == ["No job failed; 1 passed."]


def test_a_story_has_at_most_five_sentences_however_much_happened(embedded_index: DocumentIndex) -> None:
    said = texts(told(embedded_index, *red_main(), *an_outage(), *flakes()))
    assert 3 <= len(said) <= 5
    assert all(text.endswith(".") and "  " not in text for text in said)


def test_the_page_says_the_same_with_every_name_made_harmless(embedded_index: DocumentIndex) -> None:
    nasty = "<script>alert(1)</script>"
    documents = [
        *red_main(),
        run_of(2, BAD, s_commit_author=nasty, s_commit_pr_id="41"),
    ]
    found = told(embedded_index, *documents)
    page = render_page(build_report(embedded_index, moment(900), window=DAY))
    assert nasty not in page
    assert "first bad commit bbbbbbb by &lt;script&gt;" in page
    assert f'href="https://github.com/acme/shop/compare/{GOOD}...{BAD}"' in page
    assert "@acme/pay" in page
    assert told_of(Stretch(embedded_index, DAY)) == found
