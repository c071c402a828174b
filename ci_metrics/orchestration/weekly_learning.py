"""The embedded decision, learned again beside the team's own verdicts: by the asset
and by `ci-metrics learn`.

Belongs here: reading, learning, checking and keeping as one act. Does not: each of
those, nor how it is shown.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ci_metrics.classifier.model import Model, model_in_force
from ci_metrics.classifier.relearning import TakeoverOutcome, lesson_of, relearned
from ci_metrics.classifier.shipped_examples import shipped_examples
from ci_metrics.orchestration.parts import HoursPart, JudgePart
from ci_metrics.orchestration.storage.learned_weights import InForce, LearnedWeights, shipped_version
from ci_metrics.orchestration.team_verdicts import Team, team_verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Distinct failures that the new weights judge otherwise, and the jobs that failed of them."""

    before: str
    after: str
    failures: int
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Relearned:
    """What learning again came to. `outcome`: None where the team has said too little."""

    team: Team
    outcome: TakeoverOutcome | None
    verdicts: int  # distinct failures that can be learned from
    moved: tuple[Moved, ...]
    takes_over: bool
    why: str
    set_aside: bool  # weights learned here before do not judge, because the package's own have changed since


def learn_again(hours: HoursPart, judge: JudgePart, *, dry_run: bool = False) -> Relearned:
    """Learn from the shipped failures and the team's verdicts; the weights that hold take over,
    unless it is a `dry_run`.
    """
    kept = LearnedWeights(hours.store.root)
    note, judging = kept.note(), kept.model()
    team = team_verdicts(hours, judge)
    lesson = lesson_of(team.said, judge.categories.parents)
    in_force = judging or model_in_force()
    until = note.until if note is not None and judging is not None else None
    outcome = relearned(shipped_examples(), lesson, in_force, until, model_in_force())
    moved: tuple[Moved, ...] = ()
    if outcome is None:
        takes_over, why = False, f"people and models have said too little: {len(lesson.said)} distinct failures"
    elif judging is not None and outcome.version == judging.version:
        takes_over, why = False, "nothing new was said: these weights are in force already"
    else:
        takes_over, why = outcome.accepted, outcome.why
        moved = _moved(team, in_force, Model.read(outcome.text))
    if outcome is not None and takes_over and not dry_run:
        made = InForce(
            version=outcome.version,
            base=shipped_version(),
            learned_at=hours.now(),
            until=max(each.at for each in lesson.said),
            verdicts=lesson.by_source,
        )
        kept.keep(outcome.text, made)
    return Relearned(
        team=team,
        outcome=outcome,
        verdicts=len(lesson.said),
        moved=moved,
        takes_over=takes_over,
        why=why,
        set_aside=note is not None and judging is None,
    )


def _moved(team: Team, before: Model, after: Model) -> tuple[Moved, ...]:
    failures: Counter[tuple[str, str]] = Counter()
    jobs: Counter[tuple[str, str]] = Counter()
    for failure in team.failures.values():
        way = before.opinion(failure.features).category, after.opinion(failure.features).category
        if way[0] != way[1]:
            failures[way] += 1
            jobs[way] += failure.jobs
    return tuple(
        Moved(before=way[0], after=way[1], failures=count, jobs=jobs[way]) for way, count in failures.most_common()
    )
