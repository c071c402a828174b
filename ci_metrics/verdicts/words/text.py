"""Which words of an extraction count: the same for learning and for asking.

What belongs here: errors in, terms out. Does not: weights.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from ci_metrics.models import ExtractedError

#: Errors that are read, lines of each, and how often the first one's headline counts.
ERRORS, LINES, HEADLINE = 3, 30, 3
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_TERM = re.compile(r"[a-z_]{2,}|[!:%=<>]{1,3}")
#: What shells print of the script that they run: no output.
_SCRIPT = ("+ ", "++ ", "$ ", "echo ", "if ", "export ", "set -")
_LETTERS = re.compile(r"[^a-z ]")


def terms(errors: Sequence[ExtractedError]) -> list[str]:
    """Words, and pairs of neighbours on a line, of the first errors and the name of the first one's step; lower case, no digits."""
    found: list[str] = []
    for rank, error in enumerate(errors[:ERRORS]):
        for line in [error.headline] * (1 if rank else HEADLINE) + [line.text for line in error.lines[:LINES]]:
            if line.lstrip().startswith(_SCRIPT):
                continue
            found += _of(_HUMP.sub(" ", line).lower())
    if errors:
        found += _of(_LETTERS.sub(" ", (errors[0].step or "").lower()))
    return found


def _of(line: str) -> list[str]:
    words = _TERM.findall(line)
    return words + [f"{first} {second}" for first, second in pairwise(words)]
