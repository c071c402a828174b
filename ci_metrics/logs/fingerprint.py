"""What makes two failures "the same": a versioned hash of the normalised headline and the lines that matter.

Belongs here: normalising and hashing. Does not: finding errors.
"""

from __future__ import annotations

import hashlib
import re

#: Changes whenever the same error could get another fingerprint.
FINGERPRINT_VERSION = "1"

_NUMBER = re.compile(r"\d+")


def fingerprint(headline: str) -> str:
    """`f1-…`: the same for failures that one change would fix."""
    return f"f{FINGERPRINT_VERSION}-" + hashlib.sha256(_NUMBER.sub("0", headline).encode()).hexdigest()[:16]


def group(headline: str) -> str:
    """`g1-…`: coarser, the same for one cause across jobs and repositories."""
    return (
        f"g{FINGERPRINT_VERSION}-" + hashlib.sha256(re.sub(r"\S*[/\\\d]\S*", "*", headline).encode()).hexdigest()[:16]
    )
