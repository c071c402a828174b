"""From matches to one decision.

What belongs here: which match decides, and how sure that makes us. Does not: finding matches, wording a verdict.

A match's score is its rule's priority, lifted when it stands in an error the extractor put first. The best score of each
category competes; within a margin the table of precedence decides, because a cause and what follows from it often stand
side by side.
"""

from __future__ import annotations

import itertools
import tomllib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ci_metrics.verdicts.rules.loading import Rule
from ci_metrics.verdicts.rules.matching import Hit

#: Added to a priority for where the match stands: in the root cause's block, in another error's, only in the context.
FIRST, OTHER, CONTEXT = 6.0, 3.0, 0.0


#: Taken from a match that stands too far above the place where its command failed (rules with `near`).
FAR = 32.0
#: The tag of rules that mark such a place.
END = "end"


@dataclass(frozen=True, slots=True)
class Candidate:
    """The best match of one category."""

    hit: Hit
    score: float


@dataclass(frozen=True, slots=True)
class Decision:
    """The deciding match, its score, and the best of another category (None when there is none)."""

    winner: Candidate
    rival: Candidate | None


@cache
def _precedence() -> tuple[float, tuple[str, ...]]:
    content = tomllib.loads(files("ci_metrics.verdicts.rules").joinpath("precedence.toml").read_text(encoding="utf-8"))
    return float(content["margin"]), tuple(content["order"])


@cache
def _calibration() -> tuple[tuple[float, float], ...]:
    content = tomllib.loads(files("ci_metrics.verdicts.rules").joinpath("calibration.toml").read_text(encoding="utf-8"))
    return tuple((float(score), float(right)) for score, right in content["points"])


def names(rule: Rule) -> tuple[str, ...]:
    """What other rules may call this one by."""
    return (rule.id, rule.family, *rule.tags)


def outranks(first: str, second: str) -> bool:
    """Whether category `first` is the cause when both it and `second` have about equally strong signs."""
    order = _precedence()[1]
    return order.index(first) < order.index(second)


def decide(hits: Sequence[Hit], places: Sequence[float], numbers: Sequence[int]) -> Decision | None:
    """The decision over `hits`; None when nothing competes.

    `places[i]` is what the place of line `i` adds to a priority, `numbers[i]` its number in the raw log (0: not in it).
    """
    present = {name for hit in hits for name in names(hit.rule)}
    noise = [hit for hit in hits if hit.rule.kind == "noise"]
    muted = {(hit.index, name) for hit in noise for name in hit.rule.mutes or ("",)}
    ends = sorted({numbers[hit.index] for hit in hits if END in hit.rule.tags} | {max(numbers, default=0)})
    best: dict[str, Candidate] = {}
    for hit in hits:
        rule = hit.rule
        if rule.kind != "cause" or any((hit.index, name) in muted for name in ("", *names(rule))):
            continue
        if (rule.needs and not rule.needs & present) or rule.unless & present:
            continue
        score = rule.priority + places[hit.index] - (FAR if _far(hit, numbers, ends) else 0.0)
        if rule.category not in best or score > best[rule.category].score:
            best[rule.category] = Candidate(hit, score)
    if not best:
        return None
    ranked = sorted(best.values(), key=lambda candidate: -candidate.score)
    margin = _precedence()[0]
    winner = ranked[0]
    for other in ranked[1:]:
        close = other.score >= ranked[0].score - margin
        if close and outranks(other.hit.rule.category, winner.hit.rule.category):
            winner = other
    rival = next((c for c in ranked if c is not winner), None)
    return Decision(winner, rival)


def _far(hit: Hit, numbers: Sequence[int], ends: Sequence[int]) -> bool:
    number = numbers[hit.index]
    if not hit.rule.near or not number:
        return False
    at = bisect_left(ends, number)
    return at < len(ends) and ends[at] - number > hit.rule.near


def confidence(decision: Decision) -> float:
    """How often decisions like this one are right: 0.0 to 1.0."""
    points = _calibration()
    score = max(points[0][0], min(points[-1][0], decision.winner.score))
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if score <= x1:
            return round(y0 + (y1 - y0) * (score - x0) / (x1 - x0), 3)
    return points[-1][1]
