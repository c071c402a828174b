"""The classifier's version: a hash of all that decides what a verdict says.

Belongs here: hashing the package's own code and data, and what a team's own weights add. Does not: anything that decides.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files

from ci_metrics.catalogue import load_catalogue

#: Modules that make weights, and decide nothing once those are made.
_LEARNING = frozenset({"learning.py", "shipped.py", "takeover.py"})


def _version() -> str:
    digest = hashlib.sha256(load_catalogue().version.encode())
    named = sorted((f.name, f) for f in files("ci_metrics.classifier").iterdir() if f.name.endswith((".py", ".tsv")))
    for name, file in named:
        if name not in _LEARNING:
            digest.update(name.encode() + file.read_bytes())
    return digest.hexdigest()[:10]


#: Changes when a message, a shipped weight or the code that decides does.
CLASSIFIER_VERSION = _version()


def version_with(weights: str) -> str:
    """The version of a classifier with weights of that version; "" are those that come with the package."""
    if not weights:
        return CLASSIFIER_VERSION
    return hashlib.sha256(f"{CLASSIFIER_VERSION} {weights}".encode()).hexdigest()[:10]
