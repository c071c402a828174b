"""The embedded decision: what kind of failure an extraction shows, how sure that
is, and what it rests on.

Belongs here: an extraction's features, the learned weights, the few decisions that are the
contract's, the wording of a verdict. Does not: finding lines and errors (`logs/`), what tools print
(`catalogue/`), models that are paid (`llm`), I/O.
"""

from ci_metrics.classifier.classifier import Classifier
from ci_metrics.classifier.model import Model, model_in_force
from ci_metrics.classifier.version import decision_version

__all__ = ["Classifier", "Model", "decision_version", "model_in_force"]
