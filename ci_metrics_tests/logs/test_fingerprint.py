"""Fingerprints meet where one change fixes both failures, and only there."""

from __future__ import annotations

import pytest

from ci_metrics.logs import extractor_version, fingerprint
from ci_metrics_tests.logs.pairs import DIFFERENT, SAME, Side
from ci_metrics_tests.logs.pairs_met import DIFFERENT_MET, SAME_MET


def mark(side: Side) -> fingerprint.Mark:
    headline, line = side if isinstance(side, tuple) else (side, side)
    return fingerprint.of(headline, [headline, line])


ALL_SAME, ALL_DIFFERENT = (*SAME, *SAME_MET), (*DIFFERENT, *DIFFERENT_MET)


def test_there_are_enough_pairs_each_with_its_reason_and_none_twice() -> None:
    assert len(ALL_SAME) + len(ALL_DIFFERENT) >= 300
    assert all(reason for _, _, reason in (*ALL_SAME, *ALL_DIFFERENT))
    assert not {frozenset(map(str, pair[:2])) for pair in ALL_SAME} & {
        frozenset(map(str, p[:2])) for p in ALL_DIFFERENT
    }


def test_of_the_pairs_97_percent_are_told_right_both_ways() -> None:
    torn = [pair for pair in ALL_SAME if mark(pair[0]).fingerprint != mark(pair[1]).fingerprint]
    joined = [pair for pair in ALL_DIFFERENT if mark(pair[0]).fingerprint == mark(pair[1]).fingerprint]
    assert len(torn) <= 0.03 * len(ALL_SAME), torn
    assert len(joined) <= 0.03 * len(ALL_DIFFERENT), joined


SAYS_NOTHING = (
    "Process completed with exit code 1.",
    "##[error]Process completed with exit code 2.",
    "Error: Process completed with exit code 2",
    "make: *** [all] Error 2",
    "make: *** [Makefile:12: all] Error 2",
    "make[2]: *** [src/Makefile:88: cart.o] Error 1",
    "npm error code 1",
    "npm ERR! code ELIFECYCLE",
    "npm ERR! errno 1",
    "npm error command sh -c node install.js",
    "npm error A complete log of this run can be found in: /root/.npm/_logs/2031-08-25T21_37_42_580Z-debug-0.log",
    "error Command failed with exit code 1.",
    "ERR_PNPM_RECURSIVE_RUN_FIRST_FAIL kiosk@1.0.0 test: `vitest run`",
    "The operation was canceled.",
    "BUILD FAILED",
    "BUILD FAILED in 3s",
    "Tests failed.",
    "exit status 1",
    "3 failed",
    "FAIL",
    "=== FAILURES ===",
    "=================================== FAILURES ===================================",
    "1 failing",
    "Tests: 3 failed, 20 passed",
    "Test Suites: 1 failed, 12 passed, 13 total",
    "Tests run: 20, Failures: 1, Errors: 0, Skipped: 0",
    "35 examples, 1 failure",
    "✖ 12 problems (10 errors, 2 warnings)",
    "Found 3 errors in 2 files (checked 40 source files)",
    "Oops! Something went wrong! :(",
    "[warn] Code style issues found in the above file. Run Prettier with --write to fix.",
    "Error: The updater encountered one or more errors.",
    "> build",
    "> kiosk@1.0.0 build",
    "$ yarn test",
    "##[group]Run npm test",
    'Error: failed to solve: process "/bin/sh -c make kiosk" did not complete successfully: exit code: 1',
    "error: could not compile `kiosk` (lib) due to 3 previous errors",
    "error: aborting due to 2 previous errors; 1 warning emitted",
    "For more information about this error, try `rustc --explain E0425`.",
    "Execution failed for task ':app:test'.",
    "> Task :app:test FAILED",
    "Dockerfile:12",
    "The process '/usr/bin/git' failed with exit code 128",
    "Command '['make', 'kiosk']' returned non-zero exit status 2.",
    "subprocess-exited-with-error",
    "ninja: build stopped: subcommand failed.",
    "ERROR: Build did NOT complete successfully",
    "Traceback (most recent call last):",
    "PASS src/cart.test.ts",
    "12 |     raise CartError(sku)",
    "Finished: FAILURE",
    'The command "make kiosk" failed and exited with 2 during .',
    "The process '/usr/bin/git' failed",
    "lerna ERR! npm run test exited 1 in 'kiosk'",
    "NX   Running target test for 3 projects failed",
    "Run plum/kiosk@v4",
    "echo Building the kiosk",
    "set -euo pipefail",
    "export KIOSK_MODE=ci",
    "cd kiosk/web",
    "b4 q=7 w=2 z=c4",
    "Job test-linux failed",
    "[ERROR] Failed to execute goal com.kiosk:kiosk-maven-plugin:3.2.5:test (default-test) on project kiosk: There are test failures.",
    "pip subprocess to install build dependencies did not run successfully.",
    "kiosk-lint found 3 problems",
    "kiosk-build exited with code 2",
    "<--- Last few GCs --->",
    "● Test suite failed to run",
    'error: script "test" exited with code 1',
    "error: test failed, to rerun pass `--lib`",
    '#11 ERROR: process "/bin/sh -c make kiosk" did not complete successfully: exit code: 2',
    "- - - - -",
)


@pytest.mark.parametrize("text", SAYS_NOTHING)
def test_a_headline_that_any_failure_could_have_is_generic_and_never_telling(text: str) -> None:
    found = fingerprint.of(text, [text])
    assert (found.generic, found.telling) == (True, False)


TELLING = (
    "FAILED tests/test_a.py::test_b",
    "src/a.c:3:1: error: x undeclared",
    "ModuleNotFoundError: No module named 'grape'",
    "npm error 404 'grape-native@2.1.0' is not in this registry.",
    "error[E0425]: cannot find function `addd` in this scope",
    "--- FAIL: TestCartTotal (0.00s)",
    "Error: Unable to resolve action plum/kiosk@v3",
    "environment variable DEPOT_URL is not set",
    "Could not resolve host: depot.example",
    "✗ [ERROR] Could not resolve './cart'",
    "java.lang.NoSuchMethodError: com.kiosk.Cart.total()",
    'xcodebuild: error: Scheme "Kiosk" is not configured',
    "cp: cannot stat ‘grape’",
    "no rule for “grape”",
    "cannot stat /srv/grape/seeds",
    "cannot stat /a/b/c",
    "pull access denied for plum/kiosk",
    r"cannot open C:\kiosk\cart",
    "cart.py is not formatted",
    "addd() takes no arguments",
    "module crate::cart is private",
    "cart#total raised",
    "grape@9 cannot be resolved",
    "cannot install grape==9",
    "secret deploy_key is empty",
    "no property KioskCart",
    "Failed to execute goal on project kiosk: Could not find artifact com.kiosk:cart:jar:1.2.3 in central",
)
#: What is wrong, in words that a tool has for every project.
FIXED = (
    "Error: Input required and not supplied: token",
    "No space left on device",
    "ValueError: bad value",
    "gh: Resource not accessible by integration (HTTP 403)",
    "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
    "panic: runtime error: invalid memory address or nil pointer dereference",
    "npm error `npm ci` can only install packages when your package.json and package-lock.json are in sync.",
    "No Rakefile found (looking for: rakefile, Rakefile, rakefile.rb, Rakefile.rb)",
    "Credentials could not be loaded, please check your action inputs",
    "The runner has received a shutdown signal.",
    "io: read/write on closed pipe",
    "Set a budget before deploying",
    "接続が拒否されました",
    "ERR_TOO_MANY_REDIRECTS was seen",
    "TypeError: Failed to fetch",
    "Error: Cannot read 'path' of undefined",
    "Resource not accessible by integration - https://docs.github.com/rest",
)


@pytest.mark.parametrize("text", TELLING)
def test_a_headline_that_names_a_thing_is_telling(text: str) -> None:
    found = fingerprint.of(text, [text])
    assert (found.generic, found.telling) == (False, True)


@pytest.mark.parametrize("text", FIXED)
def test_a_tools_fixed_sentence_is_an_identity_but_not_a_telling_one(text: str) -> None:
    found = fingerprint.of(text, [text])
    assert (found.generic, found.telling) == (False, False)


def test_a_fixed_sentence_with_the_thing_in_it_is_telling() -> None:
    assert fingerprint.of("Error: Input required and not supplied: deploy_key", []).telling


def test_a_generic_headline_takes_its_name_from_a_line_that_has_one_whatever_wraps_it() -> None:
    names = ["collected 3 items", "FAILED tests/a.py::test_x", "Process completed with exit code 1."]
    one = fingerprint.of("Process completed with exit code 1.", names)
    other = fingerprint.of("=== 1 failed, 20 passed in 2.31s ===", names)
    assert (one.generic, one.telling) == (False, True)
    assert one.fingerprint == other.fingerprint


@pytest.mark.parametrize(
    "aside",
    [
        "npm warn deprecated grape@1.2.3: use plum",
        "warning: src/old.c:3: unused variable 'x'",
        "$ node scripts/check.js --cannot-fail",
        "✓ 3 [chromium] › cart.spec.ts:12:5 › adds",
        "test cart::adds ... ok",
        "2 errors found",
    ],
)
def test_asides_passes_and_commands_name_no_error(aside: str) -> None:
    assert fingerprint.of("1 failing", [aside, "1 failing"]).generic


def test_a_test_is_a_better_name_than_a_place_and_ones_own_code_than_a_librarys() -> None:
    strange = "    at Runner.run (/w/node_modules/mocha/lib/runner.js:12:3)"
    place, test = "    at add (/w/src/cart.js:31:9)", "  1) Cart adds an item:"
    assert fingerprint.of("1 failing", [strange, place, test]).named == "Cart adds an item:"
    assert "cart.js" in fingerprint.of("1 failing", [strange, place]).named
    assert not fingerprint.of("1 failing", [strange]).generic


@pytest.mark.parametrize(
    "role", ["title", "count", "epilogue", "frame", "echo", "banner", "status", "pass", "hint", "step-start"]
)
def test_a_line_of_a_nameless_role_is_generic_whatever_its_words(role: str) -> None:
    text = "grape.toml was not accepted by 'plum'"
    alone = fingerprint.of(text, [text], role=role)
    beside = fingerprint.of(text, [text, "FAILED tests/a.py::test_x"], role=role)
    assert (alone.generic, alone.telling) == (True, False)
    assert (beside.generic, beside.named) == (False, "FAILED tests/a.py::test_x")


@pytest.mark.parametrize("role", ["cause", "warning", ""])
def test_any_other_role_leaves_it_to_the_words(role: str) -> None:
    text = "grape.toml was not accepted by 'plum'"
    assert fingerprint.of(text, [text], role=role) == fingerprint.of(text, [text])


def test_what_stands_after_a_frames_last_colon_may_name_the_error() -> None:
    said = "failed to deploy kiosk: upload of grape.tar: getaddrinfo ENOTFOUND depot.example"
    found = fingerprint.of(said, [said], role="frame")
    assert (found.generic, found.named) == (False, "getaddrinfo ENOTFOUND depot.example")


def test_both_marks_carry_the_version_of_their_algorithm() -> None:
    found = fingerprint.of("ValueError: bad value", [])
    assert found.fingerprint.startswith(f"f{fingerprint.FINGERPRINT_VERSION}-")
    assert found.group.startswith(f"g{fingerprint.FINGERPRINT_VERSION}-")


def test_what_was_extracted_under_another_version_of_the_algorithm_is_of_another_version() -> None:
    assert fingerprint.FINGERPRINT_VERSION in extractor_version()


def test_a_group_joins_one_cause_across_folders_and_versions() -> None:
    one = fingerprint.of("src/core/net.py:3: ConnectionError: api.example refused, client v1.2.3", [])
    two = fingerprint.of("lib/net.py:9: ConnectionError: api.example refused, client v1.3.0", [])
    assert one.fingerprint != two.fingerprint
    assert one.group == two.group


def test_normalising_takes_time_linear_in_the_length_of_the_line() -> None:
    assert fingerprint.normalised("a" * 2000 + " 1" * 2000)
    assert fingerprint.normalised("/".join("tmp" for _ in range(4000)))
    assert fingerprint.normalised("-".join("a1" for _ in range(1500)))
