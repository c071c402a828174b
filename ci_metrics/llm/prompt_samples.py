"""Made-up failures that together use every word of a question: the prompt's version is a hash of
what they give.

What belongs here: the failures. Does not: how a question is written
(`prompt_body.py`, `prompt.py`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ci_metrics.models import Annotation, ExtractedError, Extraction, Job, LogLine, Run, Verdict

_LONG = "x" * 10_000
_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

_JOB = Job(
    repo="o/r", run_id=1, run_attempt=2, job_id=3, name="job", workflow_name="workflow", status="completed",
    conclusion="failure", created_at=_NOON, started_at=None, completed_at=None, runner_id=None, runner_name=None,
    labels=("label", _LONG), head_branch="branch", head_sha="", html_url="",
)  # fmt: skip
_RUN = Run(
    repo="o/r", run_id=1, run_attempt=2, workflow_name="workflow", event="push", status="completed",
    conclusion="failure", head_branch="branch", head_sha="", head_owner=None, head_repo=None, actor="", pr_id="N/A",
    created_at=_NOON, run_started_at=None, updated_at=None, check_suite_id=None, run_number=1, display_title="",
    html_url="",
)  # fmt: skip


def _error(line: int | None, confidence: float, repeats: int = 1) -> ExtractedError:
    return ExtractedError(
        headline=f"error at {line}", line=line, spans=(), lines=(), step="step", step_number=1, fingerprint="f", group="g",
        confidence=confidence, repeats=repeats,
    )  # fmt: skip


_ERRORS = (_error(12, 0.99, repeats=2), _error(20, 0.5), _error(None, 0.01), _error(30, 0.06), _error(31, 0.0))
_EXTRACTION = Extraction(
    state="errors",
    lines=(LogLine(10, "a line"), LogLine(12, _LONG), LogLine(20, "another"), LogLine(21, "the next one")),
    errors=_ERRORS,
    total_lines=40,
)
_GUESS = Verdict(state="classified", error_type="timeout", confidence=0.95, summary="")
_NO_GUESS = replace(_GUESS, state="unknown", error_type=None)
_ANNOTATIONS = [Annotation(level="failure", message=_LONG, title="title" if n % 2 else "") for n in range(11)]

#: What `build_prompt` is given for each, beside the taxonomy.
SPECIMENS: tuple[dict[str, Any], ...] = (
    {"extraction": _EXTRACTION, "error": _ERRORS[0], "job": _JOB, "run": _RUN, "rules": _GUESS, "history": "it passed"},
    {"extraction": _EXTRACTION, "error": _ERRORS[4], "root": False, "rules": _NO_GUESS, "annotations": _ANNOTATIONS},
    {"extraction": Extraction(state="errors", errors=(_ERRORS[2],)), "error": _ERRORS[2]},
)
