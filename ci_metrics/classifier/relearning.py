"""Learning again beside a team's own verdicts, and whether what was learned takes over.

Belongs here: which of a team's verdicts are learned from, the checks before new weights take
over, their figures. Does not: the fit (`learning.py`), reading stored hours and keeping
weights (`orchestration/`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from ci_metrics.classifier.contract_rules import FLAKY
from ci_metrics.classifier.cross_validation import FitFigures, fit_figures, folds, sureness
from ci_metrics.classifier.learning import CATEGORIES, Array, Example, Fit, fit, learned_features
from ci_metrics.classifier.model import Model

#: How much a distinct failure counts in learning, by who said what it is; one that the package
#: ships counts 1 at most. Half of the labelled failures of each of eight real projects, at 1,
#: brought the other half from .849 right to .910 (at 0.5 .886, at 2 .916), by weights that knew no
#: other failure of that project. At 2, thirty labels of one kind drew another network failure of
#: the sample day to it, at 1 none. A model that is sure is wrong now and then, and has more to say
#: than people.
HUMAN, MODEL = 1.0, 0.5
#: Distinct failures that a category of a project's own must have to be learned apart from its
#: parent, and a team to learn at all. Of a deploy script that the package does not know, labels on
#: three mended all others; five, so that one slip makes no category.
FEWEST = 5
#: Verdicts learned from at most, people's first, then the newest: what a fit may
#: take of time and memory.
_MOST = 4_000
#: The part of a team's verdicts, the newest, that weights are checked on, and
#: how many these must be.
NEWEST, ENOUGH = 5, 10
#: With fewer, each group is checked on by weights that have not seen it: one group at a time up to
#: so many, else in so many parts.
PARTS = 10
#: How features begin that say so by the log's own word.
_SAYS_FLAKY = f"category:{FLAKY}@"
#: How much less often new weights may be right on the shipped failures (folds by
#: project) than the shipped weights. Labels that were right cost .001 at most, labels
#: drawn by lot (181 of them) .026.
MARGIN = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was said of one failure of the team's."""

    features: Mapping[str, float]
    category: str
    by_person: bool  # else by a model that was sure
    at: datetime  # when it was said; of a model's: when it failed
    subject: str  # equal for failures that are the same
    group: str  # equal for failures that have one cause, across jobs and repositories


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What a team's verdicts come to, as examples."""

    said: tuple[Said, ...]  # oldest first
    examples: tuple[Example, ...]  # of the same order
    categories: tuple[str, ...]
    dropped: Mapping[str, int]  # category -> verdicts that nothing could be made of

    @property
    def by_source(self) -> dict[str, int]:
        """Distinct failures by who said what they are."""
        people = sum(each.by_person for each in self.said)
        return {"human": people, "model": len(self.said) - people}

    @property
    def by_category(self) -> dict[str, int]:
        """Distinct failures by what they are learned as."""
        return dict(Counter(example.categories[0] for example in self.examples))


@dataclass(frozen=True, kw_only=True)
class TakeoverOutcome:
    """New weights, what they are worth, and whether they take over."""

    accepted: bool
    why: str
    text: str  # the weights, as `Model.read` reads them
    lesson: Lesson
    checked_on: str
    before: FitFigures  # on the team's own verdicts: by weights that have not seen them
    after: FitFigures
    shipped_before: FitFigures  # on the shipped failures, by folds of projects
    shipped_after: FitFigures

    @property
    def version(self) -> str:
        """A short hash of the weights."""
        return version_of(self.text)


def version_of(text: str) -> str:
    """The version of weights: a short hash of their numbers (comments do not count)."""
    rows = [line for line in text.splitlines() if not line.startswith("#")]
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:10]


def distinct_failures(said: Iterable[Said]) -> list[Said]:
    """One for each distinct failure, the oldest first: a person's word before a
    model's, then the newest.

    A flood of one failure is one example. So are failures whose features are the same,
    whatever their fingerprints.
    """
    ordered = sorted(said, key=lambda each: (each.by_person, each.at))
    by_subject = {each.subject: each for each in ordered}
    seen = {frozenset(each.features.items()): each for each in sorted(by_subject.values(), key=_rank)}
    kept = sorted(seen.values(), key=_rank)[-_MOST:]
    return sorted(kept, key=lambda each: (each.at, each.subject))


def _rank(said: Said) -> tuple[bool, datetime, str]:
    return said.by_person, said.at, said.subject


def lesson_of(said: Iterable[Said], parents: Mapping[str, str]) -> Lesson:
    """The examples that a team's verdicts make. `parents`: own categories -> the one of the
    ten that they count under.

    A category of the project's own is learned when FEWEST distinct failures have it; before that
    they count for its parent. That a test is flaky is learned only of a log that says so itself: no
    other log tells, history does.
    """
    each_once = distinct_failures(said)
    counts = Counter(each.category for each in each_once)
    own = sorted(name for name, count in counts.items() if name not in CATEGORIES and count >= FEWEST)
    categories = (*CATEGORIES, *own)
    kept, examples, dropped = [], [], Counter[str]()
    groups = {name: number for number, name in enumerate(sorted({each.group for each in each_once}))}
    for each in each_once:
        name = each.category if each.category in categories else parents.get(each.category, "")
        if name not in categories or (name == FLAKY and not any(_SAYS_FLAKY in feature for feature in each.features)):
            dropped[each.category] += 1
            continue
        kept.append(each)
        weight = HUMAN if each.by_person else MODEL
        examples.append(Example(each.features, (name,), weight, groups[each.group]))
    return Lesson(said=tuple(kept), examples=tuple(examples), categories=categories, dropped=dict(dropped))


def relearned(
    shipped: Sequence[Example], lesson: Lesson, in_force: Model, in_force_until: datetime | None, shipped_model: Model
) -> TakeoverOutcome | None:
    """New weights from the shipped failures and the team's; None where the
    team has said too little.

    `in_force`: the weights that judge today; `in_force_until`: when the newest verdict was given
    that they learned from, None for the shipped ones. The check is against them where they have not
    seen what is checked on, else against the shipped ones.
    """
    own, categories = lesson.examples, lesson.categories
    if len(own) < FEWEST:
        return None
    base = fit(shipped, learned_features(shipped), start=Fit.of(shipped_model))
    whole = _beside(shipped, own, categories, base)
    old, new = _by_folds(shipped, own, categories, base)
    real = [at for at, example in enumerate(shipped) if example.real]
    measured = [shipped[at] for at in real]
    sure_before = sureness(measured, old[real])
    sure = sureness(measured, new[real], categories)
    shipped_before = fit_figures(shipped, sure_before.shares(old))
    shipped_after = fit_figures(shipped, sure.shares(new), categories)
    late = len(own) // NEWEST
    if late >= ENOUGH:
        checked_on = f"the newest {late} of {len(own)} verdicts"
        unseen: Sequence[Example] = own[-late:]
        sums = _beside(shipped, own[:-late], categories, whole).sums(unseen)
        judge = in_force if in_force_until is None or in_force_until < lesson.said[-late].at else shipped_model
    else:
        checked_on = f"each group of {len(own)} verdicts, by weights that have not seen it"
        unseen = own
        sums = _by_others(shipped, own, categories, whole)
        judge = in_force if in_force_until is None else shipped_model
    before = fit_figures(unseen, _shares(judge, unseen, categories), categories)
    after = fit_figures(unseen, sure.shares(sums), categories)
    why = _refusal(before, after, shipped_before, shipped_after, strictly=late >= ENOUGH)
    comment = f"Learned here from {len(shipped)} shipped failures and {len(own)} of the team's."
    return TakeoverOutcome(
        accepted=not why,
        why=why or "better on the team’s own failures, and no worse on the shipped ones",
        text=whole.text(sure, comment),
        lesson=lesson,
        checked_on=checked_on,
        before=before,
        after=after,
        shipped_before=shipped_before,
        shipped_after=shipped_after,
    )


def _beside(shipped: Sequence[Example], own: Sequence[Example], categories: Sequence[str], start: Fit) -> Fit:
    """A fit of both, with the intercepts of `start`: people label what is wrong, and
    that is not what is common.

    Else the intercepts take up how many verdicts there are of each category, and draw
    failures that nothing speaks for.
    """
    return fit([*shipped, *own], learned_features(shipped, own), categories, start, hold_intercepts=True)


def _by_folds(
    shipped: Sequence[Example], own: Sequence[Example], categories: Sequence[str], start: Fit
) -> tuple[Array, Array]:
    """Scores of the shipped failures by weights that saw nothing of their project: without the
    team's own failures, and with.
    """
    old, new = np.zeros((len(shipped), len(CATEGORIES))), np.zeros((len(shipped), len(categories)))
    for seen, unseen in folds(shipped):
        rows = [shipped[row] for row in unseen]
        base = fit(seen, learned_features(seen), start=start)
        old[unseen] = base.sums(rows)
        new[unseen] = _beside(seen, own, categories, base).sums(rows)
    return old, new


def _by_others(shipped: Sequence[Example], own: Sequence[Example], categories: Sequence[str], start: Fit) -> Array:
    sums = np.zeros((len(own), len(categories)))
    parts = [example.group % PARTS for example in own]
    for part in sorted(set(parts)):
        others = [example for example, its in zip(own, parts, strict=True) if its != part]
        at = [row for row, its in enumerate(parts) if its == part]
        sums[at] = _beside(shipped, others, categories, start).sums([own[row] for row in at])
    return sums


def _shares(model: Model, examples: Sequence[Example], categories: Sequence[str]) -> Array:
    """The shares that a model gives; a category that it does not know gets nothing."""
    shares = [dict(model.opinion(example.features).shares) for example in examples]
    return np.array([[each.get(category, 0.0) for category in categories] for each in shares])


def _refusal(
    before: FitFigures, after: FitFigures, shipped_before: FitFigures, shipped_after: FitFigures, *, strictly: bool
) -> str:
    """Why new weights do not take over; "" when they do. `strictly`: they must be
    better, not only no worse.
    """
    same = abs(after.accuracy - before.accuracy) < 1e-9
    better = after.accuracy > before.accuracy or (same and after.lost < before.lost)
    if after.accuracy < before.accuracy and not same:
        return f"right less often on the team’s own failures ({after.accuracy:.3f}, before {before.accuracy:.3f})"
    if strictly and not better:
        return f"no better on the team’s own failures ({after.accuracy:.3f})"
    if shipped_after.accuracy < shipped_before.accuracy - MARGIN:
        fell = f"{shipped_after.accuracy:.3f}, before {shipped_before.accuracy:.3f}"
        return f"right less often on the shipped failures ({fell}; {MARGIN} less is allowed)"
    return ""
