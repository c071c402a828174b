"""What the last passing run of the same job printed too: background, not cause.

Belongs here: a compact set of a log's normalised lines. Does not: finding or storing that run's log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class Background:
    """Hashes of the normalised lines of a log that passed."""

    hashes: frozenset[int]


def background_of(data: bytes | BinaryIO) -> Background:
    """The lines of `data` that matter, as hashes."""
    raw = data if isinstance(data, bytes) else data.read()
    return Background(frozenset(map(hash, raw.split(b"\n"))))
