"""What a log's own structure says: where steps begin, where they failed, whether the whole went well.

Belongs here: hits with a structural role in, segments and the log's own verdict out. Does not: GitHub's list of steps (`steps.py`).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from ci_metrics.logs import catalogue
from ci_metrics.logs.scan import Block, Hit


@dataclass(slots=True)
class Structure:
    """Segments of a log: a segment runs from one start to the next."""

    starts: list[int] = field(default_factory=lambda: [0])  # offsets in the log
    ends: list[tuple[int, Block, Hit]] = field(default_factory=list)  # lines that say a command failed here
    marked: set[int] = field(default_factory=set)  # segments with a line that the runner marked as an error
    after: int | None = None  # offset where a service's own phases after the failure begin
    verdict: str = ""  # the log's own: "pass", "fail" or ""
    whole: bool = False  # it begins as GitHub's complete job logs do
    github: bool = False
    job_name: tuple[Block, Hit] | None = None  # the line on which the runner names the job
    walls: set[int] = field(default_factory=set)

    def segment(self, at: int) -> int:
        """The number of the segment that holds offset `at`."""
        return bisect_right(self.starts, at) - 1

    def failing(self) -> set[int]:
        """Segments that say themselves that they failed."""
        return {self.segment(at) for at, _, _ in self.ends} | self.marked


def read(blocks: list[Block]) -> Structure:
    """The structure of the log that `blocks` are of."""
    patterns = catalogue.patterns()
    roles = [p.role for p in patterns]
    error_line = next(i for i, p in enumerate(patterns) if p.id == "github-error-line")
    found = Structure()
    for block in blocks:
        for hit in block.hits:
            for i in hit.ids:
                role = roles[i]
                at = block.offset + hit.start
                if role == "start":
                    if at:
                        found.starts.append(at)
                    found.walls.add(at)
                elif role == "end":
                    found.ends.append((at, block, hit))
                elif role == "pass" or role == "fail":
                    found.verdict = role
                elif role == "whole":
                    found.whole = found.github = True
                    if b"Complete job name" in block.data[hit.start : hit.end]:
                        found.job_name = (block, hit)
                elif role == "after" and found.ends and found.after is None:
                    found.after = at
                if i == error_line:
                    found.github = True
                    found.marked.add(found.segment(at))
    return found
