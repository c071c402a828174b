"""One job's log in, its errors and an excerpt out: the order of work.

Belongs here: which part is asked when. Does not: how any part works.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import BinaryIO

from ci_metrics.catalogue import Catalogue, load_catalogue
from ci_metrics.logs import annotated, excerpt
from ci_metrics.logs.background import Background
from ci_metrics.logs.candidates import Candidates, candidates
from ci_metrics.logs.failed_command import failed_command
from ci_metrics.logs.failed_tests import failed_tests
from ci_metrics.logs.findings import ranked_errors
from ci_metrics.logs.ranking import Weights, scores, weights_in_force
from ci_metrics.logs.steps import StepRange
from ci_metrics.logs.version import extractor_version
from ci_metrics.logs.whole_log import Reading, read_log
from ci_metrics.models import Annotation, ExtractedError, Extraction, Job, LineMessages, LineSpan, LogLine, Step
from ci_metrics.redaction import redact_lines
from ci_metrics.settings import DEFAULT_EXCERPT_BUDGET as DEFAULT_BUDGET

__all__ = ["DEFAULT_BUDGET", "extract", "read_log"]


def extract(
    data: bytes | BinaryIO,
    *,
    job: Job | None = None,
    annotations: Sequence[Annotation] = (),
    background: Background | None = None,
    budget: int = DEFAULT_BUDGET,
    catalogue: Catalogue | None = None,
    weights: Weights | None = None,
) -> Extraction:
    """What a job's log says of its failure, the likeliest cause first, in
    about `budget` characters.

    `job` names the steps and says which failed; `annotations` are those of its check run (the job's
    own when none are given); `background` holds what the last passing run of the same job printed
    too; `catalogue` and `weights` are the shipped ones unless others are given. The log may be
    bytes or a binary file that is read to its end, in memory that does not grow with it.
    """
    catalogue = catalogue or load_catalogue()
    found = candidates(data, catalogue, job=job, background=background, budget=budget)
    return extraction_of(found, catalogue, weights or weights_in_force(), job=job, annotations=annotations)


def extraction_of(
    found: Candidates, catalogue: Catalogue, weights: Weights, *, job: Job | None, annotations: Sequence[Annotation]
) -> Extraction:
    """What the kept lines of a log make: `extract` without reading the log."""
    reading, ranges, step = found.reading, found.ranges, found.step
    noted = annotated.annotated_errors(annotations or (job.annotations if job else ()), step)
    bare = Extraction(
        state="errors" if noted else "no_log" if reading.empty else "no_error_found",
        errors=noted,
        total_lines=reading.lines,
        log_bytes=reading.raw_size,
        failed_step=step.name if step else None,
        version=extractor_version(catalogue),
    )
    if not found.failed or not found.lines:
        return bare
    texts, masked = redact_lines([line.text for line in found.lines])
    shown = {line.number: LogLine(line.number, text) for line, text in zip(found.lines, texts, strict=True)}
    failed_span = _lines_of(reading, ranges, step) if step is not None else _marked_span(reading, found.failing)
    ranked = scores(catalogue, found.features(catalogue), found.hits, weights)
    logged = ranked_errors(
        found.lines, shown, ranked, found.hits, catalogue, lambda at: _step_of(found, at), _inside(found, failed_span)
    )
    named = _ids_of(catalogue)
    errors = tuple(
        _with_step_line(error, failed_span)
        for error in annotated.merged_with_annotations(_reasons(logged, ranges), noted)
    )
    return replace(
        bare,
        state="errors",
        excerpt=excerpt.rendered(shown.values(), reading.lines),
        lines=tuple(shown.values()),
        messages=tuple(
            LineMessages(line.number, named(numbers))
            for line, numbers, place in zip(found.lines, found.hits, found.places, strict=True)
            if numbers and not place.background  # what a passing run prints too speaks for nothing
        ),
        spans=excerpt.line_spans(shown),
        errors=errors,
        failed_span=failed_span,
        failed_step=step.name if step else errors[0].step if errors else None,
        truncated=reading.truncated,
        redactions=masked + reading.masked,
        failed_tests=failed_tests(found, catalogue),
        command=failed_command(found),
    )


@lru_cache(maxsize=8)
def _ids_of(catalogue: Catalogue) -> Callable[[tuple[int, ...]], tuple[str, ...]]:
    """The ids of messages by their numbers; lines of one kind share theirs."""
    messages = catalogue.messages

    @lru_cache(maxsize=1 << 12)
    def ids(numbers: tuple[int, ...]) -> tuple[str, ...]:
        return tuple([messages[number].id for number in numbers])

    return ids


def _step_of(found: Candidates, at: int) -> tuple[str | None, int | None]:
    """The name and the number of the step that printed what stands at an offset,
    as far as they are known.
    """
    for each in reversed(found.ranges):
        if each.start <= at:
            return each.step.name, each.step.number
    return (None, None) if found.ranges else (found.reading.structure.name(at), None)


def _inside(found: Candidates, failed_span: LineSpan | None) -> Callable[[int], bool] | None:
    """Whether an offset lies in what failed, where that is known."""
    structure = found.reading.structure
    if found.step is not None:
        known = any(each.step.number == found.step.number for each in found.ranges)
    else:
        known = failed_span is not None or (
            len(found.failing) == 1 and (structure.script_failed or bool(structure.headers))
        )
    return (lambda at: structure.segment(at) in found.failing) if known else None


def _reasons(errors: tuple[ExtractedError, ...], ranges: list[StepRange]) -> tuple[ExtractedError, ...]:
    """`errors` without those that steps printed which passed all the same,
    unless there are no others.
    """
    passed = {found.step.number for found in ranges if found.step.conclusion == "success"}
    return tuple(error for error in errors if error.step_number not in passed) or errors


def _lines_of(reading: Reading, ranges: list[StepRange], step: Step | None) -> LineSpan | None:
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


def _marked_span(reading: Reading, failing: set[int]) -> LineSpan | None:
    """The lines of the step that the job failed of, where the log marks others too that were
    allowed to fail; else None.
    """
    structure = reading.structure
    if len(failing) != 1 or len(structure.marked()) < 2:
        return None
    segment = next(iter(failing))
    starts = [at for at in structure.starts[segment : segment + 2] if reading.block(at)]
    numbers = [number for _, number in reading.numbered(starts)]
    if not numbers or not segment:
        return None
    return numbers[0], numbers[1] - 1 if len(numbers) > 1 else reading.lines


def _with_step_line(error: ExtractedError, failed: LineSpan | None) -> ExtractedError:
    """The error with its line as GitHub's page counts it: from the step's own first line."""
    if failed is None or error.line is None or not failed[0] <= error.line <= failed[1]:
        return error
    return replace(error, step_line=error.line - failed[0] + 1)
