"""Fingerprints meet where one change fixes both failures, and only there."""

from __future__ import annotations

import pytest

from ci_metrics.logs import fingerprint
from ci_metrics_tests.logs.pairs import DIFFERENT, SAME, Side


def mark(side: Side) -> fingerprint.Mark:
    headline, line = side if isinstance(side, tuple) else (side, side)
    return fingerprint.of(headline, [headline, line])


def test_there_are_enough_pairs_each_with_its_reason() -> None:
    assert len(SAME) + len(DIFFERENT) >= 150
    assert all(reason for _, _, reason in (*SAME, *DIFFERENT))


def test_precision_and_recall_over_the_pairs_are_at_least_95_percent() -> None:
    joined_same = [pair for pair in SAME if mark(pair[0]).fingerprint == mark(pair[1]).fingerprint]
    joined_different = [pair for pair in DIFFERENT if mark(pair[0]).fingerprint == mark(pair[1]).fingerprint]
    torn = [pair for pair in SAME if pair not in joined_same]
    recall = len(joined_same) / len(SAME)
    precision = len(joined_same) / max(1, len(joined_same) + len(joined_different))
    assert recall >= 0.95, torn
    assert precision >= 0.95, joined_different


@pytest.mark.parametrize(
    "text",
    [
        "Process completed with exit code 1.",
        "##[error]Process completed with exit code 2.",
        "make: *** [all] Error 2",
        "error Command failed with exit code 1.",
        "The operation was canceled.",
        "BUILD FAILED",
        "Tests failed.",
        "exit status 1",
        "3 failed",
    ],
)
def test_a_headline_that_says_only_that_something_failed_is_generic(text: str) -> None:
    assert fingerprint.of(text, [text]).generic


@pytest.mark.parametrize(
    "text",
    [
        "ValueError: bad value",
        "FAILED tests/test_a.py::test_b",
        "src/a.c:3:1: error: x undeclared",
        "No space left on device",
    ],
)
def test_a_headline_that_names_a_cause_is_not_generic(text: str) -> None:
    assert not fingerprint.of(text, [text]).generic


def test_a_generic_headline_takes_its_name_from_a_line_that_has_one() -> None:
    found = fingerprint.of(
        "Process completed with exit code 1.", ["FAILED tests/a.py::test_x", "Process completed with exit code 1."]
    )
    assert not found.generic


def test_both_marks_carry_the_version_of_their_algorithm() -> None:
    found = fingerprint.of("ValueError: bad value", [])
    assert found.fingerprint.startswith(f"f{fingerprint.FINGERPRINT_VERSION}-")
    assert found.group.startswith(f"g{fingerprint.FINGERPRINT_VERSION}-")


def test_a_group_joins_one_cause_across_folders_and_versions() -> None:
    one = fingerprint.of("src/core/net.py:3: ConnectionError: api.example refused, client v1.2.3", [])
    two = fingerprint.of("lib/net.py:9: ConnectionError: api.example refused, client v1.3.0", [])
    assert one.fingerprint != two.fingerprint
    assert one.group == two.group


def test_normalising_takes_time_linear_in_the_length_of_the_line() -> None:
    assert fingerprint.normalised("a" * 2000 + " 1" * 2000)
    assert fingerprint.normalised("/".join("tmp" for _ in range(4000)))
    assert fingerprint.normalised("-".join("a1" for _ in range(1500)))
