"""Whether the lines a model quoted stand in the log, and where a reused verdict's
lines stand in another log.

What belongs here: comparing quoted text with log lines. Does not: asking again when none stands
(`verdicts/model_tries.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ci_metrics.llm.schema import QuotedLine
from ci_metrics.models import Annotation, Evidence, ExtractedError, Extraction

#: A verdict is proved by a few lines; more are not kept.
MOST_EVIDENCE = 4

# Characters that some reader might take for the end of a line are shown to a model as a space, so
# compared as one. Half a surrogate pair (GitHub's JSON can hold one) cannot be sent at all.
_BREAKS = re.compile("[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")

#: A shorter quote stands in too many lines to prove anything, unless it is the whole line.
_LEAST_CHARS = 4


def one_line(text: str) -> str:
    """The text with every control character and line break replaced by a space; tabs stay."""
    return _BREAKS.sub(" ", text)


def quotable_lines(extraction: Extraction, error: ExtractedError | None = None) -> dict[int, str]:
    """All lines a model may quote: the excerpt's, and the judged error's own, by raw number."""
    lines = {line.number: line.text for line in (error.lines if error else ())}
    lines.update((line.number, line.text) for line in extraction.lines)
    return lines


def valid_evidence(quotes: Iterable[QuotedLine], lines: dict[int, str]) -> tuple[Evidence, ...]:
    """The quotes that stand, verbatim, on the line they name, as that line's whole text;
    at most four, in log order.

    A part of a line will do, from four characters on; surrounding blanks do not count. A quote that
    stands on another line than it names is not valid: a model that cannot say where it read
    something may not have read it.
    """
    found = {}
    for quote in quotes:
        wanted = one_line(quote.text).strip()
        text = lines.get(quote.line)
        if text is None or not wanted:
            continue
        have = one_line(text).strip()
        if wanted == have or (len(wanted) >= _LEAST_CHARS and wanted in have):
            found[quote.line] = Evidence(quote.line, have)
        if len(found) == MOST_EVIDENCE:
            break
    return tuple(found[number] for number in sorted(found))


def quotes_annotation(quotes: Iterable[QuotedLine], annotations: Sequence[Annotation]) -> bool:
    """Whether at least one quote (line 0) stands verbatim in an annotation's message."""
    messages = [one_line(f"{annotation.title}\n{annotation.message}") for annotation in annotations]
    wanted = [one_line(quote.text).strip() for quote in quotes if quote.line == 0]
    return any(len(text) >= _LEAST_CHARS and any(text in message for message in messages) for text in wanted)


def moved_evidence(
    evidence: Sequence[Evidence], extraction: Extraction, error: ExtractedError | None
) -> tuple[Evidence, ...]:
    """The same lines where they stand in another log of the same error; the error's
    headline line if none does.
    """
    lines = quotable_lines(extraction, error)
    where: dict[str, int] = {}
    for number, text in lines.items():
        where.setdefault(one_line(text).strip(), number)
    moved = {where[e.text]: e.text for e in evidence if e.text in where}
    if not moved and error is not None and error.line is not None and error.line in lines:
        moved = {error.line: one_line(lines[error.line]).strip()}
    return tuple(Evidence(number, moved[number]) for number in sorted(moved))
