"""What documents say of errors: the error fields of failed jobs and failed steps.

What belongs here: which part of an error and its verdict goes into which field. Does not: how a
verdict came about, the verdict index (`verdict_documents.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ci_metrics.index.document_index import Body, present
from ci_metrics.index.error_paths import path_of
from ci_metrics.models import (
    FAILED_CONCLUSIONS,
    ErrorState,
    ExtractedError,
    Job,
    Step,
    Usage,
    Verdict,
)
from ci_metrics.telling_quote import telling_after

#: States in which somebody has said something: only then is there a source and a confidence.
_SAID = frozenset({"classified", "unknown"})

#: States of a job that has no cause of its own to share with others.
_NO_CAUSE = frozenset({"no_error_found", "no_log"})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutcome:
    """What classification says of one failed job: its state and its errors with their
    verdicts, root cause first.

    `flaky_suspected` and `flaky_confirmed` come from history; None: not known, and the
    fields stay absent. `parents`: a project's own category -> the one of the ten that its
    taxonomy names as its parent.
    """

    state: ErrorState
    verdicts: tuple[tuple[ExtractedError, Verdict], ...] = ()
    flaky_suspected: bool | None = None
    flaky_confirmed: bool | None = None
    parents: Mapping[str, str] = field(default_factory=dict)
    background: bool = False  # a passing run's log told what of the failed one is no cause
    failed_tests: tuple[str, ...] = ()
    command: str = ""  # of the failing step


def job_error_fields(job: Job, outcome: JobOutcome) -> Body:
    """The error fields of a failed job: its root cause's, and all of them in `errors`.
    {} when the state is `off`.
    """
    if outcome.state == "off":
        return {}
    return {
        "s_error_state": outcome.state,
        **_root_fields(job, outcome.state, outcome.verdicts, outcome.parents),
        **spent(verdict.usage for _, verdict in outcome.verdicts),
        **_of_the_job(outcome),
        "s_failed_tests": list(outcome.failed_tests),
        "s_failed_command": outcome.command,
        "errors": [_nested(job, error, verdict, outcome.parents) for error, verdict in outcome.verdicts],
    }


def step_error_fields(job: Job, step: Step, outcome: JobOutcome) -> Body:
    """The error fields of a failed step: its own error's; `no_error_found` where the job's
    errors lie in other steps.
    """
    if outcome.state == "off":
        return {}
    own = [(error, verdict) for error, verdict in outcome.verdicts if _stands_in(error, step, job)]
    if not own:
        # Nothing was found in the job (or could be looked at): the same holds for its steps.
        shared: ErrorState = "no_error_found" if outcome.verdicts or outcome.state == "classified" else outcome.state
        return {"s_error_state": shared, **spent(()), **_of_the_job(outcome)}
    state = own[0][1].state
    return {
        "s_error_state": state,
        **_root_fields(job, state, own, outcome.parents),
        **spent(verdict.usage for _, verdict in own),
        **_of_the_job(outcome),
    }


def log_url(job: Job, error: ExtractedError) -> str | None:
    """The error's line on GitHub's page of the job; its step's first line when the line
    within the step is not known.

    GitHub counts the lines of each step from 1, so a line of the raw log
    would point at another one.
    """
    if not job.html_url or error.step_number is None:
        return job.html_url or None
    return f"{job.html_url}#step:{error.step_number}:{error.step_line or 1}"


def _stands_in(error: ExtractedError, step: Step, job: Job) -> bool:
    if error.step_number is not None:
        return error.step_number == step.number
    if error.step is not None:
        return error.step == step.name
    # An annotation does not say its step; where only one failed there is no doubt.
    return [other.number for other in job.steps if other.conclusion in FAILED_CONCLUSIONS] == [step.number]


def _root_fields(
    job: Job, state: ErrorState, verdicts: Sequence[tuple[ExtractedError, Verdict]], parents: Mapping[str, str]
) -> Body:
    if not verdicts:
        return {}
    # The state says which verdict decided it: the first of that state.
    error, verdict = next((pair for pair in verdicts if pair[1].state == state), verdicts[0])
    path = path_of(error, verdict) if state not in _NO_CAUSE else ""
    return {**_fields(job, state, error, verdict, parents), "s_error_path": path}


def _nested(job: Job, error: ExtractedError, verdict: Verdict, parents: Mapping[str, str]) -> Body:
    return present(
        {
            "s_error_state": verdict.state,
            **_fields(job, verdict.state, error, verdict, parents),
            **spent([verdict.usage]),
            "s_step_name": error.step,
        }
    )


def _fields(job: Job, state: ErrorState, error: ExtractedError, verdict: Verdict, parents: Mapping[str, str]) -> Body:
    said = verdict_fields(state, verdict)
    kind = said["s_error_type"]
    return {
        **said,
        "s_error_base_type": parents.get(kind, kind) if kind else None,
        **_quote_fields(error, verdict),
        "s_error_log_url": log_url(job, error),
        # A failure without a cause of its own (a gate that repeats another job's) is
        # no member of any cause.
        "s_error_fingerprint": (error.fingerprint or verdict.fingerprint) if state not in _NO_CAUSE else None,
        "s_error_group": error.group if state not in _NO_CAUSE else None,
        "b_error_generic": True if error.generic else None,
    }


def verdict_fields(state: ErrorState, verdict: Verdict) -> Body:
    """What a verdict says, as far as its state lets it: no type unless classified, no source
    where nobody said anything.
    """
    said = state in _SAID
    return {
        "s_error_type": verdict.error_type if state == "classified" else None,
        "s_error_summary": verdict.summary,
        "f_error_confidence": verdict.confidence if said else None,
        "s_error_source": verdict.source if said else None,
        "s_error_origin": verdict.origin if said else None,
        "s_suggested_fix": verdict.suggested_fix,
        "s_classifier_version": verdict.classifier_version,
        "s_model": verdict.model,
    }


def evidence_fields(error: ExtractedError | None, verdict: Verdict) -> Body:
    """The quoted lines and the first one's number; without a quote the
    line of the error's headline.
    """
    if verdict.evidence:
        return {
            "s_error_evidence": "\n".join(evidence.text for evidence in verdict.evidence),
            "l_error_line": verdict.evidence[0].line,
        }
    return {"l_error_line": error.line if error is not None else None}


def _quote_fields(error: ExtractedError, verdict: Verdict) -> Body:
    """The evidence; behind a code that says nothing alone, the line of the error that does."""
    fields = evidence_fields(error, verdict)
    quotes = [evidence.text for evidence in verdict.evidence]
    telling = telling_after(quotes, [line.text for line in error.lines])
    return {**fields, "s_error_evidence": "\n".join([*quotes, telling])} if telling else fields


def spent(usages: Iterable[Usage]) -> Body:
    """Tokens and dollars together; zeros when there are none."""
    total = sum(usages, Usage())
    return {
        "l_prompt_tokens": total.prompt_tokens,
        "l_completion_tokens": total.completion_tokens,
        "l_cached_tokens": total.cached_tokens,
        "f_cost_usd": total.cost_usd,
    }


def _of_the_job(outcome: JobOutcome) -> Body:
    """What holds for the job and each of its failed steps."""
    return {
        "b_flaky_suspected": outcome.flaky_suspected,
        "b_flaky_confirmed": outcome.flaky_confirmed,
        "b_error_background": outcome.background,
    }
