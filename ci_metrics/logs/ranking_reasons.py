"""Why a line names the failure, or lost: the kept lines with their scores, and what
weighed for and against each.

Belongs here: the ranking taken apart, for a maintainer to read. Does not: ranking (`ranking.py`), a
verdict's category (`classifier/category_reasons.py`), how it is printed
(`report/verdict_reasons.py`).

What is said of the line that names the failure is against the mean of all kept lines; what is said
of another line is against that one: so the sum of all of it is how far it lies behind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from ci_metrics.catalogue import Catalogue, load_catalogue
from ci_metrics.logs.background import Background
from ci_metrics.logs.candidates import Candidates, candidates
from ci_metrics.logs.extract import DEFAULT_BUDGET, extraction_of
from ci_metrics.logs.ranking import BACKGROUND, feature_names, scores, shares, weights_in_force, worth
from ci_metrics.models import Annotation, Extraction, Job

#: Lines that are told of, and what is told for and against each.
LINES, REASONS = 8, 5
#: What weighs less is not worth telling.
_LEAST = 0.05


@dataclass(frozen=True, slots=True)
class LineReason:
    """One thing that weighed: its feature's name, the same in words, and
    what it added or took away.
    """

    feature: str
    words: str
    worth: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedLine:
    """One kept line and its place in the ranking."""

    line: int
    text: str  # redacted
    score: float
    share: float  # of 1: how likely it names the failure, of all kept lines
    heads: int | None  # which of the errors it heads, from 1; None: it heads none
    in_failed_step: bool | None  # None: which step failed is not known from the log
    dimmed: bool  # the last passing run of the job printed it too
    messages: tuple[tuple[str, str], ...]  # of the catalogue, on this line: id and role
    for_it: tuple[LineReason, ...]
    against_it: tuple[LineReason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The best lines of a log, the likeliest first."""

    lines: tuple[RankedLine, ...]
    kept: int  # lines that were ranked
    background: bool  # whether a passing run's log was used
    dimmed: int  # kept lines that it printed too


def extract_with_ranking(
    data: bytes | BinaryIO,
    *,
    job: Job | None = None,
    annotations: Sequence[Annotation] = (),
    background: Background | None = None,
    budget: int = DEFAULT_BUDGET,
    catalogue: Catalogue | None = None,
    most: int = LINES,
) -> tuple[Extraction, Ranking]:
    """As `extract`, and why its lines came in this order."""
    catalogue = catalogue or load_catalogue()
    found = candidates(data, catalogue, job=job, background=background, budget=budget)
    extraction = extraction_of(found, catalogue, weights_in_force(), job=job, annotations=annotations)
    return extraction, _ranking(found, extraction, catalogue, most, background=background is not None)


def _ranking(
    found: Candidates, extraction: Extraction, catalogue: Catalogue, most: int, *, background: bool
) -> Ranking:
    texts = {line.number: line.text for line in extraction.lines}
    dimmed = sum(place.background for place in found.places)
    if not texts:
        return Ranking(lines=(), kept=0, background=background, dimmed=0)
    weights = weights_in_force()
    features = found.features(catalogue)
    score = scores(catalogue, features, found.hits, weights)
    share = shares(score)
    own = sorted({number for hits in found.hits for number in hits})
    names = (*feature_names(), "background", *(f"message:{catalogue.messages[number].id}" for number in own))
    values = np.column_stack([
        features.values, features.background,
        np.array([[number in hits for number in own] for hits in found.hits], float).reshape(len(score), len(own)),
    ])  # fmt: skip
    vector = np.array([
        *(weights.features.get(name, 0.0) for name in feature_names()), -BACKGROUND,
        *(worth(catalogue, number, weights) for number in own),
    ])  # fmt: skip
    heads = {error.line: n for n, error in reversed(list(enumerate(extraction.errors, start=1))) if error.line}
    at = {line.number: i for i, line in enumerate(found.lines)}
    first = next((at[error.line] for error in extraction.errors[:1] if error.line in at), int(score.argmax()))
    ranked = [int(i) for i in np.argsort(-score, kind="stable")]
    shown = sorted({first, *ranked[:most]}, key=lambda i: (i != first, -score[i]))[:most]
    mean = values.mean(axis=0)
    knows = bool(found.failing) and any(place.failing for place in found.places)
    lines = []
    for i in shown:
        difference = values[i] - (mean if i == first else values[first])
        reasons = [
            LineReason(name, line_feature_in_words(name, has=bool(more > 0)), round(float(more * weight), 2))
            for name, more, weight in zip(names, difference, vector, strict=True)
            if abs(more * weight) >= _LEAST
        ]
        place = found.places[i]
        lines.append(
            RankedLine(
                line=place.number,
                text=texts[place.number],
                score=round(float(score[i]), 2),
                share=round(float(share[i]), 3),
                heads=heads.get(place.number),
                in_failed_step=place.failing if knows else None,
                dimmed=place.background,
                messages=tuple((catalogue.messages[n].id, catalogue.messages[n].role) for n in found.hits[i]),
                for_it=tuple(sorted((r for r in reasons if r.worth > 0), key=lambda r: -r.worth)[:REASONS]),
                against_it=tuple(sorted((r for r in reasons if r.worth < 0), key=lambda r: r.worth)[:REASONS]),
            )
        )
    return Ranking(lines=tuple(lines), kept=len(score), background=background, dimmed=dimmed)


_WHERE = {"above": "line above: ", "below": "line below: ", "above2": "2 lines above: ", "below2": "2 lines below: "}
_PLACES = {
    "hit": "a message of the catalogue",
    "category": "a message that speaks for a category",
    "gap-above": "nothing kept right above",
    "gap-below": "nothing kept right below",
    "failing": "in the failed step",
    "aside": "outside the failed step",
    "no-failing-step": "no step is known to have failed",
    "heaviest": "the heaviest line",
    "weight-5": "weight 5 or more",
    "weight-7": "weight 7 or more",
    "weight-85": "weight 8.5 or more",
    "to-end-more": "far above where the step fails",
    "behind-end": "behind where the step fails",
    "no-end": "the log shows no step that fails",
    "before-strong": "above all heavy lines",
    "first-strong": "the first heavy line",
    "last-strong": "the last heavy line",
    "behind-strong": "below all heavy lines",
    "repeated": "stands there more than once",
    "first-of-shape": "the first line like it",
    "last-of-shape": "the last line like it",
    "epilogue-with-cause": "an epilogue, and there is a cause",
    "count-with-cause": "a count, and there is a cause",
    "cause-alone": "the only cause",
    "same-above": "the same messages as the line above",
    "short": "under 8 characters",
    "brief": "under 25 characters",
    "long": "120 characters or more",
    "very-long": "300 characters or more",
    "background": "the passing run printed it too",
}
#: Features that are no yes or no.
_AMOUNTS = {
    "weight": "weight by its messages",
    "weight-share": "weight, beside the heaviest line's",
    "distance": "distance to where the step fails",
    "depth": "distance to the log's end",
    "repeats": "repeats",
}
_NEAR = re.compile(r"(\w+)-(above|below)-(\d+)")


def line_feature_in_words(feature: str, *, has: bool = True) -> str:
    """A feature of the ranking as people read it; `has`: whether it is there, or missing beside
    what it is compared with.
    """
    if amount := _AMOUNTS.get(feature):
        return f"{'more' if has else 'less'} {amount}"
    return _said(feature) if has else f"not: {_said(feature)}"


def _said(feature: str) -> str:
    head, _, rest = feature.partition(":")
    if head in _WHERE:
        return _WHERE[head] + _said(rest)
    if rest:
        return f"shape “{rest.replace('-', ' ')}”" if head == "shape" else f"{head} {rest}"
    if known := _PLACES.get(feature):
        return known
    if near := _NEAR.fullmatch(feature):
        return f"{_one(near[1])} within {near[3]} lines {near[2]}"
    if feature in ("to-end-0", "to-end-1"):
        return f"{'right above ' if feature.endswith('1') else ''}where the step fails"
    if feature.startswith("to-end-"):
        return f"at most {feature.removeprefix('to-end-')} lines above where the step fails"
    if feature.endswith("-in-step"):
        return f"{_one(feature.removesuffix('-in-step'))} in the failed step"
    if feature.startswith("frame-with-"):
        return f"a frame, and there is a {feature.removeprefix('frame-with-')}"
    which, _, role = feature.partition("-")
    return f"the {which} {role}"


def _one(role: str) -> str:
    return f"{'an' if role[0] in 'aeiou' else 'a'} {role}"
