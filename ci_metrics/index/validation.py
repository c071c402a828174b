"""Whether a body is what the table of fields promises: the embedded index refuses what
OpenSearch's strict mappings refuse.

What belongs here: checking bodies and naming what is wrong. Does not: writing them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from ci_metrics.errors import IndexWriteError
from ci_metrics.index.document_index import Body, Kind, Written
from ci_metrics.index.field_table import ERROR_FIELDS, Field, fields_of

#: Documents named in one error's text; the rest is counted.
NAMED_FAILURES = 20

#: The one form in which we write times, so that their order is that of their text.
_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ\Z")

_LONG = 2**63

#: The beginning of `write_error`'s text.
_REFUSED = re.compile(r"(\d+) documents? (?:was|were) refused by ")
_CLASSES: Mapping[str, type] = {"keyword": str, "text": str, "long": int, "float": float, "boolean": bool}


def problem_of(kind: Kind, body: Body) -> str | None:
    """What is wrong with the body, naming the field; None when nothing is."""
    return _problem(fields_of(kind), _classes(kind), body)


def write_error(location: str, failures: Sequence[tuple[str, str]], written: Written | None = None) -> IndexWriteError:
    """One error for all refused documents: (id, reason) each.
    `written`: what the others came to.
    """
    named = "; ".join(f"{id_}: {reason}" for id_, reason in failures[:NAMED_FAILURES])
    more = f"; and {len(failures) - NAMED_FAILURES} more" if len(failures) > NAMED_FAILURES else ""
    count = "1 document was" if len(failures) == 1 else f"{len(failures)} documents were"
    done = written or Written()
    message = f"{count} refused by {location}: {named}{more}"
    return IndexWriteError(message, refused=failures, created=done.created, updated=done.updated)


def refused_in(text: str) -> int:
    """How many documents an error of `write_error` with this text was
    about; 0 for any other text.
    """
    found = _REFUSED.match(text)
    return int(found[1]) if found else 0


@cache
def _classes(kind: Kind | None) -> Mapping[str, type]:
    """The one class of a field's values where no more than a number's range need be looked at;
    None: entries of `errors`.
    """
    fields = ERROR_FIELDS if kind is None else fields_of(kind)
    return {name: _CLASSES[field.type] for name, field in fields.items() if field.type in _CLASSES and not field.many}


def _problem(fields: Mapping[str, Field], classes: Mapping[str, type], body: Mapping[str, Any]) -> str | None:
    for name, value in body.items():
        class_ = value.__class__
        if classes.get(name) is class_ and (class_ is str or class_ is bool or -_LONG <= value < _LONG):
            continue
        field = fields.get(name)
        if field is None:
            return f"unknown field [{name}] (mappings are strict)"
        if value is None or (class_ is str and field.type == "date" and _is_date(value)):
            continue
        if field.type == "nested":
            for entry in value if isinstance(value, list) else [value]:
                if not isinstance(entry, dict):
                    return f"field [{name}] of type [nested] cannot hold {_shown(entry)}"
                inner = _problem(ERROR_FIELDS, _classes(None), entry)
                if inner is not None:
                    return f"in [{name}]: {inner}"
            continue
        for item in value if isinstance(value, list) else [value]:
            if not _fits(field, item):
                return f"field [{name}] of type [{field.type}] cannot hold {_shown(item)}"
    return None


def _fits(field: Field, value: object) -> bool:
    match field.type:
        case "keyword" | "text":
            return isinstance(value, str)
        case "long":
            return isinstance(value, int) and not isinstance(value, bool) and -_LONG <= value < _LONG
        case "float":
            return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        case "boolean":
            return isinstance(value, bool)
        case _:
            return isinstance(value, str) and _is_date(value)


@lru_cache(maxsize=10_000)  # an hour's documents share their times
def _is_date(text: str) -> bool:
    return _DATE.match(text) is not None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}… ({type(value).__name__})"
