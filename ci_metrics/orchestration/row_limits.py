"""What a stored row may hold: 64-bit integers, whole characters, texts of a bounded length.

What belongs here: bringing a record from outside within these limits, or naming the field that
cannot be. Does not: secrets (`redaction/`), tables (`arrow_tables.py`).
"""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import Any, TypeVar, cast, get_args, get_type_hints

from ci_metrics.errors import ContractError
from ci_metrics.orchestration.arrow_tables import misfit

T = TypeVar("T")

#: Characters of a name, title, branch or address. GitHub's own limits are lower (a step's name: 255
#: shown).
MOST_NAME = 4_096
#: Characters of an annotation's message. Source: GitHub's documentation, "Create a check run": 64
#: KB.
MOST_MESSAGE = 65_536

_NOT_TEXT = re.compile("[\0\ud800-\udfff]")


def within_limits(record: T) -> T:
    """The record with texts cut (visibly) and cleaned, and without optional numbers beyond 64 bits.

    Raises ContractError that names the field when a number that must be there is.
    """
    limited: T = _limited(record, "", optional=False)
    return limited


def _limited(value: Any, path: str, *, optional: bool) -> Any:
    if isinstance(value, str):
        return _text(value, MOST_MESSAGE if path.endswith("message") else MOST_NAME)
    if isinstance(value, int):
        wrong = misfit(value, path)
        if wrong is None:
            return value
        if optional:
            return None
        raise ContractError(wrong)
    if isinstance(value, tuple):
        return tuple(_limited(item, f"{path}[{n}]", optional=False) for n, item in enumerate(value))
    if not dataclasses.is_dataclass(value):
        return value
    changed = {}
    for name, may_be_none in _fields(cast(Any, type(value))):
        before = getattr(value, name)
        after = _limited(before, f"{path}.{name}" if path else name, optional=may_be_none)
        if after is not before and after != before:
            changed[name] = after
    return dataclasses.replace(cast(Any, value), **changed) if changed else value


@functools.cache
def _fields(kind: Any) -> tuple[tuple[str, bool], ...]:
    """A record's fields, and whether each may be None."""
    hints = get_type_hints(kind)
    return tuple((each.name, type(None) in get_args(hints[each.name])) for each in dataclasses.fields(kind))


def _text(text: str, most: int) -> str:
    if "\0" in text or not text.isascii():
        text = _NOT_TEXT.sub("\ufffd", text)
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most} characters cut)"
