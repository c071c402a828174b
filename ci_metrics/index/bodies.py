"""Two rules for every value of a document: without a value the field is absent, and text is text.

What belongs here: these rules. Does not: which fields there are.
"""

from __future__ import annotations

from typing import Any

from ci_metrics.index.base import Body


def present(body: Body) -> Body:
    """The body without fields that have no value (0, 0.0 and False are
    values), its text safe to send.
    """
    return {name: _safe(value) for name, value in body.items() if value is not None and value != "" and value != []}


def _safe(value: Any) -> Any:
    """Half a surrogate pair (JSON allows it, UTF-8 does not) would have a server refuse
    the whole request it is in.
    """
    if isinstance(value, list):
        return [_safe(item) for item in value]
    if not isinstance(value, str) or value.isascii():
        return value
    if any("\ud800" <= character <= "\udfff" for character in value if character > "\ud7ff"):
        return value.encode("utf-8", "replace").decode("utf-8")
    return value
