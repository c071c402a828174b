"""One list of everything that is looked for, and the engine made of it: which lines hold what, and
where in the line it stands.

A line is text of one character a byte (ASCII, others as lone surrogates), so that places
in it are offsets of bytes.

Belongs here: putting issuers' forms, places and announcements into one hyperscan
database and acting on what it reports. Does not: any form (`tokens.py`, `places.py`),
bytes and blocks (`masker.py`).
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any

import hyperscan

from ci_metrics.expressions import databases
from ci_metrics.redaction import command_lines, decoded_lines, encoded, next_lines, private_keys, tokens
from ci_metrics.redaction.decoded_lines import Span
from ci_metrics.redaction.notations import WRITINGS
from ci_metrics.redaction.places import PLACES
from ci_metrics.redaction.secret_names import STEM

Spans = Callable[[str], Iterator[Span]]
Announces = Callable[[str], next_lines.Following | None]

#: Characters from which on a line is long, and how many around a match are looked at in one: before
#: and after it, and where a value may be as long as a key or a file in base64.
LONG, BEFORE, AFTER, WHOLE = 1 << 14, 1 << 11, 1 << 13, 1 << 17
_WHOLE = frozenset({"base64", "private key", "private key in base64"})
#: Encodings within encodings that are undone: JSON in a parameter in base64 and the like; more is
#: a text made to be slow.
MOST_LAYERS = 4
_PUTTY_CODE = re.compile("Private-MAC: ([0-9a-f]{16,})")


class Care(IntEnum):
    """How much is looked for. What it costs is measured in `docs/extraction.md`."""

    ACROSS = 0  # only secrets of several lines: what cannot be masked any more once lines have been chosen
    LOG = 1  # everything that a whole log is fast enough for
    TEXT = 2  # in a text that is about to leave, also what only its randomness tells and what colour codes tear apart


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that is looked for: by `marks` in the whole log, then
    on the lines that have one.
    """

    name: str
    marks: tuple[str, ...]
    caseless: bool = False
    spans: Spans | None = None
    announces: Announces | None = None
    care: Care = Care.LOG  # the least at which it is looked for


def _encoded(text: str) -> Iterator[Span]:
    view = decoded_lines.decoded(text)
    if view is not None:
        for span in spans_in(view.text):
            yield view.back(span)


def _putty_code(text: str) -> Iterator[Span]:
    return (found.span(1) for found in _PUTTY_CODE.finditer(text))


def _listed(text: str) -> Iterator[Span]:
    view = decoded_lines.unlisted(text)
    for span in spans_in(view.text):
        yield view.back(span)


def _base64(text: str) -> Iterator[Span]:
    for found in encoded.RUN.finditer(text):
        inner = encoded.decoded_run(found.group())
        if inner and (
            private_keys.BEGIN.search(inner) or any(True for line in inner.split("\n") for _ in spans_in(line))
        ):
            yield found.span()


def _key_begins(text: str) -> Iterator[Span]:
    begins = [begin.end() for begin in private_keys.BEGIN.finditer(text)]
    ends = [end.start() for end in private_keys.END.finditer(text)]
    for number, begin in enumerate(begins):
        following = begins[number + 1] if number + 1 < len(begins) else len(text)
        at = bisect_left(ends, begin)
        ended = at < len(ends) and ends[at] < following
        material = private_keys.inside(text, begin, ends[at] if ended else following, ended)
        if material:
            yield material


_ESCAPED = r"(?:%(?:25)?[0-9a-f]{2}|&(?:quot|apos|lt|gt|#34|#x22|#39|#x27);|\\{1,4}u00[0-9a-f]{2})"
_NOUN = "(?:token|key|secret|credential|auth|passw)"
_RANDOM = "[A-Za-z0-9][_~-][A-Za-z0-9]{20}"
_EOL = r"[ \t\r]{0,8}\n"
_HEADING = r"(?:passw(?:or)?d|passphrase|pwd|secret|token|api[ _-]?key|access[ _-]?key)[\w-]{0,20}"
ENTRIES: tuple[Entry, ...] = (
    *(Entry(issuer, (form.lstrip("~"),), spans=tokens.token_finder(form)) for issuer, form in tokens.TOKENS),
    Entry("NATS", ("S[ACNOUX][A-Z2-7]{56}",), spans=tokens.nats_seeds),
    Entry("random behind a word", (_RANDOM,), spans=tokens.prefixed, care=Care.TEXT),
    Entry("random behind a word, and a word that says so", (rf"{_NOUN}[^\n]{{0,80}}{_RANDOM}",), True, tokens.prefixed),
    *(Entry(place.name, place.marks, True, place.spans) for place in (*PLACES, *WRITINGS)),
    *(
        Entry(f"command {number}", (mark,), True, command_lines.argument_finder(form))
        for number, (mark, form) in enumerate(command_lines.SECRET_ARGUMENTS)
    ),
    Entry("base64", tuple(re.escape(core) for core in encoded.cores()), spans=_base64),
    Entry(
        "percent signs, entities, escapes",
        (
            rf"(?:{STEM}|auth)[\w.-]*\]?(?:{_ESCAPED}[ =:]{{0,3}}){{1,6}}[^ \t\n]{{3}}",
            rf"&lt;[\w:.-]*{STEM}",
            r"%20[^ \t\n%]{0,60}%20[^ \t\n%]{0,60}%",
            r"%2f[^ \t\n%]{0,60}%2f[^ \t\n%]{0,60}(?:%|/)",
            r"%3f[^ \t\n%]{0,60}%3d",
            r"%(?:25)?3a(?:%(?:25)?2f|/){2}[^ \t\n]*(?:%(?:25)?40|@)",
        ),
        True,
        _encoded,
    ),
    Entry("list of arguments", (r"[\"'],[ ]?[\"']-{1,2}[A-Za-z][\w-]*[\"'],[ ]?[\"'][^\"'\n]{3}",), spans=_listed),
    Entry(
        "private key",
        ("BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY",),
        spans=_key_begins,
        announces=next_lines.key_follows,
        care=Care.ACROSS,
    ),
    Entry(
        "private key in base64",
        (re.escape("LS0tLS1CRUdJTi"), re.escape("LS0tLSBCRUdJTi")),
        spans=_base64,
        announces=next_lines.encoded_key_follows,
        care=Care.ACROSS,
    ),
    Entry("PuTTY's private key", (r"Private-Lines: \d",), announces=next_lines.putty_follows, care=Care.ACROSS),
    Entry("PuTTY's code", (r"Private-MAC: [0-9a-f]{16}",), spans=_putty_code),
    Entry(
        "value on the next line",
        (
            rf"{STEM}[\w.\x80-\xff-]*(?:\\{{0,7}}[\"'`])?\]?[ \t]{{0,8}}"
            rf"(?::=|=>?|:|>)[ \t]{{0,8}}(?:[|>][+-]?\d?)?[ \t]{{0,8}}(?:\\|@[\"'])?{_EOL}",
            r"\$(?:pass|pw) ?= ?@[\"']\r?\n",
            rf"-{STEM}[\w.-]*[ \t]{{1,8}}\\{_EOL}",
            rf"- --[\w-]*{STEM}[\w-]*{_EOL}",
            rf"-{STEM}[\w.-]*(?:[ ]\(\d{{1,4}} bytes\)|[\"'],?){_EOL}",
            rf"form-data;[^\n]*name=\"?[\w.-]*{STEM}[\w.-]*\"?{_EOL}",
            rf"{STEM}[\w.-]*<<-?[\"']?[\w-]+[\"']?{_EOL}",
        ),
        True,
        announces=next_lines.value_follows,
        care=Care.ACROSS,
    ),
    Entry(
        "pair over two lines",
        (
            r"(?:name|key)[\\\"']{0,4}[ \t]{0,8}[:=][ \t]{0,8}[\\\"']{0,4}"
            rf"[\w.:-]*{STEM}[\w.:-]*[\\\"',]{{0,4}}{_EOL}",
            rf"<key>[\w.:-]*{STEM}[\w.:-]*</key>{_EOL}",
        ),
        True,
        announces=next_lines.pair_follows,
        care=Care.ACROSS,
    ),
    Entry("lines of .pgpass", (r"pgpass[^\n]{0,40}<<",), announces=next_lines.password_lines_follow, care=Care.ACROSS),
    Entry(
        "rows below headings",
        (
            rf"[,;\t|][ \"']{{0,3}}[\w -]{{0,20}}{_HEADING}[\"']?[ \t|]{{0,9}}\r?\n",
            rf"{_HEADING}[\"']?[ ]{{0,20}}[,;\t|][\w \"'.,;\t|-]{{1,200}}\r?\n",
            rf"[ ]{{2}}[\w -]{{0,20}}{_HEADING}[ \r]{{0,8}}\n",
            rf"{_HEADING}[ ]{{2,60}}[\w -]{{1,100}}\r?\n",
        ),
        True,
        announces=next_lines.rows_follow,
        care=Care.ACROSS,
    ),
    Entry(
        "word below a sentence",
        (rf"(?:password|passphrase|passcode|secret|token|api[ _-]?key)\b[^\n:]{{1,160}}:{_EOL}",),
        True,
        announces=next_lines.word_follows,
        care=Care.ACROSS,
    ),
    Entry(
        "machine of .netrc",
        (r"\bmachine[ \t]+[\w.-]+[^\n]{0,80}\n",),
        announces=next_lines.machine_follows,
        care=Care.ACROSS,
    ),
    Entry(
        "lines in a string",
        (
            rf"(?:{STEM}|auth)[\w.-]*[\\\"']{{0,8}}[ ]?[:=][ ]?[|>]?[+-]?[ ]?\\{{1,8}}n",
            r"kind: Secret\\{1,8}n",
            r"machine [\w.-]{1,80}\\{1,8}n",
        ),
        True,
        care=Care.ACROSS,
    ),
    Entry("Kubernetes Secret", (r"kind:[ \t]*[\"']?Secret\b",), announces=next_lines.entries_follow, care=Care.ACROSS),
)
#: A text of several lines in a string; and entries that also concern lines before theirs: a key's
#: end, a Secret printed before its kind.
KEY_END = len(ENTRIES)
STRING, KIND_SECRET = KEY_END - 2, KEY_END - 1
_KEY_END_MARK = "END [A-Z0-9 ]{0,30}PRIVATE KEY"


@cache
def engine(care: Care) -> Any:
    """The database of every mark; a match's number is its entry's place
    in `ENTRIES`, or `KEY_END`.
    """
    wanted = [
        (mark.encode("latin-1"), number, hyperscan.HS_FLAG_CASELESS if entry.caseless else 0)
        for number, entry in enumerate(ENTRIES)
        for mark in entry.marks
        if entry.care <= care
    ]
    wanted.append((_KEY_END_MARK.encode(), KEY_END, 0))
    expressions, ids, flags = zip(*wanted, strict=True)
    return databases.compiled(expressions, ids, flags)


def matches(data: bytes, care: Care) -> list[tuple[int, int]]:
    """(offset of the last byte, entry) of each match in `data`."""
    found: list[tuple[int, int]] = []
    add = found.append
    databases.scan(engine(care), data, lambda number, _from, to, _flags, _context: add((to - 1, number)))
    return found


def secret_spans(text: str, numbers: AbstractSet[int]) -> list[Span]:
    """Where secrets stand in one line without colour codes, of which the
    engine reported these entries.
    """
    found: list[Span] = []
    if len(text) <= LONG:
        for number in numbers:
            if number < KEY_END and (spans := ENTRIES[number].spans):
                found += spans(text)
        return merged_spans(found) if found else found
    for number, start, end in _windows(text, numbers):
        spans = ENTRIES[number].spans
        if spans:
            found += [(first + start, last + start) for first, last in spans(text[start:end])]
    return merged_spans(found) if found else found


def _windows(text: str, numbers: AbstractSet[int]) -> Iterator[tuple[int, int, int]]:
    """(entry, start, end) of what is to be looked at in a long line: the surroundings of each
    match, those that overlap as one.
    """
    ends: dict[int, int] = {}
    for at, number in sorted(matches(_bytes(text), Care.TEXT)):
        if number in numbers and number < KEY_END and at >= ends.get(number, 0):
            before, after = (WHOLE, WHOLE) if ENTRIES[number].name in _WHOLE else (BEFORE, AFTER)
            ends[number] = at + after // 2
            yield number, max(0, at - before), at + after


def announced(text: str, numbers: AbstractSet[int]) -> list[next_lines.Following]:
    """What is to be looked for on the lines after this one, which is without colour codes."""
    out = []
    for number in numbers:
        if number < KEY_END and (announces := ENTRIES[number].announces) and (new := announces(text)):
            out.append(new)
    return out


class _Layers(threading.local):
    """How many encodings deep this thread is in a line."""

    depth = 0


_LAYERS = _Layers()


def spans_in(text: str) -> list[Span]:
    """Where secrets stand in a text that is not a line of the log, but was written inside one."""
    if _LAYERS.depth >= MOST_LAYERS:
        return []
    _LAYERS.depth += 1
    try:
        numbers = {number for _, number in matches(_bytes(text), Care.TEXT)}
        return secret_spans(text, numbers) if numbers else []
    finally:
        _LAYERS.depth -= 1


def _bytes(text: str) -> bytes:
    return text.encode("ascii", "surrogateescape") + b"\n"


def merged_spans(spans: list[Span]) -> list[Span]:
    """`spans` in order, those that overlap or touch as one."""
    out: list[Span] = []
    for start, end in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        elif end > start:
            out.append((start, end))
    return out
