"""What a passing run printed too: which lines are the same, and shapes that come back
from a file as they were.
"""

from __future__ import annotations

import io

import pytest

from ci_metrics.errors import ContractError
from ci_metrics.logs import Background, background_of, extract
from ci_metrics.logs.background import MOST
from ci_metrics.logs.lines import text_of

STAMP = "2026-03-02T09:00:00.1234567Z "


@pytest.mark.parametrize(
    ("passed", "failed"),
    [
        ("ERROR: plugin p1 not found", "ERROR: plugin p27 not found"),
        ("retrying in 1.5s (attempt 1 of 3)", "retrying in 12.25s (attempt 2 of 3)"),
        ("\x1b[33mwarning:\x1b[0m unused variable `x`", "warning: unused variable `x`"),
        ("  connecting   to 127.0.0.1:5432", " connecting to 127.0.0.1:54329"),
        ("listening on 0.0.0.0:80 at 10:00:00", "listening on 10.1.2.3:8080 at 11:59:03"),
        ("0 failures", "0 failures"),
        ("finished at 2026-03-02 00:00:00 in 0.52 s", "finished at 2026-03-02 11:12:13 in 21.52 s"),
    ],
)
def test_a_line_is_the_same_whatever_its_figures_colours_and_spaces(passed: str, failed: str) -> None:
    assert background_of(passed.encode()).holds(text_of(failed.encode()))


@pytest.mark.parametrize(
    ("passed", "failed"),
    [
        ("0 failures, 0 errors", "1 failures, 0 errors"),
        ("Tests run: 5, Failures: 0, Errors: 0", "Tests run: 5, Failures: 1, Errors: 0"),
        ("exit code=0", "exit code=1"),
        ("errors:0", "errors:3"),
        ("ERROR: plugin audio not found", "ERROR: plugin video not found"),
        ("-----------------", "-----------------"),
        ("  3 | }", "  3 | }"),
        ("", ""),
    ],
)
def test_a_line_with_another_word_some_instead_of_none_or_no_word_is_not_the_same(passed: str, failed: str) -> None:
    assert not background_of(passed.encode()).holds(failed)


def test_all_lines_count_whichever_way_the_log_came() -> None:
    plain = b"compiling the basket\nERROR: no plugin\nall is well\n"
    stamped = b"".join(STAMP.encode() + line for line in plain.splitlines(keepends=True))
    viewed = b"".join(b"build\tRun make\t" + line for line in stamped.splitlines(keepends=True))
    assert len(background_of(plain).shapes) == 3
    assert background_of(plain) == background_of(stamped) == background_of(viewed)
    assert background_of(io.BytesIO(stamped)) == background_of(plain)


def test_a_log_that_failed_is_extracted_the_same_whether_the_passing_one_has_colours_and_timestamps_or_not() -> None:
    noise = tuple(f"ERROR: could not load plugin p{i}: not found" for i in range(6))
    made = ("##[group]Run make", "##[endgroup]", *noise)
    ends = ("cart: invalid total -3", "##[error]Process completed with exit code 1.")
    failed = "".join(f"{STAMP}{line}\n" for line in (*made, *ends)).encode()
    stamped = "".join(f"{STAMP}{line}\n" for line in made).encode()
    plain = "".join(f"\x1b[31m{line}\x1b[0m\n" for line in made).encode()
    with_stamped = extract(failed, background=background_of(stamped))
    with_plain = extract(failed, background=background_of(plain))
    assert with_stamped.errors[0].headline == with_plain.errors[0].headline
    assert "plugin" not in with_plain.errors[0].headline
    assert "plugin" in extract(failed).errors[0].headline


def test_shapes_come_back_from_their_bytes_and_hold_the_same_lines() -> None:
    known = background_of(b"compiling the basket\nERROR: no plugin 7\n")
    again = Background.from_bytes(known.to_bytes())
    assert again == known
    assert again.holds("ERROR: no plugin 12")
    assert Background.from_bytes(background_of(b"").to_bytes()) == Background(frozenset())


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda data: b"", "damaged"),
        (lambda data: data[:-1], "damaged"),
        (lambda data: data[:-4], "damaged"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "damaged"),
        (lambda data: b"PAR1" + data, "damaged"),
        (lambda data: data.replace(data.split(b" ")[1], b"0ddba11s", 1), "of version 0ddba11s"),
    ],
)
def test_damaged_shapes_and_those_of_another_version_are_refused(spoil: object, why: str) -> None:
    data = background_of(b"compiling the basket\nERROR: no plugin\n").to_bytes()
    with pytest.raises(ContractError, match=why):
        Background.from_bytes(spoil(data))  # type: ignore[operator]


def test_the_shapes_of_a_log_of_any_size_are_bounded_and_a_sample_of_all_of_it() -> None:
    def word(number: int) -> str:
        return "".join(chr(ord("a") + int(digit, 16)) for digit in f"{number:08x}")

    lines = [f"building {word(number)}" for number in range(2 * MOST)]
    known = background_of("\n".join(lines).encode())
    assert len(known.shapes) == MOST
    assert len(known.to_bytes()) < 4 * MOST + 100
    for part in (lines[: MOST // 10], lines[-MOST // 10 :]):
        assert 0.4 < sum(map(known.holds, part)) / len(part) < 0.6
