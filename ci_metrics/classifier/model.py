"""The learned decision: a share of certainty for each category, and what it rests on.

Belongs here: reading the weights, the sum over features. Does not: which features there are
(`features.py`), how the weights are learned (`tools/learn_classifier.py`, `learning.py`).

Multinomial logistic regression: a category's score is the sum of its weights over the features. How
sure the model is of the best one follows from its score and from its lead over the next
(`Sureness`), fitted on projects that took no part in learning, so that it is as often right as it
says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Opinion:
    """Shares of 1 by category, the likeliest first."""

    shares: tuple[tuple[str, float], ...]
    known: float  # how much of what was seen the model has learned something of: a sum of feature values

    @property
    def category(self) -> str:
        """The likeliest one."""
        return self.shares[0][0]

    @property
    def share(self) -> float:
        """How likely that is."""
        return self.shares[0][1]


@dataclass(frozen=True, slots=True)
class Sureness:
    """How sure to be of the best category: the logistic function of a bias, its lead over
    the next one and its score.

    On folds of projects this halves the calibration error of a temperature (real GitHub
    logs: .07 to .10 -> .04 to .07): a temperature sees the lead alone, and a small lead
    means less where little is known.
    """

    bias: float
    lead: float
    score: float

    def shares(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shares of 1 for each category of each row of scores: what the best one leaves falls to
        the others by their scores.

        However unsure, no other one gets a larger share than the best.
        """
        rows = np.arange(len(sums))
        top = sums.argmax(axis=1)
        ordered = np.sort(sums, axis=1)
        lead = ordered[:, -1] - ordered[:, -2] if sums.shape[1] > 1 else ordered[:, -1]
        powers = np.exp(sums - ordered[:, -1:])
        powers[rows, top] = 0.0
        total = powers.sum(axis=1, keepdims=True)
        others = powers / np.where(total > 0, total, 1.0)
        most = others.max(axis=1)
        sure = 1 / (1 + np.exp(-(self.bias + self.lead * lead + self.score * ordered[:, -1])))
        sure = np.maximum(sure, most / (1 + most))
        shares: NDArray[np.float64] = others * (1 - sure)[:, None]
        shares[rows, top] = sure
        return shares


@dataclass(frozen=True)
class Model:
    """What was learned of each feature."""

    categories: tuple[str, ...]
    intercepts: NDArray[np.float64]
    sureness: Sureness
    weights: Mapping[str, NDArray[np.float64]]  # feature -> a weight for each category
    version: str = ""  # of weights that a team's own verdicts made; "" for those that come with the package

    @classmethod
    def read(cls, text: str, version: str = "") -> Model:
        """From a file like `weights.tsv`: the categories, the sureness, the
        intercepts, then a feature a line.

        Raises ValueError when it is none.
        """
        rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
        head, sureness, intercepts, *features = rows
        return cls(
            tuple(head[1:]),
            np.array(intercepts[1:], float),
            Sureness(*map(float, sureness[1:])),
            {name: np.array(values, float) for name, *values in features},
            version,
        )

    def opinion(self, features: Mapping[str, float], told: Mapping[str, float] | None = None) -> Opinion:
        """How likely each category is; `told` is added to a category's sum: what is
        known beside what was learned.
        """
        sums = self.intercepts.copy()
        for category, value in (told or {}).items():
            sums[self.categories.index(category)] += value
        known = 0.0
        for name, value in features.items():
            weights = self.weights.get(name)
            if weights is not None:
                sums += value * weights
                known += value
        shares = self.sureness.shares(sums[None, :])[0]
        order = np.argsort(-sums, kind="stable")
        return Opinion(tuple((self.categories[i], float(shares[i])) for i in order), known)

    def reasons(self, features: Mapping[str, float], category: str) -> list[tuple[str, float]]:
        """What spoke for `category` against the mean of the others, the strongest first; what
        spoke against it is negative.
        """
        at = self.categories.index(category)
        found = [
            (name, float(value * (self.weights[name][at] - self.weights[name].mean())))
            for name, value in features.items()
            if name in self.weights
        ]
        return sorted(found, key=lambda each: -each[1])


@cache
def model_in_force() -> Model:
    """The one that comes with the package."""
    return Model.read(files("ci_metrics.classifier").joinpath("weights.tsv").read_text(encoding="utf-8"))
