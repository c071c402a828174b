"""Learning the decision: from labelled failures, as features, to the weights of a `Model`.

Belongs here: which features are learned, and the fit. Does not: how good it is
(`cross_validation.py`), where examples come from (`shipped_examples.py`,
`tools/learn_classifier.py`, the stored hours), whether a fit takes over (`relearning.py`).

The fit is multinomial logistic regression with a Gaussian prior, solved by L-BFGS in numpy alone:
the package learns where it runs, and neither scipy nor scikit-learn comes with it. 1,900 failures
with 180,000 features among them take a second on one core.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ci_metrics.classifier.model import Model, Sureness

Array = NDArray[np.float64]

#: The ten that the shipped weights know, in the order of the file.
CATEGORIES = (
    "dependency_error", "timeout", "resource_exhaustion", "network_error", "assertion_failure", "compilation_error",
    "runtime_error", "infrastructure_error", "configuration_error", "flaky_test",
)  # fmt: skip
#: Projects whose failures must show a feature for it to be learned; a word must be nobody's own.
PROJECTS, WORD_PROJECTS = 2, 5
#: Distinct failures of a team that must show a feature for it to be learned of them.
OWN_FAILURES = 3
#: How far a feature may go without much evidence: the square root of its prior variance,
#: by the kind of feature.
REACH = {
    "category": 1.0, "command-category": 0.7, "step-category": 0.5, "message": 0.8, "role": 0.3, "family": 0.3,
    "word": 0.2, "command": 0.2, "step-name": 0.25,
}  # fmt: skip
#: Of kinds of features that are not in the table.
_REACH = 0.25
#: Kinds of features that are a log's own words.
WORDS = frozenset({"word", "command", "step-name"})
#: What the share of an acceptable category that is not the best one is in learning.
_SECOND = 0.4
#: Strength of the intercepts' pull towards nothing.
_PULL = 0.01
#: A feature whose weights are all smaller than this says nothing.
_LEAST = 0.02
#: Pairs of steps that L-BFGS remembers, its iterations at most, and where it is near enough:
#: weights have two decimals.
_MEMORY, _ITERATIONS, _NEAR = 12, 500, 2e-3


@dataclass(frozen=True, slots=True)
class Example:
    """One failure that somebody labelled."""

    features: Mapping[str, float]
    categories: tuple[str, ...]  # acceptable ones, the best first
    weight: float = 1.0
    group: int = 0  # what resembles it: its project; of a team's own failures their group
    real: bool = True  # figures count failures that nobody made for the purpose


def feature_kind(feature: str) -> str:
    """The kind of a feature, by its name."""
    return feature.partition(":")[0]


def learned_features(examples: Iterable[Example], own: Sequence[Example] = ()) -> list[str]:
    """The features to be learned: those that enough projects show, or enough
    of a team's `own` failures.
    """
    projects: dict[str, set[int]] = defaultdict(set)
    for example in examples:
        for name in example.features:
            projects[name].add(example.group)
    found = {
        n for n, seen in projects.items() if len(seen) >= (WORD_PROJECTS if feature_kind(n) in WORDS else PROJECTS)
    }
    shown = Counter(name for example in own for name in example.features)
    return sorted(found | {name for name, count in shown.items() if count >= OWN_FAILURES})


@dataclass(frozen=True)
class Fit:
    """What was learned: a weight for each feature and category."""

    names: tuple[str, ...]
    categories: tuple[str, ...]
    weights: Array  # features x categories
    intercepts: Array

    @classmethod
    def of(cls, model: Model) -> Fit:
        """The weights of a model, as a beginning for another fit."""
        names = tuple(model.weights)
        weights = np.array([model.weights[name] for name in names]).reshape(len(names), len(model.categories))
        return cls(names, model.categories, weights, model.intercepts)

    def sums(self, examples: Sequence[Example]) -> Array:
        """Each example's score for each category."""
        if not examples:
            return np.zeros((0, len(self.categories)))
        matrix = _Matrix(examples, self.names, np.ones(len(self.names) + 1))
        return matrix.times(np.vstack([self.weights, self.intercepts]))

    def text(self, sureness: Sureness, comment: str) -> str:
        """As `Model.read` reads it: two decimals, without features that say nothing."""
        rows = [f"# {comment}", "\t".join(["categories", *self.categories])]
        rows.append(f"sureness\t{sureness.bias:.3f}\t{sureness.lead:.3f}\t{sureness.score:.3f}")
        rows.append("\t".join(["intercepts", *(f"{value:.2f}" for value in self.intercepts)]))
        for name, values in zip(self.names, self.weights, strict=True):
            if np.abs(values).max() >= _LEAST:
                rows.append("\t".join([name, *(f"{value:.2f}" for value in values)]))
        return "\n".join(rows) + "\n"

    def model(self, sureness: Sureness) -> Model:
        """The weights in use."""
        return Model.read(self.text(sureness, ""))


class _Matrix:
    """Examples x features, and a last column of ones for the intercepts: only
    what is not zero is held.
    """

    def __init__(self, examples: Sequence[Example], names: Sequence[str], scale: Array) -> None:
        at = {name: column for column, name in enumerate(names)}
        last = len(names)
        columns: list[int] = []
        values: list[float] = []
        starts = [0]
        for example in examples:
            for name, value in example.features.items():
                if (column := at.get(name)) is not None:
                    columns.append(column)
                    values.append(value)
            columns.append(last)
            values.append(1.0)
            starts.append(len(columns))
        self.shape = len(examples), last + 1
        self._columns = np.array(columns, np.int32)
        self._scale = scale
        counts = np.array(values)
        self._values = None if (counts == 1).all() else counts  # nearly always: a feature is there or not
        self._starts = np.array(starts[:-1])
        rows = np.repeat(np.arange(len(examples), dtype=np.int32), np.diff(starts))
        order = np.argsort(self._columns, kind="stable")
        self._rows, self._turned = rows[order], None if self._values is None else counts[order]
        self._used, self._turns = np.unique(self._columns[order], return_index=True)

    def times(self, weights: Array) -> Array:
        """The product with features x categories."""
        scaled = np.ascontiguousarray((weights * self._scale[:, None]).T)
        return _summed(scaled, self._columns, self._values, self._starts).T

    def turned_times(self, of_rows: Array) -> Array:
        """The transposed matrix's product with examples x categories."""
        product = np.zeros((self.shape[1], of_rows.shape[1]))
        product[self._used] = _summed(np.ascontiguousarray(of_rows.T), self._rows, self._turned, self._turns).T
        return product * self._scale[:, None]


def _summed(of: Array, at: NDArray[np.int32], times: Array | None, starts: NDArray[np.int64]) -> Array:
    """For each row of `of`: its values at these places, summed from each start to the next. Row
    by row is three times as fast.
    """
    return np.array([np.add.reduceat(row[at] if times is None else row[at] * times, starts) for row in of])


def fit(
    examples: Sequence[Example],
    names: Sequence[str],
    categories: Sequence[str] = CATEGORIES,
    start: Fit | None = None,
    *,
    hold_intercepts: bool = False,
) -> Fit:
    """The weights under which the examples' categories are likeliest, given the prior.

    `start`: an earlier fit to begin from, which saves time and changes nothing: there is one
    optimum. `hold_intercepts`: how likely a category is where nothing speaks for any stays as
    `start` has it, for the categories that it knows.
    """
    reach = np.array([*(REACH.get(feature_kind(name), _REACH) for name in names), 1.0])
    reach[:-1] *= [0.5 if name.endswith("@step") else 1.0 for name in names]
    matrix = _Matrix(examples, names, reach)
    target, weight = _targets(examples, categories), np.array([[example.weight] for example in examples])
    pull = np.ones((len(names) + 1, 1))
    pull[-1] = _PULL
    held = [hold_intercepts and start is not None and category in start.categories for category in categories]

    def loss(values: Array) -> tuple[float, Array]:
        logs = _log_shares(matrix.times(values))
        slope = matrix.turned_times((np.exp(logs) - target) * weight) + pull * values
        slope[-1, held] = 0.0
        return float((pull * values * values).sum() / 2 - (weight * target * logs).sum()), slope

    found = _lowest(loss, _beginning(start, names, categories, reach))
    found *= reach[:, None]
    return Fit(tuple(names), tuple(categories), found[:-1], found[-1])


def _targets(examples: Sequence[Example], categories: Sequence[str]) -> Array:
    at = {category: column for column, category in enumerate(categories)}
    target = np.zeros((len(examples), len(categories)))
    for row, example in zip(target, examples, strict=True):
        for rank, category in enumerate(each for each in example.categories if each in at):
            row[at[category]] = 1.0 if rank == 0 else _SECOND
        row /= row.sum()
    return target


def _beginning(start: Fit | None, names: Sequence[str], categories: Sequence[str], reach: Array) -> Array:
    values = np.zeros((len(names) + 1, len(categories)))
    if start is not None:
        at = {name: row for row, name in enumerate(start.names)}
        rows = [(new, at[name]) for new, name in enumerate(names) if name in at]
        columns = [(new, start.categories.index(c)) for new, c in enumerate(categories) if c in start.categories]
        for new, old in columns:
            values[[to for to, _ in rows], new] = start.weights[[row for _, row in rows], old]
            values[-1, new] = start.intercepts[old]
    return values / reach[:, None]


def _lowest(loss: Callable[[Array], tuple[float, Array]], at: Array) -> Array:
    """Where a convex function is lowest, by L-BFGS: steps along the slope, bent by what the last
    ones told of its curvature.
    """
    value, slope = loss(at)
    steps: list[tuple[Array, Array, float]] = []
    for _ in range(_ITERATIONS):
        if np.abs(slope).max() < _NEAR:
            break
        way = -slope
        kept = []
        for step, bend, curve in reversed(steps):
            share = (step * way).sum() / curve
            kept.append(share)
            way = way - share * bend
        if steps:
            step, bend, curve = steps[-1]
            way = way * (curve / (bend * bend).sum())
        else:
            way = way / max(1.0, float(np.sqrt((slope * slope).sum())))
        for (step, bend, curve), share in zip(steps, reversed(kept), strict=True):
            way = way + step * (share - (bend * way).sum() / curve)
        downhill = float((slope * way).sum())
        length = 1.0
        while True:
            there = at + length * way
            new_value, new_slope = loss(there)
            if new_value <= value + 1e-4 * length * downhill or length < 1e-8:
                break
            length /= 2
        step, bend = there - at, new_slope - slope
        if (curve := float((step * bend).sum())) > 0:
            steps = [*steps[1 - _MEMORY :], (step, bend, curve)] if steps else [(step, bend, curve)]
        at, value, slope = there, new_value, new_slope
    return at


def _log_shares(sums: Array) -> Array:
    sums = sums - sums.max(axis=1, keepdims=True)
    logs: Array = sums - np.log(np.exp(sums).sum(axis=1, keepdims=True))
    return logs
