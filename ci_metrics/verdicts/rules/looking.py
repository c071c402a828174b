"""Which lines of an extraction are looked at, and what each one's place is worth.

What belongs here: an extraction in, lines and places out. Does not: matching them (`matching.py`), deciding (`weighing.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from ci_metrics.models import ExtractedError, Extraction, LogLine
from ci_metrics.verdicts.rules.weighing import CONTEXT, FIRST, OTHER


def lines_of(extraction: Extraction, error: ExtractedError | None) -> tuple[list[LogLine], list[float]]:
    """The lines to look at, and what each one's place is worth."""
    if error is not None:
        own = [LogLine(error.line or 0, error.headline), *error.lines]
        return own, [FIRST] * len(own)
    texts = {line.number: line for line in extraction.lines}
    places = dict.fromkeys(texts, CONTEXT)
    for rank, found in enumerate(extraction.errors):
        for line in found.lines:
            texts.setdefault(line.number, line)
            places[line.number] = max(places.get(line.number, CONTEXT), FIRST if rank == 0 else OTHER)
    step = extraction.failed_span
    # What a step printed that passed is no reason for another's failure, however much it looks like one.
    numbers = [number for number in sorted(texts) if step is None or step[0] <= number <= step[1]]
    lines = [texts[number] for number in numbers]
    worth = [places[number] for number in numbers]
    for rank, found in enumerate(extraction.errors):
        if found.source == "annotation":
            lines.append(LogLine(0, found.headline))
            worth.append(FIRST if rank == 0 else OTHER)
    return lines, worth


def errors_of(extraction: Extraction, error: ExtractedError | None) -> Sequence[ExtractedError]:
    """The errors whose words count: `error` alone, else those of the step that failed, root cause first."""
    if error is not None:
        return [error]
    span = extraction.failed_span
    inside = [e for e in extraction.errors if span is None or e.line is None or span[0] <= e.line <= span[1]]
    return inside or extraction.errors


def marked(lines: Sequence[LogLine]) -> set[int]:
    """Numbers of the lines the runner marked as errors."""
    return {line.number for line in lines if line.text.lstrip().startswith("##[error]")}
