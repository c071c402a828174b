"""The shape of OpenSearch Dashboards' saved objects: index patterns and
aggregation-based visualizations.

What belongs here: that shape, as Dashboards 2 and 3 import it. Does not: which ones there
are (`saved_objects.py`).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ci_metrics.index.document_index import Kind
from ci_metrics.index.field_table import fields_of

SavedObject = dict[str, Any]

_URLS = ("s_html_url", "s_error_log_url")


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One metric or bucket. `label` is its heading."""

    type: str
    field: str = ""
    label: str = ""
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    schema: str = "metric"


@dataclass(frozen=True, slots=True)
class Look:
    """What a visualization is: its type, its aggregations in order, its own parameters."""

    type: str
    aggregations: tuple[Aggregation, ...]
    params: Mapping[str, Any]


def index_pattern(kind: Kind, title: str, scripted: Mapping[str, str]) -> SavedObject:
    """An index pattern; addresses are shown as links. `scripted`: further number fields -> the
    Painless that computes them.
    """
    links = {name: {"id": "url", "params": {"type": "a"}} for name in _URLS if name in fields_of(kind)}
    return {
        "id": _pattern_id(kind),
        "type": "index-pattern",
        "attributes": {
            "title": title,
            "timeFieldName": "@timestamp",
            "fieldFormatMap": json.dumps(links),
            **({"fields": json.dumps([_scripted_field(*field) for field in scripted.items()])} if scripted else {}),
        },
        "references": [],
    }


def visualization(name: str, title: str, kind: Kind, look: Look, query: str = "") -> SavedObject:
    """A visualization over one kind of documents, narrowed by a query
    (Dashboards Query Language).
    """
    aggregations = [
        {
            "id": str(place),
            "enabled": True,
            "type": made.type,
            "schema": made.schema,
            "params": {
                **({"field": made.field} if made.field else {}),
                **({"customLabel": made.label} if made.label else {}),
                **made.params,
            },
        }
        for place, made in enumerate(look.aggregations, 1)
    ]
    state = {"title": title, "type": look.type, "aggs": aggregations, "params": dict(look.params)}
    source = {
        "query": {"language": "kuery", "query": query},
        "filter": [],
        "indexRefName": "kibanaSavedObjectMeta.searchSourceJSON.index",
    }
    return {
        "id": f"ci-metrics-{name}",
        "type": "visualization",
        "attributes": {
            "title": f"CI metrics: {title}",
            "description": "",
            "uiStateJSON": "{}",
            "version": 1,
            "visState": json.dumps(state, sort_keys=True),
            "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(source, sort_keys=True)},
        },
        "references": [
            {"name": "kibanaSavedObjectMeta.searchSourceJSON.index", "type": "index-pattern", "id": _pattern_id(kind)}
        ],
    }


def _scripted_field(name: str, script: str) -> dict[str, Any]:
    """Without `readFromDocValues`: a list of fields that lacks it is one that Dashboards
    completes with the mapped ones.
    """
    shape = {"type": "number", "count": 0, "scripted": True, "searchable": True, "aggregatable": True}
    return {"name": name, **shape, "script": script, "lang": "painless"}


def over_time(shape: Literal["line", "histogram"], metrics: Sequence[Aggregation], *, split: str = "") -> Look:
    """Metrics over time; with `split`, one series per value of that field, stacked."""
    when = {"interval": "auto", "min_doc_count": 1, "drop_partials": False, "extended_bounds": {}}
    buckets = [Aggregation("date_histogram", "@timestamp", "", when, "segment")]
    if split:
        buckets.append(Aggregation("terms", split, "", _terms_params(12, "1"), "group"))
    axis = {"id": "ValueAxis-1", "name": "LeftAxis-1", "type": "value", "position": "left", "show": True, "style": {}}
    series = [
        {
            "show": True,
            "type": shape,
            "mode": "stacked" if split else "normal",
            "data": {"id": str(place), "label": metric.label},
            "valueAxis": "ValueAxis-1",
            "drawLinesBetweenPoints": True,
            "showCircles": True,
            "interpolate": "linear",
        }
        for place, metric in enumerate(metrics, 1)
    ]
    params = {
        "type": shape,
        "grid": {"categoryLines": False},
        "categoryAxes": [
            {
                "id": "CategoryAxis-1",
                "type": "category",
                "position": "bottom",
                "show": True,
                "style": {},
                "scale": {"type": "linear"},
                "labels": {"show": True, "filter": True, "truncate": 100},
                "title": {},
            }
        ],
        "valueAxes": [
            {
                **axis,
                "scale": {"type": "linear", "mode": "normal"},
                "labels": {"show": True, "rotate": 0, "filter": False, "truncate": 100},
                "title": {"text": metrics[0].label},
            }
        ],
        "seriesParams": series,
        "addTooltip": True,
        "addLegend": bool(split),
        "legendPosition": "right",
        "times": [],
        "addTimeMarker": False,
        "thresholdLine": {"show": False, "value": 10, "width": 1, "style": "full", "color": "#E7664C"},
        "labels": {},
    }
    return Look(shape, (*metrics, *buckets), params)


def pie(by: str) -> Look:
    """Counts by a field, as a ring."""
    metric = Aggregation("count")
    split = Aggregation("terms", by, "", _terms_params(12, "1"), "segment")
    labels = {"show": True, "values": True, "last_level": True, "truncate": 100}
    params = {
        "type": "pie",
        "addTooltip": True,
        "addLegend": True,
        "legendPosition": "right",
        "isDonut": True,
        "labels": labels,
    }
    return Look("pie", (metric, split), params)


def table_panel(metrics: Sequence[Aggregation], buckets: Sequence[Aggregation]) -> Look:
    """Rows by the buckets' values, columns with the metrics."""
    params = {
        "perPage": 15,
        "showPartialRows": False,
        "showMetricsAtAllLevels": False,
        "showTotal": False,
        "totalFunc": "sum",
        "percentageCol": "",
    }
    return Look("table", (*metrics, *buckets), params)


def terms(name: str, size: int, label: str, *, by: str = "1") -> Aggregation:
    """The most frequent values of a field as rows, ordered by the metric with the number `by`."""
    return Aggregation("terms", name, label, _terms_params(size, by), "bucket")


def _terms_params(size: int, by: str) -> dict[str, Any]:
    return {
        "size": size,
        "order": "desc",
        "orderBy": by,
        "otherBucket": False,
        "otherBucketLabel": "Other",
        "missingBucket": False,
        "missingBucketLabel": "Missing",
    }


def _pattern_id(kind: Kind) -> str:
    return f"ci-metrics-{kind}-pattern"
