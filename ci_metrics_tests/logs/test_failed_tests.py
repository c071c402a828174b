"""The names of failed tests, as logs give them."""

from __future__ import annotations

import pytest

from ci_metrics.logs import extract
from ci_metrics_tests.job_logs import failed_job, failed_with, failing, job_log, script

NAMED = {
    "pytest": (
        ("FAILED tests/test_money.py::test_sum[a b] - assert 3 == 4", "ERROR tests/test_money.py::TestTax::test_rate - boom"),
        ("tests/test_money.py::test_sum[a b]", "tests/test_money.py::TestTax::test_rate"),
    ),
    "pytest, verbose and xdist": (
        ("tests/test_a.py::test_b FAILED   [ 50%]", "[gw1] [ 40%] FAILED tests/test_c.py::test_d"),
        ("tests/test_a.py::test_b", "tests/test_c.py::test_d"),
    ),
    "unittest": (
        ("FAIL: test_add (tests.TestAdd.test_add)", "ERROR: test_sub (tests.TestAdd)"),
        ("tests.TestAdd.test_add", "tests.TestAdd.test_sub"),
    ),
    "go": (
        ("--- FAIL: TestTotal (0.00s)", "    --- FAIL: TestTotal/with_tax (0.00s)", "--- FAIL: TestOther (1.2s)"),
        ("TestTotal/with_tax", "TestOther"),
    ),
    "jest": (
        ("FAIL src/cart.test.js", "  ● cart › adds the prices", "  ● cart › adds the prices", "Tests:       1 failed, 3 passed, 4 total"),
        ("cart › adds the prices",),
    ),
    "vitest": ((" FAIL  src/cart.test.ts > cart > adds",), ("src/cart.test.ts > cart > adds",)),
    "playwright": (
        ("  1) [chromium] › tests/cart.spec.ts:3:5 › cart › adds ─────────",),
        ("[chromium] › tests/cart.spec.ts › cart › adds",),
    ),
    "mocha, over lines": (
        ("  2 passing (8ms)", "  1 failing", "  1) parser", "       empty files", "         are read:", "      Error: boom"),
        ("parser › empty files › are read",),
    ),
    "playwright without projects": (("  1) cart.spec.js:4:1 › adds ──────",), ("cart.spec.js › adds",)),
    "mocha": (("  1 failing", "  1) Array adds:"), ("Array adds",)),
    "node": (("✖ failing tests:", "✖ answers in time (502.23ms)", "ℹ fail 1"), ("answers in time",)),
    "surefire": (
        (
            "[ERROR] Tests run: 2, Failures: 1, Errors: 0, Skipped: 0, Time elapsed: 0.1 s <<< FAILURE! - in com.acme.CartTest",
            "[ERROR] com.acme.CartTest.total -- Time elapsed: 0.1 s <<< FAILURE!",
            "[ERROR]   CartTest.total:12 expected: <1> but was: <2>",
        ),
        ("com.acme.CartTest.total",),
    ),
    "surefire, older": (("total(com.acme.CartTest)  Time elapsed: 0.1 sec  <<< FAILURE!",), ("com.acme.CartTest.total",)),
    "gradle": (("com.acme.CartTest > adds two FAILED",), ("com.acme.CartTest > adds two",)),
    "scalatest": (("[info] - adds two *** FAILED ***",), ("adds two",)),
    "cargo": (
        ("test tests::adds ... FAILED", "---- tests::adds stdout ----"),
        ("tests::adds",),
    ),
    "nextest": (("        FAIL [   0.012s] cart tests::adds",), ("cart tests::adds",)),
    "rspec": (("rspec ./spec/cart_spec.rb:3 # Cart adds",), ("./spec/cart_spec.rb # Cart adds",)),
    "minitest": (("CartTest#test_add [test/cart_test.rb:3]:",), ("CartTest#test_add",)),
    "phpunit": (
        ("1) Acme\\CartTest::testAdd", "2) Acme\\CartTest::testRate with data set #0 (1, 2)"),
        ("Acme\\CartTest::testAdd", "Acme\\CartTest::testRate with data set #0"),
    ),
    "dotnet": (
        ("  Failed Acme.CartTests.Adds(x: 1) [12 ms]", "    Acme.CartTests.Rates [FAIL]"),
        ("Acme.CartTests.Adds(x: 1)", "Acme.CartTests.Rates"),
    ),
    "ctest": (
        ("2/3 Test #2: cart ......***Failed    0.01 sec", "The following tests FAILED:", "\t  2 - cart (Failed)"),
        ("cart",),
    ),
    "googletest": (
        ("[  FAILED  ] Cart.Total (0 ms)", "[  FAILED  ] 1 test, listed below:", "[  FAILED  ] Cart.Total"),
        ("Cart.Total",),
    ),
    "tap": (("not ok 3 - adds # time=3ms",), ("adds",)),
    "bazel": (("//shop:cart_test          FAILED in 0.3s",), ("//shop:cart_test",)),
    "exunit": (("  1) test adds (CartTest)",), ("test adds (CartTest)",)),
    "xctest": (("Test Case '-[Tests.Cart testAdd]' failed (0.01 seconds).",), ("-[Tests.Cart testAdd]",)),
    "testthat": (("── Failure (test-cart.R:3:5): adds ──",), ("test-cart.R: adds",)),
}  # fmt: skip


@pytest.mark.parametrize("tool", NAMED)
def test_each_tools_failed_tests_are_named_without_what_changes_from_run_to_run(tool: str) -> None:
    lines, names = NAMED[tool]
    assert extract(failing(*lines)).failed_tests == names


def test_a_log_without_failed_tests_names_none() -> None:
    log = failing(
        "✖ 3 problems (3 errors, 0 warnings)", "❌ Deployment failed", "1) Fix the lint errors", "error: no such file"
    )
    assert extract(log).failed_tests == ()


def test_tests_of_a_step_that_passed_all_the_same_are_not_named() -> None:
    allowed = script("FAILED tests/test_slow.py::test_a - boom", run="pytest slow", code=1)
    job = failed_job(("Run pytest slow", "success"), ("Run pytest", "failure"))
    log = job_log(allowed, script("FAILED tests/test_fast.py::test_b - boom", run="pytest", code=1))
    assert extract(log, job=job).failed_tests == ("tests/test_fast.py::test_b",)


def test_a_log_that_passed_names_none() -> None:
    assert extract(job_log(script("FAILED tests/test_a.py::test_b - expected"))).failed_tests == ()


def test_a_secret_in_a_tests_name_is_masked() -> None:
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    (name,) = extract(failing(f"FAILED tests/test_api.py::test_get[{token}] - boom")).failed_tests
    assert name.startswith("tests/test_api.py::test_get[") and token not in name


def test_of_a_flood_of_failed_tests_two_hundred_are_named() -> None:
    names = extract(failing(*(f"FAILED tests/test_a.py::test_{n} - boom" for n in range(1_000)))).failed_tests
    assert names == tuple(f"tests/test_a.py::test_{n}" for n in range(200))


def command_of(*script_lines: str, shell: str = "/usr/bin/bash -e {0}") -> str:
    header = (f"##[group]Run {script_lines[0]}", *script_lines, f"shell: {shell}", "env:", "  CI: true", "##[endgroup]")
    return extract(job_log(script("fine"), (*header, "error: it broke", failed_with()))).command


def test_the_command_of_the_failing_step_is_told_in_one_line() -> None:
    assert extract(failing("error: it broke", run="make check")).command == "make check"
    assert (
        command_of("set -euo pipefail", "# checks", "npm ci", "npm test -- \\", "  --bail")
        == "npm ci && npm test -- --bail"
    )


def test_a_command_is_masked() -> None:
    assert "hunter2" not in command_of("curl -u admin:hunter2hunter2 https://db.example/")


@pytest.mark.parametrize(
    "lines",
    [
        ("if true; then", "make", "fi"),
        ("for x in 1 2; do make $x; done",),
        ("cat <<EOF > a", "x", "EOF"),
        ("bash -c '", "make", "'"),
        ("deploy() {", "make", "}"),
        ("echo " + "x" * 500,),
    ],
)
def test_a_script_that_is_no_line_of_commands_is_not_told_as_one(lines: tuple[str, ...]) -> None:
    assert command_of(*lines) == ""


def test_of_another_shell_only_a_single_command_is_told() -> None:
    assert command_of("dotnet test", shell="pwsh -command \". '{0}'\"") == "dotnet test"
    assert command_of("dotnet build", "dotnet test", shell="pwsh -command \". '{0}'\"") == ""


def test_an_action_has_no_command() -> None:
    uses = ("##[group]Run actions/setup@v4", "with:", "  shell: bash", "##[endgroup]", "##[error]it broke")
    assert extract(job_log(uses)).command == ""
