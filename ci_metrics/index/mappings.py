"""OpenSearch mappings and index templates, made from the table of fields.

What belongs here: what OpenSearch is told of our fields. Does not: telling it (`opensearch_setup.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ci_metrics.index.base import Kind
from ci_metrics.index.fields import ERROR_FIELDS, IGNORE_ABOVE, Field, fields_of

#: Higher than templates with broad patterns usually have; ours match one index name each.
TEMPLATE_PRIORITY = 500

#: Our analyzer: words of letters, digits and underscores, so that `test_a` finds “tests/test_a.py”, which the standard one
#: keeps together. `analyzer.py` does the same. Cut, because one term over 32,766 bytes would refuse its whole document.
ANALYZER = "ci_metrics_words"
WORD_CHARACTERS = 255

#: For indices that were made without ours: an analyzer cannot be added to an open index.
FALLBACK_ANALYZER = "standard"


def properties_of(fields: Iterable[Field], analyzer: str = ANALYZER) -> dict[str, Any]:
    """The `properties` of a mapping."""
    return {field.name: _property(field, analyzer) for field in fields}


def mapping_of(kind: Kind) -> dict[str, Any]:
    """The whole explicit mapping of one kind of document: an unknown field is refused, not guessed."""
    return {"dynamic": "strict", "properties": properties_of(fields_of(kind).values())}


def template_of(kind: Kind, index: str) -> dict[str, Any]:
    """A composable index template that matches this one index name and nothing else."""
    return {
        "index_patterns": [index],
        "priority": TEMPLATE_PRIORITY,
        "template": {"settings": index_settings(), "mappings": mapping_of(kind)},
        "_meta": {"managed_by": "ci-metrics", "documents": kind},
    }


def index_settings() -> dict[str, Any]:
    """Our analyzer; a replica where there is a second node, none (and so no yellow cluster) where there is not."""
    return {
        "index": {"auto_expand_replicas": "0-1"},
        "analysis": {
            "tokenizer": {ANALYZER: {"type": "pattern", "pattern": "[^\\p{L}\\p{N}_]+"}},
            "filter": {ANALYZER: {"type": "truncate", "length": WORD_CHARACTERS}},
            "analyzer": {ANALYZER: {"type": "custom", "tokenizer": ANALYZER, "filter": ["lowercase", ANALYZER]}},
        },
    }


def _property(field: Field, analyzer: str) -> dict[str, Any]:
    match field.type:
        case "keyword":
            return {"type": "keyword", "ignore_above": IGNORE_ABOVE}
        case "text":
            return {"type": "text", "analyzer": analyzer}
        case "long" | "float":
            return {"type": field.type, "coerce": False}  # "5" or 5.7 in a long is a mistake, not a 5
        case "nested":
            return {"type": "nested", "dynamic": "strict", "properties": properties_of(ERROR_FIELDS.values(), analyzer)}
        case _:
            return {"type": field.type}
