"""The extractor's version: a hash of all that decides what an extraction says.

Belongs here: hashing the package's own code and data, and the catalogue in force. Does
not: anything that decides.
"""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache

from ci_metrics.catalogue import Catalogue, load_catalogue
from ci_metrics.code_hash import package_digest
from ci_metrics.logs.fingerprint import FINGERPRINT_VERSION


@lru_cache(maxsize=16)
def extractor_version(catalogue: Catalogue | None = None) -> str:
    """Changes whenever the same log could give another excerpt or other errors with this catalogue
    (the shipped one unless given).

    `e-`, a short hash of the catalogue, the learned weights and the code of this package and the
    catalogue's, and the version of the fingerprints.
    """
    digest = hashlib.sha256((catalogue or load_catalogue()).version.encode() + _code()).hexdigest()
    return f"e-{digest[:8]}-{FINGERPRINT_VERSION}"


@cache
def _code() -> bytes:
    return package_digest("ci_metrics.logs", "ci_metrics.catalogue")
