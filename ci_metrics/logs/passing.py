"""What tests printed that passed: the errors they provoke on purpose are no cause.

Belongs here: the marks that test runners put around one test's output, and dimming what stands between those of a test that
passed. Does not: lines that say themselves that a test passed (role `passed` of the patterns), what the last passing run of
the job printed (`background.py`).
"""

from __future__ import annotations

from typing import NamedTuple

from ci_metrics.logs.catalogue import FAINT
from ci_metrics.logs.reading import Reading

#: What a match counts that stands in the output of a test that passed.
DIM = 0.1
#: Bytes before and behind a match in which the marks around it are looked for.
REACH = 48 << 10
#: How often the best matches are looked at: those that move up when others are dimmed may stand in such output too.
ROUNDS = 3


class Runner(NamedTuple):
    """How a test runner marks one test's (or one class's) output."""

    begins: tuple[bytes, ...]
    passed: bytes
    others: tuple[bytes, ...]  # marks after which another test's output, or none, follows


#: By the id of the pattern (role `framed`) that tells that a log holds such marks.
RUNNERS = {
    "jvm-surefire-class": Runner((b"Running ",), b", Failures: 0, Errors: 0", (b"Tests run:",)),
    "jvm-gradle-output": Runner((b" STANDARD_OUT", b" STANDARD_ERROR"), b" PASSED", (b" FAILED", b" SKIPPED")),
    "go-test-verbose": Runner(
        (b"=== RUN ", b"=== CONT ", b"=== NAME "), b"--- PASS: ", (b"--- FAIL: ", b"--- SKIP: ", b"=== PAUSE ")
    ),
    "native-gtest-passed": Runner((b"[ RUN      ]",), b"[       OK ]", (b"[  FAILED  ]", b"[  SKIPPED ]")),
    "native-ctest-verbose": Runner(
        (b"    Start ",), b"   Passed  ", (b"***Failed", b"***Exception", b"***Timeout", b"***Not Run")
    ),
}


def dim(reading: Reading, best: float, most: int) -> float:
    """Take weight from the `most` best matches where they stand in a passing test's output; returns the best weight that remains."""
    runners = [RUNNERS[name] for name in sorted(reading.structure.framed)]
    if not runners:
        return best
    seen: set[int] = set()  # where the matches stand that were looked at
    for _ in range(ROUNDS):
        found = False
        weights = sorted((hit.weight for block in reading.blocks for hit in block.hits), reverse=True)
        least = max(FAINT, weights[most]) if len(weights) > most else FAINT
        for block, hit in [(b, h) for b in reading.blocks for h in b.hits if h.weight >= least]:
            at = block.offset + hit.start
            if at not in seen and any(_inside(block.data, hit.start, hit.end, runner) for runner in runners):
                hit.weight *= DIM
                found = True
            seen.add(at)
        if not found:
            break
    return max((hit.weight for block in reading.blocks for hit in block.hits), default=0.0)


def _inside(data: bytes, start: int, end: int, runner: Runner) -> bool:
    """Whether the line from `start` to `end` stands between the begin of a test and the word that it passed."""
    low, high = max(0, start - REACH), end + REACH
    begin = max(data.rfind(mark, low, start) for mark in runner.begins)
    if begin < 0:
        return False
    marks = (runner.passed, *runner.others)
    if any(data.find(mark, begin, end) >= 0 for mark in marks):
        return False
    passed = data.find(runner.passed, end, high)
    if passed < 0:
        return False
    line = data.rfind(b"\n", end, passed) + 1 or end
    return all(data.find(mark, end, line) < 0 for mark in (*runner.others, *runner.begins))
