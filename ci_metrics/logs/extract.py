"""One job's log in, its errors and an excerpt out: the order of work.

Belongs here: which part is asked when. Does not: how any part works.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from ci_metrics.logs import catalogue, fingerprint
from ci_metrics.logs.lines import text_of
from ci_metrics.logs.redact import redact
from ci_metrics.logs.regions import Line, Memory, hits, spread, weigh
from ci_metrics.models import Annotation, ExtractedError, Extraction, Job, LogLine, Span

EXTRACTOR_VERSION = "e1-" + catalogue.patterns_version()

#: Characters of an excerpt, unless more or less is asked for.
DEFAULT_BUDGET = 12_000


def extract(
    data: bytes | BinaryIO,
    *,
    job: Job | None = None,
    annotations: Sequence[Annotation] = (),
    budget: int = DEFAULT_BUDGET,
) -> Extraction:
    """What the log says of the job's failure, root cause first, in at most about `budget` characters."""
    raw = data if isinstance(data, bytes) else data.read()
    if not raw.strip():
        return Extraction(state="no_log", version=EXTRACTOR_VERSION, log_bytes=len(raw))
    memory = Memory()
    patterns = catalogue.patterns()
    anchors, walls, ends, verdict, github = [], set(), [], "", False
    for hit in hits(raw):
        roles = {patterns[i].role for i in hit.ids}
        hit.weight = weigh(raw, hit, memory)
        if "start" in roles:
            walls.add(hit.start)
        if "end" in roles:
            ends.append(hit)
        if "pass" in roles or "fail" in roles:
            verdict = "pass" if "pass" in roles else "fail"
        if hit.weight >= 1.5:
            anchors.append(hit)
    best = max((a.weight for a in anchors), default=0.0)
    if verdict == "pass" or (best < 5 and not ends and verdict != "fail"):
        return Extraction(
            state="no_error_found", version=EXTRACTOR_VERSION, log_bytes=len(raw), total_lines=raw.count(b"\n")
        )
    lines: dict[int, Line] = {}
    anchors = sorted(anchors, key=lambda a: -a.weight)[:400]
    floor = max(1.0, 0.2 * best)
    spread(raw, anchors, walls, lines, floor)
    for end in ends[-3:] or [None]:
        stop, score = (end.start - 1 if end else len(raw.rstrip())), 5.0
        for _ in range(20):
            if stop <= 0:
                break
            start = raw.rfind(b"\n", 0, stop) + 1
            line = lines.get(start) or Line(start, stop, text_of(raw[start:stop]), 0.0)
            line.score = max(line.score, score)
            lines[start] = line
            score *= 0.93
            stop = start - 1
    chosen, size = [], 0
    for line in sorted(lines.values(), key=lambda each: (-each.score, each.start)):
        if line.score < floor:
            break
        if size + len(line.text) > budget:
            continue
        size += len(line.text) + 1
        chosen.append(line)
    chosen.sort(key=lambda each: each.start)
    at = number = 0
    out, text, spans, count = [], [], [], 0
    for line in chosen:
        number += raw.count(b"\n", at, line.start)
        at, line.number = line.start, number + 1
        clean, masked = redact(line.text)
        count += masked
        if spans and spans[-1][1] == line.number - 1:
            spans[-1] = (spans[-1][0], line.number)
        else:
            first = spans[-1][1] + 1 if spans else 1
            if line.number > first:
                text.append(f"[… lines {first}-{line.number - 1} left out …]")
            spans.append((line.number, line.number))
        out.append(LogLine(line.number, clean))
        text.append(clean)
    return Extraction(
        state="errors",
        excerpt="\n".join(text),
        lines=tuple(out),
        spans=tuple(spans),
        errors=_errors(chosen, spans),
        total_lines=raw.count(b"\n") + (not raw.endswith(b"\n")),
        log_bytes=len(raw),
        redactions=count,
        version=EXTRACTOR_VERSION,
    )


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
