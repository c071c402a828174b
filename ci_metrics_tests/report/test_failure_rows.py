"""A failure's row below its cause."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ci_metrics.history.time_range import default_window
from ci_metrics.index.document_index import DocumentIndex
from ci_metrics.report.causes import ShownCause
from ci_metrics.report.failure_rows import failure_row
from ci_metrics.report.page import build_report
from ci_metrics_tests.report.corpus import END, HOSTILE, corpus


@pytest.fixture
def cause(embedded_index: DocumentIndex) -> ShownCause:
    embedded_index.upsert(corpus(6))
    report = build_report(embedded_index, END, window=default_window(embedded_index, END))
    return next(each for each in report.causes if each.group and each.quote)


def test_what_stands_at_the_cause_is_not_said_again_and_all_else_is(cause: ShownCause) -> None:
    known = cause.failures[0]
    plain = replace(
        known, step=cause.step, fix=cause.hint, pr="", attempt=1, line=None, confidence=None, flaky="", gates=(), other_errors=0,
        source="rules", seconds=240.0, branch="main", url="https://ci/job", log_url="",
    )  # fmt: skip
    row = str(failure_row(cause, plain, "1 2", 59.6))
    assert row == (
        f'<li data-v="1 2" data-lost="60"><time datetime="{known.when:%Y-%m-%dT%H:%M}">{known.when:%d %b %H:%M}</time> '
        f'<a href="https://ci/job" target="_blank" rel="noopener">{known.job}</a> '
        f'<span class="where">{known.repo} · {known.workflow} · main · 4 min</span></li>'
    )
    full = replace(
        plain, pr="7", attempt=2, step="Lint", line=12, confidence=0.923, flaky="confirmed", source="human", gates=("all", "done"),
        other_errors=2, fix="Do it", summary="Something else.", quote="another line", url="",
    )  # fmt: skip
    row = str(failure_row(cause, full, "1 2", 59.6))
    assert "<a " not in row
    assert (
        "main · #7 · attempt 2 · step “Lint” · 4 min · line 12 · 92 % sure · flaky: confirmed · said by a person · "
        "gates that failed with it: all, done · 2 more errors in this job · hint: Do it</span>"
        '<span class="said">Something else.</span><code class="quote">another line</code></li>'
    ) in row


@pytest.mark.parametrize("nasty", HOSTILE)
def test_no_text_of_ci_is_markup(cause: ShownCause, nasty: str) -> None:
    known = cause.failures[0]
    hostile = replace(
        known, repo=nasty, workflow=nasty, job=nasty, branch=nasty, pr=nasty, step=nasty, summary=nasty, quote=nasty, fix=nasty,
        flaky=nasty, gates=(nasty,), url=f"https://x/{nasty}",
    )  # fmt: skip
    row = str(failure_row(cause, hostile, "1", 1.0))
    bare = str(failure_row(cause, replace(known, summary="s", quote="q"), "1", 1.0))
    assert row.count("<") == bare.count("<")
    assert nasty not in row or "<" not in nasty
