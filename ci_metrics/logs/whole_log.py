"""A whole log, read once: its blocks (or what is kept of them), its structure, its size.

Belongs here: bytes in, a `Reading` out, in memory that does not grow with the log. Does
not: judging what was read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ci_metrics.catalogue import Catalogue
from ci_metrics.logs.scan import BLOCK, Block, finder, hits, islands, newlines, pieces
from ci_metrics.logs.scored_lines import Memory, weigh
from ci_metrics.logs.steps import Header
from ci_metrics.logs.structure import Structure
from ci_metrics.redaction import Care, Masker

_SOMETHING = re.compile(rb"[^\xef\xbb\xbf \t\r\n]")


@dataclass(slots=True)
class Reading:
    """What was read of a log."""

    blocks: list[Block]
    structure: Structure
    raw_size: int  # bytes of the log
    size: int  # the same once masked: offsets are of this
    lines: int
    masked: int  # secrets of several lines that were masked

    @property
    def truncated(self) -> bool:
        """Whether something of the log was not read: a download was cut, or the log
        is too large to keep whole.
        """
        return self.structure.cut or sum(len(block.data) for block in self.blocks) < self.size

    @property
    def empty(self) -> bool:
        """Whether nothing but white space was in it."""
        return not any(_SOMETHING.search(block.data) for block in self.blocks)

    def headers(self) -> list[Header]:
        """Lines that may begin a step of GitHub's, in order."""
        return self.structure.headers

    def block(self, at: int) -> Block | None:
        """The block that holds offset `at`, or None when that part was not kept."""
        for block in self.blocks:
            if block.offset <= at < block.offset + len(block.data):
                return block
        return None

    def numbered(self, offsets: list[int]) -> Iterator[tuple[int, int]]:
        """(offset, 1-based line number) of each of `offsets`, which are starts of kept
        lines in ascending order.
        """
        position = 0
        for block in self.blocks:
            at, number, stop = 0, block.line, block.offset + len(block.data)
            while position < len(offsets) and offsets[position] < stop:
                here = offsets[position] - block.offset
                number += newlines(block.data, at, here)
                at = here
                yield offsets[position], number
                position += 1


def read_log(source: bytes | BinaryIO, catalogue: Catalogue) -> Reading:
    """Scan `source` once, block by block."""
    known = finder(catalogue)
    memory = Memory()
    blocks: list[Block] = []
    structure = Structure(catalogue)
    masker = Masker(Care.ACROSS)  # secrets of several lines, before anything is cut or chosen
    size = at = count = 0
    last = b"\n"
    for raw in pieces(source):
        piece = masker.masked(raw)  # as many lines; offsets are those of the masked log
        block = Block(piece, at, count + 1, *hits(piece, known))
        weigh(piece, block.hits, memory, known)
        structure.read(block)
        large = at or len(raw) >= BLOCK
        size += len(raw)
        at += len(piece)
        count += newlines(piece, 0, len(piece))
        last = piece[-1:]
        if large:
            blocks += islands(block, [end - block.offset for end in structure.ends[-8:]])
        else:
            blocks.append(block)
    return Reading(blocks, structure, size, at, count + (last != b"\n"), masker.count)
