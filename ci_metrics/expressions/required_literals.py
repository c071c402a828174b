"""Texts that every match of an expression holds, read off the expression itself.

Belongs here: reading one expression in the engine's dialect (or the catalogue's, whose `<c>` stands
for colour codes). Does not: looking for the texts (`partial_database.py`).

A text that holds none of them need not be searched for the expression. So what is not understood
here tells nothing: then the expression is always searched for.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

#: Of each of these sets at least one stands in every match; letters of ASCII in lower case.
Literals = tuple[frozenset[bytes], ...]

#: Texts of one set, and of one that joins alternatives: more of them say hardly anything.
_MOST, _MOST_OF_ALTERNATIVES = 64, 256
#: Characters of a class or a range that are taken one by one.
_MOST_OF_CLASS = 10
#: Repeats that are written out.
_MOST_REPEATS = 4
#: Characters of a text beyond which it tells no more than a shorter one.
_TELLING = 5
_TOKEN = re.compile(
    r"""
      <c>
    | \\(?:x[0-9a-fA-F]{2}|.)
    | \[\^?\]?(?:\\.|[^\]\\])*\]
    | \(\?: | \{\d+(?:,\d*)?\}
    | [A-Za-z0-9 ,:;'"=/_@-]{2,}(?![?*+{])
    | .
    """,
    re.VERBOSE | re.DOTALL,
)
_MEMBER = re.compile(r"\\x[0-9a-fA-F]{2}|\\?.", re.DOTALL)
_CONTROL = {r"\t": "\t", r"\n": "\n", r"\r": "\r"}
#: Escapes that stand for no character, and for one of many.
_BETWEEN, _MANY = frozenset({r"\b", r"\B"}), frozenset({r"\w", r"\W", r"\d", r"\D", r"\s", r"\S"})

#: What a part of an expression stands for: all its texts where they are few, else None; and sets as
#: in `Literals`.
_Texts = frozenset[str] | None
_Part = tuple[_Texts, list[frozenset[str]]]
_EMPTY = frozenset([""])


class _UnknownError(Exception):
    """The expression holds something that is not understood here."""


@lru_cache(maxsize=1 << 13)  # the catalogue's forms are asked for raw bytes and for lines
def required_literals(expression: bytes, *, utf8: bool = False) -> Literals:
    """Sets of texts; of each, one stands in every match, whatever the case of its letters.

    Empty where nothing is certain. `utf8`: the engine reads characters, not bytes.
    """
    coding = ("utf-8", "strict") if utf8 else ("ascii", "surrogateescape")
    try:
        texts, found = _Reading(expression.decode(*coding).removeprefix("(?i)")).whole()
    except _UnknownError:
        return ()
    return tuple(frozenset(text.encode(*coding) for text in each) for each in _certain(texts, found))


class _Reading:
    """An expression, read from left to right."""

    def __init__(self, expression: str) -> None:
        self._tokens = _TOKEN.findall(expression)
        self._at = 0

    def whole(self) -> _Part:
        part = self._alternatives()
        if self._at < len(self._tokens):
            raise _UnknownError
        return part

    def _alternatives(self) -> _Part:
        parts = [self._sequence()]
        while self._next() == "|":
            self._at += 1
            parts.append(self._sequence())
        if len(parts) == 1:
            return parts[0]
        every = [texts for texts, _ in parts if texts is not None]
        if len(every) == len(parts) and len(joined := frozenset[str]().union(*every)) <= _MOST:
            return joined, []
        certain = [_certain(*part) for part in parts]
        if not all(certain):
            return None, []
        joined = frozenset[str]().union(*(max(each, key=tells) for each in certain))
        return None, [joined] if len(joined) <= _MOST_OF_ALTERNATIVES else []

    def _sequence(self) -> _Part:
        here: frozenset[str] = _EMPTY  # what the part read last ends in, as far as it is known
        found: list[frozenset[str]] = []
        whole = True
        while self._next() not in ("", "|", ")"):
            texts, inside = self._atom()
            least, most = self._repeats()
            if least == 0:
                inside = []
                texts = texts | _EMPTY if texts is not None and most == 1 else None
            elif texts is not None and (least, most) != (1, 1):
                once, texts = texts, _repeated(texts, least)
                if least < most or least > _MOST_REPEATS:  # then others, of which the last one ends it
                    found += _flush(here, texts)
                    here, whole = once, False
                    continue
            both = _joined(here, texts) if texts is not None else None
            if both is None:
                whole = False
                found += [*_flush(here), *inside]
            here = both if both is not None else texts if texts is not None else _EMPTY
        return (here, []) if whole else (None, [*found, *_flush(here)])

    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _atom(self) -> _Part:
        token = self._next()
        self._at += 1
        if token not in ("(", "(?:"):
            return _texts_of(token), []
        part = self._alternatives()
        if self._next() != ")":
            raise _UnknownError
        self._at += 1
        return part

    def _repeats(self) -> tuple[int, int]:
        """How often the part before stands there, at least and at most."""
        token = self._next()
        if token not in ("?", "*", "+") and not (token[:1] == "{" and len(token) > 1):
            return 1, 1
        self._at += 1
        if self._next() in ("?", "+"):  # as few as it can, or without going back: no other matches
            self._at += 1
        return _counts(token)


@cache
def _counts(token: str) -> tuple[int, int]:
    many = 1 << 16
    if token in ("?", "*", "+"):
        return int(token == "+"), 1 if token == "?" else many
    least, comma, most = token[1:-1].partition(",")
    return int(least), int(most or many) if comma else int(least)


@cache
def _texts_of(token: str) -> _Texts:
    """What one token stands for: some characters, nothing, or None for too much."""
    if token in (".", "^", "$", "<c>") or token in _MANY:  # a start and an end may take up what stands around them
        return None
    if token in _BETWEEN:
        return _EMPTY
    if token in ("?", "*", "+", "[", "\\") or (token[0] == "{" and len(token) > 1):
        raise _UnknownError  # a repeat of nothing, and what is not complete
    if len(token) == 1 or token[0] == "\\":
        return _one_of([_character(token)])
    return _class(token[1:-1]) if token[0] == "[" else frozenset([token.lower()])


def _class(body: str) -> _Texts:
    if re.search(r"\[[:.=]", body):
        raise _UnknownError  # a class by name
    if body[0] == "^":
        return None
    members: list[str] = _MEMBER.findall(body)
    if any(member in _MANY for member in members):
        return None
    chars, at = list[str](), 0
    while at < len(members):
        first = last = _character(members[at])
        if members[at + 1 : at + 2] == ["-"] and at + 2 < len(members):
            last = _character(members[at + 2])
            at += 2
        if ord(last) - ord(first) >= _MOST_OF_CLASS:
            return None
        chars += map(chr, range(ord(first), ord(last) + 1))
        at += 1
    return _one_of(chars)


def _character(written: str) -> str:
    """The character that is written so."""
    if written in _CONTROL:
        return _CONTROL[written]
    if written[:2] == r"\x" and len(written) == 4 and int(written[2:], 16) < 0x80:
        return chr(int(written[2:], 16))
    if written[0] != "\\":
        return written
    if written[1:2].isalnum() or not written[1:].isascii():
        raise _UnknownError
    return written[1:]


def _one_of(chars: list[str]) -> _Texts:
    """Each of these, in lower case; None where there are many, or where one has a case beyond ASCII
    (its other bytes are others).
    """
    folded = frozenset(char.lower() if char.isascii() else char for char in chars)
    cased = any(not char.isascii() and char.lower() != char.upper() for char in folded)
    return folded if len(folded) <= _MOST_OF_CLASS and not cased else None


def _repeated(texts: frozenset[str], least: int) -> frozenset[str]:
    """What so many of them begin with."""
    out = texts
    for _ in range(min(least, _MOST_REPEATS) - 1):
        more = _joined(out, texts)
        if more is None:
            break
        out = more
    return out


def _joined(first: frozenset[str], second: frozenset[str]) -> frozenset[str] | None:
    """Each of the first before each of the second; None where that is too many."""
    if first is _EMPTY:
        return second
    if len(first) * len(second) > _MOST:
        return None
    return frozenset([a + b for a in first for b in second])


def _flush(here: frozenset[str], behind: frozenset[str] = _EMPTY) -> list[frozenset[str]]:
    """What stands there for certain, where one part follows another."""
    both = _joined(here, behind)
    return [each for each in ((both,) if both is not None else (here, behind)) if "" not in each]


def _certain(texts: _Texts, found: list[frozenset[str]]) -> list[frozenset[str]]:
    """The sets that a part requires."""
    return found if texts is None else _flush(texts)


def tells(texts: frozenset[str] | frozenset[bytes]) -> tuple[int, int]:
    """How much it tells that one of these is there: more where the shortest is long, and where they
    are few.
    """
    return min(_TELLING, min(map(len, texts))), -len(texts)
