"""A database that compiles only what may match finds what the whole one finds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import hyperscan
import pytest

from ci_metrics.expressions import partial_database
from ci_metrics.expressions.partial_database import PartialDatabase

CASELESS, MULTILINE, ONCE, UTF8 = (
    int(hyperscan.HS_FLAG_CASELESS),
    int(hyperscan.HS_FLAG_MULTILINE),
    int(hyperscan.HS_FLAG_SINGLEMATCH),
    int(hyperscan.HS_FLAG_UTF8),
)


class Both:
    """The whole database of some expressions, and the partial one, which notes what it compiles."""

    def __init__(
        self, expressions: Sequence[str], flags: int, *, ids: Sequence[int] = (), one_line: bool = True
    ) -> None:
        given = [each.encode() for each in expressions]
        numbers = list(ids) or list(range(len(given)))
        self.made_whole = 0
        self.compiled: set[int] = set()

        def expression(place: int) -> bytes:
            self.compiled.add(place)
            return given[place]

        def whole() -> object:
            self.made_whole += 1
            return self.database

        self.database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self.database.compile(expressions=given, ids=numbers, elements=len(given), flags=[flags] * len(given))
        self.partial = PartialDatabase(
            given, numbers, [flags] * len(given), expression=expression, whole=whole, one_line=one_line
        )

    def found(self, text: bytes) -> list[tuple[int, int]]:
        """(number, end) of each match, which both find."""
        whole, partial = set[tuple[int, int]](), list[tuple[int, int]]()
        self.database.scan(text, match_event_handler=lambda number, _from, to, *_: whole.add((number, to)))
        self.partial.scan(text, lambda number, _from, to, *_: partial.append((number, to)))
        assert sorted(set(partial)) == sorted(whole)
        return sorted(partial)


def numbers(matches: Iterable[tuple[int, int]]) -> set[int]:
    return {number for number, _ in matches}


def test_an_expression_whose_words_a_text_lacks_is_not_compiled() -> None:
    both = Both([r"Connection refused by \S+", r"No space left", r"Killed|Terminated"], MULTILINE)
    assert numbers(both.found(b"one\nTerminated\nConnection closed, then refused\n")) == {2}
    assert both.compiled == {2}
    assert numbers(both.found(b"Connection refused by host\n")) == {0}
    assert both.compiled == {0, 2}


def test_words_of_one_line_must_stand_on_one_line_unless_a_class_leaves_it() -> None:
    both = Both([r"Error: .*timeout", r"Error:[\W\d]+timeout"], MULTILINE)
    assert numbers(both.found(b"Error: 1\n2 timeout\n")) == {1}
    assert both.compiled == {1}
    apart = Both([r"Error:[^x]*timeout"], 0, one_line=False)
    assert numbers(apart.found(b"Error: 1\n2 timeout\n")) == {0}


def test_a_word_is_looked_for_on_each_line_that_has_the_other_one() -> None:
    both = Both([r"timed out.*retry"], MULTILINE)
    text = b"timed out\nretry\n" * 5
    assert both.found(text) == [] and both.compiled == set()
    assert numbers(both.found(text + b"timed out, retry")) == {0}


def test_where_very_many_lines_have_a_word_the_expression_is_compiled_at_once() -> None:
    both = Both([r"timed out.*retry"], MULTILINE)
    assert both.found(b"timed out\n" * 1_000 + b"retry") == [] and both.compiled == {0}
    assert numbers(both.found(b"timed out\n" * 1_000 + b"timed out, retry")) == {0}


@pytest.mark.parametrize("text", [b"ERROR IN it", b"error in it", b"Error In it"])
def test_the_case_of_letters_hides_nothing(text: bytes) -> None:
    assert numbers(Both(["error in"], CASELESS).found(text)) == {0}


@pytest.mark.parametrize("text", ["kiss", "KISS", "\N{KELVIN SIGN}iss", "ki\N{LATIN SMALL LETTER LONG S}s"])
def test_where_characters_are_read_their_other_cases_hide_nothing(text: str) -> None:
    assert numbers(Both(["kiss"], CASELESS | UTF8).found(text.encode())) == {0}


def test_a_long_repeat_keeps_its_limits() -> None:
    both = Both([r"<x{2,30}>", r"ab{25,40}c"], MULTILINE)
    assert numbers(both.found(b"<" + b"x" * 31 + b"> a" + b"b" * 25 + b"c")) == {1}
    assert numbers(both.found(b"<" + b"x" * 30 + b"> a" + b"b" * 41 + b"c")) == {0}
    assert both.found(b"<x> a" + b"b" * 24 + b"c") == []


def test_a_number_that_is_told_of_once_is_told_of_at_its_first_match() -> None:
    both = Both(["late word", "first word"], ONCE, ids=[7, 7])
    assert both.found(b"first word, late word, first word, late word") == [(7, 10)]


def test_who_scans_much_gets_the_whole_database(monkeypatch: pytest.MonkeyPatch) -> None:
    large = Both(["Killed"], 0)
    assert numbers(large.found(b"x" * partial_database.MOST_BYTES + b" Killed")) == {0}
    assert (large.made_whole, large.compiled) == (1, set())
    assert numbers(large.found(b"Killed")) == {0}
    assert large.made_whole == 1
    long = Both(["Killed"], 0)
    monkeypatch.setattr(partial_database, "MOST_SECONDS", 0.0)
    assert numbers(long.found(b"Killed")) == {0}
    assert (long.made_whole, long.compiled) == (0, {0})
    assert numbers(long.found(b"Killed")) == {0}
    assert long.made_whole == 1
