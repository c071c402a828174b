"""The classifier's version: a hash of all that decides what a verdict says.

Belongs here: hashing the package's own code and data, the catalogue in force, and what a team's own
weights add. Does not: anything that decides.
"""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache

from ci_metrics.catalogue import Catalogue, load_catalogue
from ci_metrics.code_hash import package_digest

#: Modules that make weights, and decide nothing once those are made.
_LEARNING = frozenset({"cross_validation.py", "learning.py", "relearning.py", "shipped_examples.py"})
#: Stands between the version of code, catalogue and shipped weights, and that
#: of a team's own weights.
LEARNED = "+"


@lru_cache(maxsize=16)
def decision_version(catalogue: Catalogue | None = None, weights: str = "") -> str:
    """Changes when a message of this catalogue (the shipped one unless given), a weight or
    the code that decides does.

    `weights`: the version of a team's own, "" for those that come with the package.
    """
    own = hashlib.sha256((catalogue or load_catalogue()).version.encode() + _code()).hexdigest()[:10]
    return own + (LEARNED + hashlib.sha256(weights.encode()).hexdigest()[:6] if weights else "")


@cache
def _code() -> bytes:
    return package_digest("ci_metrics.classifier", without=_LEARNING)
