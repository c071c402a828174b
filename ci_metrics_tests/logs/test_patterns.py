"""Patterns are data, each with examples: it fires where it should and is silent where it should be."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import hyperscan
import pytest

from ci_metrics.errors import ContractError
from ci_metrics.logs import catalogue

STAMP = "2024-05-01T10:11:12.1234567Z "


@cache
def database(pattern: catalogue.Pattern) -> hyperscan.Database:
    return catalogue.compiled([pattern])


def matches(pattern: catalogue.Pattern, text: str) -> bool:
    found: list[int] = []
    database(pattern).scan(text.encode(), match_event_handler=lambda *_: found.append(1))
    return bool(found)


@pytest.mark.parametrize("pattern", catalogue.patterns(), ids=lambda p: p.id)
def test_a_pattern_fires_on_its_examples_and_is_silent_on_the_others(pattern: catalogue.Pattern) -> None:
    assert pattern.fires, "each pattern has an example"
    assert pattern.prints, "and a word on what prints it"
    assert [text for text in pattern.fires if not matches(pattern, text)] == []
    assert [text for text in pattern.silent if matches(pattern, text)] == []


@pytest.mark.parametrize("family", sorted({p.family for p in catalogue.patterns()}))
def test_timestamps_and_colours_before_a_line_do_not_hide_it(family: str) -> None:
    mine = [p for p in catalogue.patterns() if p.family == family]
    hidden = []
    for pattern in mine:
        for text in pattern.fires:
            for dressed in (STAMP + text, f"{STAMP}\x1b[31m{text}\x1b[0m", f"\ufeff{STAMP}{text}"):
                if not text.startswith("\x1b") and not pattern.regex.endswith("$") and not matches(pattern, dressed):
                    hidden.append((pattern.id, dressed))
    assert hidden == []


def test_every_file_names_its_family_and_no_id_is_used_twice() -> None:
    folder = Path(catalogue.__file__).parent / "patterns"
    assert {p.family for p in catalogue.patterns()} == {f.stem for f in folder.glob("*.toml")}
    assert len({p.id for p in catalogue.patterns()}) == len(catalogue.patterns())


def test_weights_lie_between_0_and_10_and_what_is_no_cause_says_so() -> None:
    assert all(0 <= p.weight <= 10 for p in catalogue.patterns())
    assert all(p.weight > 0 for p in catalogue.patterns() if p.role == "cause")


def test_a_pattern_that_the_engine_cannot_match_in_linear_time_is_refused_by_name() -> None:
    bad = catalogue.Pattern(
        id="bad", family="x", regex=r"(a)\1", weight=1, role="cause", ignore_case=False, root=0, opens=False, closes=False,
        prints="", fires=(), silent=(),
    )  # fmt: skip
    with pytest.raises(ContractError, match=r"\(a\)"):
        catalogue.compiled([bad])


def test_the_version_changes_with_the_patterns() -> None:
    assert catalogue.patterns_version() == catalogue.patterns_version()
    assert len(catalogue.patterns_version()) == 8


def test_the_engine_is_compiled_once_a_process() -> None:
    assert catalogue.engine() is catalogue.engine()
    assert isinstance(catalogue.engine(), hyperscan.Database)
