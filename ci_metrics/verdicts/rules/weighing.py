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
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ci_metrics.verdicts.rules.loading import Rule
from ci_metrics.verdicts.rules.matching import Hit

#: Added to a priority for where the match stands: in the root cause's block, in another error's, only in the context.
FIRST, OTHER, CONTEXT = 6.0, 3.0, 0.0


#: Taken from a match below the last place where anything failed: clean-up, uploads, dumps of other services' logs.
AFTER, SLACK = 30.0, 3
#: Taken from a match that stands too far above the place where its command failed (rules with `near`).
FAR = 32.0
#: Rules below this say nothing when no line of the excerpt says that a command failed, unless the log breaks off there.
SURE = 66
#: The same for a line of what the extractor takes for the root cause.
NAMED = 56
#: From this priority on, nothing that stands elsewhere makes a match doubtful.
CERTAIN = 95
#: The tag of rules that mark such a place.
END = "end"
#: The tags of rules for lines that count no problem, and for those that count some: `3 errors, 0 warnings` is no good news.
ZERO, SOME = "zero-count", "some-count"
#: The tag of rules for a test runner's summary.
SUMMARY = "test-summary"


@dataclass(frozen=True, slots=True)
class Candidate:
    """The best match of one category."""

    hit: Hit
    score: float
    place: float = 0.0  # what of the score is for where it stands


@dataclass(frozen=True, slots=True)
class Decision:
    """The deciding match, its score, and the best of another category (None when there is none)."""

    winner: Candidate
    rival: Candidate | None


@dataclass(frozen=True, slots=True)
class Precedence:
    """`precedence.toml`: the order of categories, within which margin it counts, and what a test summary takes away."""

    order: tuple[str, ...]
    margin: float
    shadow: Mapping[str, float]


@cache
def precedence() -> Precedence:
    """The table of `precedence.toml`."""
    content = tomllib.loads(files("ci_metrics.verdicts.rules").joinpath("precedence.toml").read_text(encoding="utf-8"))
    return Precedence(tuple(content["order"]), float(content["margin"]), content["under_a_test_summary"])


#: Points of a line: ((x, y), …), x ascending.
_Points = tuple[tuple[float, float], ...]


@cache
def _calibration() -> tuple[_Points, _Points]:
    """How often verdicts are right by score, and by distance to the best match of another category."""
    content = tomllib.loads(files("ci_metrics.verdicts.rules").joinpath("calibration.toml").read_text(encoding="utf-8"))
    by_score, by_margin = (tuple((float(x), float(y)) for x, y in content[table]) for table in ("points", "margins"))
    return by_score, by_margin


def names(rule: Rule) -> tuple[str, ...]:
    """What other rules may call this one by."""
    return (rule.id, rule.family, *rule.tags)


def outranks(first: str, second: str) -> bool:
    """Whether category `first` is the cause when both it and `second` have about equally strong signs."""
    order = precedence().order
    return order.index(first) < order.index(second)


def decide(
    hits: Sequence[Hit],
    places: Sequence[float],
    numbers: Sequence[int],
    *,
    marked: Collection[int] = (),
    total: int = 0,
) -> Decision | None:
    """The decision over `hits`; None when nothing competes.

    `places[i]` is what the place of line `i` adds to a priority, `numbers[i]` its number in the raw log (0: not in it);
    `marked`: numbers of the lines that the runner itself marked as errors; `total`: how many lines the log has.
    """
    present = {name for hit in hits for name in names(hit.rule)}
    counted = {h.index for h in hits if SOME in h.rule.tags}
    noise = [h for h in hits if h.rule.kind == "noise" and not (ZERO in h.rule.tags and h.index in counted)]
    muted = {(index, name) for h in noise for index in _covered(h, numbers) for name in h.rule.mutes or ("",)}
    ends = sorted({numbers[hit.index] for hit in hits if END in hit.rule.tags}.union(marked))
    last = max(numbers, default=0)
    shadow = precedence().shadow
    summary = max((numbers[h.index] for h in hits if SUMMARY in h.rule.tags and (h.index, "") not in muted), default=-1)
    best: dict[str, Candidate] = {}
    for hit in hits:
        rule, number = hit.rule, numbers[hit.index]
        if rule.kind != "cause" or any((hit.index, name) in muted for name in ("", *names(rule))):
            continue
        sure = rule.priority >= (NAMED if places[hit.index] >= FIRST else SURE)
        if not ends and rule.scope == "line" and not sure and 0 < number < total - SLACK:
            continue
        if (rule.needs and not rule.needs & present) or rule.unless & present:
            continue
        score = rule.priority + places[hit.index]
        if rule.near and number and _distance(number, ends, last) > rule.near:
            score -= FAR
        if ends and number > ends[-1] + SLACK:
            score -= AFTER
        if rule.category in shadow and 0 < number < summary and rule.priority < CERTAIN:
            score -= shadow[rule.category]
        if rule.category not in best or score > best[rule.category].score:
            best[rule.category] = Candidate(hit, score, places[hit.index])
    if not best:
        return None
    ranked = sorted(best.values(), key=lambda candidate: -candidate.score)
    winner = ranked[0]
    for other in ranked[1:]:
        close = other.score >= ranked[0].score - precedence().margin
        if close and outranks(other.hit.rule.category, winner.hit.rule.category):
            winner = other
    rival = next((c for c in ranked if c is not winner), None)
    return Decision(winner, rival)


def _covered(hit: Hit, numbers: Sequence[int]) -> Iterator[int]:
    """The lines that a noise takes out: its own, and those right above it in the log as far as its rule says."""
    yield hit.index
    for index in range(hit.index - 1, max(-1, hit.index - 1 - hit.rule.above), -1):
        if numbers[index] != numbers[hit.index] - (hit.index - index):
            return
        yield index


def _distance(number: int, ends: Sequence[int], last: int) -> int:
    """Lines from `number` down to the next place where something failed, or to the end."""
    at = bisect_left(ends, number)
    return (ends[at] if at < len(ends) else last) - number


def confidence(decision: Decision) -> float:
    """How often decisions like this one are right: 0.0 to 1.0. Two strong signs of two categories make a doubtful one."""
    by_score, by_margin = _calibration()
    sure = _at(by_score, decision.winner.score)
    if decision.rival is not None:
        sure = min(sure, _at(by_margin, decision.winner.score - decision.rival.score))
    return round(sure, 3)


def _at(points: _Points, x: float) -> float:
    x = max(points[0][0], min(points[-1][0], x))
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return points[-1][1]
