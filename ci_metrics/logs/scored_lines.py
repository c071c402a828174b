"""Lines scored: what a match is worth in its place, and what its neighbours get of that.

Belongs here: hits in, scored lines out. Does not: steps (`structure.py`), budgets
(`excerpt.py`), errors (`findings.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter

from ci_metrics.logs.lines import text_of
from ci_metrics.logs.scan import Block, Finder, Hit

_DIGITS = b"0123456789"


@dataclass(slots=True)
class ScoredLine:
    """One line with its score."""

    at: int  # offset in the log
    text: str
    score: float
    end: int = 0  # offset of its newline in the log
    own: float = 0.0  # its own weight, before neighbours
    ids: tuple[int, ...] = ()
    number: int = 0  # filled in when the line is chosen


@dataclass(slots=True)
class Memory:
    """What was seen so far in the log: it makes repeated lines count less."""

    shapes: dict[bytes, int] = field(default_factory=dict)
    kinds: dict[tuple[int, ...], int] = field(default_factory=dict)


#: How fast repeats of a line's shape and of its kind count less, and the least share that remains:
#: of a flood its head is kept.
SHAPE_DECAY, KIND_DECAY, LEAST = 0.6, 0.08, 0.3
#: From so many lines of a kind on the least share is all that remains, whatever their shapes.
FLOOD = (1 / LEAST - 1) / KIND_DECAY
#: Bytes at the start of a line that make its shape.
SHAPE = 110


def weigh(data: bytes, hits: list[Hit], memory: Memory, known: Finder) -> None:
    """Give the hits their weights: of the strongest message, less what
    vetoes and repeats take away.
    """
    shapes, kinds = memory.shapes, memory.kinds
    for hit in hits:
        ids = hit.ids
        worth = known.worth(ids)[0]
        if worth < 1.0:
            continue
        start, end = hit.start, hit.end
        if end - start > LONG:
            worth *= 0.5
        kinds[ids] = (kind := kinds.get(ids, 0)) + 1
        if kind >= FLOOD:
            hit.weight = worth * LEAST
            continue
        shape = data[start : end if end < start + SHAPE else start + SHAPE].translate(None, _DIGITS)
        shapes[shape] = (seen := shapes.get(shape, 0)) + 1
        share = 1 / (1 + SHAPE_DECAY * seen) / (1 + KIND_DECAY * kind)
        hit.weight = worth * (share if share > LEAST else LEAST)


#: A line of so many bytes lists many things, some of which happen to be called like errors.
LONG = 1_500

_STACK = ("at ", "| ", "+ ", "> ", "- ", "^", "~", "E ", "Caused", "...", "#", "=", "_", "*", "[", "File ")
#: How much of a line's score the next one takes over: blank, indented, stack-like, other, dull; and
#: the same inside a block.
DECAYS = (0.95, 0.976, 0.84, 0.87, 0.3)
INSIDE = (0.985, 0.985, 0.985, 0.9, 0.52)
UP, UP_CLOSED = 0.945, 0.95


#: Lines that begin, or end, so tell of progress: what they stand beside says little of them.
_DULL = ("[INFO]", "[WARNING]", "Downloading", "Downloaded", " > git ", "Get:", "Fetched ", "remote: ", "INFO", "DEBUG")
_DONE = (" OK", " ok", "PASSED", " PASS", "...ok", "passed")


def _by_first() -> dict[str, int]:
    """Kinds of lines by their first character, -1 where it takes more than one to tell;
    other lines are of kind 3.
    """
    kinds = {mark: 2 for mark in _STACK if len(mark) == 1} | {"": 0, " ": 1, "\t": 1}
    return kinds | {mark[0]: -1 for mark in (*_DULL, *_STACK) if len(mark) > 1}


_FIRST = _by_first()


def _kind(text: str) -> int:
    if text.endswith(_DONE):
        return 4
    kind = _FIRST.get(text[:1], 3)
    if kind >= 0:
        return kind
    if text.startswith(_DULL):
        return 4
    if text[0] in " \t":
        return 1
    return 2 if text.startswith(_STACK) else 3


def spread(
    block: Block, anchors: list[Hit], walls: set[int], lines: dict[int, ScoredLine], floor: float, known: Finder
) -> None:
    """Give every anchor's neighbours their share, into `lines` (by offset); `walls` are
    lines that start another step.
    """
    data, base = block.data, block.offset
    size = len(data)
    for anchor in sorted(anchors, key=attrgetter("weight"), reverse=True):
        _, opens, closes = known.worth(anchor.ids)
        line = lines.get(base + anchor.start)
        if line is None:
            text = text_of(data[anchor.start : anchor.end])
            lines[base + anchor.start] = line = ScoredLine(base + anchor.start, text, anchor.weight, base + anchor.end)
        line.score = max(line.score, anchor.weight)
        line.own, line.ids = max(line.own, anchor.weight), anchor.ids
        steps = INSIDE if opens else DECAYS
        most = max(steps)
        score, at = anchor.weight, anchor.end + 1
        while at < size:
            here = base + at
            there = lines.get(here)
            if there is None:
                if score * most < floor:  # whatever the line says
                    break
                end = data.find(b"\n", at)
                if end < 0:
                    end = size
                text = text_of(data[at:end])
            else:
                end, text = there.end - base, there.text
            score *= steps[_kind(text)]
            if here in walls:
                score *= 0.2
            if score < floor:
                break
            if there is None:
                lines[here] = ScoredLine(here, text, score, base + end)
            elif there.score < score:
                there.score = score
            else:
                break
            at = end + 1
        score, end, below = anchor.weight, anchor.start - 1, line.text
        up = UP_CLOSED if closes else UP
        while end > 0:
            if base + end + 1 in walls:
                score *= 0.2
            score *= up * DECAYS[_kind(below)]
            if score < floor:
                break
            start = data.rfind(b"\n", 0, end) + 1
            here = base + start
            there = lines.get(here)
            if there is None:
                below = text_of(data[start:end])
                lines[here] = ScoredLine(here, below, score, base + end)
            elif there.score < score:
                there.score = score
                below = there.text
            else:
                break
            end = start - 1
