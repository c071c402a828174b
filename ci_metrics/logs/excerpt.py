"""Which lines of a log are worth their characters, and the text made of them.

Belongs here: scored lines and a budget in, chosen lines and the excerpt out. Does not: what a match
is worth (`scored_lines.py`), which errors the lines make (`findings.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

from ci_metrics.logs.lines import text_of
from ci_metrics.logs.scan import Block, finder
from ci_metrics.logs.scored_lines import ScoredLine, spread
from ci_metrics.logs.whole_log import Reading
from ci_metrics.models import LineSpan, LogLine

#: A line must score this share of the best match to be chosen, whatever the budget.
FLOOR = 0.16
#: What a match outside the failing segments counts: before the failure, after it; and how much a
#: match far above it loses.
BEFORE, AFTER, FAR = 0.44, 0.28, 0.16
#: Matches whose neighbours are looked at: at least so many, and one for so many
#: characters of the budget.
ANCHORS, EACH = 60, 240
#: Score of the last line before the end of what failed, of how many lines, and how it falls
#: from line to line upwards.
SEED, SEEDS, SEED_DECAY = 2.21, 24, 0.968
#: Scores of the line that says that a step failed, and of the failing step's header and script;
#: how many lines of those.
END, HEADER, SCRIPT = 20.0, 3.0, 8
#: A gap of so many bytes is filled rather than marked.
GAP = 90
#: Characters up to which an excerpt is filled with the last lines of what failed: a short step is
#: shown whole. On logs of projects that took no part in learning this keeps marked lines that no
#: message knows; beyond it the gain flattens (docs/quality.md). Logs of other services than
#: GitHub's have no steps, and long tails.
FILL, FILL_OTHER = 6_000, 4_000
#: Lines of what failed that are looked at for that.
FILL_LINES = 120


def weigh_places(reading: Reading, failing: set[int]) -> float:
    """Weigh the matches anew by where they stand; returns the best weight."""
    structure, best = reading.structure, 0.0
    stop = max(structure.ends, default=reading.size) or 1
    after = reading.size if structure.after is None else structure.after
    for block in reading.blocks:
        for hit in block.hits:
            weight = hit.weight
            if not weight:
                continue
            at = block.offset + hit.start
            if failing and structure.segment(at) not in failing:
                weight *= BEFORE if at < stop else AFTER
            elif at > after:
                weight *= AFTER
            if at < stop:
                weight *= 1 - FAR * (1 - at / stop)
            hit.weight = weight
            if weight > best:
                best = weight
    return best


def most_of(budget: int) -> int:
    """How many matches have their neighbours looked at, for an excerpt of `budget` characters."""
    return max(ANCHORS, budget // EACH)


def scored(reading: Reading, failing: set[int], best: float, budget: int) -> tuple[dict[int, ScoredLine], float]:
    """Every line that might be chosen, by its offset, and the least score that is worth a line."""
    floor = max(1.0, FLOOR * best)
    lines: dict[int, ScoredLine] = {}
    ranked = sorted((h.weight for b in reading.blocks for h in b.hits if h.weight), reverse=True)
    most = most_of(budget)
    least = max(floor, ranked[most]) if len(ranked) > most else floor
    walls = reading.structure.walls
    known = finder(reading.structure.catalogue)
    for block in reading.blocks:
        spread(block, [h for h in block.hits if h.weight >= least], walls, lines, floor, known)
    _seed(reading, failing, lines)
    return lines, floor


def _seed(reading: Reading, failing: set[int], lines: dict[int, ScoredLine]) -> None:
    """Lines that count for where they stand: before the end of what failed, and what the
    failing step was asked to do.
    """
    structure = reading.structure
    ends = structure.ends if len(structure.ends) <= 4 else [*structure.ends[:2], *structure.ends[-2:]]
    last = reading.blocks[-1]
    for at in ends or [last.offset + _length(last.data) + 1]:
        block = reading.block(at) or last
        end, score = min(at - block.offset, len(block.data) + 1) - 1, SEED
        for _ in range(SEEDS):
            if end <= 0:
                break
            start = block.data.rfind(b"\n", 0, end) + 1
            _raise(lines, block, start, end, score)
            score *= SEED_DECAY
            end = start - 1
    for at in ends:
        _raise_line(reading, at, lines, END)
    if structure.job_name is not None and ends:
        _raise_line(reading, structure.job_name, lines, END)
    if structure.github:
        for number in sorted(failing)[-2:]:
            _script(reading, structure.starts[number], lines)


def _length(data: bytes) -> int:
    """The length of `data` without white space at its end, which no copy
    of the whole is made for.
    """
    stop = len(data)
    while stop:
        tail = data[max(0, stop - 4096) : stop]
        if kept := len(tail.rstrip()):
            return stop - len(tail) + kept
        stop -= len(tail)
    return 0


def _script(reading: Reading, at: int, lines: dict[int, ScoredLine]) -> None:
    """The header of a step and the lines of its script, which the runner prints in colour."""
    block = reading.block(at)
    if block is None or not at:
        return
    start = at - block.offset
    for count in range(SCRIPT):
        end = block.data.find(b"\n", start)
        if end < 0 or (count and b"[36;1m" not in block.data[start : min(end, start + 60)]):
            return
        _raise(lines, block, start, end, HEADER)
        start = end + 1


def _raise_line(reading: Reading, at: int, lines: dict[int, ScoredLine], score: float) -> None:
    block = reading.block(at)
    if block is not None:
        end = block.data.find(b"\n", at - block.offset)
        _raise(lines, block, at - block.offset, len(block.data) if end < 0 else end, score)


def _raise(lines: dict[int, ScoredLine], block: Block, start: int, end: int, score: float) -> None:
    at = block.offset + start
    line = lines.get(at)
    if line is None:
        line = lines[at] = ScoredLine(at, text_of(block.data[start:end]), 0.0, block.offset + end)
    line.score = max(line.score, score)


def choose_lines(
    reading: Reading, lines: Iterable[ScoredLine], floor: float, budget: int, failing: set[int]
) -> list[ScoredLine]:
    """The best lines that fit `budget` characters, in the log's order, with their numbers."""
    chosen: list[ScoredLine] = []
    used = 0
    for line in sorted(sorted(lines, key=attrgetter("at")), key=attrgetter("score"), reverse=True):
        if line.score < floor or used >= budget:
            break
        size = len(line.text) + 1
        if used + size <= budget:
            used += size
            chosen.append(line)
    room = min(FILL if reading.structure.github else FILL_OTHER, budget) - used
    if room > 0:
        chosen += _rest(reading, failing, {line.at for line in chosen}, room)
    chosen.sort(key=attrgetter("at"))
    chosen = _joined(reading, chosen)
    _number(reading, chosen)
    return chosen


def _rest(reading: Reading, failing: set[int], kept: set[int], room: int) -> list[ScoredLine]:
    """The last lines of what failed that are not in `kept`, as far as there is
    room, from its end upwards.
    """
    structure = reading.structure
    found: list[ScoredLine] = []
    for segment in sorted(failing, reverse=True)[:1] or [structure.segment(reading.size)]:
        start = structure.starts[segment]
        stop = structure.starts[segment + 1] if segment + 1 < len(structure.starts) else reading.size
        ends = [at for at in (*structure.ends, *structure.marks) if start <= at < stop]
        at = max(ends, default=stop)
        block = reading.block(at) or reading.block(at - 1)
        for _ in range(FILL_LINES):
            if block is None or at <= max(start, block.offset):
                break
            end = at - block.offset - 1
            begin = block.data.rfind(b"\n", 0, end) + 1
            at = block.offset + begin
            if at in kept:
                continue
            text = text_of(block.data[begin:end])
            room -= len(text) + 1
            if room < 0:
                break
            found.append(ScoredLine(at, text, 0.0, block.offset + end))
    return found


def _number(reading: Reading, chosen: list[ScoredLine]) -> None:
    """Give the lines their numbers: newlines are counted only before those
    that do not follow another.
    """
    end, firsts = -2, []
    for line in chosen:
        if line.at != end + 1:
            firsts.append(line.at)
        end = line.end
    numbers = dict(reading.numbered(firsts))
    number = 0
    for line in chosen:
        number = line.number = numbers.get(line.at, number + 1)


def _joined(reading: Reading, chosen: list[ScoredLine]) -> list[ScoredLine]:
    """`chosen` without blank lines at the ends of a run, and with gaps filled that
    a mark would not shorten.
    """
    runs: list[list[ScoredLine]] = []
    for line in chosen:
        if runs and runs[-1][-1].end + 1 == line.at:
            runs[-1].append(line)
        else:
            runs.append([line])
    out: list[ScoredLine] = []
    for run in runs:
        while run and not run[-1].text:
            run.pop()
        while run and not run[0].text:
            run.pop(0)
        if not run:
            continue
        if out and 0 < run[0].at - out[-1].end - 1 <= GAP:
            block = reading.block(run[0].at)
            at = out[-1].end + 1
            while block is not None and block.offset <= at < run[0].at:
                end = block.data.find(b"\n", at - block.offset) + block.offset
                out.append(ScoredLine(at, text_of(block.data[at - block.offset : end - block.offset]), 0.0, end))
                at = end + 1
        out += run
    return out


def line_spans(numbers: Iterable[int]) -> tuple[LineSpan, ...]:
    """Ascending line numbers as runs."""
    spans: list[LineSpan] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1] = (spans[-1][0], number)
        else:
            spans.append((number, number))
    return tuple(spans)


def rendered(lines: Iterable[LogLine], total: int) -> str:
    """Numbered lines as text, with a mark for each stretch that was left out."""
    parts: list[str] = []
    following = 1
    for line in lines:
        if line.number > following:
            parts.append(_mark(following, line.number - 1))
        parts.append(line.text)
        following = line.number + 1
    if total >= following:
        parts.append(_mark(following, total))
    return "\n".join(parts)


def _mark(first: int, last: int) -> str:
    return f"[… line {first} …]" if first == last else f"[… lines {first}-{last} …]"
