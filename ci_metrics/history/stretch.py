"""A stretch of time as commands and pages ask about it: what the index says of it, each thing read
once, when it is asked for first.

What belongs here: what several of them need. Does not: deciding or counting anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from ci_metrics.history import attempts, failing_tests, failures
from ci_metrics.history.attempts import Attempt, failed_among
from ci_metrics.history.figures import Figures, InShort
from ci_metrics.history.flakiest import Flakiest, flakiest_of
from ci_metrics.history.groups import Group, groups
from ci_metrics.history.job_counts import collect, in_short, maybe_failed
from ci_metrics.history.lost_time import Losses, losses_and_costs
from ci_metrics.history.period import oldest_failure
from ci_metrics.history.time_range import Window
from ci_metrics.index.document_index import Document, DocumentIndex, Where

_FIELDS = tuple(dict.fromkeys((*failures.FAILURE_FIELDS, *attempts.ATTEMPT_FIELDS, *failing_tests.FAILED_TEST_FIELDS)))


@dataclass(frozen=True)
class Stretch:
    """One stretch of time, of these repositories (none: all). `whole`: failures are read with all
    that people look at, as `figures` needs it.
    """

    index: DocumentIndex
    window: Window
    repos: Sequence[str] = ()
    whole: bool = False

    @property
    def where(self) -> Where:
        """Its documents."""
        return self.window.where(self.repos)

    @cached_property
    def documents(self) -> list[Document]:
        """The jobs that may have failed."""
        return maybe_failed(self.index, self.where, _FIELDS if self.whole else attempts.ATTEMPT_FIELDS)

    @cached_property
    def failures(self) -> list[Attempt]:
        """The failed attempts, oldest first."""
        return failed_among(self.documents)

    @cached_property
    def losses(self) -> Losses:
        """What each failure lost."""
        return losses_and_costs(self.index, self.failures)

    @cached_property
    def groups(self) -> list[Group]:
        """The groups of failures, most frequent first."""
        return groups(self.index, self.where, failures=self.failures, lost=self.losses)

    @cached_property
    def flaky(self) -> Flakiest:
        """The flaky jobs and tests."""
        return flakiest_of(self.failures, self.losses[0])

    @cached_property
    def figures(self) -> Figures:
        """All numbers."""
        assert self.whole
        return collect(self.index, self.window, self.repos, self.losses, self.documents)

    @cached_property
    def in_short(self) -> InShort:
        """The numbers that a story says."""
        return in_short(self.index, self.window, self.repos, self.failures, self.losses[0])

    @cached_property
    def history_begins(self) -> datetime | None:
        """When the index's oldest failure ended."""
        return oldest_failure(self.index)
