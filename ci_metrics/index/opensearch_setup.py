"""Templates, indices and mappings on an OpenSearch server: made where missing, completed
where an older team made them.

What belongs here: preparing an index, and comparing its mappings with ours. Does not: what
our mappings are, documents.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import AuthorizationException, NotFoundError, RequestError

from ci_metrics.errors import ContractError
from ci_metrics.index.document_index import Kind
from ci_metrics.index.field_table import ERROR_FIELDS, Field, fields_of
from ci_metrics.index.mappings import (
    ANALYZER,
    FALLBACK_ANALYZER,
    IndexLayout,
    index_settings,
    mapping_of,
    properties_of,
    template_of,
)
from ci_metrics.index.opensearch_errors import reason_of

logger = logging.getLogger(__name__)

#: The setting that names the index of each kind, for messages.
SETTING = {
    "workflows": "WORKFLOW_INDEX",
    "jobs": "JOB_INDEX",
    "steps": "STEPS_INDEX",
    "verdicts": "ERROR_CLASSIFICATION_INDEX",
}

#: Types of an existing field that hold our values and answer our questions as well
#: as our own choice does.
_AS_GOOD = {
    "keyword": {"keyword", "wildcard"},
    "text": {"text", "match_only_text"},
    "long": {"long", "integer", "unsigned_long"},
    "float": {"float", "double", "half_float", "scaled_float"},
    "boolean": {"boolean"},
    "date": {"date", "date_nanos"},
    "nested": {"nested"},
}


def prepare(client: OpenSearch, kind: Kind, index: str, layout: IndexLayout, now: datetime) -> bool:
    """Template and index, made where they are missing; an existing index gets the fields it lacks.

    `now` says which month's index is made where there is none yet. Returns whether there is a
    template: an index that is made later must bring its own mappings otherwise. Raises
    ContractError naming each field of an existing index that cannot hold ours, and an index that
    stands where the alias of the months should.
    """
    made = index
    if layout.by_month:
        if client.indices.exists(index=index) and not client.indices.exists_alias(name=index):
            raise ContractError(
                f"{index} is one index, and INDEX_BY_MONTH wants an alias of that name. Name another in {SETTING[kind]}, or "
                "reindex it into months, delete it and upload again"
            )
        made = month_of(index, now)
    templated = _put_template(client, kind, index, layout)
    try:
        make_index(client, kind, index, made, layout, templated=templated)
        existing = client.indices.get_mapping(index=index)
    except NotFoundError:  # refused for another reason than being there: ask again to hear which
        make_index(client, kind, index, made, layout, templated=templated, ignore=())
        return templated
    for name, answer in existing.items():
        _complete(client, kind, name, answer["mappings"])
    return templated


def make_index(
    client: OpenSearch,
    kind: Kind,
    alias: str,
    name: str,
    layout: IndexLayout,
    *,
    templated: bool,
    ignore: Collection[int] = (400,),
) -> None:
    """Make an index where there is none. What its template says holds, so that an operator's own
    may take the place of ours.
    """
    body: dict[str, Any] = {"aliases": {alias: {}}} if layout.by_month else {}
    if not templated:
        body |= {"settings": index_settings(layout), "mappings": mapping_of(kind)}
    client.indices.create(index=name, body=body, params={"ignore": list(ignore)} if ignore else {})


def month_of(index: str, moment: datetime | str) -> str:
    """The index of a month; `moment`: a time, or text that begins with one (`2026-03-02T05`)."""
    year, month = str(moment)[:7].split("-")
    return f"{index}-{year}.{month}"


def exact_names(client: OpenSearch, kind: Kind, index: str) -> dict[str, str]:
    """Fields whose exact values stand in a sub-field: an index made by dynamic mapping has
    text with a keyword inside.
    """
    names: dict[str, str] = {}
    for answer in client.indices.get_mapping(index=index).values():
        properties = answer["mappings"].get("properties", {})
        for name, field in fields_of(kind).items():
            inner = _keyword_inside(properties.get(name, {}))
            if field.type == "keyword" and inner is not None:
                names[name] = f"{name}.{inner}"
    return names


def _put_template(client: OpenSearch, kind: Kind, index: str, layout: IndexLayout) -> bool:
    """Whether there was the right to."""
    try:
        client.indices.put_index_template(name=f"ci-metrics-{index}", body=template_of(kind, index, layout))
    except AuthorizationException:
        # The index itself is made with its mappings; the template only matters when
        # somebody deletes it meanwhile.
        logger.warning("No right to make the index template ci-metrics-%s; going on without it", index)
        return False
    except RequestError as error:
        reason = reason_of(error.info.get("error")) if isinstance(error.info, Mapping) else str(error)
        raise ContractError(
            f"index template ci-metrics-{index} was refused: {reason}. Give the other template another priority, or choose "
            f"another name in {SETTING[kind]}"
        ) from error
    return True


def _complete(client: OpenSearch, kind: Kind, index: str, mapping: Mapping[str, Any]) -> None:
    properties = mapping.get("properties", {})
    conflicts = list(_conflicts(fields_of(kind), properties))
    if conflicts:
        raise ContractError(
            f"index {index} has other mappings than the documents need: {'; '.join(conflicts)}. Name a new index in "
            f"{SETTING[kind]}, or reindex the old one into it after the first upload"
        )
    absent = [field for name, field in fields_of(kind).items() if name not in properties]
    inner = []
    if "errors" in properties and "errors" in fields_of(kind):
        known = properties["errors"].get("properties", {})
        inner = [field for name, field in ERROR_FIELDS.items() if name not in known]
    if not absent and not inner:
        return
    analyzer = _analyzer(client, index)
    lacking = properties_of(absent, analyzer)
    if inner:
        lacking["errors"] = {"type": "nested", "properties": properties_of(inner, analyzer)}
    client.indices.put_mapping(index=index, body={"properties": lacking})
    logger.info("Index %s got the fields it lacked: %s", index, ", ".join(lacking))


def _analyzer(client: OpenSearch, index: str) -> str:
    settings = client.indices.get_settings(index=index)[index]["settings"]["index"]
    return ANALYZER if ANALYZER in settings.get("analysis", {}).get("analyzer", {}) else FALLBACK_ANALYZER


def _conflicts(fields: Mapping[str, Field], properties: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, field in fields.items():
        there = properties.get(name)
        if there is None:
            continue
        type_ = there.get("type", "object")
        if field.type == "nested" and type_ == "nested":
            yield from _conflicts(ERROR_FIELDS, there.get("properties", {}), f"{prefix}{name}.")
        elif type_ not in _AS_GOOD[field.type] and not (field.type == "keyword" and _keyword_inside(there)):
            yield f"field {prefix}{name} is {type_}, not {field.type}"


def _keyword_inside(there: Mapping[str, Any]) -> str | None:
    if there.get("type") != "text":
        return None
    return next((name for name, sub in there.get("fields", {}).items() if sub.get("type") == "keyword"), None)
