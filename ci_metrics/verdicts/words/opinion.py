"""How likely each category is, by the words of a failure.

What belongs here: reading the weights, the sum over terms. Does not: which words count (`text.py`), how the weights are learned
(`bench/train_words.py`).

A linear model: each term weighs `(1 + log(count)) * idf`, the vector has length 1, the categories' sums become shares of 1
(multinomial logistic regression).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import log

import numpy as np
from numpy.typing import NDArray

from ci_metrics.models import ExtractedError
from ci_metrics.verdicts.words.text import terms

#: Known terms that a failure must have for its words to say anything.
FEWEST = 5


@dataclass(frozen=True, slots=True)
class Opinion:
    """Shares of 1 by category."""

    shares: dict[str, float]

    @property
    def category(self) -> str:
        """The likeliest one."""
        return max(self.shares, key=lambda name: self.shares[name])

    def share(self, category: str | None) -> float:
        """How likely `category` is; 0 for one that no recorded log has."""
        return self.shares.get(category or "", 0.0)


@dataclass(frozen=True, slots=True)
class Weights:
    """What was learned of each term."""

    categories: tuple[str, ...]
    intercepts: NDArray[np.float64]
    terms: dict[str, tuple[float, NDArray[np.float64]]]  # term -> (idf, weight for each category)

    @classmethod
    def read(cls, text: str) -> Weights:
        """From the text of a file like `weights.tsv`: categories, intercepts, then a term a line."""
        head, intercepts, *rows = (line.split("\t") for line in text.splitlines() if line[:2] != "# ")
        return cls(
            categories=tuple(head[2:]),
            intercepts=np.array(intercepts[2:], float),
            terms={term: (float(idf), np.array(weights, float)) for term, idf, *weights in rows},
        )


@cache
def weights_in_force() -> Weights:
    """Those that come with the package."""
    return Weights.read(files("ci_metrics.verdicts.words").joinpath("weights.tsv").read_text(encoding="utf-8"))


def opinion_on(errors: Sequence[ExtractedError], weights: Weights | None = None) -> Opinion | None:
    """What the words of these errors (root cause first) say, by `weights` or those in force; None when too few of them are known."""
    return opinion_of(terms(errors), weights or weights_in_force())


def opinion_of(found: Sequence[str], known: Weights) -> Opinion | None:
    """The same for terms."""
    counted = [(known.terms[term], count) for term, count in Counter(found).items() if term in known.terms]
    if len(counted) < FEWEST:
        return None
    values = np.array([(1 + log(count)) * idf for (idf, _), count in counted])
    sums = (values / np.linalg.norm(values)) @ np.stack([weights for (_, weights), _ in counted]) + known.intercepts
    powers = np.exp(sums - sums.max())
    return Opinion({name: float(share) for name, share in zip(known.categories, powers / powers.sum(), strict=True)})
