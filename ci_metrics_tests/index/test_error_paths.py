"""Which file an error names, and who has to act first."""

from __future__ import annotations

import time

import pytest

from ci_metrics.index.error_domains import domain_of
from ci_metrics.index.error_fields import JobOutcome, job_error_fields
from ci_metrics.index.error_paths import own_paths, path_of
from ci_metrics.models import Evidence, LogLine
from ci_metrics_tests.builders import a_job, a_verdict, an_error


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ('  File "/home/runner/work/shop/shop/src/shop/cart.py", line 10, in total', "src/shop/cart.py"),
        ("src/cart.c:12:5: error: expected ‘;’", "src/cart.c"),
        ("FAILED tests/test_cart.py::test_total - assert 3 == 4", "tests/test_cart.py"),
        (r"D:\a\shop\shop\src\Cart.cs(12,3): error CS1002: ; expected", "src/Cart.cs"),
        ("    at total (src/cart.js:10:5)", "src/cart.js"),
        ("[ERROR] /srv/actions-runner/_work/shop/shop/src/main/java/Cart.java:[12,3] cannot find symbol", "src/main/java/Cart.java"),
        ("--- a/src/cart.py", "src/cart.py"),
        ("[FATAL] Non-parseable POM /home/runner/work/shop/shop/pom.xml: expected >", "pom.xml"),
        ("Warning: ./docs/index.rst: undefined label", "docs/index.rst"),
        ("Invalid workflow file: .github/workflows/ci.yml#L12", ".github/workflows/ci.yml"),
    ],
)  # fmt: skip
def test_a_line_names_the_repositorys_file_as_of_its_top(line: str, path: str) -> None:
    assert list(own_paths(line)) == [path]


@pytest.mark.parametrize(
    "line",
    [
        '  File "/usr/lib/python3.12/json/decoder.py", line 3, in decode',
        "    at Object.<anonymous> (/home/runner/work/shop/shop/node_modules/jest/run.js:1:2)",
        "/home/runner/work/_actions/actions/setup/v4/index.js:3",
        "curl: (22) https://example.com/a/b.py returned 404",
        "github.com/acme/other/cart.go:12: undefined",
        "cart.py:12: error",  # a name without a folder may be anywhere
        "uses actions/checkout@v4.1 on origin/release-1.x as application/json",
        "../sibling/cart.py:1: error",
        "npm ERR! @scope/pack.js",
        "",
    ],
)
def test_a_line_that_names_no_file_of_the_repository_gives_none(line: str) -> None:
    assert list(own_paths(line)) == []


def test_the_quote_decides_then_the_line_nearest_to_the_headline() -> None:
    lines = tuple(LogLine(number, f'File "src/part{number}.py", line 1') for number in (30, 38, 41))
    error = an_error(headline="AssertionError: 3 widgets", line=42, lines=lines)
    assert path_of(error, a_verdict(evidence=(Evidence(42, "AssertionError: 3 widgets"),))) == "src/part41.py"
    assert path_of(error, a_verdict(evidence=(Evidence(30, lines[0].text),))) == "src/part30.py"
    assert path_of(an_error(), a_verdict()) == ""


def test_a_failed_jobs_document_names_the_file_and_one_without_a_cause_does_not() -> None:
    pair = (an_error(headline="src/cart.c:12: error"), a_verdict(evidence=()))
    said = job_error_fields(a_job(), JobOutcome(state="classified", verdicts=(pair,)))
    assert said["s_error_path"] == "src/cart.c"
    assert not job_error_fields(a_job(), JobOutcome(state="no_error_found", verdicts=(pair,)))["s_error_path"]


def test_a_hostile_line_costs_no_time() -> None:
    began = time.perf_counter()
    for line in ("/" * 100_000, "a/" * 50_000, "a.b/" * 25_000 + "!", ".." * 50_000):
        assert list(own_paths(line)) == []
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("category", "quote", "domain"),
    [
        ("assertion_failure", "assert 3 == 4", "code"),
        ("network_error", "Could not resolve host", "platform"),
        ("infrastructure_error", "docker: Cannot connect to the Docker daemon", "platform"),
        ("infrastructure_error", "ERROR collecting tests/test_api.py", "code"),
        ("infrastructure_error", "fatal: couldn't find remote ref release/2.0", "code"),
        ("configuration_error", "yaml.scanner.ScannerError: while scanning for the next token", "code"),
        ("configuration_error", "Error: Input required and not supplied: token", "unknown"),
        ("timeout", "Failed: Timeout >30.0s", "unknown"),
        ("timeout", "The self-hosted runner lost communication with the server.", "platform"),
        ("resource_exhaustion", "OSError: [Errno 28] No space left on device", "platform"),
        ("resource_exhaustion", "java.lang.OutOfMemoryError", "unknown"),
        ("configuration_error", "make: *** No rule to make target 'tset'.", "code"),
        ("configuration_error", "remote: Permission to o/r.git denied", "unknown"),
        ("flaky_test", "assert 3 == 4", "code"),
        ("", "", "unknown"),
        ("a_teams_own_without_parent", "x", "unknown"),
    ],
)
def test_category_and_quote_say_who_has_to_act(category: str, quote: str, domain: str) -> None:
    body = {"s_error_state": "classified", "s_error_base_type": category, "s_error_evidence": quote}
    assert domain_of(body) == domain


def test_where_nothing_was_classified_nobody_is_named() -> None:
    assert domain_of({"s_status": "failure"}) is None
