"""Whether two excerpts are nearly equal: a short sketch of each, and how alike two sketches are.

What belongs here: sketching and comparing. Does not: what follows from it (`reuse.py`).

A sketch holds the smallest hashes of an excerpt's distinct lines, numbers and ids apart (a bottom-k
sketch: Broder, "On the resemblance and containment of documents", 1997), so that excerpts of any
size compare in a fixed one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

#: Hashes of a sketch, and hex digits of each: 40 x 6 characters in a document; what two sketches
#: say is right to about 0.08.
_KEPT, _DIGITS = 40, 6

#: Lines that an excerpt must have for its sketch to say anything: fewer are alike by chance ("$
#: make", "exit code 2").
LEAST_LINES = 5

#: Sketches so alike are of excerpts that tell the same story. Among 603 real failure logs of 147
#: projects, 25 pairs of different projects are at least so alike, and all 25 of one category; of
#: the 72 pairs between 0.6 and 0.7 one is of two.
_NEAR = 0.7

_VARYING = re.compile(r"[0-9a-f]*\d[\w.]*|\s+")


def sketch(lines: Iterable[str]) -> str:
    """The sketch of these lines; "" when there are too few distinct ones."""
    shapes = {shape for line in lines if (shape := _VARYING.sub("#", line.strip()).lower().strip("#"))}
    if len(shapes) < LEAST_LINES:
        return ""
    hashes = sorted(hashlib.sha256(shape.encode("utf-8", "replace")).hexdigest()[:_DIGITS] for shape in shapes)
    return "".join(hashes[:_KEPT])


def likeness(one: str, other: str) -> float:
    """The share of lines that two excerpts have in common, 0 to 1, as far as their sketches
    tell; 0 where one is missing.
    """
    if not one or not other:
        return 0.0
    first, second = _hashes(one), _hashes(other)
    together = sorted(first | second)[:_KEPT]
    return sum(1 for each in together if each in first and each in second) / len(together)


def near_equal(one: str, other: str) -> bool:
    """Whether two sketches are of nearly equal excerpts."""
    return likeness(one, other) >= _NEAR


def _hashes(text: str) -> set[str]:
    return {text[at : at + _DIGITS] for at in range(0, len(text), _DIGITS)}
