"""A line as its writer meant it: without colour codes, with percent signs, entities and escapes
decoded; and the way back.

Belongs here: text in, plainer text out, with the place of each of its characters in what came in.
Does not: what is looked for in it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field

#: Where something stands in a line: its first character, and the one behind its last.
Span = tuple[int, int]

#: Colour, cursor and hyperlink codes (ECMA-48), and colour codes whose escape character was lost on
#: the way; as bytes and as text.
_LOST = r"\[\d{1,3}(?:;\d{1,3}){0,8}m"
_ESCAPED = r"\x1b(?:\[[0-9;:?]{0,40}[ -/]{0,4}[@-~]|\][^\x07\x1b\n]{0,2000}(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>78cDEHM])"
LOST = re.compile(_LOST)
CODES = re.compile(rf"{_ESCAPED}|(?:\^\[)?{_LOST}")
#: The same, each with a literal to begin with: one after the other they are far
#: faster over a large text.
_RAW = tuple(re.compile(code.encode()) for code in (_ESCAPED, rf"\^\[{_LOST}", _LOST))


def without_codes(data: bytes) -> bytes:
    """`data` without codes for terminals; newlines stay."""
    for codes in _RAW:
        if codes.search(data):
            data = codes.sub(b"", data)
    return data


#: What other writers put for a character.
_ENCODED = re.compile(
    r"%(?:25)?([0-9A-Fa-f]{2})|&(quot|amp|lt|gt|apos|#\d{2,3}|#x[0-9A-Fa-f]{2});|\\{1,4}u00([0-9A-Fa-f]{2})"
)
_WRITTEN_BREAK = re.compile(r"\\+r\\+n|\\+n")
_BETWEEN = re.compile(r"\\*[\"'],[ ]?\\*[\"']")
_ENTITIES = {"quot": '"', "amp": "&", "lt": "<", "gt": ">", "apos": "'"}


@dataclass(slots=True)
class View:
    """A text and how each of its places maps to the text that it was made of."""

    text: str
    _from: list[int] = field(default_factory=list)  # places in `text` from which on …
    _shift: list[int] = field(default_factory=list)  # … this much was left out before

    def back(self, span: Span) -> Span:
        """`span` of this view, in the text that it was made of."""
        if not self._from:
            return span
        return span[0] + self._before(span[0]), span[1] - 1 + self._before(span[1] - 1) + 1

    def _before(self, at: int) -> int:
        found = bisect_right(self._from, at)
        return self._shift[found - 1] if found else 0


def uncoloured(text: str) -> View:
    """`text` without codes for terminals."""
    if "\x1b" in text or ("[" in text and LOST.search(text)):
        return _replaced(text, CODES, lambda _found: "")
    return View(text)


def decoded(text: str) -> View | None:
    """`text` with encoded characters as themselves, once or twice encoded; None when
    nothing in it is encoded.
    """
    view = _replaced(text, _ENCODED, _character)
    return view if view._from else None


def unescaped(text: str) -> View:
    """`text` with line breaks for ``\\n``."""
    return _replaced(text, _WRITTEN_BREAK, lambda _found: "\n")


def unlisted(text: str) -> View:
    """`text` with the items of a list of quoted strings as words of a command line."""
    return _replaced(text, _BETWEEN, lambda _found: " ")


def _character(found: re.Match[str]) -> str:
    digits = found.group(1) or found.group(3)
    if digits:
        code = int(digits, 16)
        return " " if code == 10 else chr(code if code < 128 else 0xDC00 + code)
    entity = found.group(2)
    if entity.startswith("#x"):
        return chr(int(entity[2:], 16) & 0x7F)
    if entity.startswith("#"):
        return chr(int(entity[1:]) & 0x7F)
    return _ENTITIES[entity]


def _replaced(text: str, what: re.Pattern[str], by: object) -> View:
    parts: list[str] = []
    starts: list[int] = []
    shifts: list[int] = []
    at = length = shift = 0
    for found in what.finditer(text):
        new = by(found)  # type: ignore[operator]
        parts += (text[at : found.start()], new)
        length += found.start() - at + len(new)
        shift += found.end() - found.start() - len(new)
        at = found.end()
        starts.append(length)
        shifts.append(shift)
    if not starts:
        return View(text)
    return View("".join(parts) + text[at:], starts, shifts)
