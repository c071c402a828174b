"""What a team's stored hours hold to learn from: its failures as features, and what
people and models said of them.

Belongs here: reading hours and people's verdicts. Does not: which of them are learned from and how
(`classifier/relearning.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ci_metrics.classifier.features import see_evidence
from ci_metrics.classifier.relearning import Said
from ci_metrics.models import Job, Verdict
from ci_metrics.orchestration.partitions import hour_start
from ci_metrics.orchestration.parts import HoursPart, JudgePart
from ci_metrics.orchestration.storage.rows import JobExtraction, JobKey, JobVerdicts
from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.verdicts.log_origin import Origin
from ci_metrics.verdicts.reuse import StoredVerdict, human_key, subject_of

#: Distinct failures looked at, the newest: some 10 kB each.
_MOST_FAILURES = 20_000


@dataclass(slots=True, kw_only=True)
class TeamFailure:
    """One distinct failure: the first error of the newest job that has it."""

    features: Mapping[str, float]
    group: str
    jobs: int = 0  # that failed of it


@dataclass(slots=True)
class Team:
    """What was found, newest hours first."""

    hours: int = 0
    failures: dict[str, TeamFailure] = field(default_factory=dict)  # by subject
    said: list[Said] = field(default_factory=list)


def team_verdicts(hours: HoursPart, judge: JudgePart) -> Team:
    """All stored failures that have an error, each distinct one once, and every verdict on them
    that can be learned from.

    Those are people's, as the verdict index has them now, and a model's from
    MIN_CONFIDENCE_FOR_REUSE on.
    """
    team, people = Team(), judge.verdicts.people()
    for hour in sorted(hours.store.hours(), reverse=True):
        rows = [row for row in hours.store.read_or_none("classifications", hour, JobVerdicts) if row.judged]
        if rows:
            _read_hour(hours.store, judge, hour, rows, people, team)
            team.hours += 1
    return team


def _read_hour(
    store: HourStore,
    judge: JudgePart,
    hour: str,
    rows: list[JobVerdicts],
    people: Mapping[str, StoredVerdict],
    team: Team,
) -> None:
    found = {row.key: row for row in store.read_or_none("extracted_errors", hour, JobExtraction)}
    jobs: dict[JobKey, Job] | None = None
    for row in rows:
        kept = found.get(row.key)
        if kept is None or kept.digest != row.digest or not kept.extraction.errors:
            continue
        root = kept.extraction.errors[0]
        subject = subject_of(root, kept.extraction, Origin(row.repo))
        if subject not in team.failures:
            if len(team.failures) >= _MOST_FAILURES:
                continue
            if jobs is None:
                stored = store.read_or_none("workflow_jobs", hour, Job, without=("annotations",))
                jobs = {(job.job_id, job.run_attempt): job for job in stored}
            seen = see_evidence(kept.extraction, judge.catalogue, root, jobs.get(row.key)).features
            features = {sys.intern(name): value for name, value in seen.items()}
            team.failures[subject] = TeamFailure(features=features, group=root.group)
        failure = team.failures[subject]
        failure.jobs += 1
        keys = (f"github-job-{row.job_id}-attempt-{row.run_attempt}", root.fingerprint)
        words = [(each.verdict, each.created_at) for key in keys if (each := people.get(human_key(key))) is not None]
        machine = row.judged[0].verdict
        if not words and _is_sure(machine, judge.settings.min_confidence_for_reuse):
            words = [(machine, hour_start(hour))]
        team.said += [_said(verdict, at, subject, failure) for verdict, at in words if verdict.error_type]


def _is_sure(verdict: Verdict, least: float) -> bool:
    """Whether a model said it, now or of an equal failure before, surely enough,
    and of no stranger's log.
    """
    by_model = bool(verdict.model) and verdict.source in ("model", "reused")
    return (
        by_model
        and not Origin.parse(verdict.origin).strange
        and verdict.state == "classified"
        and verdict.confidence >= least
    )


def _said(verdict: Verdict, at: datetime, subject: str, failure: TeamFailure) -> Said:
    return Said(
        features=failure.features,
        category=verdict.error_type or "",
        by_person=verdict.source == "human",
        at=at,
        subject=subject,
        group=failure.group,
    )
