"""Lines of a block of a log scored: hits of the patterns, spread to the lines around them.

Belongs here: bytes of a log in, scored lines out. Does not: steps, budgets, errors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ci_metrics.logs import catalogue
from ci_metrics.logs.lines import text_of

_DIGITS = b"0123456789"
#: Scores below this are never worth their characters.
FLOOR = 1.0


@dataclass(slots=True)
class Hit:
    """One line that patterns matched."""

    start: int  # offset of the line's first byte
    end: int  # offset of its newline, or of the end of the data
    ids: list[int]
    weight: float = 0.0


@dataclass(slots=True)
class Line:
    """One line with its score; `number` is filled in when the line is chosen."""

    start: int
    end: int
    text: str
    score: float
    own: float = 0.0
    ids: tuple[int, ...] = ()
    number: int = 0


@dataclass(slots=True)
class Memory:
    """What was seen so far in the log: it makes repeated lines count less."""

    shapes: Counter[bytes] = field(default_factory=Counter)
    patterns: Counter[int] = field(default_factory=Counter)


def hits(data: bytes) -> Iterator[Hit]:
    """Every line of `data` that a pattern matches, in order."""
    found: list[tuple[int, int]] = []
    catalogue.engine().scan(data, match_event_handler=lambda i, _from, to, _flags, _context: found.append((to, i)))
    found.sort()
    hit: Hit | None = None
    for to, number in found:
        if hit is not None and to <= hit.end:
            if number not in hit.ids:
                hit.ids.append(number)
            continue
        if hit is not None:
            yield hit
        start = data.rfind(b"\n", 0, to) + 1
        end = data.find(b"\n", to)
        hit = Hit(start, len(data) if end < 0 else end, [number])
    if hit is not None:
        yield hit


def weigh(data: bytes, hit: Hit, memory: Memory) -> float:
    """The hit's weight: its strongest pattern, less what vetoes and repeats take away."""
    patterns = catalogue.patterns()
    best, veto = 0.0, False
    for i in hit.ids:
        pattern = patterns[i]
        if pattern.role == "veto":
            veto = True
        best = max(best, pattern.weight)
    if veto and best < 7:
        return 0.0
    shape = data[hit.start : min(hit.end, hit.start + 160)].translate(None, _DIGITS)
    seen = memory.shapes[shape]
    memory.shapes[shape] += 1
    return best * 0.85 ** min(seen, 12)


_STACK = ("at ", "| ", "+ ", "> ", "- ", "^", "~", "E ", "Caused", "...", "#", "=", "_", "*", "[")


def decay(text: str) -> float:
    """How much of a line's score the next line, `text`, takes over."""
    if not text:
        return 0.9
    if text[0] in " \t":
        return 0.93
    if text.startswith(_STACK):
        return 0.88
    return 0.75


def spread(data: bytes, anchors: list[Hit], walls: set[int], lines: dict[int, Line], floor: float) -> None:
    """Give every anchor's neighbours their share, into `lines` (by offset); `walls` are lines that start another step."""
    for anchor in sorted(anchors, key=lambda a: -a.weight):
        line = lines.get(anchor.start)
        if line is None:
            lines[anchor.start] = line = Line(
                anchor.start, anchor.end, text_of(data[anchor.start : anchor.end]), anchor.weight
            )
        line.score = max(line.score, anchor.weight)
        line.own, line.ids = max(line.own, anchor.weight), tuple(anchor.ids)
        score, at = anchor.weight, anchor.end + 1
        while at < len(data):
            known = lines.get(at)
            if known is None:
                end = data.find(b"\n", at)
                end = len(data) if end < 0 else end
                known = Line(at, end, text_of(data[at:end]), 0.0)
            score *= decay(known.text) * (0.2 if at in walls else 1.0)
            if score < floor or known.score >= score:
                break
            lines[at], known.score = known, score
            at = known.end + 1
        score, end = anchor.weight, anchor.start - 1
        below = line.text
        while end > 0:
            start = data.rfind(b"\n", 0, end) + 1
            known = lines.get(start) or Line(start, end, text_of(data[start:end]), 0.0)
            score *= 0.8 * decay(below) / 0.9 * (0.2 if start in walls else 1.0)
            if score < floor or known.score >= score:
                break
            lines[start], known.score = known, score
            below, end = known.text, start - 1
