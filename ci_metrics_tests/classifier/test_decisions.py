"""What is decided of what: the contract's decisions and those that people rely on, each on a
small log, from its bytes to the verdict.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from ci_metrics.classifier import Classifier
from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.logs import extract
from ci_metrics.models import Verdict
from ci_metrics_tests.job_logs import action, failing, job_log, script

CLASSIFIER = Classifier(load_taxonomy(None))


def judged(log: bytes) -> Verdict:
    return CLASSIFIER.judge(extract(log))


class Case(NamedTuple):
    """A failing script: what it ran, what it printed, its exit code."""

    run: str
    output: tuple[str, ...]
    category: str
    code: int = 1


#: Decision -> a failing script. The first words are those of the contract or of the taxonomy.
DECISIONS: dict[str, Case] = {
    "pytest collection errors are infrastructure: a missing module": Case(
        "pytest",
        (
            "============================= test session starts ==============================",
            "collected 0 items / 1 error",
            "==================================== ERRORS ====================================",
            "______________________ ERROR collecting tests/test_api.py ______________________",
            "ImportError while importing test module '/home/runner/work/shop/shop/tests/test_api.py'.",
            "tests/test_api.py:1: in <module>",
            "    import requests",
            "E   ModuleNotFoundError: No module named 'requests'",
            "=========================== short test summary info ============================",
            "ERROR tests/test_api.py",
            "!!!!!!!!!!!!!!!!!!!! Interrupted: 1 error during collection !!!!!!!!!!!!!!!!!!!!",
            "=============================== 1 error in 0.12s ===============================",
        ),
        "infrastructure_error",
        2,
    ),
    "pytest collection errors are infrastructure: a syntax error": Case(
        "pytest",
        (
            "collected 0 items / 1 error",
            "______________________ ERROR collecting tests/test_api.py ______________________",
            'E     File "/home/runner/work/shop/shop/tests/test_api.py", line 4',
            "E       def test_api(:",
            "E   SyntaxError: invalid syntax",
            "ERROR tests/test_api.py",
            "!!!!!!!!!!!!!!!!!!!! Interrupted: 1 error during collection !!!!!!!!!!!!!!!!!!!!",
        ),
        "infrastructure_error",
        2,
    ),
    "a lint gate is a validation: ESLint": Case(
        "npx eslint src",
        (
            "/home/runner/work/shop/shop/src/cart.js",
            "  3:5  error  'total' is not defined  no-undef",
            "",
            "✖ 1 problem (1 error, 0 warnings)",
        ),
        "assertion_failure",
    ),
    "a lint gate is a validation: ruff": Case(
        "ruff check .", ("src/cart.py:3:1: F401 [*] `os` imported but unused", "Found 1 error."), "assertion_failure"
    ),
    "a format gate is a validation: black": Case(
        "black --check .",
        (
            "would reformat src/cart.py",
            "Oh no! 💥 💔 💥",
            "1 file would be reformatted, 12 files would be left unchanged.",
        ),
        "assertion_failure",
    ),
    "a format gate is a validation: prettier": Case(
        "npx prettier --check .",
        (
            "Checking formatting...",
            "[warn] src/cart.ts",
            "[warn] Code style issues found in the above file. Run Prettier with --write to fix.",
        ),
        "assertion_failure",
    ),
    "a format gate is a validation: git diff": Case(
        "make fmt && git diff --exit-code",
        ("diff --git a/cart.go b/cart.go", "--- a/cart.go", "+++ b/cart.go", "@@ -3,3 +3,3 @@", "-  total", "+\ttotal"),
        "assertion_failure",
    ),
    "a spelling gate is a validation": Case(
        "codespell docs", ("docs/faq.md:12: recieve ==> receive",), "assertion_failure", 65
    ),
    "a link check is a validation": Case(
        "npx markdown-link-check README.md",
        ("FILE: README.md", "  [✖] https://example.com/gone → Status: 404", "  ERROR: 1 dead links found!"),
        "assertion_failure",
    ),
    "a coverage gate is a validation": Case(
        "pytest --cov=shop --cov-fail-under=90",
        ("12 passed in 0.31s", "FAIL Required test coverage of 90% not reached. Total coverage: 81.40%"),
        "assertion_failure",
    ),
    "an audit gate is a validation": Case(
        "npm audit --audit-level=high",
        (
            "# npm audit report",
            "",
            "minimist  <1.2.6",
            "Severity: critical",
            "Prototype Pollution in minimist",
            "1 critical severity vulnerability",
        ),
        "assertion_failure",
    ),
    "a policy on the change is a validation": Case(
        "npx commitlint --from origin/main",
        (
            "⧗   input: stuff",
            "✖   subject may not be empty [subject-empty]",
            "✖   type may not be empty [type-empty]",
            "✖   found 2 problems, 0 warnings",
        ),
        "assertion_failure",
    ),
    "a type checker compiles: mypy": Case(
        "mypy src",
        (
            'src/cart.py:3: error: Incompatible return value type (got "str", expected "int")  [return-value]',
            "Found 1 error in 1 file (checked 3 source files)",
        ),
        "compilation_error",
    ),
    "a type checker compiles: tsc": Case(
        "npx tsc --noEmit",
        ("src/cart.ts(7,3): error TS2322: Type 'string' is not assignable to type 'number'.",),
        "compilation_error",
        2,
    ),
    "a type checker compiles: pyright": Case(
        "pyright",
        (
            '/opt/shop/src/cart.py:3:12 - error: Expression of type "str" is incompatible with return type "int" (reportReturnType)',
            "1 error, 0 warnings, 0 informations",
        ),
        "compilation_error",
    ),
    "a compiler compiles": Case(
        "make",
        ("gcc -c cart.c", "cart.c:3:12: error: expected ';' before 'return'", "make: *** [Makefile:4: cart.o] Error 1"),
        "compilation_error",
        2,
    ),
    "a refused permission is configuration: a push": Case(
        "git push",
        (
            "remote: Permission to acme/shop.git denied to github-actions[bot].",
            "fatal: unable to access 'https://github.com/acme/shop/': The requested URL returned error: 403",
        ),
        "configuration_error",
        128,
    ),
    "a refused permission is configuration: a script": Case(
        "./run.sh", ("/home/runner/work/_temp/a.sh: line 1: ./run.sh: Permission denied",), "configuration_error", 126
    ),
    "a refused permission is configuration: a token": Case(
        "gh pr comment 3 --body ok",
        ("GraphQL: Resource not accessible by integration (addComment)",),
        "configuration_error",
    ),
    "refused credentials are configuration": Case(
        "docker login -u acme registry.example.com",
        ('Error response from daemon: Get "https://registry.example.com/v2/": unauthorized: authentication required',),
        "configuration_error",
    ),
    "git conflicts are infrastructure": Case(
        "git merge origin/main",
        (
            "Auto-merging src/cart.py",
            "CONFLICT (content): Merge conflict in src/cart.py",
            "Automatic merge failed; fix conflicts and then commit the result.",
        ),
        "infrastructure_error",
    ),
    "missing refs are infrastructure": Case(
        "git fetch origin topic", ("fatal: couldn't find remote ref topic",), "infrastructure_error", 128
    ),
    "a test's own timeout is a timeout: pytest": Case(
        "pytest",
        (
            "E       Failed: Timeout (>30.0s) from pytest-timeout.",
            "FAILED tests/test_api.py::test_slow - Failed: Timeout (>30.0s) from pytest-timeout.",
            "=== 1 failed in 30.1s ===",
        ),
        "timeout",
    ),
    "a test's own timeout is a timeout: Go": Case(
        "go test ./...",
        (
            "panic: test timed out after 10m0s",
            "running tests:",
            "\tTestSync (9m58s)",
            "FAIL\texample.com/shop\t600.1s",
            "FAIL",
        ),
        "timeout",
    ),
    "a full disk is resources": Case(
        "cp -r data /mnt", ("cp: error writing '/mnt/a.bin': No space left on device",), "resource_exhaustion"
    ),
    "a full disk under tests that failed of it is resources": Case(
        "pytest",
        (
            "E   OSError: [Errno 28] No space left on device",
            "FAILED tests/test_a.py::test_b - OSError: [Errno 28] No space left on device",
            "=== 1 failed in 3.1s ===",
        ),
        "resource_exhaustion",
    ),
    "exit 137 is memory": Case("./train.sh", ("epoch 3 of 10", "Killed"), "resource_exhaustion", 137),
    "exit 137 alone is memory": Case("./train.sh", ("epoch 3 of 10",), "resource_exhaustion", 137),
    "CUDA's memory is memory": Case(
        "pytest",
        (
            "E   torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 4.39 GiB.",
            "FAILED tests/test_net.py::test_fit - torch.OutOfMemoryError: CUDA out of memory.",
        ),
        "resource_exhaustion",
    ),
    "a heap that is full is memory": Case(
        "npm run build",
        ("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", "Aborted (core dumped)"),
        "resource_exhaustion",
        134,
    ),
    "a crash is the program's": Case(
        "./shop --selftest",
        ("/home/runner/work/_temp/a.sh: line 1:  2211 Segmentation fault      (core dumped) ./shop --selftest",),
        "runtime_error",
        139,
    ),
    "an exception of the program is the program's": Case(
        "python tool.py",
        (
            "Traceback (most recent call last):",
            '  File "tool.py", line 3, in <module>',
            "    main()",
            "ZeroDivisionError: division by zero",
        ),
        "runtime_error",
    ),
    "a version that nobody has is a dependency": Case(
        "pip install -r requirements.txt",
        (
            "ERROR: Could not find a version that satisfies the requirement left-pad==9.9 (from versions: 1.0, 1.1)",
            "ERROR: No matching distribution found for left-pad==9.9",
        ),
        "dependency_error",
    ),
    "packages that do not fit together are a dependency": Case(
        "npm ci",
        ("npm error code ERESOLVE", "npm error ERESOLVE could not resolve", "npm error While resolving: shop@1.0.0"),
        "dependency_error",
    ),
    "a name that does not resolve is the network": Case(
        "curl -fsS https://example.com/a", ("curl: (6) Could not resolve host: example.com",), "network_error", 6
    ),
    "a download of a dependency that broke is the network": Case(
        "npm ci",
        (
            "npm error code ETIMEDOUT",
            "npm error network request to https://registry.example.com/left-pad failed, reason: connect ETIMEDOUT 10.0.0.1:443",
        ),
        "network_error",
    ),
    "a failed test is an assertion": Case(
        "pytest",
        (
            "E       assert 4 == 3",
            "FAILED tests/test_cart.py::test_total - assert 4 == 3",
            "=== 1 failed, 3 passed in 0.12s ===",
        ),
        "assertion_failure",
    ),
    "network words of a test's output are not the network": Case(
        "go test ./...",
        (
            "=== RUN   TestRetries",
            '    retry_test.go:12: got "connection refused", want "ok"',
            "--- FAIL: TestRetries (0.01s)",
            "FAIL",
            "FAIL\texample.com/shop\t0.1s",
        ),
        "assertion_failure",
    ),
    "a compiler's message that a test expects is data": Case(
        "cargo test",
        (
            "error[E0308]: mismatched types",
            "test ui/compile_fail.rs ... FAILED",
            "test result: FAILED. 9 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
            "error: test failed, to rerun pass `--test ui`",
        ),
        "assertion_failure",
        101,
    ),
    "a compile error in a test package is a compile error": Case(
        "go test ./...",
        (
            "# example.com/shop [example.com/shop.test]",
            "./cart_test.go:88:9: undefined: os",
            "FAIL\texample.com/shop [build failed]",
            "FAIL",
        ),
        "compilation_error",
    ),
    "words that a script shows have not been said by a tool": Case(
        "make check",
        (
            "+ echo 'No space left on device'",
            "cart.c:3:4: error: expected ';' before '}' token",
            "make: *** [Makefile:3: cart.o] Error 1",
        ),
        "compilation_error",
        2,
    ),
    "a missing file that a command asks for is configuration": Case(
        "npm run deploy", ('npm error Missing script: "deploy"',), "configuration_error"
    ),
}


#: Decisions that do not hold yet -> what happens instead.
OPEN = {
    "a compiler's message that a test expects is data": "the compiler's line stands alone above the test that provoked it",
}


def decisions() -> list[object]:
    return [
        pytest.param(name, marks=pytest.mark.xfail(reason=OPEN[name], strict=True) if name in OPEN else ())
        for name in DECISIONS
    ]


@pytest.mark.parametrize("decision", decisions())
def test_a_failure_gets_the_category_that_was_decided_for_it(decision: str) -> None:
    case = DECISIONS[decision]
    verdict = judged(failing(*case.output, run=case.run, code=case.code))
    assert (verdict.error_type, verdict.state) == (case.category, "classified"), verdict.summary


@pytest.mark.parametrize(
    ("uses", "said", "category"),
    [
        ("actions/deploy@v1", "##[error]Input required and not supplied: token", "configuration_error"),
        ("actions/checkout@v4", "##[error]The process '/usr/bin/git' failed with exit code 128", "infrastructure_error"),
        ("acme/report@v9", "##[error]Unable to resolve action `acme/report@v9`, unable to find version `v9`", "configuration_error"),
        ("acme/build@v2", "##[error]The self-hosted runner: r-1 lost communication with the server.", "infrastructure_error"),
        ("acme/build@v2", "##[error]The job running on runner r has exceeded the maximum execution time of 360 minutes.", "timeout"),
    ],
    ids=["a missing secret", "a missing ref", "an action that is not there", "a runner that is gone", "the job's own limit"],
)  # fmt: skip
def test_what_an_action_or_the_runner_says_of_itself(uses: str, said: str, category: str) -> None:
    above = ("fatal: couldn't find remote ref refs/heads/topic",) if "git" in said else ()
    verdict = judged(job_log(action(*above, said, uses=uses)))
    assert (verdict.error_type, verdict.state) == (category, "classified"), verdict.summary


GATES = {
    "an expression that is false": ('if [[ "failure" == "success" ]]; then', "One or more required jobs failed"),
    "a sentence": ("One or more required jobs failed",),
}


@pytest.mark.parametrize("kind", GATES)
def test_a_gate_that_only_repeats_other_jobs_has_no_cause_of_its_own(kind: str) -> None:
    verdict = judged(failing(*GATES[kind], run="echo '${{ toJSON(needs) }}'"))
    assert (verdict.state, verdict.error_type) == ("no_error_found", None)
    assert verdict.summary


def test_a_gate_with_a_cause_of_its_own_is_judged_by_it() -> None:
    verdict = judged(failing("FAILED tests/test_a.py::test_b - assert 1 == 2", "Some required jobs failed"))
    assert verdict.error_type == "assertion_failure"


def test_a_cancelled_job_has_no_cause_of_its_own_unless_the_log_names_one() -> None:
    cancelled = judged(job_log((*script("epoch 3 of 10"), "##[error]The operation was canceled.")))
    assert (cancelled.state, cancelled.error_type) == ("no_error_found", None)
    assert "cancelled" in cancelled.summary
    limit = "##[error]The job has exceeded the maximum execution time of 6h0m0s"
    assert judged(job_log((*script("epoch 3", limit), "##[error]The operation was canceled."))).error_type == "timeout"


def test_the_logs_own_word_makes_a_test_flaky() -> None:
    tally = (
        "Running 12 tests using 2 workers",
        "  1 flaky",
        "    [chromium] › cart.spec.ts:3:5 › adds an item",
        "  11 passed",
    )
    assert judged(failing(*tally, run="npx playwright test --fail-on-flaky-tests")).error_type == "flaky_test"


@pytest.mark.parametrize(
    "said",
    [
        "FAILED tests/test_flaky.py::test_flaky_upload - assert 1 == 2",
        "FAIL src/flaky.test.js",
        "retrying the flaky upload test",
        "--- FAIL: TestFlakyNetwork (0.01s)",
    ],
)
def test_a_name_that_speaks_of_flakiness_makes_no_test_flaky(said: str) -> None:
    assert judged(failing(said, run="make test")).error_type != "flaky_test"


def test_what_an_earlier_step_printed_that_passed_is_no_cause() -> None:
    first = script(
        "curl: (28) Failed to connect to mirror.example.com port 443: Connection timed out", "using the cache instead"
    )
    second = script("src/cart.c:3:4: error: expected ';' before '}' token", run="make", code=2)
    assert judged(job_log(first, second)).error_type == "compilation_error"


def test_what_stands_behind_the_failure_is_clean_up() -> None:
    first = script("src/cart.c:3:4: error: expected ';' before '}' token", run="make", code=2)
    second = action("uploading", "fatal: couldn't find remote ref refs/heads/x", uses="actions/upload-artifact@v4")
    assert judged(job_log(first, second)).error_type == "compilation_error"


def test_what_a_tool_says_before_it_tries_again_is_no_cause() -> None:
    verdict = judged(
        failing(
            "curl: (28) Failed to connect to mirror.example.com port 443 after 5001 ms: Connection timed out",
            "Attempt 1 failed. Reason: Child_process exited with error code 28",
            "Attempt 2 succeeded",
            "./config/app.yml",
            "  6:7       error    too many spaces after colon  (colons)",
            run="yamllint .",
        )
    )
    assert verdict.error_type == "assertion_failure"
