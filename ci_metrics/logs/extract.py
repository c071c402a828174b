"""One job's log in, its errors and an excerpt out: the order of work.

Belongs here: which part is asked when. Does not: how any part works.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO

from ci_metrics.logs import annotated, catalogue, excerpt, passing, steps
from ci_metrics.logs.background import Background
from ci_metrics.logs.findings import errors_of
from ci_metrics.logs.garbage import rare_collections
from ci_metrics.logs.reading import Reading, read_log
from ci_metrics.logs.steps import StepRange, stamp
from ci_metrics.models import FAILED_CONCLUSIONS, Annotation, ExtractedError, Extraction, Job, LogLine, Span, Step
from ci_metrics.redaction import redact_lines

__all__ = ["DEFAULT_BUDGET", "EXTRACTOR_VERSION", "extract", "read_log"]

#: Changes whenever the same log could give another excerpt or other errors.
EXTRACTOR_VERSION = "e4-" + catalogue.patterns_version()

#: Characters of log lines in an excerpt, unless more or less is asked for; marks of what was left out come on top.
DEFAULT_BUDGET = 14_200
#: Without a word from the log's structure, a match must weigh this much to be an error.
SURE = 4.5


def extract(
    data: bytes | BinaryIO,
    *,
    job: Job | None = None,
    annotations: Sequence[Annotation] = (),
    background: Background | None = None,
    budget: int = DEFAULT_BUDGET,
) -> Extraction:
    """What a job's log says of its failure, root cause first, in about `budget` characters.

    `job` names the steps and says which failed; `annotations` are those of its check run (the job's own when none are given);
    `background` holds what the last passing run of the same job printed too. The log may be bytes or a binary file that is read
    to its end, in memory that does not grow with it.
    """
    with rare_collections():
        return _extract(data, job, annotations, background, budget)


def _extract(
    data: bytes | BinaryIO,
    job: Job | None,
    annotations: Sequence[Annotation],
    background: Background | None,
    budget: int,
) -> Extraction:
    reading = read_log(data)
    ranges = steps.aligned(reading.headers(), job.steps) if job else []
    step = steps.reason(job.steps) if job else None
    noted = annotated.errors_of(annotations or (job.annotations if job else ()), step)
    bare = Extraction(
        state="errors" if noted else "no_log" if reading.empty else "no_error_found",
        errors=noted,
        total_lines=reading.lines,
        log_bytes=reading.size,
        failed_step=step.name if step else None,
        failed_step_number=step.number if step else None,
        version=EXTRACTOR_VERSION,
    )
    if reading.empty:
        return bare
    failing = _failing(reading, ranges, step)
    best = excerpt.place(reading, failing)
    if background is not None:
        best = background.dim(reading)
    if not _failed(reading, job, failing, best):
        return bare
    best = passing.dim(reading, best, excerpt.most_of(budget))
    lines, floor = excerpt.scored(reading, failing, best, budget)
    chosen = excerpt.choose(reading, lines.values(), floor, budget)
    texts, masked = redact_lines([line.text for line in chosen])
    shown = {line.number: LogLine(line.number, text) for line, text in zip(chosen, texts, strict=True)}

    def step_of(at: int) -> tuple[str | None, int | None]:
        for found in reversed(ranges):
            if found.start <= at:
                return found.step.name, found.step.number
        return (None, None) if ranges else (reading.structure.name(at), None)

    failed_span = _lines_of(reading, ranges, step) if step is not None else _marked_span(reading, failing)
    if step is not None:
        known = any(found.step.number == step.number for found in ranges)
    else:
        known = failed_span is not None or (reading.structure.script_failed and len(failing) == 1)
    inside = (lambda at: reading.structure.segment(at) in failing) if known else None
    errors = annotated.merged(_reasons(errors_of(chosen, shown, step_of, inside), ranges), noted)
    errors = tuple(_with_step_line(error, failed_span) for error in errors)
    spans = excerpt.spans_of(shown)
    return replace(
        bare,
        state="errors",
        excerpt=excerpt.rendered(shown.values(), reading.lines),
        lines=tuple(shown.values()),
        spans=spans,
        errors=errors,
        omitted=_omitted(failed_span or (1, reading.lines), spans),
        failed_span=failed_span,
        failed_step=step.name if step else errors[0].step if errors else None,
        truncated=reading.truncated,
        redactions=masked,
    )


def _reasons(errors: tuple[ExtractedError, ...], ranges: list[StepRange]) -> tuple[ExtractedError, ...]:
    """`errors` without those that steps printed which passed all the same, unless there are no others."""
    passed = {found.step.number for found in ranges if found.step.conclusion == "success"}
    return tuple(error for error in errors if error.step_number not in passed) or errors


def _failing(reading: Reading, ranges: list[StepRange], step: Step | None) -> set[int]:
    """The segments that failed: of the step that GitHub names, else what the log itself marks."""
    structure = reading.structure
    if step is not None:
        found = next((i for i, r in enumerate(ranges) if r.step.number == step.number), None)
        if found is not None:
            start = ranges[found].start
            stop = ranges[found + 1].start if found + 1 < len(ranges) else reading.size + 1
            structure.starts = [0, *(at for at in structure.starts if 0 < at <= start or at >= stop)]
            return {structure.segment(start)}
    return structure.failing()


def _failed(reading: Reading, job: Job | None, failing: set[int], best: float) -> bool:
    """Whether the log tells of a failure at all: a log that passed gives nothing, however often it says "error"."""
    structure = reading.structure
    if job is not None and job.conclusion is not None:
        return job.conclusion in FAILED_CONCLUSIONS and (bool(failing) or best >= excerpt.FLOOR)
    if structure.verdict == "pass" or (structure.whole and not failing):
        return False
    if failing or structure.verdict == "fail":
        return True
    last = max((b.offset + h.start for b in reading.blocks for h in b.hits if h.weight >= SURE), default=-1)
    plain = stamp(reading.blocks[0].data[:40]) is None  # of a fragment of GitHub's nobody knows how it went on
    return best >= SURE and not (plain and structure.good > last)


def _lines_of(reading: Reading, ranges: list[StepRange], step: Step | None) -> Span | None:
    """The failing step's lines; None where GitHub does not name it or the log does not show it."""
    if step is None:
        return None
    for i, found in enumerate(ranges):
        if found.step.number == step.number:
            kept = [r.start for r in ranges[i : i + 2] if reading.block(r.start)]
            numbers = [number for _, number in reading.numbered(kept)]
            if numbers:
                return numbers[0], numbers[1] - 1 if len(numbers) > 1 else reading.lines
    return None


def _marked_span(reading: Reading, failing: set[int]) -> Span | None:
    """The lines of the step that the job failed of, where the log marks others too that were allowed to fail; else None."""
    structure = reading.structure
    if len(failing) != 1 or len(structure.marked()) < 2:
        return None
    segment = next(iter(failing))
    starts = [at for at in structure.starts[segment : segment + 2] if reading.block(at)]
    numbers = [number for _, number in reading.numbered(starts)]
    if not numbers or not segment:
        return None
    return numbers[0], numbers[1] - 1 if len(numbers) > 1 else reading.lines


def _with_step_line(error: ExtractedError, failed: Span | None) -> ExtractedError:
    """The error with its line as GitHub's page counts it: from the step's own first line."""
    if failed is None or error.line is None or not failed[0] <= error.line <= failed[1]:
        return error
    return replace(error, step_line=error.line - failed[0] + 1)


def _omitted(of: Span, spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """Line ranges within `of` that are not in the excerpt."""
    first, last = of
    gaps: list[Span] = []
    following = first
    for begin, end in spans:
        if end < first or begin > last:
            continue
        if begin > following:
            gaps.append((following, begin - 1))
        following = max(following, end + 1)
    if following <= last:
        gaps.append((following, last))
    return tuple(gaps)
