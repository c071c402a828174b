"""The rows that the later assets store for an hour; the earlier ones store those of `models.py`.

What belongs here: records that tie a job to what a stage said of it. Does not: reading or writing
them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ci_metrics.models import ErrorState, ExtractedError, Extraction, JobLog, Verdict

JobKey = tuple[int, int]  # job id, run attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class JobExtraction:
    """What the extractor said of one failed job; `digest` names its inputs: none is read twice."""

    repo: str
    run_id: int
    run_attempt: int
    job_id: int
    log: JobLog
    extraction: Extraction
    digest: str

    @property
    def key(self) -> JobKey:
        """Which job of which attempt."""
        return self.job_id, self.run_attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedError:
    """One error of a job and the verdict on it."""

    error: ExtractedError
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class JobVerdicts:
    """The verdicts on one failed job, root cause first; `state` is the job's."""

    repo: str
    run_id: int
    run_attempt: int
    job_id: int
    state: ErrorState
    judged: tuple[JudgedError, ...]
    digest: str  # of the extraction it was judged from
    background: bool = False  # whether a passing run's log was used in it; rows stored before this was known say False
    failed_tests: tuple[str, ...] = ()  # as its extraction names them; `command` too
    command: str = ""

    @property
    def key(self) -> JobKey:
        """Which job of which attempt."""
        return self.job_id, self.run_attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedDocument:
    """One document as it was last written; `digest` of its body tells whether it is the same."""

    kind: str
    id: str
    digest: str
