"""What tests printed that passed: the errors they provoke on purpose are no cause.

Belongs here: the marks that test runners put around one test's output, and dimming what stands
between those of a test that passed. Does not: lines that say themselves that a test passed (role
`passed` of the messages), what the last passing run of the job printed (`background.py`).
"""

from __future__ import annotations

import re
from heapq import nlargest
from typing import NamedTuple

from ci_metrics.logs.scan import FAINT, Block, Hit
from ci_metrics.logs.whole_log import Reading

#: What a match counts that stands in the output of a test that passed.
_DIM = 0.1
#: Bytes before and behind a match in which the marks around it are looked for.
_REACH = 48 << 10
#: How often the best matches are looked at: those that move up when others are dimmed may
#: stand in such output too.
ROUNDS = 6
_COLOUR = re.compile(rb"\x1b?\[[0-9;]*m")


class Runner(NamedTuple):
    """How a test runner marks one test's (or one class's) output."""

    begins: tuple[bytes, ...]
    passed: bytes
    others: tuple[bytes, ...]  # marks after which another test's output, or none, follows
    began: re.Pattern[bytes]  # the first mark's line; its first group is the test's name
    #: The second mark's line, likewise; or, where it need not be the next mark, what it says when
    #: the test passed and when it failed, with `%s` for the name.
    ended: re.Pattern[bytes] | tuple[bytes, bytes]


#: By the id of the message (role `framed`) that tells that a log holds such marks.
RUNNERS = {
    "jvm-surefire-class": Runner(
        (b"Running ",),
        b", Failures: 0, Errors: 0",
        (b"Tests run:", b"Results"),
        re.compile(rb"Running ([^\r\n]+)"),
        re.compile(rb"Failures: 0, Errors: 0.*Time elapsed.*?(?: in ([^\r\n]+)|$)"),
    ),
    "jvm-gradle-output": Runner(
        (b" STANDARD_OUT", b" STANDARD_ERROR"),
        b" PASSED",
        (b" FAILED", b" SKIPPED"),
        re.compile(rb"(\S[^\r\n]*?) STANDARD_(?:OUT|ERROR)"),
        re.compile(rb"(\S[^\r\n]*?) PASSED"),
    ),
    "go-test-verbose": Runner(
        (b"=== RUN ", b"=== CONT ", b"=== NAME "),
        b"--- PASS: ",
        (b"--- FAIL: ", b"--- SKIP: ", b"=== PAUSE "),
        re.compile(rb"=== (?:RUN|CONT|NAME) +(\S+)"),
        (b"--- PASS: %s (", b"--- FAIL: %s ("),  # of a test with parts, theirs stand below its own
    ),
    "native-gtest-passed": Runner(
        (b"[ RUN      ]",),
        b"[       OK ]",
        (b"[  FAILED  ]", b"[  SKIPPED ]"),
        re.compile(rb"\[ RUN      \] (\S+)"),
        re.compile(rb"\[       OK \] (\S+)"),
    ),
    "native-ctest-verbose": Runner(
        (b"    Start ",),
        b"   Passed  ",
        (b"***Failed", b"***Exception", b"***Timeout", b"***Not Run"),
        re.compile(rb"    Start +(\d+):"),
        re.compile(rb"Test +#(\d+):"),
    ),
}


def dim(reading: Reading, best: float, most: int, dimmed: set[int]) -> float:
    """Take weight from the `most` best matches where they stand in a passing test's output; returns
    the best weight that remains.

    Where those lines begin is added to `dimmed`.
    """
    runners = [RUNNERS[name] for name in sorted(reading.structure.framed)]
    if not runners:
        return best
    seen: set[int] = set()  # where the matches stand that were looked at
    for _ in range(ROUNDS):
        found = False
        for block, hit in nlargest(most, _weighty(reading), key=_weight):
            at = block.offset + hit.start
            if at not in seen and any(_inside(block.data, hit.start, hit.end, runner) for runner in runners):
                hit.weight *= _DIM
                dimmed.add(at)
                found = True
            seen.add(at)
        if not found:
            break
    return max((hit.weight for block in reading.blocks for hit in block.hits), default=0.0)


def _weighty(reading: Reading) -> list[tuple[Block, Hit]]:
    """Every match that weighs enough to be shown."""
    return [(block, hit) for block in reading.blocks for hit in block.hits if hit.weight >= FAINT]


def _weight(found: tuple[Block, Hit]) -> float:
    return found[1].weight


def _inside(data: bytes, start: int, end: int, runner: Runner) -> bool:
    """Whether the line from `start` to `end` stands between the begin of a test and the
    word that this test passed.
    """
    low, high = max(0, start - _REACH), end + _REACH
    begin = max(data.rfind(mark, low, start) for mark in runner.begins)
    if begin < 0:
        return False
    marks = (runner.passed, *runner.others)
    if any(data.find(mark, begin, end) >= 0 for mark in marks):
        return False
    began = runner.began.search(_line(data, begin))
    if began is None:
        return False
    if isinstance(runner.ended, tuple):
        good, bad = (data.find(mark % began[1], end, high) for mark in runner.ended)
        return good >= 0 and not 0 <= bad < good  # a test that is run again may pass later
    passed = data.find(runner.passed, end, high)
    if passed < 0:
        return False
    line = data.rfind(b"\n", end, passed) + 1 or end
    if any(data.find(mark, end, line) >= 0 for mark in (*runner.others, *runner.begins)):
        return False
    return _same(began, runner.ended.search(_line(data, passed)))


def _line(data: bytes, at: int) -> bytes:
    """The line that holds offset `at`."""
    end = data.find(b"\n", at)
    return data[data.rfind(b"\n", 0, at) + 1 : end if end >= 0 else len(data)]


def _same(began: re.Match[bytes], ended: re.Match[bytes] | None) -> bool:
    """Whether both marks are of one test; some runners do not name it again."""
    if ended is None:
        return False
    if ended[1] is None:
        return True
    first, last = (_COLOUR.sub(b"", found[1]).strip() for found in (began, ended))
    return first == last
