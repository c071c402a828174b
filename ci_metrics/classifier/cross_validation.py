"""How good learned weights are on projects that took no part in learning, and how sure they may be.

Belongs here: folds of projects, scores over them, the sureness fitted on these, figures. Does not:
the fit (`learning.py`), whether new weights take over (`relearning.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ci_metrics.classifier.learning import CATEGORIES, Array, Example, fit, learned_features
from ci_metrics.classifier.model import Sureness

#: Figures are taken on projects that took no part in learning: on each of so many parts by
#: weights of the others.
FOLDS = 5
#: Newton's steps to the sureness, and how strongly its three numbers are pulled towards nothing.
_STEPS, _PULL = 20, 0.5
#: Shares of certainty that a calibration error is summed over.
_BINS = 10


def folds(examples: Sequence[Example]) -> Iterator[tuple[list[Example], list[int]]]:
    """For each fold: the examples of the other ones, and the rows of its own. All of
    a project are in one fold.
    """
    for number in range(FOLDS):
        seen = [example for example in examples if example.group % FOLDS != number]
        unseen = [row for row, example in enumerate(examples) if example.group % FOLDS == number]
        if unseen and seen:
            yield seen, unseen


def cross_validated(examples: Sequence[Example]) -> Array:
    """Scores of each example by weights that saw nothing of its project."""
    sums = np.zeros((len(examples), len(CATEGORIES)))
    start = None
    for seen, unseen in folds(examples):
        start = fit(seen, learned_features(seen), start=start)
        sums[unseen] = start.sums([examples[row] for row in unseen])
    return sums


def sureness(examples: Sequence[Example], sums: Array, categories: Sequence[str] = CATEGORIES) -> Sureness:
    """How sure to be of the best category, for it to be right as often as that says: logistic
    regression by Newton's method.

    `sums`: scores by weights that have seen nothing of the examples' projects (`cross_validated`).
    """
    ordered = np.sort(sums, axis=1)
    seen = np.stack([np.ones(len(sums)), ordered[:, -1] - ordered[:, -2], ordered[:, -1]], axis=1)
    right = _right(examples, sums, categories)
    weight = np.array([example.weight for example in examples])
    numbers = np.zeros(3)
    for _ in range(_STEPS):
        sure = 1 / (1 + np.exp(-(seen @ numbers)))
        slope = seen.T @ (weight * (right - sure)) - _PULL * numbers
        bend = (seen * (weight * sure * (1 - sure))[:, None]).T @ seen + _PULL * np.eye(3)
        numbers += np.linalg.solve(bend, slope)
    return Sureness(*map(float, numbers))


@dataclass(frozen=True, slots=True, kw_only=True)
class FitFigures:
    """How good judgements are, weighted as the examples are; shares from 0 to 1."""

    examples: int
    accuracy: float  # the likeliest category is acceptable
    lost: float  # mean of -log of the share given to acceptable categories: lower is better
    calibration: float  # mean distance between how sure and how often right, over ten bins


def fit_figures(examples: Sequence[Example], shares: Array, categories: Sequence[str] = CATEGORIES) -> FitFigures:
    """The figures of judgements on these examples, `shares` of 1 by category. Of none:
    accuracy 1, nothing lost.
    """
    if not examples:
        return FitFigures(examples=0, accuracy=1.0, lost=0.0, calibration=0.0)
    weight = np.array([example.weight for example in examples])
    weight = weight / weight.sum()
    right, sure = _right(examples, shares, categories), shares.max(axis=1)
    good = (shares * (_targets_or_none(examples, categories) > 0)).sum(axis=1).clip(1e-6, 1)
    bins = np.minimum(_BINS - 1, (sure * _BINS).astype(int))
    off = [abs((weight * (sure - right))[bins == number].sum()) for number in range(_BINS)]
    return FitFigures(
        examples=len(examples),
        accuracy=float((weight * right).sum()),
        lost=float(-(weight * np.log(good)).sum()),
        calibration=float(sum(off)),
    )


def _targets_or_none(examples: Sequence[Example], categories: Sequence[str]) -> Array:
    return np.array([[float(category in example.categories) for category in categories] for example in examples])


def _right(examples: Sequence[Example], sums: Array, categories: Sequence[str]) -> NDArray[np.bool_]:
    said = sums.argmax(axis=1) if len(examples) else []
    return np.array([categories[top] in each.categories for top, each in zip(said, examples, strict=True)], bool)
