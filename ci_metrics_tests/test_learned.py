"""What was learned is worth its place: weights that are shuffled, swapped or flattened do
far worse on recorded logs.

The recorded logs took part in learning: this tells damage, not quality. What roles are worth is
shown in `logs/test_ranking.py`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from ci_metrics.catalogue import load_catalogue
from ci_metrics.classifier import Classifier, Model, model_in_force
from ci_metrics.classifier.model import Sureness
from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.logs import DEFAULT_BUDGET, extract
from ci_metrics.logs.candidates import candidates
from ci_metrics.logs.ranking import Features, Weights, scores, weights_in_force
from ci_metrics.models import Extraction

FOLDER = Path(__file__).parents[1] / "bench" / "recorded"
#: About so many logs, evenly over the file.
SAMPLE = 130
CATALOGUE = load_catalogue()


class Seen(NamedTuple):
    """What is known of one recorded failure before anything learned is asked."""

    features: Features
    hits: list[tuple[int, ...]]
    marked: list[bool]
    found: Extraction
    expected: tuple[str, ...]


@cache
def sample() -> list[Seen]:
    rows = [json.loads(line) for line in (FOLDER / "cases.jsonl").read_text(encoding="utf-8").splitlines()]
    made = []
    for row in rows[:: max(1, len(rows) // SAMPLE)]:
        raw = gzip.decompress((FOLDER / row["log"]).read_bytes())
        kept = candidates(raw, CATALOGUE, job=None, background=None, budget=DEFAULT_BUDGET)
        marked = [any(first <= line.number <= last for first, last in row["spans"]) for line in kept.lines]
        made.append(Seen(kept.features(CATALOGUE), kept.hits, marked, extract(raw), tuple(row["expected"])))
    return made


def headed(weights: Weights) -> float:
    """The share of logs whose likeliest line is a marked one."""
    return float(np.mean([s.marked[int(np.argmax(scores(CATALOGUE, s.features, s.hits, weights)))] for s in sample()]))


class Verdicts(NamedTuple):
    """Of the sample: how many are acceptable, how many are sure, how many of those are
    acceptable, how far the certainty is off.
    """

    right: float
    sure: float
    right_when_sure: float
    off: float


def judged(model: Model) -> Verdicts:
    classifier = Classifier(load_taxonomy(None), CATALOGUE, model)
    told = [(classifier.judge(s.found), s.expected) for s in sample()]
    right = np.array([verdict.error_type in expected for verdict, expected in told])
    confidence = np.array([verdict.confidence for verdict, _ in told])
    sure = confidence >= 0.8
    return Verdicts(
        float(right.mean()),
        float(sure.mean()),
        float(right[sure].mean()) if sure.any() else 0.0,
        abs(float(confidence.mean() - right.mean())),
    )


def shuffled(values: Mapping[str, float], seed: int) -> dict[str, float]:
    order = np.random.default_rng(seed).permutation(len(values))
    names = list(values)
    return {name: values[names[i]] for name, i in zip(names, order, strict=True)}


def ranking_mutants() -> dict[str, Weights]:
    shipped = weights_in_force()
    mutants = {f"shuffled {seed}": Weights(shuffled(shipped.features, seed), shipped.messages) for seed in range(5)}
    mutants["turned round"] = Weights({name: -w for name, w in shipped.features.items()}, shipped.messages)
    mutants["nothing learned"] = Weights({}, {})
    mutants["messages alone"] = Weights({}, shipped.messages)
    return mutants


def test_the_shipped_ranking_finds_the_marked_line() -> None:
    assert len(sample()) >= 100
    assert headed(weights_in_force()) >= 0.88


@pytest.mark.parametrize("mutant", ranking_mutants())
def test_a_damaged_ranking_is_far_worse(mutant: str) -> None:
    assert headed(ranking_mutants()[mutant]) <= headed(weights_in_force()) - 0.2


def test_the_shipped_decision_is_right_and_as_sure_as_it_is_right() -> None:
    shipped = judged(model_in_force())
    assert shipped.right >= 0.92
    assert shipped.sure >= 0.6
    assert shipped.right_when_sure >= 0.96
    assert shipped.off <= 0.15


def decision_mutants() -> dict[str, Model]:
    shipped = model_in_force()
    names = list(shipped.weights)
    mutants = {}
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(shipped.categories))
        moved = {name: weights[order] for name, weights in shipped.weights.items()}
        mutants[f"categories shuffled {seed}"] = replace(shipped, weights=moved)
    for by in (1, 3):
        moved = {name: np.roll(weights, by) for name, weights in shipped.weights.items()}
        mutants[f"categories moved on by {by}"] = replace(shipped, weights=moved)
    for seed in range(2):
        order = np.random.default_rng(seed).permutation(len(names))
        mutants[f"features shuffled {seed}"] = replace(
            shipped, weights={name: shipped.weights[names[i]] for name, i in zip(names, order, strict=True)}
        )
    mutants["turned round"] = replace(shipped, weights={name: -w for name, w in shipped.weights.items()})
    mutants["no features"] = replace(shipped, weights={})
    mutants["no categories of messages"] = replace(
        shipped, weights={name: w for name, w in shipped.weights.items() if not name.startswith("category:")}
    )
    return mutants


@pytest.mark.parametrize("mutant", decision_mutants())
def test_a_damaged_decision_is_far_worse(mutant: str) -> None:
    assert judged(decision_mutants()[mutant]).right <= judged(model_in_force()).right - 0.2


def scaled(sure: Sureness, by: float) -> Sureness:
    """A certainty with every number so many times as large."""
    return Sureness(sure.bias * by, sure.lead * by, sure.score * by)


@pytest.mark.parametrize("factor", [3.0, 100.0])
def test_a_flattened_certainty_tells_nothing_and_is_far_off(factor: float) -> None:
    shipped = model_in_force()
    flat = judged(replace(shipped, sureness=scaled(shipped.sureness, 1 / factor)))
    assert flat.sure <= judged(shipped).sure - 0.4
    assert (
        flat.off >= judged(shipped).off + 0.15 or flat.right <= judged(shipped).right - 0.5
    )  # or nearly all is unknown


def test_a_certainty_without_doubt_no_longer_tells_right_from_wrong() -> None:
    shipped = model_in_force()
    blind = judged(replace(shipped, sureness=scaled(shipped.sureness, 20)))
    assert blind.sure > 0.95
    assert blind.right_when_sure < judged(shipped).right_when_sure
