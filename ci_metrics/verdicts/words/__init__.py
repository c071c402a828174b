"""A second opinion on what kind a failure is, from its words alone.

What belongs here: the words of an extraction, the weights learned from the recorded logs (`weights.tsv`, made by
`bench/train_words.py`), and what they say. Does not: the verdict (`rules/classifier.py` decides what a second opinion is worth).

Rules know tools; words know what failures of a kind have in common, also where no rule knows the tool. Where both agree
a verdict is nearly always right.
"""

from __future__ import annotations

from ci_metrics.verdicts.words.opinion import Opinion, Weights, opinion_of, opinion_on
from ci_metrics.verdicts.words.text import terms

__all__ = ["Opinion", "Weights", "opinion_of", "opinion_on", "terms"]
