"""The embedded classifier: rules as data over what the extractor found.

What belongs here: the rules (`data/*.toml`, one file a family of tools), how they are read, matched and weighed against each
other, and the classifier that turns the outcome into a verdict. Does not: reading logs, asking models, remembering verdicts.
"""

from __future__ import annotations

from ci_metrics.verdicts.rules.classifier import RulesClassifier
from ci_metrics.verdicts.rules.loading import RULES_VERSION, Rule, load_rules

__all__ = ["RULES_VERSION", "Rule", "RulesClassifier", "load_rules"]
