"""The recorded logs of `bench/recorded`: a change must not lose what holds on them.

They took part in learning and share their makers' habits, so these floors say nothing about
logs elsewhere (docs/quality.md does). Each stands a little below what holds: a change that
costs more than that is looked at.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ci_metrics.classifier import Classifier
from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.logs import extract
from ci_metrics.logs.lines import text_of
from ci_metrics.models import Extraction, Job, Verdict
from ci_metrics_tests.builders import a_job

FOLDER = Path(__file__).parents[2] / "bench" / "recorded"
#: Of the marked lines, in the excerpt; of the logs, how many first errors hold a marked line, how
#: many are headed by one, and how many verdicts are acceptable.
KEPT, FIRST, HEADED, LENIENT = 0.985, 0.96, 0.88, 0.92
#: Characters of an excerpt, on average.
CHARACTERS = 3_500
#: Logs that passed and are said to hold an error: one whole job whose last action ended
#: with the words of one.
TOLD = 1


class Judged(NamedTuple):
    """One recorded failure, and what is said of it."""

    row: dict[str, Any]
    raw: bytes
    found: Extraction
    verdict: Verdict

    @property
    def marked(self) -> set[int]:
        return lines_in(self.row["spans"])


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


def log(row: dict[str, Any]) -> bytes:
    return gzip.decompress((FOLDER / row["log"]).read_bytes())


def lines_in(spans: Any) -> set[int]:
    return {number for first, last in spans for number in range(first, last + 1)}


@pytest.fixture(scope="module")
def failed() -> list[Judged]:
    classifier, made = Classifier(load_taxonomy(None)), []
    for row in rows("cases.jsonl"):
        raw = log(row)
        found = extract(raw)
        made.append(Judged(row, raw, found, classifier.judge(found)))
    return made


def share(of: list[bool]) -> float:
    return sum(of) / len(of)


def test_the_marked_lines_are_kept_in_a_small_excerpt(failed: list[Judged]) -> None:
    shares = [len(each.marked & lines_in(each.found.spans)) / len(each.marked) for each in failed]
    assert sum(shares) / len(shares) >= KEPT
    assert sum(len(each.found.excerpt) for each in failed) / len(failed) <= CHARACTERS


def test_the_first_error_holds_a_marked_line_and_mostly_is_headed_by_one(failed: list[Judged]) -> None:
    firsts = [(each, each.found.errors[0]) for each in failed]
    assert share([bool(each.marked & {line.number for line in error.lines}) for each, error in firsts]) >= FIRST
    assert share([error.line in each.marked for each, error in firsts]) >= HEADED


def test_every_failed_job_has_an_error(failed: list[Judged]) -> None:
    assert [each.row["id"] for each in failed if each.found.state != "errors"] == []


def test_verdicts_are_acceptable_ones(failed: list[Judged]) -> None:
    assert share([each.verdict.error_type in each.row["expected"] for each in failed]) >= LENIENT


def test_every_quote_stands_on_its_line(failed: list[Judged]) -> None:
    for each in failed:
        lines = each.raw.split(b"\n")
        for quote in each.verdict.evidence:
            assert quote.line is not None
            visible = "".join(quote.text.split())
            assert visible[:60] in "".join(text_of(lines[quote.line - 1]).split()), (each.row["id"], quote)


def test_hardly_a_log_that_passed_gives_an_error_in_any_format() -> None:
    passing = [row for row in rows("passing.jsonl") if not row.get("marked")]
    assert {row["format"] for row in passing} == {"gha", "travis", "jenkins"}
    assert len(passing) > 200
    assert len([row["id"] for row in passing if extract(log(row)).state == "errors"]) <= TOLD


def test_a_job_that_passed_gives_no_error_though_a_step_was_marked_that_was_allowed_to_fail() -> None:
    marked = [row for row in rows("passing.jsonl") if row.get("marked")]
    assert len(marked) >= 20
    assert [row["id"] for row in marked if extract(log(row), job=passed_job()).state != "no_error_found"] == []


def passed_job() -> Job:
    return a_job(conclusion="success", steps=())
