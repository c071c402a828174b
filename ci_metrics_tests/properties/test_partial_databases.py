"""Of any text and any expression: what is not compiled could not have matched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_metrics.catalogue import Catalogue, load_catalogue
from ci_metrics.catalogue.engine import alternatives, translated
from ci_metrics.expressions import databases, partial_database
from ci_metrics.expressions.required_literals import required_literals
from ci_metrics.logs.scan import finder
from ci_metrics.logs.shapes import SHAPES
from ci_metrics.redaction.finder import ENTRIES
from ci_metrics_tests.properties.texts import LINES

CATALOGUE = load_catalogue()
#: Forms of the catalogue, and what the engine makes of them where there are no colours.
FORMS = sorted({form for message in CATALOGUE.messages for form in alternatives(message.form)})
#: Expressions that bytes are scanned for.
MARKS = sorted({mark for entry in ENTRIES for mark in entry.marks})
WRITTEN = sorted({form.removeprefix("(?i)") for form in SHAPES.values() if form.isascii()})
#: What tools print, and parts of it.
PRINTED = sorted({text for message in CATALOGUE.messages for text in message.fires})

_CHARACTERS = st.sampled_from(("a", "B", "c", " ", ":", r"\.", r"\[", r"\x22", "é"))
_CLASSES = st.sampled_from(("[ab]", "[A-C]", r"[a\-c]", "[^a]", ".", r"\w", r"\d", r"[\s:]", "[]a]", "[é]"))
_REPEATS = st.sampled_from(("", "", "", "?", "*", "+", "{2}", "{0,2}", "{1,}", "{3,4}"))
_ATOMS = st.recursive(
    _CHARACTERS | _CLASSES,
    lambda inner: st.lists(
        st.lists(st.tuples(inner, _REPEATS).map("".join), max_size=3).map("".join), min_size=1, max_size=3
    ).map(lambda parts: f"(?:{'|'.join(parts)})"),
    max_leaves=5,
)
#: Expressions as people might write them.
EXPRESSIONS = st.lists(st.tuples(_ATOMS, _REPEATS).map("".join), min_size=1, max_size=4).map("".join)


def holds_what_is_required(expression: bytes, match: bytes) -> bool:
    text = match.lower()
    return all(any(word in text for word in words) for words in required_literals(expression))


@given(st.data())
def test_each_match_of_what_is_shipped_holds_what_is_read_off_it(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from((FORMS, MARKS, WRITTEN)).flatmap(st.sampled_from))
    expression = form.encode()
    match = data.draw(st.from_regex(re.compile(translated(form, "^", "$", "", r"\b").encode())))
    assert holds_what_is_required(expression, match)


@given(st.data(), EXPRESSIONS)
def test_each_match_of_any_expression_holds_what_is_read_off_it(data: st.DataObject, expression: str) -> None:
    match = data.draw(st.from_regex(re.compile(expression.encode())))
    assert holds_what_is_required(expression.encode(), match)


@pytest.fixture
def never_whole(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(partial_database, "MOST_SECONDS", float("inf"))
    yield


@cache
def engines() -> tuple[Any, Any]:
    """The whole database of the catalogue and the partial one; with its messages in another order,
    it is remembered nowhere.
    """
    with databases.only_what_may_match():
        partial = finder(Catalogue(CATALOGUE.messages[::-1])).engine
    return finder(CATALOGUE).engine, partial


@pytest.mark.usefixtures("never_whole")
@given(st.lists(LINES | st.sampled_from(PRINTED), max_size=12))
def test_in_any_log_the_partial_database_finds_what_the_whole_one_finds(lines: list[str]) -> None:
    log = "\n".join(lines).encode("utf-8", "replace")
    whole, partial = engines()
    assert isinstance(partial, partial_database.PartialDatabase)
    last = len(CATALOGUE.messages) - 1
    assert {(last - number, to) for number, to in found(partial, log)} == found(whole, log)


def found(database: Any, log: bytes) -> set[tuple[int, int]]:
    matches: set[tuple[int, int]] = set()
    databases.scan(database, log, lambda number, _from, to, *_: matches.add((number, to)))
    return matches
