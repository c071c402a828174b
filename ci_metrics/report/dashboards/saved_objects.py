"""The saved objects: index patterns, visualizations, one dashboard. Pure.

What belongs here: what they show. Does not: the shape of a visualization
(`visualizations.py`), sending them anywhere.

The importable file has the default index names; `ci-metrics dashboards` makes one with
the names of the settings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ci_metrics.history.metrics import COUNTED, FAILURE, SUSPECTED
from ci_metrics.index.document_index import Kind
from ci_metrics.report.dashboards.visualizations import (
    Aggregation,
    SavedObject,
    index_pattern,
    over_time,
    pie,
    table_panel,
    terms,
    visualization,
)

#: The index names of the documentation's examples.
DEFAULT_INDICES: Mapping[Kind, str] = {
    "workflows": "workflows",
    "jobs": "jobs",
    "steps": "steps",
    "verdicts": "error_classifications",
}

#: Computed by OpenSearch for each job: 1 for a failure, 0 for the rest; its mean over what is
#: counted is the failure rate.
_FAILED_FIELD = "failed"
_SCRIPTED: Mapping[Kind, Mapping[str, str]] = {"jobs": {_FAILED_FIELD: f"{FAILURE.painless} ? 1 : 0"}}

_COUNT = Aggregation("count", label="Failed jobs")
_LOST = Aggregation("sum", "l_duration_sec", "Seconds lost")


def saved_objects(indices: Mapping[Kind, str] = DEFAULT_INDICES) -> list[SavedObject]:
    """All objects, those that others refer to first."""
    patterns = [index_pattern(kind, indices[kind], _SCRIPTED.get(kind, {})) for kind in DEFAULT_INDICES]
    charts = _charts()
    return [*patterns, *charts, _dashboard(charts)]


def as_ndjson(objects: list[SavedObject]) -> str:
    """One object a line, as Dashboards imports them; the same text for the same objects."""
    return "".join(json.dumps(made, sort_keys=True, ensure_ascii=False) + "\n" for made in objects)


def _charts() -> list[SavedObject]:
    rate = Aggregation("avg", _FAILED_FIELD, "Failure rate (0 to 1)")
    return [
        visualization("failure-rate", "Failure rate over time", "jobs", over_time("line", [rate]), COUNTED.kuery),
        visualization(
            "categories",
            "Failed jobs over time, by category",
            "jobs",
            over_time("histogram", [_COUNT], split="s_error_base_type"),
            FAILURE.kuery,
        ),
        visualization(
            "lost-time",
            "Time of failed attempts over time (seconds)",
            "jobs",
            over_time("histogram", [_LOST]),
            FAILURE.kuery,
        ),
        visualization(
            "states", "Known and unknown: states of failed jobs", "jobs", pie("s_error_state"), FAILURE.kuery
        ),
        visualization(
            "groups",
            "Top causes",
            "jobs",
            table_panel(
                [_COUNT, _LOST, Aggregation("max", "@timestamp", "Last seen")],
                [terms("s_error_group", 15, "Group"), terms("s_error_type", 1, "Category")],
            ),
            FAILURE.kuery,
        ),
        visualization(
            "flakiest",
            "Flakiest jobs",
            "jobs",
            table_panel(
                [Aggregation("count", label="Failures that passed on re-run"), _LOST],
                [terms("s_repo", 10, "Repository"), terms("s_job_name", 10, "Job")],
            ),
            SUSPECTED.kuery,
        ),
        visualization(
            "queue",
            "Slowest queue: seconds of waiting, by label",
            "jobs",
            table_panel(
                [
                    Aggregation("percentiles", "l_queue_time_sec", "Waited", {"percents": [50, 90, 99]}),
                    Aggregation("count", label="Jobs"),
                ],
                [terms("s_runner_labels", 15, "Runner label", by="2")],
            ),
        ),
        visualization(
            "workflows",
            "Failures by workflow",
            "jobs",
            table_panel(
                [rate, Aggregation("count", label="Jobs")],
                [terms("s_repo", 10, "Repository"), terms("s_workflow_name", 10, "Workflow")],
            ),
            COUNTED.kuery,
        ),
        visualization(
            "spend",
            "Model spend over time (US dollars)",
            "jobs",
            over_time("histogram", [Aggregation("sum", "f_cost_usd", "US dollars")]),
        ),
        visualization(
            "steps",
            "Failing steps",
            "steps",
            table_panel([_COUNT, _LOST], [terms("s_step_name", 20, "Step")]),
            FAILURE.kuery,
        ),
        visualization(
            "attempts",
            "Workflow attempts over time",
            "workflows",
            over_time("histogram", [Aggregation("count", label="Attempts")], split="s_status"),
        ),
        visualization("verdicts", "Distinct errors, by who said what they are", "verdicts", pie("s_error_source")),
    ]


#: (chart, x, y, width, height) on Dashboards' grid of 48 columns.
_PLACES = (
    ("failure-rate", 0, 0, 24, 12), ("lost-time", 24, 0, 24, 12), ("categories", 0, 12, 32, 15), ("states", 32, 12, 16, 15),
    ("groups", 0, 27, 30, 17), ("flakiest", 30, 27, 18, 17), ("workflows", 0, 44, 24, 15), ("queue", 24, 44, 24, 15),
    ("steps", 0, 59, 16, 15), ("attempts", 16, 59, 16, 15), ("spend", 32, 59, 16, 15), ("verdicts", 0, 74, 16, 12),
)  # fmt: skip


def _dashboard(charts: list[SavedObject]) -> SavedObject:
    ids = {made["id"] for made in charts}
    panels: list[dict[str, Any]] = []
    references: list[dict[str, str]] = []
    for place, (name, x, y, width, height) in enumerate(_PLACES):
        id_ = f"ci-metrics-{name}"
        if id_ not in ids:
            raise KeyError(id_)
        grid = {"x": x, "y": y, "w": width, "h": height, "i": str(place)}
        panels.append(
            {"panelIndex": str(place), "gridData": grid, "embeddableConfig": {}, "panelRefName": f"panel_{place}"}
        )
        references.append({"name": f"panel_{place}", "type": "visualization", "id": id_})
    return {
        "id": "ci-metrics",
        "type": "dashboard",
        "attributes": {
            "title": "CI metrics: why does our CI fail?",
            "description": "Failure rate, lost time, categories, causes, flaky jobs, queues and spend. Made by ci-metrics.",
            "panelsJSON": json.dumps(panels, sort_keys=True),
            "optionsJSON": json.dumps({"hidePanelTitles": False, "useMargins": True}),
            "timeRestore": True,
            "timeFrom": "now-28d",
            "timeTo": "now",
            "refreshInterval": {"pause": True, "value": 0},
            "version": 1,
            "kibanaSavedObjectMeta": {
                "searchSourceJSON": json.dumps({"query": {"language": "kuery", "query": ""}, "filter": []})
            },
        },
        "references": references,
    }
