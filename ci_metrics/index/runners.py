"""The pool a runner came from, by its name: what is left without its random or counting suffix."""

from __future__ import annotations

import re

# Kubernetes draws the suffixes of generated names from this alphabet (apimachinery,
# util/rand): no vowels, no 0, 1, 3.
_KUBERNETES = re.compile(r"[bcdfghjklmnpqrstvwxz2456789]{5,10}\Z")
_COUNTER = re.compile(r"\d+\Z")
_HEX = re.compile(r"(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\Z")
_MIXED = re.compile(r"(?=.*\d.*[A-Za-z].*\d|.*[A-Za-z].*\d.*[A-Za-z])[A-Za-z0-9]{10,}\Z")

_PARTS = re.compile(r"([- ]+)")


def runner_prefix(name: str) -> str:
    """`GitHub Actions 1000012` -> `GitHub Actions`; `gpu-large-x7k9z-runner-b4dfq` ->
    `gpu-large`; `builder` stays.
    """
    parts = _PARTS.split(name.strip())  # words at even places, separators at odd ones
    words = len(parts)
    while len(parts) > 2:
        if _random(parts[-1]):
            del parts[-2:]
        elif len(parts) > 4 and parts[-1] == "runner" and _random(parts[-3]):
            del parts[-4:]  # actions-runner-controller: set, random, "runner", random
        else:
            break
    # A number behind a random part that is gone belongs to the name ("ubuntu-2204-x7k9z"); one at
    # the end counts runners.
    if len(parts) == words and words > 2 and _COUNTER.match(parts[-1]):
        del parts[-2:]
    return "".join(parts)


def _random(word: str) -> bool:
    return any(pattern.match(word) for pattern in (_KUBERNETES, _HEX, _MIXED))
