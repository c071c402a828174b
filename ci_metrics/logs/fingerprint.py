"""What makes two failures "the same": a versioned hash of the normalised headline and the lines that matter.

Belongs here: normalising and hashing. Does not: finding errors.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

#: Changes whenever the same error could get another fingerprint.
FINGERPRINT_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Mark:
    """What identifies an error."""

    fingerprint: str  # the same for failures that one change would fix
    group: str  # coarser: one cause across jobs and repositories
    generic: bool  # says nothing about the cause


def of(headline: str, lines: Sequence[str]) -> Mark:
    """The marks of an error with this headline among these lines."""
    text = re.sub(r"\d+", "0", headline)
    generic = bool(re.search(r"exit(?:ed with)?(?: exit)? code|^\W*$", text, re.IGNORECASE))
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    coarse = hashlib.sha256(re.sub(r"\S*[/\\\d]\S*", "*", text).encode()).hexdigest()[:16]
    return Mark(f"f{FINGERPRINT_VERSION}-{digest}", f"g{FINGERPRINT_VERSION}-{coarse}", generic)
