"""What the sample day's hours show in Dagster's UI, and the pages that its links lead to."""

from __future__ import annotations

import re
from typing import Any

import dagster as dg
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ci_metrics.classifier.taxonomy import default_taxonomy
from ci_metrics.commands.ui import what_to_open
from ci_metrics.commands.webserver import pages
from ci_metrics.history.cause_states import CauseRecords
from ci_metrics.history.search import Filters, find_failures
from ci_metrics.orchestration.assets.daily_report import report_day
from ci_metrics.orchestration.stale_hours import changed_hours
from ci_metrics_tests.orchestration.conftest import Ingested

HOUR = "2026-03-02T14"
LINK = re.compile(r"\[(?:[^\]\\]|\\.)+\]\((/ci-metrics/jobs/[^)]+)\)")


def shown(ingested: Ingested, asset: str, hour: str) -> dict[str, Any]:
    """The metadata of an hour's materialization."""
    (event,) = [e for e in ingested.result.asset_materializations_for_node(asset) if e.partition == hour]
    return {name: value.value for name, value in event.metadata.items()}


@pytest.fixture
def web(ingested: Ingested, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """Our pages, on the sample day."""
    monkeypatch.setenv("CI_METRICS_HOME", str(ingested.settings.ci_metrics_home))
    for name in ("REPO", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return TestClient(Starlette(routes=[pages()]))


def test_each_hour_has_the_numbers_that_dagster_plots(ingested: Ingested) -> None:
    names = {"failed_jobs", "unknown_share", *(f"failed/{name}" for name in default_taxonomy().names)}
    for hour in ingested.hours:
        metadata = shown(ingested, "classifications", hour)
        assert names <= set(metadata)
        assert sum(metadata[name] for name in names if name.startswith("failed/")) <= metadata["failed_jobs"]
        assert ("mean_confidence" in metadata) == any(metadata[f"failed/{n}"] for n in default_taxonomy().names)
    storm = shown(ingested, "classifications", HOUR)
    assert storm["failed/network_error"] >= 12
    assert 0.5 < storm["mean_confidence"] <= 1


def test_where_no_model_was_asked_no_tokens_are_told(ingested: Ingested) -> None:
    assert not [name for name in shown(ingested, "classifications", HOUR) if "tokens" in name or "cost" in name]


def test_the_checks_name_the_hours_that_they_judged(ingested: Ingested) -> None:
    checks = ingested.result.get_asset_check_evaluations()
    assert {check.metadata["hours"].value for check in checks} == {"2026-03-02T00 to 2026-03-02T23 (24 hours)"}


def test_a_verdict_leads_to_its_log_line_and_back_by_clicks(ingested: Ingested, web: TestClient) -> None:
    table = shown(ingested, "classifications", HOUR)["verdicts"]
    rows = table.splitlines()[2:]
    sure = [int(found[1]) for row in rows if (found := re.search(r"\| (\d+)% \|", row))]
    assert sure == sorted(sure), "what is doubtful comes first"
    failures = [f for f in find_failures(ingested.parts.index.documents, Filters()) if f.body["s_partition"] == HOUR]
    assert len(rows) >= len(failures) > 0
    assert "| repository | job | type | sure | quote | by |" in table
    for row in rows[:: max(1, len(rows) // 4)]:
        job, quote = LINK.findall(row)
        assert job == quote, "the sample's GitHub has no pages: both lead to ours"
        page = web.get(job)
        assert page.status_code == 200
        assert 'class="proof"' in page.text or r"no\_error\_found" in row
        assert f'href="/assets/classifications?view=partitions&amp;partition={HOUR}"' in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "github.example" not in page.text


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        (f"/ci-metrics/jobs/{HOUR}/1/1", 404, "job 1 is not in"),
        ("/ci-metrics/jobs/noon/1/1", 404, "“noon” is not an hour"),
        ("/ci-metrics/reports/2025-01-01", 404, "there is no report of 2025-01-01"),
        ("/ci-metrics/reports/<b>", 404, "“&lt;b>” is not a day"),
    ],
)
def test_a_page_that_is_not_there_says_so(web: TestClient, path: str, status: int, says: str) -> None:
    page = web.get(path)
    assert page.status_code == status
    assert says in page.text


def test_a_days_report_is_told_in_dagster_and_opens_in_a_browser(ingested: Ingested, web: TestClient) -> None:
    metadata = report_day(ingested.parts.hours, ingested.parts.index, CauseRecords(), "2026-03-02")
    link = re.fullmatch(r"\[Open the report of the week\]\((.+)\)", metadata["report"].value)
    assert link is not None
    page = web.get(link[1])
    assert page.status_code == 200
    assert "<html" in page.text
    assert f"{metadata['failed_jobs']} of " in metadata["summary"].value
    assert "| failures | type | lost | what |" in metadata["summary"].value
    assert len(metadata["summary"].value) < 1000, "of longer ones Dagster shows only a button"
    lines = what_to_open(ingested.settings, "http://127.0.0.1:3007")
    assert f"http://127.0.0.1:3007{link[1]}" in lines[-1]
    assert any(line.endswith("/assets/classifications?view=partitions&partition=2026-03-02T23") for line in lines)


def test_of_hours_that_nothing_can_change_only_those_are_done_again_that_would_come_out_otherwise(
    ingested: Ingested,
) -> None:
    parts, hours = ingested.parts, ingested.hours
    store, index = parts.hours.store, parts.index.documents
    in_force = (parts.judge.extractor_version, parts.judge.classifier_version)
    assert changed_hours(store, index, in_force, hours) == ["2026-03-02T23"], "one run still goes on"
    assert changed_hours(store, index, in_force, ["2026-03-01T22", "2026-03-01T23", *hours])[0] == "2026-03-01T22"
    assert changed_hours(store, index, ("another", in_force[1]), hours) == hours
    lost = next(iter(index.scan("steps")))
    index.delete("steps", [lost.id])
    try:
        due = changed_hours(store, index, in_force, hours)
        assert (due[0], due[-1]) == (lost.body["s_partition"], hours[-1])
    finally:
        index.upsert([lost])


def test_a_name_from_outside_makes_no_link_and_no_markup(ingested: Ingested) -> None:
    table = shown(ingested, "classifications", HOUR)["verdicts"]
    assert isinstance(dg.MetadataValue.md(table), dg.MarkdownMetadataValue)
    assert "<" not in re.sub(r"&lt;", "", table)
