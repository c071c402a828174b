from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from ci_metrics.errors import SettingsError
from ci_metrics.history.failures import without_quote
from ci_metrics.history.job_counts import collect, totals
from ci_metrics.history.money import Money
from ci_metrics.history.time_range import Window, asked_window, default_window, newest_document, parse_moment
from ci_metrics.index.document_index import DocumentIndex
from ci_metrics.index.validation import problem_of
from ci_metrics.report.page import build_report, render_page
from ci_metrics.report.story import Sentence
from ci_metrics_tests.report.corpus import END, HOSTILE, corpus, hostile_corpus

NOW = END - timedelta(hours=2)
MONTH = Window(END - timedelta(days=28), END)


def test_the_generated_documents_are_what_the_index_takes() -> None:
    assert [problem for d in [*corpus(), *hostile_corpus()] if (problem := problem_of(d.kind, d.body))] == []


def test_figures_are_those_of_a_plain_count(any_index: DocumentIndex) -> None:
    documents = corpus(10)
    any_index.upsert(documents)
    any_index.refresh()
    figures = collect(any_index, Window(END - timedelta(days=10), END))
    jobs = [d.body for d in documents if d.kind == "jobs" and d.body["@timestamp"] < "2026-11-23"]
    failed = [body for body in jobs if body["s_status"] == "failure"]
    assert (figures.failed, figures.passed) == (len(failed), len(jobs) - len(failed))
    in_short = totals(any_index, figures.window)
    assert (in_short.failed, in_short.passed, in_short.rate) == (figures.failed, figures.passed, figures.rate)
    assert in_short.lost == pytest.approx(figures.lost)
    assert {row.name: row.failed for row in figures.types} == _counts(failed, "s_error_type")
    assert figures.states == _counts(failed, "s_error_state")
    assert figures.spend.cost == pytest.approx(sum(body["f_cost_usd"] for body in failed))
    assert figures.spend.prompt_tokens == sum(body["l_prompt_tokens"] for body in failed)
    assert sum(bucket.failed for bucket in figures.buckets) == len(failed)
    assert sum(bucket.lost for bucket in figures.buckets) == pytest.approx(figures.lost)
    assert sum(row.lost for row in figures.workflows) == pytest.approx(figures.lost)
    assert [f.when for f in figures.failures] == sorted((f.when for f in figures.failures), reverse=True)


def test_what_the_index_counts_of_waits_branches_and_runners_is_what_the_documents_say(
    any_index: DocumentIndex,
) -> None:
    """Of jobs that did not fail no document is read."""
    documents = [each for each in corpus(6) if each.kind == "jobs"]
    kinds = ("default", "pull_request", "other")
    documents = [
        replace(
            each,
            body={
                **each.body,
                "s_branch_kind": kinds[n % 3],
                "l_runner_minutes": n % 7,
                **({"f_runner_cost_usd": n / 4} if n % 5 else {}),  # of one runner's jobs some have no price
            },
        )
        for n, each in enumerate(documents)
    ]
    any_index.upsert(documents)
    any_index.refresh()
    figures = collect(any_index, Window(END - timedelta(days=6), END))
    jobs = [each.body for each in documents if each.body["@timestamp"] < "2026-11-23"]
    money = Money()
    for body in jobs:
        money.add(body)
    assert figures.money == money
    assert {kind: (row.failed, row.passed) for kind, row in figures.branch_kinds.items()} == {
        kind: tuple(
            sum((body["s_branch_kind"], body["s_status"]) == (kind, status) for body in jobs)
            for status in ("failure", "success")
        )
        for kind in kinds
    }
    waits = [body["l_queue_time_sec"] for body in jobs if body.get("l_queue_time_sec") is not None]
    assert waits
    assert sum(queue.jobs for queue in figures.queues) == len(waits)
    assert max(queue.longest for queue in figures.queues) == max(waits)


def test_a_failure_loses_its_own_time_and_that_of_the_re_run_it_caused(embedded_index: DocumentIndex) -> None:
    documents = corpus(20)
    embedded_index.upsert(documents)
    figures = collect(embedded_index, Window(END - timedelta(days=20), END))
    jobs = {d.id: d.body for d in documents if d.kind == "jobs"}
    for failure in figures.failures:
        own = figures.lost_by_failure[failure.id]
        again = [
            body
            for body in jobs.values()
            if (body["s_workflow_id"], body["s_job_name"]) == (failure.run_id, failure.job)
            and body["l_run_attempt"] > failure.attempt
            and body["s_status"] == "success"
        ]
        assert own >= failure.seconds + sum(body["l_duration_sec"] for body in again)


def test_cancelled_jobs_count_as_failures_only_when_a_cause_was_found(embedded_index: DocumentIndex) -> None:
    job = next(d for d in corpus(3) if d.kind == "jobs" and d.body["s_status"] == "success")
    plain = replace(job, body={**job.body, "s_status": "cancelled", "s_error_state": "no_error_found"})
    caused = replace(
        job,
        id="other",
        body={**job.body, "s_status": "cancelled", "s_error_state": "classified", "s_error_type": "timeout"},
    )
    going = replace(job, id="third", body={**job.body, "s_status": "in_progress"})
    embedded_index.upsert([plain, caused, going])
    figures = collect(embedded_index, MONTH)
    assert (figures.failed, figures.cancelled, figures.unfinished, figures.passed) == (1, 1, 1, 0)


def test_the_report_of_an_empty_index_says_so(embedded_index: DocumentIndex) -> None:
    embedded_index.ensure()
    page = render_page(build_report(embedded_index, NOW))
    assert "The index holds no job yet" in page
    assert "Nothing to show" in page


def test_both_indices_give_the_same_page(any_index: DocumentIndex, tmp_path: Path) -> None:
    any_index.upsert(corpus(6))
    any_index.refresh()
    page = render_page(replace(build_report(any_index, NOW), location="somewhere"))
    from ci_metrics.index.embedded import EmbeddedIndex

    reference = EmbeddedIndex(tmp_path / "reference.sqlite")
    reference.upsert(corpus(6))
    assert page == render_page(replace(build_report(reference, NOW), location="somewhere"))
    reference.close()


def test_numbers_lead_to_their_failures_and_failures_to_their_log_lines(embedded_index: DocumentIndex) -> None:
    embedded_index.upsert(corpus())
    report = build_report(embedded_index, NOW)
    seen = _Links()
    seen.feed(render_page(report))
    assert {link for link in seen.links if link.startswith("#")} - {f"#{id_}" for id_ in seen.ids} == set()
    assert {failure.link for failure in report.figures.failures} <= seen.links
    assert len(seen.filters) > 30
    for filter, text in seen.filters:
        found = [row for row in seen.rows if all(_fits(row, *pair) for pair in parse_qsl(filter))]
        assert found, f"{filter} leads to an empty list"
        if text.replace(",", "").isdecimal():
            assert len(found) == int(text.replace(",", "")), f"{filter} leads to another number of failures"


def test_every_failure_stands_below_exactly_one_cause(embedded_index: DocumentIndex) -> None:
    embedded_index.upsert(corpus())
    report = build_report(embedded_index, NOW)
    below = [failure.id for cause in report.causes for failure in cause.failures]
    assert sorted(below) == sorted(failure.id for failure in report.figures.failures)
    assert [cause.name for cause in report.causes if cause.group is None] == ["no_error_found", "unknown", "no_log"]
    for cause in report.causes:
        if cause.group:
            assert len(cause.failures) == cause.group.count
            assert cause.lost == pytest.approx(cause.group.lost_minutes * 60)
    seen = _Links()
    seen.feed(render_page(report))
    assert len(seen.rows) == len(below)
    assert {f"cause-{number}" for number in range(1, len(report.causes) + 1)} <= seen.ids


def test_above_the_most_that_a_page_lists_the_newest_are_listed_and_it_is_said(
    embedded_index: DocumentIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded_index.upsert(corpus(10))
    report = build_report(embedded_index, NOW)
    monkeypatch.setattr("ci_metrics.report.page.MOST_LISTED", 7)
    page = render_page(report)
    seen = _Links()
    seen.feed(page)
    assert len(seen.rows) == 7
    assert min(row["when"] for row in seen.rows) == f"{report.figures.failures[6].when:%Y-%m-%dT%H:%M}"
    assert f"The newest 7 of {report.figures.failed} failures are listed" in page


def test_the_first_screen_says_what_happened_and_what_to_fix_first(embedded_index: DocumentIndex) -> None:
    embedded_index.upsert(corpus())
    report = build_report(embedded_index, NOW)
    figures = report.figures
    assert 3 <= len(report.story) <= 5
    assert report.story[-1].text.startswith(f"{figures.failed} of {figures.jobs:,} jobs failed")
    weights = [fix.weight for fix in report.fixes]
    assert len(weights) == 5
    assert weights == sorted(weights, reverse=True)
    group = replace(report.fixes[0].group, lost_usd=12.5)
    owned = replace(report.fixes[0], group=group, owner="@acme/store", assignee="", hint="Say <b>why</b>.")
    told = render_page(
        replace(
            report,
            story=(Sentence("The store was down <for> an hour.", "https://github.com/acme/shop"),),
            fixes=(owned,),
        )
    )
    page, after = told.split('<ul class="tiles"')
    for said in (
        "was down &lt;for&gt; an hour.",
        'href="https://github.com/acme/shop"',
        "owner @acme/store",
        "$12.50",
        "Say &lt;b&gt;why&lt;/b&gt;.",
    ):
        assert said in page
    assert "All causes" in after
    bare = render_page(replace(report, story=(), fixes=()))
    assert "What happened" not in bare
    assert "Fix these first" not in bare


def test_every_string_from_ci_is_escaped(embedded_index: DocumentIndex) -> None:
    embedded_index.upsert(hostile_corpus())
    page = render_page(build_report(embedded_index, NOW))
    seen = _Links()
    seen.feed(page)
    assert [nasty for nasty in HOSTILE if "<" in nasty and nasty in page] == []
    assert seen.tags["script"] == 1
    assert "img" not in seen.tags
    assert not [link for link in seen.links if not link.startswith(("#", "https://"))]
    assert not seen.handlers
    assert "window.hacked" in page  # it is shown, as text


def test_the_page_holds_nothing_that_a_network_would_have_to_bring(embedded_index: DocumentIndex) -> None:
    embedded_index.upsert(corpus(5))
    page = render_page(build_report(embedded_index, NOW))
    assert "default-src 'none'" in page
    assert not re.search(r"""(src|@import|url\()\s*=?\s*["']?(https?:)?//""", page)
    assert "xlink" not in page
    assert not re.search(r"<(link|script|img|iframe)[^>]+(href|src)=.https?:", page)


def test_a_quarter_of_unexplained_failures_and_old_data_are_said(embedded_index: DocumentIndex) -> None:
    documents = corpus(5)
    for document in documents:
        if document.kind == "jobs" and document.body["s_status"] == "failure":
            for name in [n for n in document.body if n.startswith("s_error") or n == "errors"]:
                del document.body[name]
            document.body["s_error_state"] = "no_log"
    embedded_index.upsert(documents)
    page = render_page(build_report(embedded_index, END + timedelta(days=1)))
    assert "100 % of the failures have no category" in page
    assert "what came after is not here" in page


@pytest.mark.parametrize(
    ("written", "end", "expected"),
    [
        ("2026-11-20", False, datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20", True, datetime(2026, 11, 21, tzinfo=UTC)),
        ("2026-11-20T05", False, datetime(2026, 11, 20, 5, tzinfo=UTC)),
        ("2026-11-20T05", True, datetime(2026, 11, 20, 6, tzinfo=UTC)),
        ("2026-11-20T05:30", True, datetime(2026, 11, 20, 5, 30, tzinfo=UTC)),
        ("2026-11-20T05:30+02:00", False, datetime(2026, 11, 20, 3, 30, tzinfo=UTC)),
        ("36h", False, NOW - timedelta(hours=36)),
        ("7d", False, NOW - timedelta(days=7)),
        ("2W", False, NOW - timedelta(weeks=2)),
    ],
)
def test_times_are_read_as_people_write_them(written: str, end: bool, expected: datetime) -> None:
    assert parse_moment(written, NOW, "--from", end=end) == expected


@pytest.mark.parametrize(("since", "until"), [("yesterday", None), ("2026-11-20", "2026-11-19"), (None, "13.11.2026")])
def test_wrong_times_are_refused_with_the_option_named(since: str | None, until: str | None) -> None:
    with pytest.raises(SettingsError, match=r"--(from|to)"):
        asked_window(since, until, NOW)


def test_without_a_wish_the_window_is_the_last_four_weeks_that_the_index_knows(embedded_index: DocumentIndex) -> None:
    embedded_index.upsert(corpus(40, per_day=4))
    assert default_window(embedded_index, NOW) == MONTH
    newest = newest_document(embedded_index)
    silent = default_window(embedded_index, END + timedelta(days=300))
    assert newest is not None and silent.start == MONTH.start
    assert timedelta(0) < silent.end - newest <= timedelta(hours=1)


def test_a_young_index_has_no_empty_weeks(embedded_index: DocumentIndex) -> None:
    embedded_index.upsert(corpus(1))
    window = default_window(embedded_index, END + timedelta(days=3))
    assert window.start == END - timedelta(days=1)
    assert window.step == "hour"


@pytest.mark.parametrize(
    ("days", "step", "count"), [(1, "hour", 24), (28, "day", 28), (120, "day", 120), (280, "week", 40)]
)
def test_buckets_cover_the_window_and_stay_readable(days: int, step: str, count: int) -> None:
    window = Window(END - timedelta(days=days), END)
    buckets = window.buckets()
    assert (window.step, len(buckets)) == (step, count)
    assert buckets[0] <= window.start
    assert window.bucket_of(window.end - timedelta(seconds=1)) == buckets[-1]


@pytest.mark.parametrize(
    ("summary", "quote", "shown"),
    [
        ("pytest reports failed tests: “E assert 1 == 2”", "E       assert 1 == 2", "pytest reports failed tests."),
        ("pytest reports failed tests: “E assert 1 …”", "E       assert 1 == 2", "pytest reports failed tests."),
        (
            "A sum is wrong: “E assert 1 == 2”, says pytest",
            "E assert 1 == 2",
            "A sum is wrong: “E assert 1 == 2”, says pytest",
        ),
        ("The linker was killed.", "collect2: killed", "The linker was killed."),
        ("", "", ""),
    ],
)
def test_a_summary_that_only_repeats_the_quote_is_shown_without_it(summary: str, quote: str, shown: str) -> None:
    assert without_quote(summary, quote) == shown


def _counts(bodies: list[dict[str, object]], name: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for body in bodies:
        if name in body:
            counts[str(body[name])] = counts.get(str(body[name]), 0) + 1
    return counts


def _fits(row: dict[str, str], name: str, value: str) -> bool:
    """Whether a failure of the page fits a filter, as the page's script reads it."""
    if name == "from":
        return row["when"] >= value
    if name == "to":
        return row["when"][: len(value)] <= value
    return row[name] == value


class _Links(HTMLParser):
    """What a browser would find in the page: `filters` with the texts of their links, and in
    `rows` the failures by what they can be narrowed by.
    """

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.filters: list[tuple[str, str]] = []
        self.rows: list[dict[str, str]] = []
        self.tags: dict[str, int] = {}
        self.handlers: list[str] = []
        self.values: dict[str, list[str]] = {}
        self.filter = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.handlers += [name for name in given if name.startswith("on")]
        if "id" in given:
            assert given["id"] not in self.ids, f"id {given['id']} twice"
            self.ids.add(given["id"])
        for name in ("href", "src"):
            if name in given and not given[name].startswith("data:"):
                self.links.add(given[name])
        if tag == "g" and "data-filter" in given:
            self.filters.append((given["data-filter"], ""))
        self.filter = given.get("data-filter", "")
        if "data-values" in given:
            self.values = json.loads(given["data-values"])
        if "data-v" in given:
            numbers = given["data-v"].split()
            self.rows.append({name: of[int(n)] for (name, of), n in zip(self.values.items(), numbers, strict=True)})
        if tag == "time":
            self.rows[-1]["when"] = given["datetime"]

    def handle_data(self, data: str) -> None:
        if self.filter:
            self.filters.append((self.filter, data))
            self.filter = ""
