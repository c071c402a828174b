"""OpenSearch mappings and index templates, made from the table of fields.

What belongs here: what OpenSearch is told of our fields, and the words that its analyzer makes of a
text. Does not: telling it (`opensearch_setup.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ci_metrics.index.document_index import Kind
from ci_metrics.index.field_table import ERROR_FIELDS, IGNORE_ABOVE, Field, fields_of

#: Higher than templates with broad patterns usually have; ours match one index name each. An
#: operator's template with a higher one takes its place: what it leaves out of the mappings
#: is added to the index.
TEMPLATE_PRIORITY = 500

#: Our analyzer: words of letters, digits and underscores, so that `test_a` finds “tests/test_a.py”,
#: which the standard one keeps together. `analyzed_words` does the same. Cut, because one term over
#: 32,766 bytes would refuse its whole document.
ANALYZER = "ci_metrics_words"
WORD_CHARACTERS = 255

#: For indices that were made without ours: an analyzer cannot be added to an open index.
FALLBACK_ANALYZER = "standard"

_WORD = re.compile(r"\w+")


def properties_of(fields: Iterable[Field], analyzer: str = ANALYZER) -> dict[str, Any]:
    """The `properties` of a mapping."""
    return {field.name: _property(field, analyzer) for field in fields}


def mapping_of(kind: Kind) -> dict[str, Any]:
    """The whole explicit mapping of one kind of document: an unknown
    field is refused, not guessed.
    """
    return {"dynamic": "strict", "properties": properties_of(fields_of(kind).values())}


@dataclass(frozen=True, slots=True)
class IndexLayout:
    """How an index is laid out on the server. None: the server's own number of shards, a replica
    where there is a second node.
    """

    shards: int | None = None
    replicas: int | None = None
    by_month: bool = False  # an index a month, `NAME-2026.03`, read through the alias `NAME`


def template_of(kind: Kind, index: str, layout: IndexLayout) -> dict[str, Any]:
    """A composable index template that matches this one index name, or those of its
    months, and nothing else.
    """
    return {
        "index_patterns": [f"{index}-2*.*" if layout.by_month else index],
        "priority": TEMPLATE_PRIORITY,
        "template": {
            "settings": index_settings(layout),
            "mappings": mapping_of(kind),
            **({"aliases": {index: {}}} if layout.by_month else {}),
        },
        "_meta": {"managed_by": "ci-metrics", "documents": kind},
    }


def index_settings(layout: IndexLayout) -> dict[str, Any]:
    """Shards, replicas, our analyzer. Without a number of replicas a single
    node's cluster is not yellow.
    """
    index: dict[str, Any] = {"auto_expand_replicas": "0-1"}
    if layout.replicas is not None:
        index = {"number_of_replicas": layout.replicas}
    if layout.shards is not None:
        index["number_of_shards"] = layout.shards
    return {
        "index": index,
        "analysis": {
            "tokenizer": {ANALYZER: {"type": "pattern", "pattern": "[^\\p{L}\\p{N}_]+"}},
            "filter": {ANALYZER: {"type": "truncate", "length": WORD_CHARACTERS}},
            "analyzer": {ANALYZER: {"type": "custom", "tokenizer": ANALYZER, "filter": ["lowercase", ANALYZER]}},
        },
    }


def analyzed_words(text: str) -> frozenset[str]:
    """The words of a text as our analyzer makes them, so that both indices find the same."""
    return frozenset(word.lower()[:WORD_CHARACTERS] for word in _WORD.findall(text))


def has_all(wanted: frozenset[str], texts: Iterable[str]) -> bool:
    """Whether each wanted word stands in any of the texts. A search
    without a word finds nothing.
    """
    found: set[str] = set()
    for text in texts:
        found |= analyzed_words(text)
    return bool(wanted) and wanted <= found


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
