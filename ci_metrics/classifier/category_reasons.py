"""Why a verdict has its category: shares, what weighed, and by what rule;
in words that people read.

Belongs here: the shape of that account, and features in words. Does not: deciding
(`classifier.py`), printing (`report/`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CategoryReason:
    """One thing that weighed: its feature's name, the same in words, and what it
    added or took away (logits).
    """

    feature: str
    words: str
    worth: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoning:
    """The account of one decision."""

    shares: tuple[tuple[str, float], ...]  # the likeliest categories, by what was learned and a team's own messages
    category: str
    confidence: float
    by: str  # the deciding entry's id, or `words`
    line: int | None  # where that entry stands
    gate: bool  # the job only repeats another one's failure: no category is given
    contract: bool  # the contract decides this one, whatever was learned
    capped: bool  # nothing but frames or closing words names the failure, which makes it less sure
    withheld: bool  # a guess: the state is `unknown`
    reasons: tuple[CategoryReason, ...]


_PLACES = {
    "head": "on the naming line",
    "first": "in the first error",
    "other": "on another error's naming line",
    "step": "elsewhere in the step",
    "any": "below the naming line",
}
_SAID = {
    "category": "a message of {}",
    "message": "message {}",
    "role": "a {}",
    "word": "the word “{}”",
    "family": "a message of the family {}",
    "command": "the command says “{}”",
    "command-category": "a command that speaks for {}",
    "step-name": "the step's name says “{}”",
    "step-category": "a step's name that speaks for {}",
    "own": "a message of your own that speaks for {}",
}


def feature_in_words(feature: str) -> str:
    """A feature of the decision as people read it."""
    kind, _, rest = feature.partition(":")
    what, _, place = rest.rpartition("@") if "@" in rest else (rest, "", "")
    said = _SAID.get(kind, kind + " {}").format(what)
    return f"{said} {_PLACES.get(place, place)}" if place else said
