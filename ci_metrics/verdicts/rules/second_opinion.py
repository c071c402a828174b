"""What the words of a failure change in what the rules decided: seldom the category, always the confidence.

What belongs here: when words overrule rules, and how sure both together make us. Does not: reading words (`verdicts/words`), weighing
matches (`weighing.py`).

The figures are in `calibration.toml`, fitted on logs at first contact: verdicts that rules and words agree on are nearly always right,
the others much less often.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import exp, log

from ci_metrics.verdicts.rules.weighing import FIRST, SUMMARY, Decision, confidence
from ci_metrics.verdicts.words import Opinion

#: What a verdict that no line proves but the words alone is known by (`Verdict.rule`).
WORDS = "words"
#: From this priority on, a rule that fires in the root cause is not overruled.
FIRM = 80
#: From this share on, words speak where no rule does: as surely as the share says.
ALONE = 0.5
#: Shares below this count as this.
LEAST = 0.01


@dataclass(frozen=True, slots=True)
class _Fit:
    """How likely a verdict is right: a logistic function of both opinions."""

    overrules: float  # from this share on, words overrule rules
    overruled: float  # what then stands for the rules' confidence
    base: float
    rules: float  # for each unit of log(confidence / (1 - confidence)) of the rules
    share: float  # for each unit of log(share) of the words
    agree: float  # when the words' likeliest category is the verdict's


@cache
def _fit() -> _Fit:
    content = tomllib.loads(files("ci_metrics.verdicts.rules").joinpath("calibration.toml").read_text(encoding="utf-8"))
    table: Mapping[str, float] = content["words"]
    return _Fit(**{name: float(value) for name, value in table.items()})


def overrules(opinion: Opinion | None, decision: Decision | None) -> bool:
    """Whether the words' category is taken instead of the rules': not against a firm rule in the root cause, nor a test summary."""
    if opinion is None:
        return False
    if decision is None or decision.winner.hit.rule.scope == "step":
        return opinion.share(opinion.category) >= ALONE
    winner = decision.winner
    known = winner.hit.rule.category in opinion.shares  # of what they have not learned, words say nothing
    if opinion.share(opinion.category) < _fit().overrules or not known:
        return False
    firm = winner.place >= FIRST or SUMMARY in winner.hit.rule.tags
    return winner.hit.rule.category != opinion.category and not (firm and winner.hit.rule.priority >= FIRM)


def how_sure(decision: Decision | None, opinion: Opinion | None, *, overruled: bool) -> float:
    """How often verdicts like this one are right, by rules and words together: 0.0 to 1.0.

    `decision` is what stands: of the rules, or of the words when `overruled` (None when no rule has their category).
    """
    if decision is None:
        return round(opinion.share(opinion.category), 3) if opinion is not None else 0.0
    sure, rule = confidence(decision), decision.winner.hit.rule
    category = rule.category
    if opinion is None or category not in opinion.shares or rule.scope == "step":
        return sure  # what a step's name suggests stays a guess
    fit = _fit()
    sure = fit.overruled if overruled else min(0.99, max(0.01, sure))
    value = fit.base + fit.rules * log(sure / (1 - sure)) + fit.share * log(max(LEAST, opinion.share(category)))
    value += fit.agree * (opinion.category == category)
    return round(1 / (1 + exp(-value)), 3)
