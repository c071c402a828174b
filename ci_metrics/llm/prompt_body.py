"""One failure as the text that a model reads: facts, guesses of programs and how sure they are, the
numbered excerpt.

What belongs here: these lines. Does not: the frame around them and the task (`prompt.py`), masking
secrets (`verdicts/judge_request.py`). Every line begins with words of ours; what comes from outside
stands quoted on one line, or behind its line number and a bar.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from ci_metrics.llm.quotes import one_line, quotable_lines
from ci_metrics.models import Annotation, ExtractedError, Extraction, Job, Run, Verdict

#: What one failure may take of a prompt, whatever GitHub or a log holds: characters of a name,
#: of an annotation and of a log line, and how many annotations.
_NAME_CHARS = 200
_ANNOTATION_CHARS = 1_000
_MOST_ANNOTATIONS = 10
_LINE_CHARS = 2_000
#: Lines named after the guessed one: in 0.98 of 310 labelled GitHub logs a decisive line was in
#: some error, in 0.83 in the first.
_MOST_CANDIDATES = 3

_RANKING, _CLASSIFIER = "by the embedded ranking", "by the embedded classifier"


def body_lines(
    *,
    extraction: Extraction,
    error: ExtractedError,
    job: Job | None,
    run: Run | None,
    annotations: Sequence[Annotation],
    rules: Verdict | None,
    history: str,
) -> list[str]:
    """The lines about one failure, all of them data."""
    facts: dict[str, object] = {}
    if job is not None:
        facts |= {"workflow": job.workflow_name, "job": job.name, "conclusion": job.conclusion or ""}
        facts |= {"runner_labels": ", ".join(job.labels)}
    if run is not None:
        facts |= {"event": run.event, "attempt": run.run_attempt}
    facts |= {"step": error.step or extraction.failed_step or "", "history": history}
    lines = [f"{key}: {_quoted(value)}" for key, value in facts.items() if value not in ("", None)]
    lines += [*_guesses(extraction, error, rules), *_annotations(annotations)]
    return [*lines, "excerpt:", *_numbered(extraction, error)]


def odds(confidence: float) -> str:
    """How often something said with this confidence (0.0 to 1.0) is right, in
    words; 0.0 is "not known".
    """
    if confidence <= 0:
        return "how sure is not known"
    if confidence < 0.05:
        return "right less than 1 time in 20"
    if confidence > 0.95:
        return "right more than 19 times in 20"
    times = min(9, max(1, round(10 * confidence)))
    return f"right about {times} time{'s' if times > 1 else ''} in 10"


def same_error(one: ExtractedError, other: ExtractedError) -> bool:
    """Whether both are headed by the same line of one log."""
    return (one.line, one.headline) == (other.line, other.headline)


def _guesses(extraction: Extraction, error: ExtractedError, rules: Verdict | None) -> list[str]:
    lines = [_candidate("guessed_line", error)]
    if error.repeats > 1:
        lines.append(f"repeats: {_quoted(error.repeats)}")
    others = [other for other in extraction.errors if not same_error(other, error)]
    lines += [_candidate("other_candidate", other) for other in others[:_MOST_CANDIDATES]]
    if len(others) > _MOST_CANDIDATES:
        lines.append(f"[{len(others) - _MOST_CANDIDATES} more candidates left out]")
    if rules is not None and rules.state == "classified":
        lines.append(f"guessed_category ({_CLASSIFIER}, {odds(rules.confidence)}): {_quoted(rules.error_type)}")
    elif rules is not None:
        lines.append(f"guessed_category ({_CLASSIFIER}): none, it knows no failure like this one")
    return lines


def _candidate(key: str, error: ExtractedError) -> str:
    where = f"line {error.line}" if error.line is not None else "an annotation"
    return f"{key} ({_RANKING}, {odds(error.confidence)}): {where}: {_quoted(error.headline)}"


def _annotations(annotations: Sequence[Annotation]) -> list[str]:
    lines = []
    for annotation in annotations[:_MOST_ANNOTATIONS]:
        text = f"{annotation.title}: {annotation.message}" if annotation.title else annotation.message
        lines.append(f"annotation ({_quoted(annotation.level)}): {_quoted(text, _ANNOTATION_CHARS)}")
    if len(annotations) > _MOST_ANNOTATIONS:
        lines.append(f"[{len(annotations) - _MOST_ANNOTATIONS} more annotations left out]")
    return lines


def _quoted(value: object, limit: int = _NAME_CHARS) -> str:
    """A value as one JSON string on one line: names of jobs and branches are chosen by
    whoever opens a pull request.
    """
    text = one_line(str(value))
    return json.dumps(text if len(text) <= limit else text[: limit - 1] + "…", ensure_ascii=False)


def _numbered(extraction: Extraction, error: ExtractedError) -> list[str]:
    lines = quotable_lines(extraction, error)
    if not lines:  # an annotation is all there is
        return ["[there is no log]"]
    shown = []
    last = 0
    for number in sorted(lines):
        if number > last + 1:
            shown.append(f"[lines {last + 1} to {number - 1} left out]")
        text = one_line(lines[number])
        cut = f" [{len(text) - _LINE_CHARS} characters left out]" if len(text) > _LINE_CHARS else ""
        shown.append(f"{number:>5}| {text[:_LINE_CHARS]}{cut}")
        last = number
    if extraction.total_lines > last:
        shown.append(f"[lines {last + 1} to {extraction.total_lines} left out]")
    return shown
