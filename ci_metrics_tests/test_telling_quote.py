"""Quotes that say what is wrong."""

from __future__ import annotations

import pytest

from ci_metrics.index.documents import job_document
from ci_metrics.index.error_fields import JobOutcome
from ci_metrics.models import Evidence, LogLine
from ci_metrics.telling_quote import headline, is_code, telling_after
from ci_metrics_tests.builders import a_job, a_run, a_verdict, an_error

CODES = (
    "npm error code ETARGET",
    "npm ERR! code ERESOLVE",
    "error[E0308]",
    "error[E0308]: mismatched types",
    "ERR! code ENOENT",
    "##[error]Process completed with exit code 1",
    "Error: Process completed with exit code 2.",
    "The process '/usr/bin/git' failed with exit code 128",
    "make: *** [all] Error 2",
    "exit status 1",
    "CS0103:",
    "FAILED",
)
TELLING = (
    "npm error notarget No matching version found for left-pad@9",
    "Error: Cannot find module 'x'",
    "error: linker failed",
    "TypeError: x is not y",
    "error TS2322: Type 'x' is not assignable",
    "AssertionError: assert 1 == 2",
)


def test_a_code_is_told_from_a_line_that_says_what_is_wrong() -> None:
    assert [line for line in CODES if not is_code(line)] == []
    assert [line for line in TELLING if is_code(line)] == []


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            ("npm error code ETARGET", "npm error notarget No matching version"),
            "npm error notarget No matching version",
        ),
        (("error[E0308]: mismatched types", " --> src/cart.rs:3:5", "  |"), " --> src/cart.rs:3:5"),
        (
            ("npm ERR! code E404", "npm ERR! errno E404", "npm ERR! 404 Not Found - GET x"),
            "npm ERR! 404 Not Found - GET x",
        ),
        (("cannot open shared object", "##[error]Process completed with exit code 1."), "cannot open shared object"),
        (("Error: Cannot find module 'x'", "Require stack:"), ""),
    ],
)
def test_the_telling_line_is_the_next_one_else_the_one_before(lines: tuple[str, ...], told: str) -> None:
    quote = next((line for line in lines if is_code(line)), lines[0])
    assert telling_after([quote], lines) == told


def test_a_headline_joins_a_code_and_what_it_means_and_leaves_others_alone() -> None:
    assert (
        headline("npm error code ETARGET\nnpm error notarget No version")
        == "npm error code ETARGET — npm error notarget No version"
    )
    assert headline("TypeError: x is not y\nmore words here") == "TypeError: x is not y"
    assert (headline(""), headline("exit status 1")) == ("", "exit status 1")


def test_a_document_quotes_the_telling_line_with_the_code_and_keeps_its_fingerprint() -> None:
    code, means = "npm error code ETARGET", "npm error notarget No matching version found for left-pad@9"
    lines = (LogLine(7, code), LogLine(8, means))
    error = an_error(headline=code, line=7, lines=lines)
    outcome = JobOutcome(state="classified", verdicts=((error, a_verdict(evidence=(Evidence(7, code),))),))
    body = job_document(a_run(), a_job(), outcome).body
    assert body["s_error_evidence"] == f"{code}\n{means}"
    assert body["errors"][0]["s_error_evidence"] == f"{code}\n{means}"
    assert (body["l_error_line"], body["s_error_fingerprint"]) == (7, error.fingerprint)
