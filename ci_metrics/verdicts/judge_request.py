"""One failure to be judged, as the caller hands it over.

What belongs here: the record, what a model is asked about it, and getting more of its log. Does
not: any decision.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.errors import CiMetricsError
from ci_metrics.llm.prompt import Prompt, build_prompt
from ci_metrics.llm.prompt_body import same_error
from ci_metrics.models import Annotation, ExtractedError, Extraction, Job, Run, Usage, Verdict
from ci_metrics.verdicts.log_origin import Origin
from ci_metrics.verdicts.trust import speaks_to_a_model

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class JudgeRequest:
    """One failure to be judged. Its extraction is redacted already; the other texts may not be.

    `primary`: whether a model may be asked (a job's root cause, each failed step's first error);
    others get what is known or the rules. `larger` extracts again with a budget of so many
    characters. `history`: what other attempts say, in a sentence; without it no model may say
    "flaky". `fresh`: ask again although a stored verdict would do. `spent`: what earlier passes
    paid for this failure without a verdict that stands; its verdict's usage includes it.
    """

    extraction: Extraction
    error: ExtractedError | None
    job: Job | None = None
    run: Run | None = None
    annotations: Sequence[Annotation] = ()
    primary: bool = True
    larger: Callable[[int], Extraction] | None = None
    history: str = ""
    fresh: bool = False
    spent: Usage = field(default_factory=Usage)

    @property
    def job_id(self) -> str:
        """The failed job's id; "" when unknown."""
        return str(self.job.job_id) if self.job is not None else ""

    @property
    def is_root(self) -> bool:
        """Whether the error is the one that the extraction puts first."""
        errors = self.extraction.errors
        return self.error is None or not errors or same_error(self.error, errors[0])

    @property
    def repo(self) -> str:
        """The repository of the failure (owner/name); "" when unknown, as for a log file."""
        return self.job.repo if self.job is not None else self.run.repo if self.run is not None else ""

    @property
    def origin(self) -> Origin:
        """Who could have written its log."""
        return Origin.of_run(self.repo, self.run) if self.repo else Origin()

    def redacted(self, redact: Callable[[str], tuple[str, int]] | None) -> JudgeRequest:
        """The same, with all texts that do not come from the extraction masked; without
        `redact`, without annotations.
        """
        if redact is None:
            return replace(self, annotations=())

        def mask(text: str) -> str:
            return redact(text)[0]

        notes = [replace(a, message=mask(a.message), title=mask(a.title)) for a in self.annotations]
        job = self.job and replace(
            self.job,
            name=mask(self.job.name),
            workflow_name=mask(self.job.workflow_name),
            labels=tuple(map(mask, self.job.labels)),
        )
        # Where the error names no step, the prompt names the job's failed one.
        step = (self.error and self.error.step) or self.extraction.failed_step
        error = self.error and replace(self.error, step=step and mask(step))
        return replace(self, annotations=notes, job=job, error=error, history=mask(self.history))


def prompt_about(
    request: JudgeRequest, taxonomy: Taxonomy, rules: Verdict, extraction: Extraction, note: str = ""
) -> Prompt:
    """What is asked about this (masked) failure, with this excerpt of its log."""
    if request.error is None:
        raise ValueError("there is no error to ask about")
    return build_prompt(
        taxonomy=taxonomy,
        extraction=extraction,
        error=request.error,
        root=request.is_root,
        job=request.job,
        run=request.run,
        annotations=request.annotations,
        rules=rules,
        history=request.history,
        note=note,
    )


def addressed(request: JudgeRequest, extraction: Extraction) -> bool:
    """Whether something that a model is shown of this failure speaks to it
    instead of saying what happened.
    """
    job, error = request.job, request.error
    names = (job.name, job.workflow_name, *job.labels) if job is not None else ()
    steps = [name for name in (error and error.step, extraction.failed_step) if name]
    notes = [text for note in request.annotations for text in (note.title, note.message)]
    return speaks_to_a_model([*(line.text for line in extraction.lines), *names, *steps, *notes])


def primary_requests(extraction: Extraction, job: Job | None = None) -> list[JudgeRequest]:
    """The errors of one log that a model may be asked about: the root cause, and each
    failed step's first error.
    """
    requests: list[JudgeRequest] = []
    steps: set[int | None] = set()
    for error in extraction.errors:
        if error.step_number not in steps:
            steps.add(error.step_number)
            requests.append(
                JudgeRequest(
                    extraction=extraction, error=error, job=job, annotations=job.annotations if job is not None else ()
                )
            )
    return requests


def larger_extraction(request: JudgeRequest, budget: int) -> Extraction | None:
    """The same failure with an excerpt of up to `budget` characters; None
    when there is none to be had.
    """
    if request.larger is None:
        return None
    try:
        extraction = request.larger(budget)
    except (CiMetricsError, OSError) as error:
        _log.warning("⚠️ No larger excerpt: %s", error)
        return None
    return extraction if extraction.state == "errors" else None
