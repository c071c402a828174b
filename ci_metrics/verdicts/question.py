"""The failures of a pass as questions: one for each distinct error, whatever jobs met it.

What belongs here: putting failures together, and how a verdict on a question is kept. Does not:
what is kept of a question (`lookup.py`), who answers it (`decide.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ci_metrics.models import ExtractedError, Verdict
from ci_metrics.verdicts.judge_request import JudgeRequest
from ci_metrics.verdicts.log_origin import Origin
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
class FailureCase:
    """One failure of a pass, and what the embedded classifier says of it."""

    request: JudgeRequest
    rules: Verdict  # with the failure's fingerprint and the version of the whole classifier


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """One distinct error: the failures that one answer decides."""

    key: str  # of its verdict
    trusted_key: (
        str  # of the verdict that the repository's own runs got on such an error; its own, if it is one of these
    )
    label: str  # of a person's verdict on all failures like it; "" where none can be
    lead: FailureCase  # the one that is asked about
    members: tuple[FailureCase, ...]  # all of them, the lead too
    error: ExtractedError  # the lead's
    primary: bool  # whether a model may be asked
    fresh: bool  # whether a stored verdict is passed over
    partitions: frozenset[str]  # the hours that ask
    sketch: str  # of the lead's excerpt, where a stranger's verdict needs a likeness to count

    @property
    def origin(self) -> Origin:
        """Where the failure that is asked about comes from."""
        return self.lead.request.origin

    @property
    def alone(self) -> Question:
        """Only the failure that is asked about."""
        return _question(self.key, [self.lead])

    @property
    def others(self) -> Question | None:
        """The other failures, one of them to be asked about; None where there are none."""
        members = [case for case in self.members if case is not self.lead]
        return _question(self.key, members) if members else None

    @property
    def version(self) -> str:
        """The classifier's version."""
        return self.lead.rules.classifier_version

    def hours_with(self, before: StoredVerdict | None) -> tuple[str, ...]:
        """The hours that ask, and those that what was kept before has
        served: the newest of them.
        """
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
        doubted: bool = False,
    ) -> StoredVerdict:
        """A verdict on this question as it is kept, in place of what was kept `before`.

        `threshold`: CONFIDENCE_THRESHOLD, below which it holds its type as a guess;
        `calls` of a model, 0 for rules.
        """
        return StoredVerdict(
            key=self.key,
            verdict=with_threshold(replace(verdict, origin=str(self.origin)), threshold),
            group=self.error.group,
            created_at=now,
            partitions=self.hours_with(before),
            calls=calls,
            owner=owner,
            job_id=self.lead.request.job_id if calls else "",
            doubted=doubted,
            sketch=self.sketch,
        )


def questions_of(cases: Sequence[FailureCase]) -> list[Question]:
    """The distinct errors, in the order met. Cases without an error belong to none."""
    by_key: dict[str, list[FailureCase]] = {}
    for case in cases:
        error, extraction = case.request.error, case.request.extraction
        if error is not None and extraction.state == "errors":
            by_key.setdefault(_key(case, error, case.request.origin), []).append(case)
    return [_question(key, members) for key, members in by_key.items()]


def _key(case: FailureCase, error: ExtractedError, origin: Origin) -> str:
    return verdict_key(subject_of(error, case.request.extraction, origin), case.rules.classifier_version)


def _question(key: str, members: Sequence[FailureCase]) -> Question:
    lead = next((case for case in members if case.request.primary), members[0])
    error = lead.request.error
    assert error is not None  # else it were no member
    hours = {partition_of(case.request.run, case.request.job) for case in members}
    return Question(
        key=key,
        trusted_key=_key(lead, error, Origin(lead.request.repo)),
        label=label_key(error),
        lead=lead,
        members=tuple(members),
        error=error,
        primary=lead.request.primary,
        fresh=any(case.request.fresh for case in members),
        partitions=frozenset(hours - {""}),
        sketch=sketch_of(error, lead.request.extraction),
    )
