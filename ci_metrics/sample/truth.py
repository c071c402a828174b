"""What is true of the sample day's failed jobs: said by the people who made the
failures, not by any classifier.

What belongs here: the record of one job. Does not: where it comes from (`scenario.py`), comparing
it with anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ci_metrics.models import LineSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTruth:
    """One failed job of one attempt."""

    repo: str
    run_id: int
    run_attempt: int
    job_id: int
    job_name: str
    conclusion: str
    state: str  # classified, unknown, no_error_found, no_log
    category: str | None  # one of the taxonomy's names, for state classified
    step: str | None  # the failed step's name; None when no step ran
    step_number: int | None
    marks: tuple[LineSpan, ...]  # lines of the raw log; none when the cause stands only in an annotation
    slug: str  # of the recorded failure; "" when there is none
    flaky: str  # what history says once later attempts are known: "", suspected, confirmed
    completed_at: datetime

    @property
    def key(self) -> tuple[int, int]:
        """(job id, attempt): unique in the world."""
        return self.job_id, self.run_attempt
