"""The recorded logs of `bench/recorded`: what passed gives nothing, what failed keeps its cause and gets its kind, every quote stands."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ci_metrics.classifier import Classifier
from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.logs import extract
from ci_metrics.logs.lines import text_of
from ci_metrics.models import Extraction, Job, Verdict

FOLDER = Path(__file__).parents[2] / "bench" / "recorded"
#: Floors a little below what `ci-metrics evaluate bench/recorded` prints: a change that costs more than that is a step back.
RECALL, LENIENT, CHARACTERS = 0.99, 0.97, 3_000


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


def judged(row: dict[str, Any]) -> tuple[bytes, Extraction, Verdict]:
    raw = gzip.decompress((FOLDER / row["log"]).read_bytes())
    found = extract(raw)
    return raw, found, Classifier(load_taxonomy(None)).judge(found)


@pytest.fixture(scope="module")
def failed() -> list[tuple[dict[str, Any], bytes, Extraction, Verdict]]:
    return [(row, *judged(row)) for row in rows("cases.jsonl")]


def passed_job() -> Job:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Job(
        repo="o/r", run_id=1, run_attempt=1, job_id=2, name="test", workflow_name="CI", status="completed", conclusion="success",
        created_at=now, started_at=now, completed_at=now, runner_id=1, runner_name="GitHub Actions 1", labels=(),
        head_branch="main", head_sha="a" * 40, html_url="", steps=(), annotations=(),
    )  # fmt: skip


def test_logs_that_passed_give_no_error_and_no_verdict_in_any_format() -> None:
    passing = [row for row in rows("passing.jsonl") if not row.get("marked")]
    told = [row["id"] for row in passing if judged(row)[1].state == "errors"]
    assert {row["format"] for row in passing} == {"gha", "travis", "jenkins"}
    assert len(passing) > 200
    assert told == []


def test_a_job_that_passed_gives_no_error_though_a_step_was_marked_that_was_allowed_to_fail() -> None:
    marked = [row for row in rows("passing.jsonl") if row.get("marked")]
    assert len(marked) >= 20
    for row in marked:
        assert extract(gzip.decompress((FOLDER / row["log"]).read_bytes()), job=passed_job()).state == "no_error_found"


def test_the_marked_lines_are_kept_in_a_small_excerpt(
    failed: list[tuple[dict[str, Any], bytes, Extraction, Verdict]],
) -> None:
    shares = []
    for row, _, found, _ in failed:
        marked = {number for first, last in row["spans"] for number in range(first, last + 1)}
        kept = {number for first, last in found.spans for number in range(first, last + 1)}
        shares.append(len(marked & kept) / len(marked))
    assert sum(shares) / len(shares) >= RECALL
    assert sum(len(found.excerpt) for _, _, found, _ in failed) / len(failed) <= CHARACTERS


def test_verdicts_are_acceptable_ones(failed: list[tuple[dict[str, Any], bytes, Extraction, Verdict]]) -> None:
    right = [verdict.error_type in row["expected"] for row, _, _, verdict in failed]
    assert sum(right) / len(right) >= LENIENT


def test_every_quote_stands_on_its_line(failed: list[tuple[dict[str, Any], bytes, Extraction, Verdict]]) -> None:
    for row, raw, _, verdict in failed:
        lines = raw.decode("utf-8", "replace").split("\n")
        for quote in verdict.evidence:
            visible = "".join(quote.text.split())
            assert visible[:60] in "".join(text_of(lines[quote.line - 1].encode()).split()), (row["id"], quote)
