"""Which line of an error says what went wrong innermost, where its form tells."""

from __future__ import annotations

import pytest

from ci_metrics.logs.innermost import innermost

NOTHING: frozenset[str] = frozenset()
FRAME = 'ERROR: failed to solve: process "/bin/sh -c make" did not complete successfully: exit code: 2'


def told(lines: list[str], head: int = 0, roles: dict[int, str] | None = None) -> str:
    """The chosen line, of equal lines the longest ranks first."""
    known = {at: frozenset({role}) for at, role in (roles or {}).items()}
    return lines[innermost(lines, head, lambda at: known.get(at, NOTHING), lambda at: len(lines[at]))].strip()


@pytest.mark.parametrize(
    ("lines", "innermost_cause"),
    [
        (["Error: cannot start", "", "Caused by:", "    0: cannot open", "    1: no such key"], "1: no such key"),
        (["Error: ", "   0: import failed", "   1: row 8 is short", "", "Location:", "   a.rs:8"], "1: row 8 is short"),
        (["error: failed to run", "╰─▶ 0: out of fuel", "    1: limit is 7 steps"], "╰─▶ 0: out of fuel"),
        (
            ["error: failed to get `a`", "", "Caused by:", "  failed to load", "", "Caused by:", "  no route"],
            "no route",
        ),
        (["error: failed to get `a`", "Caused by:", "  failed to load", "note: run with -v"], "failed to load"),
        (
            ["Error: no", "Caused by:", "    0: trap at:", "           0: 0x1f2 - app!main", "    1: divide by zero"],
            "1: divide by zero",
        ),
    ],
)
def test_the_last_of_a_chain_of_causes_heads_the_error(lines: list[str], innermost_cause: str) -> None:
    assert told(lines) == innermost_cause


@pytest.mark.parametrize(
    "lines",
    [
        ["thread 'main' panicked at a.rs:3:", "stack backtrace:", "   0: std::panicking::begin", "   1: app::main"],
        [
            "panicked",
            "   0: <T as Trait>::call",
            "             at /rustc/a.rs:1",
            "   1: run it",
            "             at b.rs:2",
        ],
        ["error: no", "  0 problems", "1: a list that has nothing to do with it"],
        ["error: no", "a line", "another", "a third", "Caused by:", "  far away"],
        ["error: no"],
    ],
)
def test_frames_of_a_stack_and_what_stands_further_off_are_no_causes(lines: list[str]) -> None:
    assert told(lines) == lines[0]


def test_of_a_command_in_an_images_build_its_own_best_line_heads_the_error() -> None:
    lines = ["#9 1.20 compiling", "1.31 cart.c:3: expected ';'", "1.40 a warning of twenty words", "------", FRAME]
    assert told(lines, 4, {2: "warning"}) == "1.31 cart.c:3: expected ';'"


@pytest.mark.parametrize("lines", [["------", FRAME], ["1.31 ", "1.32 ..", FRAME], ["cart.c:3: expected", FRAME]])
def test_where_the_command_said_nothing_the_frame_stands(lines: list[str]) -> None:
    assert told(lines, len(lines) - 1) == FRAME
