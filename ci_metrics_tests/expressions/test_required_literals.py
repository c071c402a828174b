"""What an expression requires is read off it for certain, or not at all."""

from __future__ import annotations

import pytest

from ci_metrics.expressions.required_literals import required_literals

#: An expression, and the sets of texts of which each of its matches holds one.
REQUIRED = (
    ("FAILED tests", [["failed tests"]]),
    ("colou?rs", [["colors", "colours"]]),
    ("ab*c", [["a"], ["c"]]),
    ("ab{0}c", [["a"], ["c"]]),
    ("x{2,}y", [["xx"], ["xy"]]),
    ("ab{3}c", [["abbbc"]]),
    ("no (?:route|host) here", [["no route here", "no host here"]]),
    ("(?:error|fatal)(?:: .*)?$", [["error", "fatal"]]),
    ("Job .+ failed", [["job "], [" failed"]]),
    ("a(?:b.|c)d", [["a"], ["b", "c"], ["d"]]),
    ("cannot|unable to", [["cannot", "unable to"]]),
    (r"<c>ERROR<c>: \S", [["error"], [": "]]),
    (r"[Ee]rror\[E\d{4}\]", [["error[e"], ["]"]]),
    (r"[a\-c]x", [["ax", "-x", "cx"]]),
    (r"\bexit\b \x22\t", [['exit "\t']]),
    ("✗ x", [["✗ x"]]),
)
#: Expressions that say nothing for certain, or not in a way that is understood.
SILENT = (
    "",
    "a?",
    r"\d+",
    "[a-z]{4}",
    "abc|",
    "(?=abc)def",
    "[[:alpha:]]bc",
    r"\Qabc\E",
    r"(a)\1",
    "abc(",
    "abc)",
    "+abc",
    "(?i:abc)",
    r"\vabc",
)


@pytest.mark.parametrize(("expression", "expected"), REQUIRED)
def test_each_match_holds_one_text_of_each_set(expression: str, expected: list[list[str]]) -> None:
    found = required_literals(expression.encode())
    assert {frozenset(texts) for texts in found} == {frozenset(map(str.encode, texts)) for texts in expected}


@pytest.mark.parametrize("expression", SILENT)
def test_what_is_not_understood_requires_nothing(expression: str) -> None:
    assert required_literals(expression.encode()) == ()


def test_where_the_engine_reads_characters_a_class_holds_characters() -> None:
    assert required_literals("[✓✗] ok".encode(), utf8=True) == (frozenset({"✓ ok".encode(), "✗ ok".encode()}),)
    assert required_literals("é ok".encode(), utf8=True) == (frozenset({b" ok"}),)  # or É, whose bytes are others
