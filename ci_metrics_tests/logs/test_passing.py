"""Errors that a test provokes on purpose and survives are no cause; those
of a test that fails are.
"""

from __future__ import annotations

import pytest

from ci_metrics.catalogue import load_catalogue
from ci_metrics.logs import extract, passed_tests

TRACE = [
    "java.lang.IllegalStateException: the store is shut",
    "\tat com.acme.Store.open(Store.java:41)",
    "\tat com.acme.StoreTest.refusesWhenShut(StoreTest.java:22)",
]
CRASH = ["panic: the store is shut", "goroutine 7 [running]:", "main.open(0x0)", "\t/src/store.go:41 +0x1d"]
ABORT = ["Error: the store is shut", "terminate called after throwing an instance of 'std::runtime_error'"]

#: Runner -> what it prints before a test's output, the output, and behind it when the test
#: passed, when it failed.
RUNNERS = {
    "jvm-surefire-class": (
        "[INFO] Running com.acme.StoreTest",
        TRACE,
        "[INFO] \x1b[1;32mTests run: \x1b[0;1;32m5\x1b[m, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 0.3 s - in com.acme.StoreTest",
        "[ERROR] Tests run: 5, Failures: 1, Errors: 0, Skipped: 0, Time elapsed: 0.3 s <<< FAILURE! - in com.acme.StoreTest",
    ),
    "jvm-gradle-output": (
        "StoreTest > refusesWhenShut() STANDARD_ERROR",
        ["    " + line for line in TRACE],
        "StoreTest > refusesWhenShut() PASSED",
        "StoreTest > refusesWhenShut() FAILED",
    ),
    "go-test-verbose": ("=== RUN   TestShut", CRASH, "--- PASS: TestShut (0.01s)", "--- FAIL: TestShut (0.01s)"),
    "native-gtest-passed": (
        "[ RUN      ] Store.Shut",
        ABORT,
        "[       OK ] Store.Shut (1 ms)",
        "[  FAILED  ] Store.Shut (1 ms)",
    ),
    "native-ctest-verbose": (
        "test 7\n    Start 7: store_shut\n",
        [f"7: {line}" for line in ABORT],
        " 7/31 Test  #7: store_shut ......................   Passed    0.01 sec",
        " 7/31 Test  #7: store_shut ......................***Failed    0.01 sec",
    ),
}


def log_of(runner: str, *, passed: bool) -> bytes:
    """A step's log with that test's output, a dozen other tests that passed, and at
    the end a test that failed.
    """
    begin, output, good, bad = RUNNERS[runner]
    others = [begin.replace("hut", f"hut{n}") + "\n" + good.replace("hut", f"hut{n}") for n in range(12)]
    lines = ["$ make test", begin, *output, good if passed else bad, *others, "FAILED: 1 of 31 tests"]
    return "\n".join([*lines, "make: *** [Makefile:3: test] Error 1", ""]).encode()


def shown(log: bytes) -> list[str]:
    found = extract(log, budget=1_200)
    return [line.text for error in found.errors for line in error.lines]


def named(log: bytes) -> list[str]:
    return [error.headline for error in extract(log, budget=1_200).errors]


@pytest.mark.parametrize("runner", RUNNERS)
def test_what_a_test_printed_that_passed_is_no_error(runner: str) -> None:
    assert not [line for line in named(log_of(runner, passed=True)) if "the store is shut" in line]


@pytest.mark.parametrize("runner", RUNNERS)
def test_what_a_test_printed_that_failed_is_one(runner: str) -> None:
    assert [line for line in shown(log_of(runner, passed=False)) if "the store is shut" in line]


def test_what_stands_between_two_tests_belongs_to_neither() -> None:
    good = RUNNERS["jvm-surefire-class"][2]
    lines = ["[INFO] Running com.acme.CartTest", good, *TRACE, "[INFO] Running com.acme.StoreTest", good]
    lines += ["[INFO] BUILD FAILURE", "make: *** [Makefile:3: test] Error 1", ""]
    assert [line for line in shown("\n".join(lines).encode()) if "the store is shut" in line]


@pytest.mark.parametrize(
    "lines",
    [
        [
            "=== RUN   TestShut",
            *CRASH,
            "--- FAIL: TestShut (0.01s)",
            "=== RUN   TestShut",
            "--- PASS: TestShut (0.00s)",
        ],
        ["=== CONT  TestShut", *CRASH, "--- PASS: TestOther (0.01s)", "--- FAIL: TestShut (0.01s)"],
        [
            "    Start 6: cart",
            "    Start 7: store_shut",
            "7: Error: the store is shut",
            " 6/31 Test  #6: cart ....   Passed    0.01 sec",
        ],
        ["[INFO] Running com.acme.StoreTest", *TRACE, "Results:", "Tests run: 3, Failures: 0, Errors: 0, Skipped: 0"],
        ["[INFO] Running com.acme.StoreTest", *TRACE, "Tests run: 3, Failures: 0, Errors: 0, Skipped: 0"],
    ],
    ids=["go, run again", "go in parallel", "ctest -j", "surefire without an end of the class", "surefire's total"],
)
def test_that_another_test_or_the_whole_run_passed_says_nothing_of_this_one(lines: list[str]) -> None:
    rest = ["--- PASS: TestA (0.00s)", " 1/2 Test  #1: a ....   Passed    0.01 sec", "FAILED: 1 of 31 tests"]
    log = "\n".join([*lines, *rest, "make: *** [Makefile:3: test] Error 1", ""]).encode()
    assert [line for line in shown(log) if "the store is shut" in line]


def test_a_part_of_a_go_test_is_told_by_its_own_mark_below_the_wholes() -> None:
    lines = ["=== RUN   TestStore", "=== RUN   TestStore/shut", *CRASH, "=== RUN   TestStore/open"]
    lines += [
        "--- PASS: TestStore (0.01s)",
        "    --- PASS: TestStore/shut (0.00s)",
        "    --- PASS: TestStore/open (0.00s)",
    ]
    lines += [f"=== RUN   TestB{n}\n--- PASS: TestB{n} (0.00s)" for n in range(9)]
    log = "\n".join([*lines, "FAILED: 1 of 31 tests", "make: *** [Makefile:3: test] Error 1", ""]).encode()
    assert not [line for line in named(log) if "the store is shut" in line]


def test_every_runner_that_the_catalogue_knows_has_its_marks() -> None:
    assert {m.id for m in load_catalogue().messages if m.role == "framed"} == set(passed_tests.RUNNERS) == set(RUNNERS)
