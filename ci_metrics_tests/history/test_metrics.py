"""A number is the same number in HTML, in SQL, in Dashboards and in pandas."""

from __future__ import annotations

import itertools
import json
import re
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from opensearchpy import OpenSearch

from ci_metrics import frames
from ci_metrics.history.figures import Figures
from ci_metrics.history.job_counts import collect
from ci_metrics.history.metrics import CONDITIONS
from ci_metrics.history.search import Filters, find_failures
from ci_metrics.history.time_range import Window
from ci_metrics.history.top import top_rows
from ci_metrics.index.document_index import Document, DocumentIndex
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.report.dashboards.saved_objects import DEFAULT_INDICES, saved_objects
from ci_metrics.report.datasette import metadata
from ci_metrics_tests.history.history_documents import START, job

DAY = Window(START - timedelta(hours=5), START + timedelta(hours=19))

STATUSES = (
    "failure", "timed_out", "startup_failure", "cancelled", "success", "skipped", "neutral", "in_progress"
)  # fmt: skip


def corpus() -> list[Document]:
    """A job of every status, with and without a category, a state and flaky flags; and one that
    passed when it ran again.
    """
    documents = [job(9000, at=1, fingerprint="f1-0"), job(9000, attempt=2, at=30, minutes=20, status="success")]
    cases = itertools.product(STATUSES, (None, "classified", "unknown", "no_error_found"), (False, True), (1, 2))
    for number, (status, state, flaky, attempt) in enumerate(cases):
        more: dict[str, Any] = {"b_flaky_suspected": True, "b_flaky_confirmed": number % 4 == 3} if flaky else {}
        if state is not None:
            more["s_error_state"] = state
        if state == "no_error_found" and attempt == 2:
            more["s_classifier_version"] = "c1"  # a verdict says that there is no cause: a gate
        if number % 3:
            more["s_branch_kind"] = ("default", "pull_request")[number % 2]
        named: dict[str, Any] = {"fingerprint": f"f1-{number % 7}"} if state == "classified" else {}
        documents.append(job(1 + number, attempt=attempt, at=number, minutes=7, status=status, **named, **more))
    return documents


@pytest.fixture
def figures(embedded_index: DocumentIndex) -> Figures:
    embedded_index.upsert(corpus())
    return collect(embedded_index, DAY)


def sql(index: DocumentIndex, query: str) -> list[dict[str, Any]]:
    with sqlite3.connect(f"file:{index.location}?mode=ro", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute(query)]
    connection.close()
    return rows


def python_of(painless: str) -> str:
    """Painless as Python: enough of it for a condition."""
    made = re.sub(r"doc\['(\w+)'\]\.size\(\) != 0", r"body.get('\1') is not None", painless)
    made = re.sub(r"\[([^][]*)\]\.contains\(doc\['(\w+)'\]\.value\)", r"body.get('\2') in [\1]", made)
    return made.replace("&&", "and").replace("||", "or").replace("(!", "(not ").replace("true", "True")


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_holds_for_the_same_jobs_in_every_language(name: str, embedded_index: DocumentIndex) -> None:
    condition, documents = CONDITIONS[name], corpus()
    embedded_index.upsert(documents)
    expected = {document.id for document in documents if condition.holds(document.body)}
    assert 0 < len(expected) < len(documents)
    frame = frames.jobs(index=embedded_index)
    assert set(frame.index[frame[name]]) == expected
    assert {row["id"] for row in sql(embedded_index, f"select id from jobs where {condition.sql}")} == expected
    script = python_of(condition.painless)
    assert {document.id for document in documents if eval(script, {"body": document.body})} == expected


def test_figures_sql_pandas_top_and_search_count_alike(figures: Figures, embedded_index: DocumentIndex) -> None:
    queries = yaml.safe_load(metadata())["databases"]["index"]["queries"]
    jobs = frames.jobs(index=embedded_index)
    days = sql(embedded_index, queries["failure_rate_by_day"]["sql"])
    assert figures.failed > 20
    assert (days[0]["failed"], days[0]["passed"]) == (figures.failed, figures.passed)
    assert days[0]["failure_rate"] == pytest.approx(figures.rate, abs=1e-4)
    counted = jobs[jobs["counted"]]
    assert counted["failure"].mean() == pytest.approx(figures.rate)
    assert jobs["lost_sec"].sum() == pytest.approx(figures.lost)
    assert figures.lost > days[0]["failed_minutes"] * 60 > 0, "re-runs are lost time too"
    types = {row.name: row.failed for row in figures.types}
    assert {row["category"]: row["failures"] for row in sql(embedded_index, queries["categories"]["sql"])} == types
    assert jobs[jobs["failure"]].groupby("s_error_type").size().to_dict() == types
    assert {row.name: row.failed for row in top_rows(embedded_index, "types", DAY.where())} == types
    assert len(sql(embedded_index, queries["unexplained"]["sql"])) == figures.unexplained == jobs["unexplained"].sum()
    flaky = sum(bool(failure.flaky) for failure in figures.failures)
    assert sum(row["failures"] for row in sql(embedded_index, queries["flakiest"]["sql"])) == flaky
    assert jobs["suspected"].sum() == flaky
    assert len(find_failures(embedded_index, Filters())) == figures.failed
    (repo,) = top_rows(embedded_index, "repos", DAY.where())
    assert (repo.failed, repo.jobs, repo.rate) == (figures.failed, figures.jobs, figures.rate)
    assert repo.lost_minutes * 60 == pytest.approx(figures.lost)
    on_default = jobs[jobs["counted"] & jobs["on_default"]]["failure"].mean()
    assert figures.branch_kinds["default"].rate == repo.rate_on("default") == pytest.approx(on_default)
    assert sum(row.failed for row in figures.branch_kinds.values()) == sum(repo.failed_on.values()) == figures.failed
    (row,) = (each for each in days if each["default_branch_rate"] is not None)
    assert row["default_branch_rate"] == pytest.approx(on_default, abs=1e-4)


@pytest.mark.opensearch
def test_dashboards_filters_find_what_the_report_counts(
    opensearch_index: DocumentIndex, opensearch_client: OpenSearch, shared_prefix: str, tmp_path: Path
) -> None:
    opensearch_index.upsert(corpus())
    opensearch_index.refresh()
    reference = EmbeddedIndex(tmp_path / "reference.sqlite")
    reference.upsert(corpus())
    figures = collect(reference, DAY)
    reference.close()
    flaky = sum(bool(failure.flaky) for failure in figures.failures)
    expected = {
        "failure-rate": figures.jobs, "categories": figures.failed, "lost-time": figures.failed,
        "states": figures.failed, "groups": figures.failed, "flakiest": flaky, "workflows": figures.jobs,
    }  # fmt: skip
    charts = {made["id"].removeprefix("ci-metrics-"): made for made in saved_objects()}
    for name, count in expected.items():
        source = json.loads(charts[name]["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
        lucene = re.sub(r"\b(and|or|not)\b", lambda word: word[0].upper(), source["query"]["query"])
        query = {"query_string": {"query": lucene}}
        found = opensearch_client.count(index=shared_prefix + DEFAULT_INDICES["jobs"], body={"query": query})
        assert found["count"] == count, name
