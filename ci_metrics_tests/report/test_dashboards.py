from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from ci_metrics.commands.dashboards import dashboards, index_names
from ci_metrics.index.document_index import DocumentIndex, Kind
from ci_metrics.index.mappings import mapping_of
from ci_metrics.report.dashboards.saved_objects import DEFAULT_INDICES, as_ndjson, saved_objects
from ci_metrics.settings import load_settings
from ci_metrics_tests.report.corpus import corpus

OBJECTS = saved_objects()
CHARTS = [made for made in OBJECTS if made["type"] == "visualization"]

#: What each aggregation can be made of.
FITS = {
    "terms": {"keyword", "boolean"},
    "date_histogram": {"date"},
    "sum": {"long", "float"},
    "avg": {"long", "float"},
    "percentiles": {"long", "float"},
    "max": {"long", "float", "date"},
}


def test_the_file_is_what_the_code_makes() -> None:
    file = files("ci_metrics.report.dashboards").joinpath("ci-metrics.ndjson")
    assert file.read_text(encoding="utf-8") == as_ndjson(OBJECTS), "make it again with: ci-metrics dashboards"


def test_every_reference_leads_to_an_object_in_the_file() -> None:
    there = {(made["type"], made["id"]) for made in OBJECTS}
    assert len(there) == len(OBJECTS)
    assert {(ref["type"], ref["id"]) for made in OBJECTS for ref in made["references"]} <= there
    (board,) = (made for made in OBJECTS if made["type"] == "dashboard")
    panels = json.loads(board["attributes"]["panelsJSON"])
    assert {panel["panelRefName"] for panel in panels} == {ref["name"] for ref in board["references"]}
    assert {ref["id"] for ref in board["references"]} == {made["id"] for made in CHARTS}
    grids = [panel["gridData"] for panel in panels]
    cells = [
        (x, y)
        for grid in grids
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(cells) == len(set(cells)), "panels overlap"
    assert max(x for x, _ in cells) < 48


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: str(chart["id"]))
def test_every_field_exists_in_the_mappings_and_fits_its_aggregation(chart: dict[str, Any]) -> None:
    types = {name: made["type"] for name, made in mapping_of(_kind(chart))["properties"].items()}
    aggregations = _aggregations(chart)
    assert aggregations
    for made in aggregations:
        if made["type"] != "count":
            known = types | dict.fromkeys(_scripted(chart), "long")
            assert known.get(made["params"]["field"]) in FITS[made["type"]], made
        if made["type"] == "terms":
            ordering = next(a for a in aggregations if a["id"] == made["params"]["orderBy"])
            assert ordering["type"] in ("count", "sum", "avg"), "only single values can order"
    assert set(re.findall(r"(\w+):", _query(chart))) <= set(types)


@pytest.mark.opensearch
def test_every_chart_finds_something_on_a_real_server(
    opensearch_index: DocumentIndex, opensearch_client: OpenSearch, shared_prefix: str
) -> None:
    opensearch_index.upsert(corpus(10))
    opensearch_index.refresh()
    names = {kind: shared_prefix + name for kind, name in DEFAULT_INDICES.items()}
    for chart in CHARTS:
        if _kind(chart) == "verdicts":
            continue  # the corpus has none
        aggregations: dict[str, Any] = {}
        for made in reversed(_aggregations(chart)):
            if made["type"] == "count":
                continue
            if made["params"]["field"] in _scripted(chart):
                continue  # the test's server has no Painless; what the script says is held in test_metrics.py
            params = {"field": made["params"]["field"]}
            if made["type"] == "terms":
                params["size"] = made["params"]["size"]
            if made["type"] == "date_histogram":
                params["fixed_interval"] = "1d"
            bucket = made["type"] in ("terms", "date_histogram")
            inner = {"aggs": aggregations} if bucket and aggregations else {}
            one = {made["type"]: params, **inner}
            aggregations = {made["id"]: one} if bucket else {**aggregations, made["id"]: one}
        body = {"size": 0, "aggs": aggregations, "query": {"query_string": {"query": _lucene(_query(chart)) or "*"}}}
        answer = opensearch_client.search(index=names[_kind(chart)], body=body)
        assert answer["hits"]["total"]["value"] > 0, chart["id"]
        assert answer["aggregations"] or not aggregations, chart["id"]


def test_the_command_uses_the_names_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in (("WORKFLOW_INDEX", "ci-runs"), ("JOB_INDEX", "ci-jobs"), ("STEPS_INDEX", "ci-steps")):
        monkeypatch.setenv(name, f"https://user:pass@search.example:9200/{value}")
    dashboards(out=tmp_path / "mine.ndjson")
    made = [json.loads(line) for line in (tmp_path / "mine.ndjson").read_text().splitlines()]
    titles = {m["id"]: m["attributes"]["title"] for m in made if m["type"] == "index-pattern"}
    assert titles["ci-metrics-jobs-pattern"] == "ci-jobs"
    assert titles["ci-metrics-verdicts-pattern"] == "error_classifications"
    assert "pass" not in capsys.readouterr().out


def test_without_settings_the_names_are_the_documented_ones() -> None:
    assert index_names(load_settings({})) == dict(DEFAULT_INDICES)


def _kind(chart: dict[str, Any]) -> Kind:
    pattern = next(ref["id"] for ref in chart["references"] if ref["type"] == "index-pattern")
    return next(kind for kind in DEFAULT_INDICES if pattern == f"ci-metrics-{kind}-pattern")


def _scripted(chart: dict[str, Any]) -> set[str]:
    pattern = next(made for made in OBJECTS if made["id"] == f"ci-metrics-{_kind(chart)}-pattern")
    return {field["name"] for field in json.loads(pattern["attributes"].get("fields", "[]"))}


def _aggregations(chart: dict[str, Any]) -> list[dict[str, Any]]:
    return list(json.loads(chart["attributes"]["visState"])["aggs"])


def _query(chart: dict[str, Any]) -> str:
    source = json.loads(chart["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    return str(source["query"]["query"])


def _lucene(query: str) -> str:
    return query.replace(" or ", " OR ").replace(" and ", " AND ")
