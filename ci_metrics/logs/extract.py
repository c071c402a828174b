"""One job's log in, its errors and an excerpt out: the order of work.

Belongs here: which part is asked when. Does not: how any part works.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from ci_metrics.logs import catalogue, fingerprint, structure
from ci_metrics.logs.background import Background
from ci_metrics.logs.lines import text_of
from ci_metrics.logs.redact import redact
from ci_metrics.logs.regions import Line, Memory, spread, weigh
from ci_metrics.logs.scan import BLOCK, Block, hits, islands, pieces
from ci_metrics.models import Annotation, ExtractedError, Extraction, Job, LogLine, Span

EXTRACTOR_VERSION = "e1-" + catalogue.patterns_version()

#: Characters of an excerpt, unless more or less is asked for.
DEFAULT_BUDGET = 12_000
FLOOR, SEED, SEEDS, SEED_DECAY, OTHER, AFTER, NEAR, TOP, END, SCRIPT, HEADER, GAP = 0.22, 4.6, 20, 0.95, 0.55, 0.35, 0.2, 250, 20.0, 8, 3.0, 90


def extract(
    data: bytes | BinaryIO,
    *,
    job: Job | None = None,
    annotations: Sequence[Annotation] = (),
    background: Background | None = None,
    budget: int = DEFAULT_BUDGET,
) -> Extraction:
    """What the log says of the job's failure, root cause first, in at most about `budget` characters."""
    memory = Memory()
    blocks: list[Block] = []
    size, newlines, last = 0, 0, b"\n"
    for piece in pieces(data):
        block = Block(piece, size, newlines + 1, hits(piece))
        for hit in block.hits:
            hit.weight = weigh(piece, hit, memory)
        large = size or len(piece) >= BLOCK
        size += len(piece)
        newlines += piece.count(b"\n")
        last = piece[-1:]
        blocks += islands(block) if large else [block]
    total = newlines + (last != b"\n")
    if not any(block.data.strip() for block in blocks):
        return Extraction(state="no_log", version=EXTRACTOR_VERSION, log_bytes=size)
    shape = structure.read(blocks)
    failing = shape.failing()
    stop = max((at for at, _, _ in shape.ends), default=size)
    best = 0.0
    for block in blocks:
        for hit in block.hits:
            if hit.weight:
                at = block.offset + hit.start
                if failing and shape.segment(at) not in failing:
                    hit.weight *= OTHER if at < stop else AFTER
                elif shape.after is not None and at > shape.after:
                    hit.weight *= AFTER
                hit.weight *= 1 - NEAR * max(0.0, 1 - at / max(stop, 1))
                best = max(best, hit.weight)
    if shape.verdict == "pass" or (shape.whole and not failing) or (best < 4.5 and not failing and shape.verdict != "fail"):
        return Extraction(state="no_error_found", version=EXTRACTOR_VERSION, log_bytes=size, total_lines=total)
    lines: dict[int, Line] = {}
    floor = max(1.0, FLOOR * best)
    ranked = sorted((h.weight for b in blocks for h in b.hits), reverse=True)
    least = max(floor, ranked[min(TOP, len(ranked)) - 1] if ranked else 0)
    for block in blocks:
        walls = {at - block.offset for at in shape.walls if 0 <= at - block.offset < len(block.data)}
        spread(block, [h for h in block.hits if h.weight >= least], walls, lines, floor)
    _seed(shape, blocks, lines, best)
    chosen, used = [], 0
    for line in sorted(lines.values(), key=lambda each: (-each.score, each.at)):
        if line.score < floor:
            break
        if used + len(line.text) > budget:
            continue
        used += len(line.text) + 1
        chosen.append(line)
    chosen.sort(key=lambda each: each.at)
    chosen = _joined(chosen, blocks)
    _number(chosen, blocks)
    out: list[LogLine] = []
    text: list[str] = []
    spans: list[Span] = []
    count = 0
    for line in chosen:
        clean, masked = redact(line.text)
        count += masked
        if spans and spans[-1][1] == line.number - 1:
            spans[-1] = (spans[-1][0], line.number)
        else:
            first = spans[-1][1] + 1 if spans else 1
            if line.number > first:
                text.append(f"[… {line.number - first} lines …]")
            spans.append((line.number, line.number))
        out.append(LogLine(line.number, clean))
        text.append(clean)
    return Extraction(
        state="errors",
        excerpt="\n".join(text),
        lines=tuple(out),
        spans=tuple(spans),
        errors=_errors(chosen, spans),
        total_lines=total,
        log_bytes=size,
        redactions=count,
        version=EXTRACTOR_VERSION,
    )


def _seed(shape: structure.Structure, blocks: list[Block], lines: dict[int, Line], best: float) -> None:
    """Lines that count for where they stand: before the end of what failed, and what the failing step was asked to do."""
    picked = shape.ends if len(shape.ends) <= 4 else [*shape.ends[:2], *shape.ends[-2:]]
    tails = [(b, h.start - 1) for _, b, h in picked] or [(blocks[-1], len(blocks[-1].data.rstrip()))]
    for block, end in tails:
        score = SEED
        for _ in range(SEEDS):
            if end <= 0:
                break
            start = block.data.rfind(b"\n", 0, end) + 1
            _raise(lines, block, start, end, score)
            score *= SEED_DECAY
            end = start - 1
    for _, block, hit in picked:
        _raise(lines, block, hit.start, hit.end, END)
    if shape.job_name and picked:
        block, hit = shape.job_name
        _raise(lines, block, hit.start, hit.end, END)
    if shape.github:
        for number in sorted(shape.failing())[-2:]:
            _script(shape.starts[number], blocks, lines)


def _script(at: int, blocks: list[Block], lines: dict[int, Line]) -> None:
    block = next((b for b in blocks if b.offset <= at < b.offset + len(b.data)), None)
    if block is None or not at:
        return
    start = at - block.offset
    for _ in range(SCRIPT):
        end = block.data.find(b"\n", start)
        if end < 0:
            return
        if start + block.offset != at and b"[36;1m" not in block.data[start : start + 60]:
            return
        _raise(lines, block, start, end, HEADER)
        start = end + 1


def _raise(lines: dict[int, Line], block: Block, start: int, end: int, score: float) -> None:
    line = lines.get(block.offset + start)
    if line is None:
        line = lines[block.offset + start] = Line(
            block.offset + start, text_of(block.data[start:end]), 0.0, block.offset + end
        )
    line.score = max(line.score, score)


def _joined(chosen: list[Line], blocks: list[Block]) -> list[Line]:
    """`chosen` (in order) without blank lines at the ends of a run, and with gaps filled that a mark would not shorten."""
    runs: list[list[Line]] = []
    for line in chosen:
        if runs and runs[-1][-1].end + 1 == line.at:
            runs[-1].append(line)
        else:
            runs.append([line])
    out: list[Line] = []
    for run in runs:
        while run and not run[-1].text:
            run.pop()
        while run and not run[0].text:
            run.pop(0)
        if not run:
            continue
        if out and 0 < run[0].at - out[-1].end - 1 <= GAP:
            block = next(b for b in blocks if b.offset <= run[0].at < b.offset + len(b.data))
            at = out[-1].end + 1
            while block.offset <= at < run[0].at:
                end = block.data.find(b"\n", at - block.offset) + block.offset
                out.append(Line(at, text_of(block.data[at - block.offset : end - block.offset]), 0.0, end))
                at = end + 1
        out += run
    return out


def _number(chosen: list[Line], blocks: list[Block]) -> None:
    """Fill in line numbers; `chosen` is in order."""
    waiting = iter(chosen)
    line = next(waiting, None)
    for block in blocks:
        at, number = 0, block.line
        while line is not None and line.at < block.offset + len(block.data):
            here = line.at - block.offset
            number += block.data.count(b"\n", at, here)
            at, line.number = here, number
            line = next(waiting, None)


def _errors(chosen: list[Line], spans: list[Span]) -> tuple[ExtractedError, ...]:
    found = []
    for first, last in spans:
        block = [line for line in chosen if first <= line.number <= last]
        head = max(block, key=lambda line: (line.own, -line.number))
        headline = redact(head.text)[0].strip()
        if not headline:
            continue
        found.append(
            (
                head.own,
                ExtractedError(
                    headline=headline,
                    line=head.number,
                    spans=((first, last),),
                    lines=tuple(LogLine(line.number, redact(line.text)[0]) for line in block),
                    step=None,
                    step_number=None,
                    fingerprint=fingerprint.fingerprint(headline),
                    group=fingerprint.group(headline),
                ),
            )
        )
    found.sort(key=lambda pair: -pair[0])
    return tuple(error for _, error in found)
