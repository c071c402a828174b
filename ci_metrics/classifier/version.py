"""The classifier's version: a hash of all that decides what a verdict says.

Belongs here: hashing the package's own code and data. Does not: anything that decides.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files

from ci_metrics.catalogue import load_catalogue


def _version() -> str:
    digest = hashlib.sha256(load_catalogue().version.encode())
    named = sorted((f.name, f) for f in files("ci_metrics.classifier").iterdir() if f.name.endswith((".py", ".tsv")))
    for name, file in named:
        digest.update(name.encode() + file.read_bytes())
    return digest.hexdigest()[:10]


#: Changes when a message, a weight or the code that decides does.
CLASSIFIER_VERSION = _version()
