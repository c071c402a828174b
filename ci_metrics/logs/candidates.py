"""The lines of a log that are worth keeping, with all that is known of each: what
ranking and judging rest on.

Belongs here: from a log that was read to its kept lines, their messages and places. Does not: which
of them names the failure (`ranking.py`), which errors they make (`findings.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from ci_metrics.catalogue import Catalogue
from ci_metrics.logs import excerpt, passed_tests
from ci_metrics.logs.background import Background
from ci_metrics.logs.cleanup_steps import looks_after
from ci_metrics.logs.lines import line_time, text_of
from ci_metrics.logs.ranking import Features, LinePlace, features
from ci_metrics.logs.relayed_messages import messages_of
from ci_metrics.logs.scan import newlines
from ci_metrics.logs.scored_lines import ScoredLine
from ci_metrics.logs.steps import StepRange
from ci_metrics.logs.whole_log import Reading, read_log
from ci_metrics.models import FAILED_CONCLUSIONS, Job, Step

#: Without a word from the log's structure, a match must weigh this much to be an error.
SURE = 4.5
#: Without any mark of the runner, a match must weigh so much, and stand in so many last lines
#: of the last step that did any work. Measured on 944 logs of jobs and steps that passed: none
#: is taken for a failure.
ALONE, LAST_LINES = 7.0, 60
#: The same in a step that looks after others, which may fail and be allowed to; in a script, which
#: the runner itself must have left.
CARING, RUNNER_DEAD = 8.5, 9.5
#: Lines behind it that are not the rest of the error.
OTHER_LINES = 2
_REST = (
    " ",
    "\t",
    "at ",
    "(node:",
    "goroutine ",
    "#",
    "-",
    "...",
    "Node.js v",
    "[signal",
    "exit status",
    "##[warning]Node.js",
)


@dataclass(frozen=True)
class Candidates:
    """The kept lines of one log."""

    reading: Reading
    ranges: list[StepRange]
    step: Step | None  # that GitHub names as the reason
    failing: set[int]  # segments of the log that failed
    failed: bool  # whether the log tells of a failure at all
    lines: list[ScoredLine]  # in the log's order
    hits: list[tuple[int, ...]]  # numbers of the messages on each
    places: list[LinePlace]

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
    best = excerpt.weigh_places(reading, failing)
    if background is not None:
        best = background.dim(reading)
    if not _failed(reading, job, failing, best):
        return Candidates(reading, ranges, step, failing, False, [], [], [])
    provoked: set[int] = set()  # lines that a test printed which passed
    best = passed_tests.dim(reading, best, excerpt.most_of(budget), provoked)
    scored, floor = excerpt.scored(reading, failing, best, budget)
    lines = excerpt.choose_lines(reading, scored.values(), floor, budget, failing)
    structure = reading.structure
    places = [
        LinePlace(
            line.number,
            line.own,
            structure.segment(line.at) in failing,
            line.at in provoked or (background is not None and background.holds(line.text)),
        )
        for line in lines
    ]
    found = messages_of(reading, lines, catalogue)  # what a passing run prints too speaks for nothing
    hits = [() if place.background else each for each, place in zip(found, places, strict=True)]
    return Candidates(reading, ranges, step, failing, True, lines, hits, places)


def _failed(reading: Reading, job: Job | None, failing: set[int], best: float) -> bool:
    """Whether the log tells of a failure at all: a log that passed gives nothing,
    however often it says "error".
    """
    structure = reading.structure
    if job is not None and job.conclusion is not None:
        return job.conclusion in FAILED_CONCLUSIONS
    if structure.verdict == "pass":
        return False
    if structure.whole and not failing:
        return _ended_with_an_error(reading)
    if failing or structure.verdict == "fail":
        return True
    if line_time(reading.blocks[0].data[:40]) is not None:  # of a fragment of GitHub's nobody knows how it went on
        return best >= SURE
    last = max((b.offset + h.start for b in reading.blocks for h in b.hits if h.weight >= SURE), default=-1)
    # Of a service that nobody knows any word of failure will do: people give a log
    # because its job failed.
    return best > 0 and structure.good <= last


def _ended_with_an_error(reading: Reading) -> bool:
    """Whether the last step that did any work ended with the words of an error, though
    the runner marked nothing.

    An action in a container or of Node that dies leaves no mark of the runner in its step's
    log; a script always does.
    """
    structure = reading.structure
    headers = {header.at: header for header in structure.headers}
    work = [at for at in structure.starts if at not in headers or headers[at].kind not in ("post", "orphans", "setup")]
    if not work or work[-1] not in headers:
        return False
    start = work[-1]
    least = ALONE
    if headers[start].script:
        least = RUNNER_DEAD
    elif looks_after(structure.names.get(start, ""), column=structure.columns):
        least = CARING
    stop = next((at for at in structure.starts if at > start), reading.size)
    for block in reading.blocks:
        for hit in block.hits:
            at = block.offset + hit.start
            if start <= at < stop and hit.weight >= least and at > structure.good:
                end = min(stop - block.offset, len(block.data))
                if newlines(block.data, hit.start, end) <= LAST_LINES and _nothing_else(block.data[hit.end : end]):
                    return True
    return False


def _nothing_else(data: bytes) -> bool:
    """Whether hardly a line stands there but the rest of an error: stack frames, indented lines,
    blank ones, the runtime's notes.
    """
    texts = [text_of(line) for line in data.split(b"\n")]
    other = sum(bool(t) and not t.startswith(_REST) for t in texts)
    return other <= OTHER_LINES
