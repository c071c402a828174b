"""Our few conditions in OpenSearch's query language.

What belongs here: `Where` -> query, sort -> sort. Does not: sending them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ci_metrics.index.base import Kind, Where
from ci_metrics.index.fields import Field, exact_field, known_field, text_fields
from ci_metrics.index.times import bound

Names = Mapping[str, str]  # field -> where its exact values are searched, for fields where that is elsewhere


def query_of(kind: Kind, where: Where | None, names: Names) -> dict[str, Any]:
    """The query of a condition. Raises ContractError on a field that cannot be asked for."""
    if where is None:
        return {"match_all": {}}
    filters: list[dict[str, Any]] = []
    for name, wanted in where.equals.items():
        field = exact_field(kind, name)
        values = [wanted] if isinstance(wanted, (str, int, float, bool)) else list(wanted)
        filters.append({"terms": {names.get(name, name): [_comparable(field, value) for value in values]}})
    for name, (low, high) in where.ranges.items():
        field = exact_field(kind, name)
        ends = {"gte": low, "lt": high}
        bounds = {operator: _comparable(field, end) for operator, end in ends.items() if end is not None}
        filters.append({"range": {names.get(name, name): bounds}})
    filters += [_exists(known_field(kind, name)) for name in where.exists]
    if where.text:
        words = {"query": where.text, "type": "cross_fields", "operator": "and", "fields": list(text_fields(kind))}
        filters.append({"multi_match": words})
    missing = [_exists(known_field(kind, name)) for name in where.missing]
    return {"bool": {"filter": filters, "must_not": missing}}


def sort_of(kind: Kind, sort: str, names: Names) -> list[dict[str, Any]]:
    """The sort: documents without the field last, whichever the direction."""
    if not sort:
        return [{"_doc": {"order": "asc"}}]
    name = exact_field(kind, sort.removeprefix("-")).name
    return [{names.get(name, name): {"order": "desc" if sort.startswith("-") else "asc", "missing": "_last"}}]


def _exists(field: Field) -> dict[str, Any]:
    if field.type == "nested":  # its entries are documents of their own; the outer one has no such field
        return {"nested": {"path": field.name, "query": {"match_all": {}}}}
    return {"exists": {"field": field.name}}


def _comparable(field: Field, value: object) -> object:
    if field.type == "date":
        return bound(value)
    return str(value) if field.type == "keyword" else value
