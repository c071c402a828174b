"""Small logs, each of one kind of failure that is easily misread: the cause heads the first error,
is quoted, and has its category.

`kinds/expected.jsonl`, one a line: `log`; `expected` (acceptable categories); `decisive` (text of
the line that says what failed; `also`: lines as good); `why` (what is easily misread); `never_says`
(what the summary must not name); `equals`, `differs_from`: the log with the same fingerprint, with
another one.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ci_metrics.classifier import Classifier
from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.logs import extract
from ci_metrics.models import Extraction, Verdict

FOLDER = Path(__file__).parent / "kinds"
ROWS = {
    row["log"]: row for row in map(json.loads, (FOLDER / "expected.jsonl").read_text(encoding="utf-8").splitlines())
}
#: What does not hold yet: (log, promise) -> what is seen instead.
OPEN: dict[tuple[str, str], str] = {}


@cache
def seen(log: str) -> tuple[Extraction, Verdict]:
    found = extract((FOLDER / log).read_bytes())
    return found, Classifier(load_taxonomy(None)).judge(found)


def rows(promise: str, key: str = "log") -> list[Any]:
    return [
        pytest.param(
            row,
            id=log.removesuffix(".log"),
            marks=pytest.mark.xfail(reason=OPEN[log, promise], strict=True) if (log, promise) in OPEN else (),
        )
        for log, row in ROWS.items()
        if key in row
    ]


def said(text: str, row: dict[str, Any]) -> bool:
    return any(decisive in text for decisive in (row["decisive"], *row.get("also", ())))


@pytest.mark.parametrize("row", rows("category"))
def test_the_category_is_an_acceptable_one(row: dict[str, Any]) -> None:
    verdict = seen(row["log"])[1]
    assert verdict.error_type in row["expected"], verdict.summary


@pytest.mark.parametrize("row", rows("head"))
def test_the_line_that_says_what_failed_heads_the_first_error(row: dict[str, Any]) -> None:
    assert said(seen(row["log"])[0].errors[0].headline, row), seen(row["log"])[0].errors[0].headline


@pytest.mark.parametrize("row", rows("quote"))
def test_the_line_that_says_what_failed_is_the_first_quote(row: dict[str, Any]) -> None:
    assert said(seen(row["log"])[1].evidence[0].text, row), seen(row["log"])[1].evidence[0].text


@pytest.mark.parametrize("row", rows("summary", "never_says"))
def test_the_summary_names_no_tool_that_is_not_in_the_log(row: dict[str, Any]) -> None:
    assert row["never_says"] not in seen(row["log"])[1].summary


@pytest.mark.parametrize("row", rows("equal", "equals"))
def test_the_same_failure_has_one_identity(row: dict[str, Any]) -> None:
    assert seen(row["log"])[1].fingerprint == seen(row["equals"])[1].fingerprint


@pytest.mark.parametrize("row", rows("different", "differs_from"))
def test_different_failures_below_the_same_closing_words_have_two(row: dict[str, Any]) -> None:
    assert seen(row["log"])[1].fingerprint != seen(row["differs_from"])[1].fingerprint


def test_every_log_is_expected_to_be_something_and_small_enough_to_read() -> None:
    logs = {path.name: path.read_bytes() for path in FOLDER.glob("*.log")}
    assert logs.keys() == ROWS.keys()
    assert max(log.count(b"\n") for log in logs.values()) <= 60
