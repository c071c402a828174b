"""A database that compiles an expression only when a text comes in that it may match.

Belongs here: which expressions may match a text, compiling those, scanning with them. Does not:
which words an expression requires (`required_literals.py`), whole databases and remembering them
(`databases.py`).

To compile the whole catalogue takes some hundred times as long as to scan a log of 100 kB with it,
and hardly one expression in thirty may match there: of the others the log lacks a word that each
match holds. What is found is the same, but for what the engine (hyperscan 0.9) loses where many are
compiled together: 8 lines of 1,536 logs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import Any

import hyperscan

from ci_metrics.expressions.required_literals import Literals, required_literals, tells

#: What is told of a match: the expression's number, where it starts (0: not looked for), where it
#: ends, flags, and a context.
OnMatch = Callable[[int, int, int, int, object], None]
#: What a whole database is compiled after: seconds of CPU that went into parts, and bytes of one
#: text. The raw catalogue takes 5 s whole, what a log of 40 kB may match 0.4.
MOST_SECONDS, MOST_BYTES = 2.0, 1 << 20
#: Bytes by which a text's words are looked up. Forms whose words are shorter are few.
_GRAM = 4
#: Lines with a form's longest words that are looked at for its other words; beyond, those are taken
#: to be there: a form is compiled in the time of some hundred lines.
_MOST_LINES = 300
#: A repeat of up to so many takes the engine long to compile: without its limit, a tenth of that.
_LONG = 20
_TOKEN = re.compile(rb"\\.|(\[\^?\]?(?:\\.|[^\]\\])*\])|\{(\d+),(\d+)\}", re.DOTALL)
_BREAKS = re.compile(rb"\\[nWDS]")
#: What the engine takes for an `s` and a `k` where it reads characters in any case.
_LIKE_ASCII = ("\N{LATIN SMALL LETTER LONG S}".encode(), "\N{KELVIN SIGN}".encode())


class PartialDatabase:
    """Scans as the whole database of these forms would: `ids` and `flags` are the engine's.

    `expression` is what the engine compiles of a form, with all of its words; `one_line`: no match
    goes beyond a line, unless a class of the form holds line breaks. `whole` makes the whole
    database, for those who scan more than a little.
    """

    def __init__(
        self,
        forms: Sequence[bytes],
        ids: Sequence[int],
        flags: Sequence[int],
        *,
        whole: Callable[[], Any],
        expression: Callable[[int], bytes],
        one_line: bool = False,
    ) -> None:
        self._forms, self._ids, self._flags, self._one_line = forms, ids, flags, one_line
        self._make_whole, self._expression = whole, expression
        self._lock = Lock()  # of the databases: a scan takes all their working memory
        self._spent = 0.0
        self._whole: Any = None
        self._databases: dict[tuple[int, bool], Any] = {}  # by place in `forms`; with limits or without
        self._required: list[Literals] = []
        self._by_gram: dict[bytes, list[int]] = {}
        self._short: list[int] = []
        for place, form in enumerate(forms):
            required = required_literals(form, utf8=bool(flags[place] & hyperscan.HS_FLAG_UTF8))
            required = tuple(sorted(required, key=tells, reverse=True))
            self._required.append(required)
            if required and min(map(len, required[0])) >= _GRAM:
                for gram in {word[:_GRAM] for word in required[0]}:
                    self._by_gram.setdefault(gram, []).append(place)
            else:
                self._short.append(place)

    def scan(self, data: bytes, on_match: OnMatch) -> None:
        """Tell `on_match` of each match in `data`; of a number that is told of once (the engine's
        SINGLEMATCH), of its first.
        """
        with self._lock:
            if self._whole is None and (len(data) > MOST_BYTES or self._spent > MOST_SECONDS):
                self._whole = self._make_whole()
            if self._whole is not None:
                self._whole.scan(data, match_event_handler=on_match)
                return
            began = time.thread_time()
            once: dict[int, tuple[int, int, int, object]] = {}

            def first(number: int, start: int, end: int, flags: int, context: object) -> None:
                if number not in once or end < once[number][1]:
                    once[number] = (start, end, flags, context)

            for place in self._possible(data):
                if self._flags[place] & hyperscan.HS_FLAG_SINGLEMATCH:
                    self._scan_one(place, data, first)
                else:
                    self._scan_one(place, data, on_match)
            self._spent += time.thread_time() - began
        for number, match in once.items():
            on_match(number, *match)

    def _possible(self, data: bytes) -> Iterator[int]:
        """The places of the forms that may match: `data` holds what they require."""
        text = data.lower()
        grams = self._by_gram.keys() & {text[at : at + _GRAM] for at in range(len(text) - _GRAM + 1)}
        places = {place for gram in grams for place in self._by_gram[gram]}.union(self._short)
        if any(char in data for char in _LIKE_ASCII):
            strange = {place for place, flags in enumerate(self._flags) if flags & hyperscan.HS_FLAG_UTF8}
        else:
            strange = set()
        for place in sorted(places | strange):
            if place in strange or self._holds(text, place):
                yield place

    def _holds(self, text: bytes, place: int) -> bool:
        """Whether a text in lower case holds all that a form requires: on one line, where no match
        goes beyond.
        """
        required = self._required[place]
        if not all(any(word in text for word in words) for words in required):
            return False
        if len(required) < 2 or not self._one_line or _may_leave_its_line(self._forms[place]):
            return True
        looked_at = 0
        for word in required[0]:
            at = text.find(word)
            while at >= 0:
                end = text.find(b"\n", at)
                line = text[text.rfind(b"\n", 0, at) + 1 : end if end >= 0 else len(text)]
                looked_at += 1
                if looked_at > _MOST_LINES or all(any(word in line for word in words) for words in required[1:]):
                    return True
                at = text.find(word, end) if end >= 0 else -1
        return False

    def _scan_one(self, place: int, data: bytes, on_match: OnMatch) -> None:
        """Scan for one form; where that is slow to compile, for a wider one first, which few texts
        match.
        """
        expression, found = self._expression(place), list[int]()
        wider = _without_limits(expression)
        if wider != expression:
            self._database(place, wider, wide=True).scan(data, match_event_handler=lambda *_: found.append(place))
            if not found:
                return
        self._database(place, expression, wide=False).scan(data, match_event_handler=on_match)

    def _database(self, place: int, expression: bytes, *, wide: bool) -> Any:
        database = self._databases.get((place, wide))
        if database is None:
            flags = self._flags[place] | (hyperscan.HS_FLAG_SINGLEMATCH if wide else 0)
            database = self._databases[place, wide] = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
            database.compile(expressions=[expression], ids=[self._ids[place]], elements=1, flags=[flags])
        return database


def _without_limits(expression: bytes) -> bytes:
    """The expression without the upper limits of long repeats: matches wherever it does."""

    def unlimited(found: re.Match[bytes]) -> bytes:
        return b"{%s,}" % found[2] if found[3] and int(found[3]) >= _LONG else found[0]

    return _TOKEN.sub(unlimited, expression)


def _may_leave_its_line(form: bytes) -> bool:
    """Whether a form holds a line break, or a class that does."""
    return rb"\n" in form or any(found[1] and _BREAKS.search(found[1]) for found in _TOKEN.finditer(form))
