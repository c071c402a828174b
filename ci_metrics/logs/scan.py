"""A log in blocks, each scanned once: which lines any message matches.

Belongs here: reading bytes in pieces that end at line ends, the engine's matches as lines, what is
kept of a log that is too large to keep. Does not: what a match is worth (`scored_lines.py`), what
it says of steps (`structure.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from heapq import nlargest
from typing import Any, BinaryIO

import numpy as np

from ci_metrics.catalogue import Catalogue, Message, Role
from ci_metrics.catalogue.engine import raw_engine
from ci_metrics.expressions import databases
from ci_metrics.logs.encodings import in_utf8

#: Bytes of a log that are kept whole; of larger ones only the surroundings of the best matches are.
BLOCK = 8 << 20
#: Bytes that are read at once.
_READ = 1 << 20
#: Matches of one block whose surroundings are kept, and how many bytes around each.
KEPT_HITS, KEPT_BEFORE, KEPT_AFTER = 300, 3_000, 9_000
#: The head and the tail of a block that are always kept: a step may begin or end there.
KEPT_ENDS = 16_000
#: Bytes of a line that is looked at for what takes weight from its other matches.
_HEAD = 400
#: Lowest bits of a match's number, which hold its message's.
NUMBER_BITS = 16
NUMBER = (1 << NUMBER_BITS) - 1
_NEWLINE = ord("\n")
#: Roles that say something of a line only beside a message that has weight.
BESIDE: frozenset[Role] = frozenset({"noise", "pass", "warning", "title", "echo", "banner", "hint", "source", "retry"})
#: Roles that tell of the log's structure: looked for everywhere, whatever they weigh.
STRUCTURAL: frozenset[Role] = frozenset(
    {"step-start", "step-end", "after", "whole", "cut", "good", "log-pass", "log-fail", "framed"}
)
#: Messages that weigh less find words that stand in many lines: where there is nothing else, those
#: of role `last` are asked too.
TELLING = 3.0
#: Lines that weigh less are never shown where anything else is.
FAINT = 2.0
#: What a line weighs at most that shows a command.
ECHO = 4.2


@dataclass(slots=True)
class Hit:
    """One line that messages matched."""

    start: int  # offset of the line's first byte in its block
    end: int  # offset of its newline, or of the block's end
    ids: tuple[int, ...]  # numbers of the messages, ascending
    weight: float = 0.0


@dataclass(slots=True)
class Block:
    """Consecutive lines of a log."""

    data: bytes
    offset: int  # of its first byte in the log
    line: int  # number of its first line
    hits: list[Hit]
    good: int = -1  # where the last match ends that says that all went well


def pieces(source: bytes | BinaryIO) -> Iterator[bytes]:
    """The log, in UTF-8, in pieces of at most `BLOCK` bytes that end at line ends (or
    anywhere, inside a longer line).

    They are the same whichever way the log is given.
    """
    rest = b""
    for chunk in in_utf8([source] if isinstance(source, bytes) else iter(partial(source.read, _READ), b"")):
        rest = rest + chunk if rest else chunk
        at = 0
        while len(rest) - at > BLOCK:
            cut = rest.rfind(b"\n", at, at + BLOCK) + 1 or at + BLOCK
            yield rest[at:cut]
            at = cut
        rest = rest[at:] if at else rest
    if rest:
        yield rest


def newlines(data: bytes, first: int, last: int) -> int:
    """How many newlines stand between two offsets: numpy counts faster
    where there is much to count.
    """
    if last - first < 1 << 14:
        return data.count(b"\n", first, last)
    return int(np.count_nonzero(np.frombuffer(data, np.uint8, last - first, first) == _NEWLINE))


class Finder:
    """What the scan knows of a catalogue: which messages are looked for where, and what a
    line with several weighs.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.alone = [(number,) for number in range(len(catalogue.messages))]
        self.good = self._of({"good"})
        self.framed = self._of({"framed"})
        self.telling = frozenset(i for i, m in enumerate(catalogue.messages) if m.weight >= TELLING)
        self.weighty = frozenset(i for i, m in enumerate(catalogue.messages) if m.weight >= FAINT)
        self._worth: dict[tuple[int, ...], tuple[float, bool, bool]] = {}

    def _of(self, roles: Collection[Role]) -> frozenset[int]:
        return frozenset(i for i, m in enumerate(self.catalogue.messages) if m.role in roles)

    @cached_property
    def engine(self) -> Any:
        """The database of what is looked for everywhere."""
        return raw_engine(self.catalogue, self._everywhere(last=False))

    @cached_property
    def last_resort(self) -> Any:
        """The database of what is looked for only where nothing else was found: words of
        its own, compiled only then.
        """
        return raw_engine(self.catalogue, self._everywhere(last=True))

    def _everywhere(self, *, last: bool) -> list[int]:
        return [
            i
            for i, m in enumerate(self.catalogue.messages)
            if m.subject == "line"
            and (m.weight or m.role in STRUCTURAL)
            and (m.role == "last") is last
            and (
                m.role not in BESIDE or (m.role == "title" and m.weight >= TELLING)
            )  # a title brings in what it announces
        ]

    @cached_property
    def beside(self) -> Any:
        """The database of what is looked for only in lines that another message was found in."""
        return raw_engine(
            self.catalogue,
            [
                i
                for i, m in enumerate(self.catalogue.messages)
                if m.role in BESIDE and m.subject == "line" and not (m.role == "title" and m.weight >= TELLING)
            ],
        )

    def worth(self, ids: tuple[int, ...]) -> tuple[float, bool, bool]:
        """The weight of a line with these messages, before repeats; whether it
        opens a block, closes one.
        """
        known = self._worth.get(ids)
        if known is None:
            known = self._worth[ids] = self._weigh([self.catalogue.messages[i] for i in ids])
        return known

    @staticmethod
    def _weigh(messages: Sequence[Message]) -> tuple[float, bool, bool]:
        best = max((m.weight for m in messages), default=0.0)
        roles = {m.role for m in messages}
        if "pass" in roles:  # a test that passed is no cause, whatever its name says
            best = 0.0
        if "noise" in roles:
            best *= 0.0 if best < 6.5 else 0.5 if best < 8 else 0.9
        if "warning" in roles and best < 8.8:
            best *= 0.45
        if "echo" in roles:
            best = min(best, ECHO)
        return best, any(m.opens for m in messages), any(m.closes for m in messages)


@lru_cache(maxsize=8)
def finder(catalogue: Catalogue) -> Finder:
    """The one finder of a catalogue."""
    return Finder(catalogue)


def hits(data: bytes, known: Finder) -> tuple[list[Hit], int]:
    """Every line of `data` that a message matches, in order; and where the last match ends that
    says that all went well, or -1.

    Of those matches only the last one counts, and there may be one for each
    test: no line is made of them.
    """
    matches = _matches(known.engine, data)
    if known.telling.isdisjoint(match & NUMBER for match in matches):
        matches = sorted((*matches, *_matches(known.last_resort, data)))
    found: list[Hit] = []
    good, last_good = known.good, -1
    begin, end = 0, -1  # of the last line with a match: where the next one's start is looked for, and its newline
    more: list[int] = []  # messages of that line behind its first
    find, rfind = data.find, data.rfind
    alone = known.alone
    for match in matches:
        to, number = match >> NUMBER_BITS, match & NUMBER
        if number in good:
            last_good = to
            continue
        if to <= end:
            more.append(number)
            continue
        if more:
            found[-1].ids = _distinct((*found[-1].ids, *more))
            more = []
        end = find(b"\n", to)
        if end < 0:
            end = len(data)
        found.append(Hit(rfind(b"\n", begin, to - 1) + 1 or begin, end, alone[number]))
        begin = end
    if more:
        found[-1].ids = _distinct((*found[-1].ids, *more))
    _beside(data, found, known)
    return found, last_good


def _matches(database: Any, data: bytes) -> list[int]:
    """Every match as one number that sorts by where it ends, then by its message:
    cheaper than pairs of them.
    """
    found: list[int] = []
    add = found.append
    databases.scan(database, data, lambda number, _from, to, _flags, _context: add(to << NUMBER_BITS | number))
    found.sort()
    return found


@lru_cache(maxsize=1 << 14)  # lines of one kind match the same messages
def _distinct(ids: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(set(ids)))


def _beside(data: bytes, found: list[Hit], known: Finder) -> None:
    """Add to each hit that has weight the messages that only say something beside others: one
    scan over the heads of those lines.
    """
    weighty = known.weighty
    found = [hit for hit in found if not weighty.isdisjoint(hit.ids)]
    if not found:
        return
    heads = [data[hit.start : hit.end if hit.end - hit.start < _HEAD else hit.start + _HEAD] for hit in found]
    at, end, extra = -1, 0, list[int]()
    for match in _matches(known.beside, b"\n".join(heads)):
        to = match >> NUMBER_BITS
        if to >= end:
            if extra:
                found[at].ids = _distinct((*found[at].ids, *extra))
                extra = []
            while to >= end:
                at += 1
                end += len(heads[at]) + 1
        extra.append(match & NUMBER)
    if extra:
        found[at].ids = _distinct((*found[at].ids, *extra))


def islands(block: Block, ends: Sequence[int]) -> Iterator[Block]:
    """What is kept of a block of a large log: its ends, the surroundings of its weightiest hits
    and what lies before `ends`.
    """
    data, size = block.data, len(block.data)
    spans = [(0, min(size, KEPT_ENDS)), (max(0, size - KEPT_ENDS), size)]
    spans += [
        (max(0, h.start - KEPT_BEFORE), min(size, h.end + KEPT_AFTER))
        for h in nlargest(KEPT_HITS, block.hits, key=lambda h: h.weight)
    ]
    spans += [(max(0, at - KEPT_AFTER), at + 1) for at in ends if 0 <= at < size]
    spans.sort()
    merged: list[list[int]] = []
    for first, last in spans:
        first = data.rfind(b"\n", 0, first) + 1
        last = data.find(b"\n", last) + 1 or size
        if merged and first <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], last)
        else:
            merged.append([first, last])
    at, line, next_hit = 0, block.line, 0
    for first, last in merged:
        line += newlines(data, at, first)
        at = first
        inside = []
        while next_hit < len(block.hits) and block.hits[next_hit].start < last:
            hit = block.hits[next_hit]
            if hit.start >= first:
                inside.append(Hit(hit.start - first, hit.end - first, hit.ids, hit.weight))
            next_hit += 1
        yield Block(data[first:last], block.offset + first, line, inside)
