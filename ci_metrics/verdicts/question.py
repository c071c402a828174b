"""The failures of a pass as questions: one for each distinct error, whatever jobs met it.

What belongs here: putting failures together, and how a verdict on a question is kept. Does not: what is kept of a question (`lookup.py`),
who answers it (`decision.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ci_metrics.models import ExtractedError, Verdict
from ci_metrics.verdicts.request import JudgeRequest
from ci_metrics.verdicts.reuse import (
    MOST_PARTITIONS,
    StoredVerdict,
    label_key,
    partition_of,
    sketch_of,
    subject_of,
    verdict_key,
    with_threshold,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """One failure of a pass, and what the embedded classifier says of it."""

    request: JudgeRequest
    rules: Verdict  # with the failure's fingerprint and the version of the whole classifier


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """One distinct error: the failures that one answer decides."""

    key: str  # of its verdict
    label: str  # of a person's verdict on all failures like it; "" where none can be
    lead: Case  # the one that is asked about
    members: tuple[Case, ...]  # all of them, the lead too
    error: ExtractedError  # the lead's
    primary: bool  # whether a model may be asked
    fresh: bool  # whether a stored verdict is passed over
    partitions: frozenset[str]  # the hours that ask
    sketch: str  # of the lead's excerpt, where a stranger's verdict needs a likeness to count

    @property
    def repo(self) -> str:
        """The repository of the failure that is asked about."""
        return self.lead.request.repo

    @property
    def version(self) -> str:
        """The classifier's version."""
        return self.lead.rules.classifier_version

    def hours_with(self, before: StoredVerdict | None) -> tuple[str, ...]:
        """The hours that ask, and those that what was kept before has served: the newest of them."""
        hours = self.partitions.union(before.partitions if before else ())
        return tuple(sorted(hours)[-MOST_PARTITIONS:])

    def stored(
        self,
        verdict: Verdict,
        *,
        now: datetime,
        threshold: float,
        before: StoredVerdict | None = None,
        calls: int = 0,
        owner: str = "",
    ) -> StoredVerdict:
        """A verdict on this question as it is kept, in place of what was kept `before`.

        `threshold`: CONFIDENCE_THRESHOLD, below which it holds its type as a guess; `calls` of a model,
        0 for rules.
        """
        return StoredVerdict(
            key=self.key,
            verdict=with_threshold(verdict, threshold),
            group=self.error.group,
            created_at=now,
            partitions=self.hours_with(before),
            calls=calls,
            owner=owner,
            job_id=self.lead.request.job_id if calls else "",
            repo=self.repo,
            sketch=self.sketch,
        )


def questions_of(cases: Sequence[Case]) -> list[Question]:
    """The distinct errors, in the order met. Cases without an error belong to none."""
    by_key: dict[str, list[Case]] = {}
    for case in cases:
        error, extraction = case.request.error, case.request.extraction
        if error is not None and extraction.state == "errors":
            subject = subject_of(error, extraction, case.request.repo)
            by_key.setdefault(verdict_key(subject, case.rules.classifier_version), []).append(case)
    return [_question(key, members) for key, members in by_key.items()]


def _question(key: str, members: Sequence[Case]) -> Question:
    lead = next((case for case in members if case.request.primary), members[0])
    error = lead.request.error
    assert error is not None  # else it were no member
    hours = {partition_of(case.request.run, case.request.job) for case in members}
    return Question(
        key=key,
        label=label_key(error),
        lead=lead,
        members=tuple(members),
        error=error,
        primary=lead.request.primary,
        fresh=any(case.request.fresh for case in members),
        partitions=frozenset(hours - {""}),
        sketch=sketch_of(error, lead.request.extraction),
    )
