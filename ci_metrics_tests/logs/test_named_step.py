"""Where GitHub names the failed step, what other steps printed is no cause, and links count
lines as GitHub's page does.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ci_metrics.classifier import Classifier
from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.logs import extract
from ci_metrics.models import Step
from ci_metrics_tests.builders import a_job, a_step

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


def line(second: float, text: str) -> str:
    return f"{(START + timedelta(seconds=second)).strftime('%Y-%m-%dT%H:%M:%S.%f')}0Z {text}\n"


def step(number: int, name: str, conclusion: str, first: float, last: float) -> Step:
    begin, end = START + timedelta(seconds=first), START + timedelta(seconds=last)
    return a_step(number, conclusion, name=name, started_at=begin, completed_at=end)


LOG = "".join(
    [
        line(0, "Current runner version: '2.330.0'"),
        line(1, "##[group]Run go test ./..."),
        line(1, "shell: /usr/bin/bash -e {0}"),
        line(1, "##[endgroup]"),
        line(2, "    errs_test.go:22: src/main.c:14:9: error: 'totl' undeclared (the message that this test expects)"),
        line(3, "PASS"),
        line(10, "##[group]Run gofmt -l ."),
        line(10, "shell: /usr/bin/bash -e {0}"),
        line(10, "##[endgroup]"),
        line(11, "These files are not formatted with gofmt:"),
        line(11, "basket/total.go"),
        line(12, "##[error]Process completed with exit code 1."),
        line(13, "Cleaning up orphan processes"),
    ]
)

JOB = a_job(
    name="format",
    created_at=START,
    started_at=START,
    completed_at=START + timedelta(seconds=14),
    steps=(
        step(1, "Set up job", "success", 0, 1),
        step(2, "Unit tests", "success", 1, 10),
        step(3, "Format", "failure", 10, 13),
        step(4, "Complete job", "success", 13, 14),
    ),
)


def test_a_step_that_passed_is_never_the_root_cause_however_much_it_looks_like_one() -> None:
    found = extract(LOG.encode(), job=JOB)
    assert found.failed_step == "Format"
    assert found.errors[0].step == "Format"
    assert "totl" not in found.errors[0].headline
    assert not any("totl" in line.text for line in found.errors[0].lines)


def test_the_failed_steps_lines_are_told_and_the_link_counts_from_its_first_line() -> None:
    found = extract(LOG.encode(), job=JOB)
    assert found.failed_span == (7, 12)
    root = found.errors[0]
    assert root.line is not None
    assert root.step_line == root.line - 6


def test_the_verdict_rests_on_the_failed_steps_lines_alone() -> None:
    found = extract(LOG.encode(), job=JOB)
    verdict = Classifier(load_taxonomy(None)).judge(found, found.errors[0], JOB)
    assert verdict.error_type == "assertion_failure"
    assert all(
        found.failed_span[0] <= quote.line <= found.failed_span[1] for quote in verdict.evidence if found.failed_span
    )
