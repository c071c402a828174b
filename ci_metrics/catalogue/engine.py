"""The engine that finds messages: one scan over a log's bytes, one over the few
lines that are kept of it.

Belongs here: from forms to automata, from bytes to hits. Does not: what a hit means.

Both are made from the same entries. The first finds lines worth keeping in megabytes of raw log
(messages with a weight, and those that tell of the log's structure). The second sees the kept lines
as people read them, behind every prefix, and finds every message there is: what ranking and the
classifier rest on.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import hyperscan

from ci_metrics.catalogue.messages import Catalogue, Message, Subject
from ci_metrics.errors import ContractError
from ci_metrics.expressions import databases
from ci_metrics.expressions.partial_database import PartialDatabase

#: Colour codes, with or without their escape character.
COLOUR = r"(?:(?:\x1b|\^\[)?\[[0-9;]*[mGKJ])*"
#: The start of a raw line as people see it: behind a timestamp, a colour code, a carriage return, a
#: byte-order mark, the runner's markers. Only the last characters of those, of bounded length: an
#: unbounded prefix keeps the engine from looking for the form's literal first, which is what makes
#: it fast.
_START = r"(?:^|\dZ |[\d\[][mKGJ]|\r|\xbf|##\[error\]|##\[warning\])"
#: The start of a word in a raw line: a colour code ends in a letter, which would
#: hide the one behind it.
_WORD = r"(?:\b|[\d\[]m)"
#: What relays another's words: the runner's mark, BuildKit's and Compose's prefixes, a clock,
#: a turborepo's package.
_PREFIX = re.compile(
    r"(?:##\[(?:error|warning|notice)\]\s*)?"
    r"(?:(?:#\d{1,4} {1,6})?\d{1,6}\.\d{1,4} )?"
    r"(?:(?:[a-z0-9][\w.-]{0,40}[_-]\d{1,3}|updater|proxy) {0,20}\| )?"
    r"(?:\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d[.,\d]{0,12}Z?\]? ?|\[?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?\]? )?"
)
#: A longer line is matched by its beginning and its end; tools put what matters there.
_HEAD, _TAIL = 1_500, 500
#: A gap of at least 30 characters.
_FAR = re.compile(r"\.\{[01],(?:[3-9]\d|\d{3,})\}")
#: What groups and divides a form, and what hides it.
_GROUPS = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|[()|]", re.DOTALL)
#: Runs of digits, with the longest number that a log is expected to hold.
_DIGITS = {"+": r"\d{1,9}", "*": r"\d{0,9}"}


def without_relay(text: str) -> str:
    """A clean line as forms see it: without the prefixes that relay a tool's own words;
    indentation stays; capped.
    """
    prefix = _PREFIX.match(text)
    return capped(text[prefix.end() :] if prefix else text)


def capped(text: str) -> str:
    """A line's beginning and its end, where it is too long to be matched whole."""
    if len(text) > _HEAD + _TAIL:
        text = text[:_HEAD] + " " + text[-_TAIL:]
    return text.rstrip()


def translated(form: str, start: str, end: str, colour: str, word: str) -> str:
    """`form` for the engine: anchors and colour codes spelt out, classes that do not leave the
    line, wide gaps unbounded.

    Counting makes big automata, and no gap leaves its line anyway. Numbers get a longest length:
    with numbers of any length the engine (hyperscan 0.9) lost matches at the start of lines once
    many forms began with one.
    """
    out, i, inside = [], 0, False
    if form.startswith(r"\b"):
        out.append(word)
        i = 2
    while i < len(form):
        two = form[i : i + 2]
        if two[0] == "\\" and len(two) == 2:
            if two == r"\s":
                out.append(r" \t" if inside else r"[ \t]")
            elif two in (r"\S", r"\W", r"\D") and not inside:
                out.append({r"\S": r"[^ \t\r\n]", r"\W": r"[^\w\n]", r"\D": r"[^\d\n]"}[two])
            elif two == r"\d" and not inside and form[i + 2 : i + 3] in _DIGITS:
                out.append(_DIGITS[form[i + 2]])
                i += 1
            else:
                out.append(two)
            i += 2
            continue
        if inside:
            inside = form[i] != "]"
            out.append(form[i])
        elif far := _FAR.match(form, i):
            out.append(".*")
            i = far.end()
            continue
        elif form.startswith("<c>", i):
            out.append(colour)
            i += 3
            continue
        elif two == "[^":
            out.append(r"[^\n")
            inside, i = True, i + 2
            continue
        elif form[i] == "[":
            inside = True
            out.append("[")
        else:
            out.append({"^": start, "$": end}.get(form[i], form[i]))
        i += 1
    return "".join(out)


def alternatives(form: str) -> list[str]:
    """The alternatives of a form at its top level: the engine finds literals in each
    that it cannot in their sum.
    """
    parts, depth, begin = [], 0, 0
    for found in _GROUPS.finditer(form):
        mark = found[0]
        if mark in "()":
            depth += 1 if mark == "(" else -1
        elif mark == "|" and depth == 0:
            parts.append(form[begin : found.start()])
            begin = found.end()
    return [*parts, form[begin:]]


def _raw_expression(form: str) -> str:
    return translated(form, _START, rf"{COLOUR}\r?$", COLOUR, _WORD)


def _line_expression(form: str) -> str:
    return translated(form, "^", "$", "", r"\b")


def _expressions(message: Message, *, raw: bool) -> list[str]:
    return list(map(_raw_expression, alternatives(message.form))) if raw else [_line_expression(message.form)]


def raw_engine(catalogue: Catalogue, numbers: Iterable[int]) -> Any:
    """The database of these messages over raw bytes of a log; ContractError
    names what the engine refuses.
    """
    return _compiled(catalogue, tuple(numbers), raw=True)


@lru_cache(maxsize=16)
def _compiled(catalogue: Catalogue, numbers: tuple[int, ...], *, raw: bool) -> Any:
    def given() -> databases.Expressions:
        expressions, ids, flags = [], [], []
        for number in numbers:
            message = catalogue.messages[number]
            for expression in _expressions(message, raw=raw):
                expressions.append(expression.encode())
                ids.append(number)
                flags.append(_flags(message, raw=raw))
        return expressions, ids, flags

    def parts(whole: Callable[[], Any]) -> PartialDatabase:
        found = [(form, each) for each in numbers for form in alternatives(catalogue.messages[each].form)]
        expression = _raw_expression if raw else _line_expression
        return PartialDatabase(
            [form.encode() for form, _ in found],
            [each for _, each in found],
            [_flags(catalogue.messages[each], raw=raw) for _, each in found],
            expression=lambda place: expression(found[place][0]).encode(),
            whole=whole,
            one_line=True,
        )

    # Forms are translated only to be compiled: that alone takes a quarter of a second for the
    # shipped ones. What else a message says (category, headline, weight) compiles nothing anew.
    told = [(each, catalogue.messages[each].form, _flags(catalogue.messages[each], raw=raw)) for each in numbers]
    name = f"{_code()} {'raw' if raw else 'line'} {told}"
    try:
        return databases.compiled_as(name, given, parts)
    except hyperscan.error as error:
        for number in numbers:
            if fault := refused(catalogue.messages[number]):
                raise ContractError(f"catalogue, message {catalogue.messages[number].id!r}: {fault}") from error
        raise ContractError(f"catalogue: the engine refused the set of messages as a whole: {error}") from error


@cache
def _code() -> str:
    """A hash of how forms become expressions."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def _flags(message: Message, *, raw: bool) -> int:
    flags = hyperscan.HS_FLAG_MULTILINE if raw else 0
    if message.ignore_case:
        flags |= hyperscan.HS_FLAG_CASELESS
    if not raw or message.role == "framed":  # that there is one is all that matters
        flags |= hyperscan.HS_FLAG_SINGLEMATCH
    return int(flags)


def refused(message: Message) -> str:
    """Why the engine refuses a message's form; "" when it takes it."""
    for raw in (True, False):
        for expression in _expressions(message, raw=raw):
            try:
                hyperscan.Database().compile(
                    expressions=[expression.encode()], ids=[0], elements=1, flags=[_flags(message, raw=raw)]
                )
            except hyperscan.error as error:
                return f"the engine refuses the form {message.form!r}: {str(error).rstrip('.')}"
    return ""


#: Lines whose messages are remembered, about a megabyte: logs repeat themselves and each other (a
#: third to two thirds of kept lines).
REMEMBERED = 1 << 11


def match_lines(catalogue: Catalogue, lines: Sequence[str], subject: Subject = "line") -> list[tuple[int, ...]]:
    """The numbers of the messages on each of these clean lines, ascending: of the line as it
    is, and behind its prefixes.

    Line by line: a match cannot leave its line, and a small scan costs less than finding the lines
    of a large one's matches.
    """
    return list(map(_matcher(catalogue, subject), lines)) if lines else []


@lru_cache(maxsize=8)
def _matcher(catalogue: Catalogue, subject: Subject) -> Callable[[str], tuple[int, ...]]:
    """What finds the messages of one line."""
    numbers = tuple(i for i, m in enumerate(catalogue.messages) if m.subject == subject)
    if not numbers:
        return lambda _: ()
    database = _compiled(catalogue, numbers, raw=False)

    @lru_cache(maxsize=REMEMBERED)
    def messages_on(line: str) -> tuple[int, ...]:
        found: set[int] = set()
        add = found.add
        whole, inner = capped(line), without_relay(line)
        for text in (whole,) if inner == whole else (whole, inner):
            databases.scan(database, text.encode("utf-8", "replace"), lambda number, *_: add(number))
        return tuple(sorted(found))

    return messages_on
