"""Strings from outside: made printable, secrets masked, bounded, before anything keeps, shows or
compares them.

What belongs here: any text that GitHub (or what stands between) sends. Does not: which field is
what (`schemas.py`), logs.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ci_metrics.redaction import redact

#: Characters of a name that are kept. GitHub's own names end at 255; a matrix's values make a job's
#: name longer.
NAME_CHARACTERS = 1_000

#: Characters of an annotation's message that are kept: GitHub takes 64 KB (documentation of "Create
#: a check run").
MESSAGE_CHARACTERS = 65_536

#: Characters behind the cut that masking still sees, so that a secret that straddles it is known as
#: one.
_BEHIND = 4_096

_COLOURS = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-?]*[ -/]*[@-~]")
_LINE_ENDS = re.compile(r"\r\n?|\x85|\u2028|\u2029")
#: Control characters, marks that turn the direction of writing, halves of characters, byte order
#: marks.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
#: Names up to so many characters are cleaned once and remembered: an hour repeats them.
_SHORT = 256


def name(value: str) -> str:
    """One printable line of at most `NAME_CHARACTERS`, its secrets masked. Doing it twice changes
    nothing.
    """
    return _short_name(value) if len(value) <= _SHORT else _one_line(value, NAME_CHARACTERS)


def message(value: str) -> str:
    """Printable lines of at most `MESSAGE_CHARACTERS` in all, their secrets masked. Doing it twice
    changes nothing.
    """
    return lines(value, MESSAGE_CHARACTERS)


def lines(value: str, limit: int) -> str:
    """Printable lines of at most `limit` characters in all, their secrets masked."""
    return _bounded(value, limit)


def shown(value: object) -> str:
    """A value as an error quotes it: one line of at most 80 characters, its secrets masked;
    "missing" for None.
    """
    if value is None:
        return "missing"
    text = value[:_BEHIND].decode("utf-8", "replace") if isinstance(value, bytes) else repr(value)
    return _one_line(text, 80)


@lru_cache(maxsize=16_384)  # step names, labels and branches repeat: this makes masking them cost nothing
def _short_name(value: str) -> str:
    return _one_line(value, NAME_CHARACTERS)


def _one_line(value: str, limit: int) -> str:
    return _bounded(value[: limit + _BEHIND], limit, len(value)).replace("\n", " ").replace("\t", " ")


def _bounded(value: str, limit: int, length: int = 0) -> str:
    length = length or len(value)
    text = _LINE_ENDS.sub("\n", _COLOURS.sub("", value[: limit + _BEHIND]))
    text = redact(_UNPRINTABLE.sub("\ufffd", text))[0]
    if length <= limit and len(text) <= limit:
        return text
    mark = f"… [cut: {length} characters]" if limit > 80 else "..."
    return text[: limit - len(mark)] + mark
