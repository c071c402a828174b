"""Compiled patterns are remembered, and a damaged memory costs time, never a result."""

from pathlib import Path

import hyperscan
import pytest

from ci_metrics.expressions.databases import Expressions, compiled, compiled_as


def matches(database: object, text: bytes) -> list[int]:
    found: list[int] = []
    database.scan(text, match_event_handler=lambda number, *_: found.append(number))  # type: ignore[attr-defined]
    return found


def test_a_second_process_loads_what_the_first_compiled_and_finds_the_same(tmp_path: Path) -> None:
    first = compiled([b"abc", b"def"], [1, 2], [0, 0], folder=tmp_path)
    stored = list(tmp_path.iterdir())
    second = compiled([b"abc", b"def"], [1, 2], [0, 0], folder=tmp_path)
    assert list(tmp_path.iterdir()) == stored and len(stored) == 1
    assert matches(first, b"xabc def") == matches(second, b"xabc def") == [1, 2]


def test_other_expressions_ids_or_flags_are_another_memory(tmp_path: Path) -> None:
    compiled([b"abc"], [1], [0], folder=tmp_path)
    compiled([b"abd"], [1], [0], folder=tmp_path)
    compiled([b"abc"], [2], [0], folder=tmp_path)
    compiled([b"abc"], [1], [hyperscan.HS_FLAG_CASELESS], folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("damage", [b"", b"short", bytes(400)])
def test_a_damaged_memory_is_compiled_anew(tmp_path: Path, damage: bytes) -> None:
    compiled([b"abc"], [1], [0], folder=tmp_path)
    path = next(tmp_path.iterdir())
    path.write_bytes(damage)
    assert matches(compiled([b"abc"], [1], [0], folder=tmp_path), b"abc") == [1]
    assert path.stat().st_size > 400


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert matches(compiled([b"abc"], [1], [0], folder=blocked / "inside"), b"abc") == [1]


def test_a_refused_expression_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(hyperscan.error):
        compiled([b"(?=look)ahead"], [1], [0], folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_remembered_under_a_name_is_not_made_again(tmp_path: Path) -> None:
    def again() -> Expressions:
        raise AssertionError("made again")

    compiled_as("some name", lambda: ([b"abc"], [1], [0]), folder=tmp_path)
    assert matches(compiled_as("some name", again, folder=tmp_path), b"xabc") == [1]
    assert matches(compiled_as("another", lambda: ([b"abc"], [2], [0]), folder=tmp_path), b"xabc") == [2]
