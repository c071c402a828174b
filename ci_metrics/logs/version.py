"""The extractor's version: a hash of all that decides what an extraction says.

Belongs here: hashing the package's own code and data. Does not: anything that decides.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from ci_metrics.catalogue import load_catalogue
from ci_metrics.logs.fingerprint import FINGERPRINT_VERSION


@cache
def extractor_version() -> str:
    """`e-` and a short hash of the catalogue, the learned weights and the code of this package and the catalogue's."""
    digest = hashlib.sha256(load_catalogue().version.encode())
    for package in ("ci_metrics.logs", "ci_metrics.catalogue"):
        named = sorted((f.name, f) for f in files(package).iterdir() if f.name.endswith((".py", ".tsv")))
        for name, file in named:
            digest.update(name.encode() + file.read_bytes())
    return f"e-{digest.hexdigest()[:8]}-{FINGERPRINT_VERSION}"
