"""A job that only waits for others is told with them, and is no failure of its own."""

from __future__ import annotations

import pytest

from ci_metrics.history.figures import Figures
from ci_metrics.history.groups import groups
from ci_metrics.history.job_counts import collect, totals
from ci_metrics.history.lost_time import losses
from ci_metrics.history.pull_request import read_pull_request
from ci_metrics.history.search import Filters, find_failures
from ci_metrics.history.top import BY, top_rows
from ci_metrics.index.document_index import Document, DocumentIndex
from ci_metrics.report.page import build_report, render_page
from ci_metrics.report.pr_comment import comment_body
from ci_metrics.report.tiles import tiles
from ci_metrics_tests.history.history_documents import START, job, moment
from ci_metrics_tests.history.test_metrics import DAY


def gate(run: int, **more: object) -> Document:
    said = {"s_error_state": "no_error_found", "s_classifier_version": "c1", "s_error_summary": "A needed job failed."}
    return job(run, name="all green", at=20, minutes=1, **{**said, **more})  # type: ignore[arg-type]


@pytest.fixture
def figures(embedded_index: DocumentIndex) -> Figures:
    documents = [
        job(1, name="unit", fingerprint="f1-a", at=10, quote="boom", s_pr_id="5"),
        gate(1, s_pr_id="5"),
        job(1, name="unit", attempt=2, at=40, status="success", s_pr_id="5"),
        job(2, name="lint", at=12, s_error_state="no_error_found"),  # looked at, and nothing was found: unexplained
        job(3, name="build", status="success"),
    ]
    dropped = ("s_error", "f_error", "s_job", "errors")
    run = {name: value for name, value in documents[0].body.items() if not name.startswith(dropped)}
    run["ts_creation_time"] = run["ts_end_time"]
    embedded_index.upsert([*documents, Document("workflows", "github-workflow-1-attempt-1", run)])
    return collect(embedded_index, DAY)


def test_a_gate_is_neither_counted_nor_unexplained_but_named_with_what_failed(
    figures: Figures, embedded_index: DocumentIndex
) -> None:
    assert (figures.failed, figures.passed, figures.gates, figures.unexplained) == (2, 2, 1, 1)
    assert {failure.job: failure.gates for failure in figures.failures} == {"unit": ("all green",), "lint": ()}
    assert sum(figures.states.values()) == 2
    in_short = totals(embedded_index, DAY)
    assert (in_short.failed, in_short.passed, in_short.lost) == (figures.failed, figures.passed, figures.lost)
    for what in BY:
        assert "all green" not in " ".join(row.name for row in top_rows(embedded_index, what, DAY.where()))
    assert [document.body["s_job_name"] for document in find_failures(embedded_index, Filters())] == ["lint", "unit"]
    assert [group.jobs for group in groups(embedded_index)] == [("unit",)]
    shown = {
        tile.name: (tile.value, tile.more) for tile in tiles(figures, None, (), build_flaky(embedded_index), young=True)
    }
    assert shown["Failure rate"] == ("50.0 %", "2 of 4 jobs")
    assert shown["Unexplained"] == ("1", "of 2 failures")
    page = render_page(build_report(embedded_index, moment(60), window=DAY))
    assert (
        "gates that failed with it: all green" in page
        and "1 gate, which failed only because a job did that it waits for" in page
    )


def build_flaky(index: DocumentIndex):  # type: ignore[no-untyped-def]
    return build_report(index, START, window=DAY).flaky


def test_the_re_run_of_a_gate_is_lost_to_what_it_waited_for(figures: Figures, embedded_index: DocumentIndex) -> None:
    unit = next(failure for failure in figures.failures if failure.job == "unit")
    again = job(1, name="all green", attempt=2, at=41, minutes=3, status="success")
    embedded_index.upsert([again])
    assert losses(embedded_index, [unit])[unit.id] >= unit.seconds + 13 * 60


def test_the_comment_on_a_pull_request_names_the_gate_after_what_failed(
    figures: Figures, embedded_index: DocumentIndex
) -> None:
    embedded_index.delete("jobs", [job(1, name="unit", attempt=2).id])
    pull = read_pull_request(embedded_index, "acme/shop", 5, now=moment(60))
    body = comment_body(pull, exists=False)
    assert ([failed.failure.job for failed in pull.failed], pull.gates) == (["unit"], ("all green",))
    assert body is not None and "1 job failed" in body
    assert body.index("CI / unit") < body.index("**Failed only because of the above:** all green")
