"""The lines of a log that are worth keeping, with all that is known of each: what ranking and judging rest on.

Belongs here: from a log that was read to its kept lines, their messages and places. Does not: which of them names the
failure (`ranking.py`), which errors they make (`findings.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from ci_metrics.catalogue import Catalogue
from ci_metrics.catalogue.engine import match_lines
from ci_metrics.logs import excerpt, passing
from ci_metrics.logs.background import Background
from ci_metrics.logs.ranking import Features, Place, features
from ci_metrics.logs.reading import Reading, read_log
from ci_metrics.logs.regions import Line
from ci_metrics.logs.steps import StepRange, stamp
from ci_metrics.models import FAILED_CONCLUSIONS, Job, Step

#: Without a word from the log's structure, a match must weigh this much to be an error.
SURE = 4.5


@dataclass(frozen=True)
class Candidates:
    """The kept lines of one log."""

    reading: Reading
    ranges: list[StepRange]
    step: Step | None  # that GitHub names as the reason
    failing: set[int]  # segments of the log that failed
    failed: bool  # whether the log tells of a failure at all
    lines: list[Line]  # in the log's order
    hits: list[tuple[int, ...]]  # numbers of the messages on each
    places: list[Place]

    def features(self, catalogue: Catalogue) -> Features:
        """What the ranking looks at."""
        return features(catalogue, [line.text for line in self.lines], self.hits, self.places, self.reading.lines)


def candidates(
    data: bytes | BinaryIO, catalogue: Catalogue, *, job: Job | None, background: Background | None, budget: int
) -> Candidates:
    """The lines of `data` that are worth keeping in about `budget` characters."""
    reading = read_log(data, catalogue)
    layout = reading.structure.laid_out(job.steps if job else ())
    ranges, step = list(layout.ranges), layout.reason
    if reading.empty:
        return Candidates(reading, ranges, step, set(), False, [], [], [])
    failing = reading.structure.failing_of(layout, reading.size)
    best = excerpt.place(reading, failing)
    if background is not None:
        best = background.dim(reading)
    if not _failed(reading, job, failing, best):
        return Candidates(reading, ranges, step, failing, False, [], [], [])
    best = passing.dim(reading, best, excerpt.most_of(budget))
    scored, floor = excerpt.scored(reading, failing, best, budget)
    lines = excerpt.choose(reading, scored.values(), floor, budget)
    structure = reading.structure
    places = [Place(line.number, line.own, structure.segment(line.at) in failing) for line in lines]
    return Candidates(
        reading, ranges, step, failing, True, lines, match_lines(catalogue, [line.text for line in lines]), places
    )


def _failed(reading: Reading, job: Job | None, failing: set[int], best: float) -> bool:
    """Whether the log tells of a failure at all: a log that passed gives nothing, however often it says "error"."""
    structure = reading.structure
    if job is not None and job.conclusion is not None:
        return job.conclusion in FAILED_CONCLUSIONS
    if structure.verdict == "pass" or (structure.whole and not failing):
        return False
    if failing or structure.verdict == "fail":
        return True
    last = max((b.offset + h.start for b in reading.blocks for h in b.hits if h.weight >= SURE), default=-1)
    plain = stamp(reading.blocks[0].data[:40]) is None  # of a fragment of GitHub's nobody knows how it went on
    return best >= SURE and not (plain and structure.good > last)
