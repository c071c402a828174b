"""Lines scored: what a match is worth in its place, and what its neighbours get of that.

Belongs here: hits in, scored lines out. Does not: steps (`structure.py`), budgets (`excerpt.py`), errors (`findings.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from ci_metrics.logs import catalogue
from ci_metrics.logs.lines import text_of
from ci_metrics.logs.scan import Block, Hit

_DIGITS = b"0123456789"


@dataclass(slots=True)
class Line:
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


@cache
def _worth(ids: tuple[int, ...]) -> tuple[float, bool, bool]:
    """The weight of a line that matches the patterns `ids`, before repeats; whether it opens a block, closes one."""
    patterns = [catalogue.patterns()[i] for i in ids]
    best = max((p.weight for p in patterns), default=0.0)
    roles = {p.role for p in patterns}
    if "passed" in roles:  # a test that passed is no cause, whatever its name says
        best = 0.0
    if "veto" in roles:
        best *= 0.0 if best < 6.5 else 0.5 if best < 8 else 0.9
    if "quiet" in roles and best < 8.8:
        best *= 0.45
    return best, any(p.opens for p in patterns), any(p.closes for p in patterns)


#: How fast repeats of a line's shape and of its kind count less, and the least share that remains: of a flood its head is kept.
SHAPE_DECAY, KIND_DECAY, LEAST = 0.6, 0.08, 0.3


def weigh(data: bytes, hit: Hit, memory: Memory) -> float:
    """The hit's weight: its strongest pattern, less what vetoes and repeats take away."""
    worth = _worth(hit.ids)[0]
    if worth < 1.0:
        return 0.0
    if hit.end - hit.start > LONG:
        worth *= 0.5
    head = data[hit.start : min(hit.end, hit.start + 110)]
    shape = head.translate(None, _DIGITS)
    seen, kind = memory.shapes.get(shape, 0), memory.kinds.get(hit.ids, 0)
    memory.shapes[shape], memory.kinds[hit.ids] = seen + 1, kind + 1
    return worth * max(LEAST, 1 / (1 + SHAPE_DECAY * seen) / (1 + KIND_DECAY * kind))


#: A line of so many bytes lists many things, some of which happen to be called like errors.
LONG = 1_500

_STACK = ("at ", "| ", "+ ", "> ", "- ", "^", "~", "E ", "Caused", "...", "#", "=", "_", "*", "[", "File ")
#: How much of a line's score the next one takes over: blank, indented, stack-like, other, dull; and the same inside a block.
DECAYS = (0.95, 0.976, 0.84, 0.87, 0.3)
INSIDE = (0.985, 0.985, 0.985, 0.9, 0.52)
UP, UP_CLOSED = 0.945, 0.95


#: Lines that begin, or end, so tell of progress: what they stand beside says little of them.
_DULL = ("[INFO]", "[WARNING]", "Downloading", "Downloaded", " > git ", "Get:", "Fetched ", "remote: ", "INFO", "DEBUG")
_DONE = (" OK", " ok", "PASSED", " PASS", "...ok", "passed")


def _kind(text: str) -> int:
    if not text:
        return 0
    if text.startswith(_DULL) or text.endswith(_DONE):
        return 4
    if text[0] in " \t":
        return 1
    return 2 if text.startswith(_STACK) else 3


def spread(block: Block, anchors: list[Hit], walls: set[int], lines: dict[int, Line], floor: float) -> None:
    """Give every anchor's neighbours their share, into `lines` (by offset); `walls` are lines that start another step."""
    data, base = block.data, block.offset
    size = len(data)
    for anchor in sorted(anchors, key=lambda a: -a.weight):
        line = lines.get(base + anchor.start)
        if line is None:
            text = text_of(data[anchor.start : anchor.end])
            lines[base + anchor.start] = line = Line(base + anchor.start, text, anchor.weight, base + anchor.end)
        line.score = max(line.score, anchor.weight)
        line.own, line.ids = max(line.own, anchor.weight), anchor.ids
        steps = INSIDE if _worth(anchor.ids)[1] else DECAYS
        score, at, most = anchor.weight, anchor.end + 1, max(steps)
        while at < size:
            known = lines.get(base + at)
            if known is None:
                if score * most < floor:  # whatever the line says
                    break
                end = data.find(b"\n", at)
                end = size if end < 0 else end
                known = Line(base + at, text_of(data[at:end]), 0.0, base + end)
            score *= steps[_kind(known.text)]
            if base + at in walls:
                score *= 0.2
            if score < floor or known.score >= score:
                break
            lines[base + at], known.score = known, score
            at = known.end - base + 1
        score, end, below = anchor.weight, anchor.start - 1, line.text
        up = UP_CLOSED if _worth(anchor.ids)[2] else UP
        while end > 0:
            if base + end + 1 in walls:
                score *= 0.2
            score *= up * DECAYS[_kind(below)]
            if score < floor:
                break
            start = data.rfind(b"\n", 0, end) + 1
            known = lines.get(base + start)
            if known is None:
                known = Line(base + start, text_of(data[start:end]), 0.0, base + end)
            elif known.score >= score:
                break
            lines[base + start], known.score = known, score
            below, end = known.text, start - 1
