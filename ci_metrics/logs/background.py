"""What the last passing run of the same job printed too: background, not cause.

Belongs here: a compact set of a log's normalised lines, and dimming what stands in it. Does not: finding or storing that log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO
from zlib import crc32

from ci_metrics.catalogue import load_catalogue
from ci_metrics.logs.reading import Reading, read_log
from ci_metrics.logs.scan import Block, Hit

_DIGITS = b"0123456789"
#: What a match that the passing run printed too still counts.
DIM = 0.15


@dataclass(frozen=True, slots=True)
class Background:
    """Checksums of the shapes of the lines that patterns matched in a log that passed."""

    shapes: frozenset[int]

    def dim(self, reading: Reading) -> float:
        """Take weight from what the passing run printed too; returns the best weight that remains."""
        best = 0.0
        for block in reading.blocks:
            for hit in block.hits:
                if hit.weight and _shape(block, hit) in self.shapes:
                    hit.weight *= DIM
                best = max(best, hit.weight)
        return best


def background_of(data: bytes | BinaryIO) -> Background:
    """What matters of a log that passed: a few bytes for each of its lines that look like errors."""
    reading = read_log(data, load_catalogue())
    return Background(frozenset(_shape(b, h) for b in reading.blocks for h in b.hits if h.weight))


def _shape(block: Block, hit: Hit) -> int:
    return crc32(block.data[hit.start : min(hit.end, hit.start + 300)].translate(None, _DIGITS).rstrip())
