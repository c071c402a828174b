"""One failed job judged: from its log to what its document is told, alike for stored hours and for
a job somebody asks about.

What belongs here: each step of that way for one job. Does not: where logs and rows come from and go
to (`assets/`, `job_details.py`), how a verdict is reached (`verdicts/`).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import BinaryIO

from ci_metrics.catalogue import Catalogue
from ci_metrics.index.error_fields import JobOutcome
from ci_metrics.logs import Background, extract
from ci_metrics.models import ErrorState, Extraction, Job, JobLog, Run, Usage, Verdict
from ci_metrics.orchestration.storage.rows import JobExtraction, JobVerdicts, JudgedError
from ci_metrics.verdicts.judge import JudgeRequest


def extract_job(
    job: Job, log: JobLog, source: BinaryIO | None, *, background: Background | None, budget: int, catalogue: Catalogue
) -> Extraction:
    """What a job's log and annotations say, within `budget` characters. `source` None: there is
    no log, annotations speak alone.
    """
    found = extract(
        source or io.BytesIO(b""),
        job=job,
        annotations=job.annotations,
        background=background,
        budget=budget,
        catalogue=catalogue,
    )
    if not found.errors and source is None:
        found = replace(found, state="no_log")
    tests = log.failed_tests or found.failed_tests  # a report knows better than a log
    return replace(found, truncated=found.truncated or log.truncated, failed_tests=tests)


def questions(
    row: JobExtraction,
    job: Job,
    run: Run | None,
    larger: Callable[[int], Extraction],
    paid: Mapping[str, Usage] | None = None,
) -> list[JudgeRequest]:
    """What the judge is asked about a job: one request an error, in order.

    `larger`: reads the log again within more characters. `paid`: by fingerprint, what was paid in
    vain for an error before.
    """
    left = dict(paid or {})
    steps: set[int | None] = set()
    asked: list[JudgeRequest] = []
    for error in row.extraction.errors:
        asked.append(
            JudgeRequest(
                extraction=row.extraction,
                error=error,
                job=job,
                run=run,
                annotations=job.annotations,
                primary=error.step_number not in steps,
                spent=left.pop(error.fingerprint, Usage()),
                larger=larger,
            )
        )
        steps.add(error.step_number)
    return asked


def judged(row: JobExtraction, verdicts: Iterable[Verdict]) -> JobVerdicts:
    """The job with the verdicts on its errors, one an error, in order."""
    pairs = zip(row.extraction.errors, verdicts, strict=True)
    found = tuple(JudgedError(error=error, verdict=verdict) for error, verdict in pairs)
    return _row(row, _state(row, found), found)


def not_judged(row: JobExtraction) -> JobVerdicts:
    """The job where classification is off."""
    return _row(row, "off", ())


def outcome_of(row: JobVerdicts, parents: Mapping[str, str]) -> JobOutcome:
    """What the job's document is told of its cause."""
    verdicts = tuple((each.error, each.verdict) for each in row.judged)
    return JobOutcome(
        state=row.state,
        verdicts=verdicts,
        parents=parents,
        background=row.background,
        failed_tests=row.failed_tests,
        command=row.command,
    )


def _state(row: JobExtraction, judged: tuple[JudgedError, ...]) -> ErrorState:
    # A log that GitHub no longer has is no_log whatever the annotations say (contract); a job that
    # never had one because it never started is explained by its annotations alone.
    if row.log.http_status in (404, 410):
        return "no_log"
    if judged:
        return judged[0].verdict.state
    return "no_log" if row.extraction.state == "no_log" else "no_error_found"


def _row(row: JobExtraction, state: ErrorState, judged: tuple[JudgedError, ...]) -> JobVerdicts:
    return JobVerdicts(
        repo=row.repo,
        run_id=row.run_id,
        run_attempt=row.run_attempt,
        job_id=row.job_id,
        state=state,
        judged=judged,
        digest=row.digest,
        background=row.log.has_background,
        failed_tests=row.extraction.failed_tests,
        command=row.extraction.command,
    )
