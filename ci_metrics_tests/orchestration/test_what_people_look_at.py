"""Report, search, top, comment, frames and alerts on the sample day, as the chain
wrote it, from both indices.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from ci_metrics import frames
from ci_metrics.github.comments import PullRequestClient
from ci_metrics.history.metrics import FAILURE
from ci_metrics.history.search import Filters, find_failures
from ci_metrics.history.time_range import default_window
from ci_metrics.history.top import BY, top_rows
from ci_metrics.index.document_index import Document, DocumentIndex
from ci_metrics.orchestration.alert_job import events
from ci_metrics.orchestration.parts import open_parts
from ci_metrics.orchestration.summary import summarise
from ci_metrics.report.alerts import slack_message
from ci_metrics.report.page import build_report, render_page
from ci_metrics.report.pr_comment_posting import post
from ci_metrics.report.story import rates_apart
from ci_metrics.report.tiles import tiles
from ci_metrics_tests.orchestration.conftest import Ingested


@pytest.fixture
def index(ingested: Ingested, any_index: DocumentIndex) -> DocumentIndex:
    """The sample day's documents, in each of the indices."""
    for kind in ("workflows", "jobs", "steps", "verdicts"):
        any_index.upsert(ingested.parts.index.documents.scan(kind))
    any_index.refresh()
    return any_index


@pytest.fixture
def failed(ingested: Ingested) -> list[Document]:
    """Every failed job of the sample day."""
    return [document for document in ingested.parts.index.documents.scan("jobs") if FAILURE.holds(document.body)]


def test_the_report_tells_every_failure_of_the_sample_day_with_its_link(
    index: DocumentIndex, ingested: Ingested, failed: list[Document]
) -> None:
    report = build_report(index, ingested.server.world.opens_at)
    page = render_page(report)
    assert {failure.id for failure in report.figures.failures} == {document.id for document in failed}
    assert sum(row.failed for row in report.figures.types) == sum("s_error_type" in d.body for d in failed)
    assert report.causes
    assert report.flaky.tests, "the sample has failures that passed on re-run"
    assert not [d.id for d in failed if str(d.body.get("s_error_log_url", d.body["s_html_url"])) not in page]


def test_a_number_is_the_same_wherever_it_is_said(ingested: Ingested) -> None:
    """The run's summary, the report and its tiles, `top`, `search` and
    pandas, over the same hours.
    """
    index, store = ingested.parts.index.documents, ingested.parts.hours.store
    summary = summarise(store, index, store.hours(), datetime.now(UTC))
    report = build_report(index, ingested.server.world.opens_at)
    figures, where = report.figures, report.figures.window.where()
    jobs = frames.jobs(index=index)
    assert summary.failed_jobs == figures.failed == len(find_failures(index, Filters())) == jobs["failure"].sum()
    assert summary.gates == figures.gates == jobs["gate"].sum() > 0
    assert summary.passed_jobs == figures.passed
    assert summary.lost_minutes == pytest.approx(figures.lost / 60, abs=0.05)
    assert jobs["lost_sec"].sum() == pytest.approx(figures.lost)
    assert summary.flaky_jobs == jobs["suspected"].sum() == sum(row.failures for row in report.flaky.jobs)
    assert summary.by_category == {row.name: row.failed for row in top_rows(index, "types", where)}
    assert summary.by_state == {row.name: row.failed for row in top_rows(index, "states", where)}
    rows = top_rows(index, "repos", where)
    assert sum(row.failed for row in rows) == summary.failed_jobs
    assert sum(row.jobs or 0 for row in rows) == summary.failed_jobs + summary.passed_jobs
    assert sum(row.lost_minutes for row in rows) == pytest.approx(figures.lost / 60)
    groups = {row.name: row.failed for row in top_rows(index, "groups", where)}
    assert [groups[cause.group] for cause in summary.causes] == [cause.jobs for cause in summary.causes] != []
    shown = {tile.name: tile for tile in tiles(figures, None, report.causes, report.flaky, young=True)}
    apart = rates_apart({"default": summary.default_branch_rate, "pull_request": summary.pull_request_rate})
    counted = summary.failed_jobs + summary.passed_jobs
    assert shown["Failure rate"].more == f"{summary.failed_jobs} of {counted:,} jobs: {apart}"
    on_default = sum(row.failed_on["default"] for row in rows) / sum(row.jobs_on["default"] for row in rows)
    assert summary.default_branch_rate == pytest.approx(on_default, abs=1e-4)
    assert jobs[jobs["counted"] & jobs["on_default"]]["failure"].mean() == pytest.approx(on_default)
    assert shown["Flaky failures"].value == str(summary.flaky_jobs)
    assert shown["Unexplained"].value == str(figures.unexplained)


def test_search_and_top_agree_with_the_documents(
    index: DocumentIndex, ingested: Ingested, failed: list[Document]
) -> None:
    assert {d.id for d in find_failures(index, Filters())} == {d.id for d in failed}
    types = Counter(d.body["s_error_type"] for d in failed if "s_error_type" in d.body)
    window = default_window(index, ingested.server.world.opens_at)
    assert {row.name: row.failed for row in top_rows(index, "types", window.where())} == types
    for name in types:
        assert len(find_failures(index, Filters(type=name))) == types[name]
    assert all(top_rows(index, what, window.where(), 3) for what in BY)


def test_the_comment_on_a_sample_pull_request_is_made_once(ingested: Ingested, index: DocumentIndex) -> None:
    now = ingested.server.world.opens_at
    made = 0
    with PullRequestClient(ingested.server.api_url, ingested.server.token) as client:
        for pull in ingested.server.world.pulls:
            first = post(index, client, pull.repo, pull.number, now=now, gaps=())
            again = post(index, client, pull.repo, pull.number, now=now, gaps=())
            made += first.done == "created"
            assert (first.done, again.done) in {
                ("created", "unchanged"),
                ("unchanged", "unchanged"),  # the other index has made it
                ("nothing to say", "nothing to say"),
                ("closed", "closed"),
            }
            assert len(ingested.server.comments.of(pull.repo, pull.number)) <= 1
    assert made or any(ingested.server.comments.of(pull.repo, pull.number) for pull in ingested.server.world.pulls)


def test_pandas_frames_hold_the_sample_day(ingested: Ingested, index: DocumentIndex, failed: list[Document]) -> None:
    jobs = frames.jobs(index=index)
    assert len(jobs) == sum(1 for _ in index.scan("jobs"))
    store = ingested.parts.hours.store
    stored = frames.hours("workflow_jobs", root=store.root)
    assert len(stored) == len(jobs)
    assert set(stored["hour"]) <= set(store.hours())
    assert set(jobs.index[jobs["failure"]]) == {document.id for document in failed}
    assert (jobs.loc[jobs["failure"], "lost_sec"] >= jobs.loc[jobs["failure"], "l_duration_sec"].fillna(0)).all()


def test_new_groups_of_the_sample_day_are_worth_an_alarm(ingested: Ingested) -> None:
    that_night = ingested.server.world.end + timedelta(hours=1)
    with open_parts(ingested.settings, clock=lambda: that_night) as parts:
        found = list(events(parts.hours, None))
    assert found
    assert {alert.key.partition(":")[0] for alert in found} <= {"new", "spiking"}
    assert all(slack_message(alert)["blocks"] for alert in found)


def test_the_sample_day_names_owners_domains_and_tells_one_story_everywhere(
    ingested: Ingested, failed: list[Document]
) -> None:
    index, store = ingested.parts.index.documents, ingested.parts.hours.store
    assert {d.body["s_error_domain"] for d in failed} == {"code", "platform", "unknown"}
    assert {d.body["s_branch_kind"] for d in failed} == {"default", "pull_request"}
    owned = [d for d in failed if "s_owner" in d.body]
    assert len(owned) > len(failed) / 4
    assert not [d.id for d in failed if "s_owner" in d.body and d.body["s_error_domain"] == "platform"]
    hours = store.hours()
    told = summarise(store, index, hours, datetime(2020, 1, 1, tzinfo=UTC)).story
    report = build_report(index, ingested.server.world.opens_at)
    assert told == tuple(sentence.text for sentence in report.story if not sentence.counts)
    assert any("an outage (network error) failed" in text for text in told)
