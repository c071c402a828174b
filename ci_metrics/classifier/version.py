"""The classifier's version: a hash of all that decides what a verdict says.

Belongs here: hashing the package's own code and data, and the catalogue in force. Does not: anything that decides.
"""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache
from importlib.resources import files

from ci_metrics.catalogue import Catalogue, load_catalogue


@lru_cache(maxsize=16)
def decision_version(catalogue: Catalogue | None = None) -> str:
    """Changes when a message of this catalogue (the shipped one unless given), a weight or the code that decides does."""
    return hashlib.sha256((catalogue or load_catalogue()).version.encode() + _code()).hexdigest()[:10]


@cache
def _code() -> bytes:
    digest = hashlib.sha256()
    named = sorted((f.name, f) for f in files("ci_metrics.classifier").iterdir() if f.name.endswith((".py", ".tsv")))
    for name, file in named:
        digest.update(name.encode() + file.read_bytes())
    return digest.digest()
