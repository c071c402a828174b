"""Our few conditions in OpenSearch's query language.

What belongs here: `Where` -> query, sort -> sort. Does not: sending them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ci_metrics.index.document_index import Kind, Where
from ci_metrics.index.field_table import Field, exact_field, known_field, tallied_field, text_fields
from ci_metrics.index.times import bound

#: Clauses for combinations of values in one question: OpenSearch allows 1,024 in all.
TOGETHER = 900

#: How the hour of a time is written.
_HOUR = "yyyy-MM-dd'T'HH"

#: A list as JSON, in its order. Sorted columns do not have that, so where there are several values
#: the document itself is read.
_LIST = """
def values = doc[params.name];
if (values.size() == 0) { return null; }
def list = values.size() == 1 ? [values[0]] : params['_source'][params.name];
def text = new StringBuilder("[");
for (def value : list) {
  if (text.length() > 1) { text.append(","); }
  text.append('"').append(value.replace('\\\\', '\\\\\\\\').replace('"', '\\\\"')).append('"');
}
return text.append("]").toString();
"""

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
    for fields, combinations in where.together.items():
        filters.append(_together([names.get(name, exact_field(kind, name).name) for name in fields], combinations))
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


def apart(where: Where | None) -> list[Where | None]:
    """A condition as several that no document fits two of, each short enough for one question."""
    if where is None or not where.together:
        return [where]
    if len(where.together) > 1:
        raise ValueError("no question has had fields together twice")
    ((fields, wanted),) = where.together.items()
    parts: list[list[tuple[str, ...]]] = []
    clauses = TOGETHER
    before: tuple[str, ...] = ()
    for values in sorted(set(wanted)):
        more = _clauses_of(before, values)
        if clauses + more > TOGETHER:
            parts.append([])
            clauses, more = 0, len(fields)
        parts[-1].append(values)
        clauses, before = clauses + more, values
    return [replace(where, together={fields: part}) for part in parts]


def source_of(kind: Kind, name: str, names: Names) -> dict[str, Any]:
    """What documents are told apart by (`DocumentIndex.tally`), of those without it too."""
    field = tallied_field(kind, name)
    if field.type == "date":
        return {"date_histogram": {"field": name, "fixed_interval": "1h", "format": _HOUR, "missing_bucket": True}}
    if field.many:
        return {"terms": {"script": {"source": _LIST, "params": {"name": name}}, "missing_bucket": True}}
    return {"terms": {"field": names.get(name, name), "missing_bucket": True}}


def value_of(kind: Kind, name: str, key: Any) -> Any:
    """A value as `DocumentIndex.tally` says it, of a bucket's key."""
    return tuple(json.loads(key)) if key is not None and tallied_field(kind, name).many else key


def _clauses_of(before: Sequence[str], values: Sequence[str]) -> int:
    """How many clauses `_together` has for values more than for those before them, in order."""
    same = next((n for n, (one, other) in enumerate(zip(before, values, strict=False)) if one != other), 0)
    return len(values) - same if same < len(values) - 1 else 0


def _together(names: Sequence[str], wanted: Iterable[Sequence[str]]) -> dict[str, Any]:
    """Any of these combinations of values of the fields of these names: what begins with the same
    value is one clause, so that the server looks at those documents once.
    """
    if len(names) == 1:
        return {"terms": {names[0]: [last for (last,) in wanted]}}
    found: dict[str, list[Sequence[str]]] = defaultdict(list)
    for first, *rest in wanted:
        found[first].append(rest)
    either = [
        {"bool": {"filter": [{"term": {names[0]: first}}, _together(names[1:], rest)]}} for first, rest in found.items()
    ]
    return {"bool": {"should": either, "minimum_should_match": 1}}


def _exists(field: Field) -> dict[str, Any]:
    if field.type == "nested":  # its entries are documents of their own; the outer one has no such field
        return {"nested": {"path": field.name, "query": {"match_all": {}}}}
    return {"exists": {"field": field.name}}


def _comparable(field: Field, value: object) -> object:
    if field.type == "date":
        return bound(value)
    return str(value) if field.type == "keyword" else value
