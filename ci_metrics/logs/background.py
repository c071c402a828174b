"""What the last passing run of the same job printed too: background, not cause.

Belongs here: a compact set of the shapes of a log's lines, asking it, its bytes. Does not: finding
that log (`orchestration/passing_runs.py`) or keeping it (`orchestration/storage/backgrounds.py`),
what being background is worth in a ranking.

A line's shape is its clean text (`lines.text_of`: no timestamp, colours or `gh run view` columns)
without digits, so that durations, counts, ports and dates do not make two lines of one; but a count
of nothing is told from a count of something: a passing run prints "0 failures" too. Of 58 recorded
pairs of a failed and a passed log, shapes of the clean text hold a third of the failed logs' lines
where those of the raw bytes held a quarter; of 53 pairs of real logs of one job, two thirds either
way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO
from zlib import crc32

import numpy as np

from ci_metrics.errors import ContractError
from ci_metrics.logs.lines import text_of
from ci_metrics.logs.scan import pieces
from ci_metrics.logs.whole_log import Reading

#: What a match that the passing run printed too still counts.
_DIM = 0.15
#: Shapes that are kept of one log: 400 kB in a file, 7 MB in memory. Of 731 real logs half have
#: under 450, the largest has 10,099.
MOST = 100_000
#: Characters of a line that make its shape.
_LENGTH = 300
_NO_DIGITS = dict.fromkeys(map(ord, "0123456789"))
#: A nought that is a number of its own: "0 failures", "errors: 0", "code=0"; not one of a time, a
#: version, a path or a fraction.
_NONE = re.compile(r"(?<![\w.,/+-])(?<!\d:)0(?![\w/-]|[.:,]\d)")
#: What a line must have to be told from others: rulers, brackets and columns of
#: figures stand in every log.
_WORD = re.compile(r"[^\W\d_]{3}")


@dataclass(frozen=True, slots=True)
class Background:
    """The shapes of all lines of a log that passed, as 32-bit checksums.

    Of 100,000 shapes, one strange line in 43,000 is held by chance.
    """

    shapes: frozenset[int]

    def holds(self, line: str) -> bool:
        """Whether the passing run printed this line too, up to its figures; `line` is clean text as
        `lines.text_of` gives it.

        A line without a word of three letters is never held.
        """
        shape = _shape(line)
        return shape is not None and shape in self.shapes

    def dim(self, reading: Reading) -> float:
        """Take weight from what the passing run printed too; returns the
        best weight that remains.
        """
        best = 0.0
        for block in reading.blocks:
            for hit in block.hits:
                if hit.weight and self.holds(text_of(block.data[hit.start : hit.end])):
                    hit.weight *= _DIM
                best = max(best, hit.weight)
        return best

    def to_bytes(self) -> bytes:
        """The shapes for a file: a line that says what they are and how to check
        them, then four bytes each.
        """
        body = np.array(sorted(self.shapes), "<u4").tobytes()
        return f"shapes {SHAPES_VERSION} {crc32(body)}\n".encode() + body

    @classmethod
    def from_bytes(cls, data: bytes) -> Background:
        """The shapes that `to_bytes` wrote. Raises ContractError when they are damaged, or of a
        version that makes others.
        """
        head, _, body = data.partition(b"\n")
        words = head.decode("ascii", "replace").split(" ")
        if len(words) != 3 or words[0] != "shapes" or words[2] != str(crc32(body)) or len(body) % 4:
            raise ContractError(f"the shapes of a passing log are damaged (they begin with {data[:20]!r})")
        if words[1] != SHAPES_VERSION:
            raise ContractError(f"the shapes of a passing log are of version {words[1]}, this is {SHAPES_VERSION}")
        return cls(frozenset(np.frombuffer(body, "<u4").tolist()))


def background_of(data: bytes | BinaryIO) -> Background:
    """The shapes of a log that passed: bytes, or a binary file that is read
    to its end, 20 MB a second.

    Of a log with more than `MOST` the lowest checksums are kept: a sample
    that favours no part of it.
    """
    shapes: set[int] = set()
    for piece in pieces(data):
        shapes.update(_shapes(map(text_of, piece.split(b"\n"))))
        if len(shapes) > MOST:
            shapes = set(sorted(shapes)[:MOST])
    return Background(frozenset(shapes))


def _shapes(lines: Iterable[str]) -> Iterable[int]:
    return (shape for line in lines if (shape := _shape(line)) is not None)


def _shape(line: str) -> int | None:
    """The checksum of a line's shape; None when it says too little to be told from others."""
    text = line[:_LENGTH]
    if _WORD.search(text) is None:
        return None
    if "0" in text:
        text = _NONE.sub("\0", text)
    return crc32(" ".join(text.translate(_NO_DIGITS).split()).encode("utf-8", "replace"))


#: Lines that a change of what makes a shape would show in.
_PROBES = (
    b"2024-05-01T10:00:00.0000000Z \x1b[31m  3 failed, 0 skipped in 1.50s\x1b[0m (errors: 0)",
    b"build\tUNKNOWN STEP\t2024-05-01T10:00:00.0000000Z HTTP/1.1 503 at 10:04:00 for /v0/a-0b/0 \xc3\xa9t\xc3\xa9",
    b"-- 12 ab",
    b"an id 9f86d081884c7d65 and " + b"a long line " * 40,
    b"progress  1%\rprogress 99%",
)
#: Of what makes a shape: shapes of another version are compared with nothing. Made from results, so
#: that a comment changes it not.
SHAPES_VERSION = f"{crc32(repr([_shape(text_of(probe)) for probe in _PROBES]).encode()):08x}"
