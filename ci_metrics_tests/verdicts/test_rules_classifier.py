"""The embedded classifier's verdicts: which sign decides when several stand in one failure, and how it is worded."""

from pathlib import Path

import pytest

from ci_metrics.classifier import Classifier
from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.models import ExtractedError, Extraction, Job, LogLine, Step, Verdict

END = "##[error]Process completed with exit code 1."
CLASSIFIER = Classifier(load_taxonomy(None))


def extraction(*lines: str, start: int = 10, step: str | None = None) -> Extraction:
    numbered = tuple(LogLine(start + index, line) for index, line in enumerate(lines))
    found = ExtractedError(
        headline=lines[0],
        line=start,
        spans=((start, start + len(lines) - 1),),
        lines=numbered,
        step=step,
        step_number=None,
        fingerprint="f1-abc",
        group="g1-abc",
    )
    return Extraction(
        state="errors",
        lines=numbered,
        spans=found.spans,
        errors=(found,),
        failed_step=step,
        total_lines=start + len(lines) + 20,
    )


def judged(*lines: str) -> Verdict:
    return CLASSIFIER.judge(extraction(*lines))


#: The contract's decisions, and each mistake that a first version made: (what it is about, lines, category).
CASES: list[tuple[str, tuple[str, ...], str]] = [
    (
        "what a tool says before it tries again is no cause",
        (
            "curl: (28) Failed to connect to mirror.example.com port 443 after 5001 ms: Connection timed out",
            "Attempt 1 failed. Reason: Child_process exited with error code 28",
            "Attempt 2 succeeded",
            "./config/app.yml",
            "  6:7       error    too many spaces after colon  (colons)",
            END,
        ),
        "assertion_failure",
    ),
    (
        "pytest collection errors are infrastructure, whatever made the import fail",
        (
            "_____ ERROR collecting tests/test_api.py _____",
            "E   ModuleNotFoundError: No module named 'requests'",
            "ERROR tests/test_api.py - ModuleNotFoundError: No module named 'requests'",
            "!!!!!! Interrupted: 1 error during collection !!!!!!",
            "===== 1 error in 0.12s =====",
            END,
        ),
        "infrastructure_error",
    ),
    (
        "a format gate is a validation",
        ("would reformat src/app.py", "1 file would be reformatted.", END),
        "assertion_failure",
    ),
    (
        "a lint gate is a validation",
        ("  3:5  error  'x' is not defined  no-undef", "✖ 1 problem (1 error, 0 warnings)", END),
        "assertion_failure",
    ),
    ("a spelling gate is a validation", ("docs/a.md:3: teh ==> the", END), "assertion_failure"),
    (
        "a link check is a validation, not the network",
        ("[✖] https://example.com/gone → Status: 404", "ERROR: 1 dead links found!", END),
        "assertion_failure",
    ),
    (
        "a coverage gate is a validation",
        ("FAIL Required test coverage of 90% not reached. Total coverage: 81.40%", END),
        "assertion_failure",
    ),
    (
        "a policy on the change is a validation",
        ("Your PR is 3174 LOC which is more than the 2000 maximum", END),
        "assertion_failure",
    ),
    (
        "type checkers compile",
        (
            "src/a.py:3: error: Incompatible return value type  [return-value]",
            "Found 1 error in 1 file (checked 3 source files)",
            END,
        ),
        "compilation_error",
    ),
    (
        "a refused permission is configuration",
        ("remote: Permission to o/r.git denied to github-actions[bot].", END),
        "configuration_error",
    ),
    ("a missing secret is configuration", ("##[error]Input required and not supplied: token",), "configuration_error"),
    (
        "git conflicts are infrastructure",
        ("CONFLICT (content): Merge conflict in src/a.py", END),
        "infrastructure_error",
    ),
    (
        "missing refs are infrastructure",
        (
            "fatal: couldn't find remote ref refs/heads/topic",
            "##[error]The process '/usr/bin/git' failed with exit code 128",
        ),
        "infrastructure_error",
    ),
    (
        "a test's own timeout is a timeout",
        (
            "E       Failed: Timeout >30.0s",
            "FAILED tests/a.py::test_b - Failed: Timeout >30.0s",
            "=== 1 failed in 30.1s ===",
            END,
        ),
        "timeout",
    ),
    (
        "a full disk under failed tests is the disk",
        ("FAILED tests/a.py::test_b - OSError: [Errno 28] No space left on device", "=== 1 failed in 3.1s ===", END),
        "resource_exhaustion",
    ),
    (
        "exit 137 is memory",
        ("running the tests", "##[error]Process completed with exit code 137."),
        "resource_exhaustion",
    ),
    (
        "CUDA's memory is memory",
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 4.39 GiB.",
            "FAILED tests/a.py::test_b - torch.OutOfMemoryError",
            END,
        ),
        "resource_exhaustion",
    ),
    (
        "a crash under a test summary is the crash",
        ("Segmentation fault (core dumped)", "# FAIL:  1", "make: *** [check] Error 1", END),
        "runtime_error",
    ),
    (
        "a sanitizer's report under a test summary is the report",
        (
            "==12==ERROR: AddressSanitizer: heap-use-after-free on address 0x60",
            "99% tests passed, 1 tests failed out of 100",
            END,
        ),
        "runtime_error",
    ),
    (
        "a download that failed below the summary is the download",
        ("not ok 3 - adds", "curl: (6) Could not resolve host: example.com", END),
        "network_error",
    ),
    (
        "network words of a test's output are not the network",
        (
            "psql: could not connect to server: Connection refused",
            "--- FAIL: TestRetries (0.01s)",
            "FAIL\texample.com/a\t0.1s",
            END,
        ),
        "assertion_failure",
    ),
    (
        "an application's log line about a connection is not the network",
        (
            "Apr 12 14:43:53 DEBUG detour: Dial failed: dial tcp 255.0.0.1:80: i/o timeout",
            "--- FAIL: TestSum (0.00s)",
            "FAIL\texample.com/a\t0.1s",
            END,
        ),
        "assertion_failure",
    ),
    (
        "a preamble that says something is out of date is not the cause",
        (
            "warning: Your pip is out of date, please update and commit",
            "--- FAIL: TestSum (0.00s)",
            "FAIL\texample.com/a\t0.1s",
            END,
        ),
        "assertion_failure",
    ),
    (
        "a formatting gate by git diff is no git error",
        ("git diff --exit-code", "diff --git a/x.go b/x.go", END),
        "assertion_failure",
    ),
    (
        "publishing that is answered 404 is no missing dependency",
        ("npm error code E404", "npm error 404 Not Found - PUT https://registry.example.com/@o%2fp - Not found", END),
        "configuration_error",
    ),
    (
        "a script that prints its own source has not said it",
        (
            "+ echo 'No space left on device'",
            "if grep -q 'No space left on device' log; then exit 1; fi",
            "src/a.c:3:4: error: expected ';'",
            END,
        ),
        "compilation_error",
    ),
    (
        "test names contain error words",
        ("FAIL Bug #72294 Segmentation fault/invalid pointer [ext/a.phpt]", "Tests failed    :    1 (  0.1%)", END),
        "assertion_failure",
    ),
    (
        "expected compiler output inside a failed cargo test is data",
        (
            "error[E0308]: mismatched types",
            "test compile_fail ... FAILED",
            "test result: FAILED. 9 passed; 1 failed; 0 ignored",
            END,
        ),
        "assertion_failure",
    ),
    (
        "a compile error in a test package is a compile error",
        ("internal/a_test.go:88:9: undefined: os", "FAIL\texample.com/a [build failed]", END),
        "compilation_error",
    ),
    (
        "a resolver that finds no version",
        ("ERROR: No matching distribution found for left-pad-py==9.9", END),
        "dependency_error",
    ),
    (
        "a dependency whose download broke is the network",
        (
            "Could not transfer artifact a:b:pom:1 from/to central (https://repo.example.com): Connect timed out",
            "[ERROR] Failed to execute goal on project a: Could not resolve dependencies for project a:b:jar:1",
            END,
        ),
        "network_error",
    ),
    (
        "a goal's name tells what kind of check failed",
        (
            "[ERROR] Failed to execute goal org.apache.maven.plugins:maven-checkstyle-plugin:3.3.0:check on project a",
            END,
        ),
        "assertion_failure",
    ),
    (
        "the job's own limit",
        ("##[error]The job running on runner r has exceeded the maximum execution time of 360 minutes.",),
        "timeout",
    ),
    (
        "a retry that passed is flaky by the log's own word",
        ("  1 flaky", "    [chromium] › a.spec.ts:3 › adds", END),
        "flaky_test",
    ),
    (
        "the runner is gone",
        ("##[error]The self-hosted runner: r-1 lost communication with the server.",),
        "infrastructure_error",
    ),
]


@pytest.mark.parametrize(("lines", "category"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_sign_that_decides(lines: tuple[str, ...], category: str) -> None:
    verdict = judged(*lines)
    assert (verdict.error_type, verdict.state) == (category, "classified"), verdict.summary


def test_the_summary_names_the_tool_quotes_the_deciding_line_and_the_quote_stands_there() -> None:
    verdict = judged("collected 3 items", "FAILED tests/test_money.py::test_sum - assert 3 == 4", END)
    assert verdict.summary == "pytest reports failed tests: “FAILED tests/test_money.py::test_sum - assert 3 == 4”"
    assert [(quote.line, quote.text) for quote in verdict.evidence] == [
        (11, "FAILED tests/test_money.py::test_sum - assert 3 == 4")
    ]
    assert verdict.suggested_fix
    assert verdict.source == "rules" and verdict.rule == "pytest-failed"
    assert verdict.fingerprint == "f1-abc"


def test_what_no_rule_knows_is_unknown_and_still_says_what_was_seen() -> None:
    verdict = judged("qwertz uiop", END)
    assert (verdict.state, verdict.error_type, verdict.confidence) == ("unknown", None, 0.0)
    assert "qwertz uiop" in verdict.summary


def test_a_gate_that_only_repeats_other_jobs_has_no_cause_of_its_own() -> None:
    for line in ("One or more required jobs failed", 'if [[ "failure" == "success" ]]; then'):
        assert judged(line, END).state == "no_error_found"


def test_a_cancelled_job_has_no_cause_of_its_own_unless_the_log_names_one() -> None:
    cancelled = judged("fail-on-cache-miss: false", "##[error]The operation was canceled.")
    assert cancelled.state == "no_error_found" and "cancelled" in cancelled.summary
    timed_out = judged(
        "The job has exceeded the maximum execution time of 6h0m0s", "##[error]The operation was canceled."
    )
    assert timed_out.error_type == "timeout"


def test_a_gate_with_a_cause_of_its_own_is_judged_by_it() -> None:
    assert judged("Some checks failed", "FAILED a.py::b - assert 1", END).error_type == "assertion_failure"


@pytest.mark.parametrize("state", ["no_error_found", "no_log"])
def test_without_errors_there_is_no_verdict(state: str) -> None:
    empty = Extraction(state=state)  # type: ignore[arg-type]
    assert (CLASSIFIER.judge(empty).state, CLASSIFIER.judge(empty).error_type) == (state, None)


def test_weak_words_say_nothing_when_nothing_says_that_a_command_failed() -> None:
    assert judged("Could not resolve host: example.com", "all good").state == "unknown"


def test_a_step_name_alone_is_a_guess_below_any_threshold_worth_setting() -> None:
    verdict = CLASSIFIER.judge(extraction("qwertz uiop", END, step="Run unit tests"))
    assert verdict.error_type == "assertion_failure"
    assert verdict.confidence < 0.6


def test_without_a_step_in_the_extraction_the_jobs_failed_step_is_the_guess() -> None:
    step = Step(number=2, name="Checkout", status="completed", conclusion="failure", started_at=None, completed_at=None)
    job = Job(
        repo="o/r", run_id=1, run_attempt=1, job_id=1, name="j", workflow_name="w", status="completed", conclusion="failure",
        created_at=None, started_at=None, completed_at=None, runner_id=None, runner_name=None, labels=(), head_branch="b",
        head_sha="0", html_url="", steps=(step,),
    )  # fmt: skip
    assert CLASSIFIER.judge(extraction("qwertz uiop", END), job=job).error_type == "infrastructure_error"


def test_one_error_of_several_is_judged_by_its_own_lines_alone() -> None:
    whole = extraction("FAILED a.py::b - assert 1", END)
    other = ExtractedError(
        headline="curl: (6) Could not resolve host: example.com",
        line=99,
        spans=((99, 99),),
        lines=(LogLine(99, "curl: (6) Could not resolve host: example.com"),),
        step="Upload",
        step_number=9,
        fingerprint="f1-def",
        group="g1-def",
    )
    verdict = CLASSIFIER.judge(whole, other)
    assert (verdict.error_type, verdict.fingerprint) == ("network_error", "f1-def")
    assert verdict.evidence[0].line == 99


def test_the_root_cause_is_judged_by_the_whole_excerpt_whether_asked_for_as_the_job_or_as_its_first_error() -> None:
    whole = extraction("Expected 3 but was 4 maybe", "FAILED a.py::b - assert 1", END)
    assert CLASSIFIER.judge(whole, whole.errors[0]) == CLASSIFIER.judge(whole)


def test_an_annotation_is_judged_too_and_quotes_no_line_of_the_log() -> None:
    note = ExtractedError(
        headline="The job running on runner r has exceeded the maximum execution time of 360 minutes.",
        line=None,
        spans=(),
        lines=(),
        step=None,
        step_number=None,
        fingerprint="f1-ghi",
        group="g1-ghi",
        source="annotation",
    )
    verdict = CLASSIFIER.judge(Extraction(state="errors", errors=(note,)))
    assert (verdict.error_type, verdict.evidence) == ("timeout", ())


def test_far_above_the_failure_a_refused_permission_is_noise() -> None:
    near = judged("bash: ./run.sh: Permission denied", "##[error]Process completed with exit code 126.")
    lines = [
        "cat: /proc/1/environ: Permission denied",
        *["still working"] * 300,
        "src/a.c:3:4: error: expected ';'",
        END,
    ]
    assert near.error_type == "configuration_error"
    assert judged(*lines).error_type == "compilation_error"


def test_what_stands_below_the_last_failure_is_clean_up() -> None:
    lines = [
        "src/a.c:3:4: error: expected ';'",
        END,
        *["uploading"] * 5,
        "fatal: couldn't find remote ref refs/heads/x",
    ]
    assert judged(*lines).error_type == "compilation_error"


def test_a_custom_taxonomy_takes_over_the_rules_it_claims_and_leaves_the_rest() -> None:
    example = Path(__file__).parents[2] / "ci_metrics/verdicts/examples/split_gates.toml"
    split = Classifier(load_taxonomy(example))
    expected = {
        "would reformat src/app.py": "lint_failure",
        "FAIL Required test coverage of 90% not reached. Total coverage: 81.40%": "policy_failure",
        "FAILED a.py::b - assert 1": "assertion_failure",
    }
    assert {line: split.judge(extraction(line, END)).error_type for line in expected} == expected


def test_under_a_custom_taxonomy_the_line_that_is_quoted_does_not_change_the_category() -> None:
    example = Path(__file__).parents[2] / "ci_metrics/verdicts/examples/split_gates.toml"
    lines = (
        "trim trailing whitespace.................................................Failed",
        "1 failed, 3 passed in 0.12s",
        END,
    )
    assert judged(*lines).error_type == "assertion_failure"
    assert Classifier(load_taxonomy(example)).judge(extraction(*lines)).error_type == "assertion_failure"


def test_a_taxonomy_without_a_place_for_the_category_leaves_it_unknown_and_keeps_the_guess(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text('[[category]]\nname = "ours"\ndefinition = "x"\n', encoding="utf-8")
    verdict = Classifier(load_taxonomy(path)).judge(extraction("FAILED a.py::b - assert 1", END))
    assert (verdict.state, verdict.error_type, verdict.guess) == ("unknown", None, "assertion_failure")


def test_the_same_text_gets_the_same_verdict() -> None:
    lines = ("FAILED a.py::b - assert 1", "curl: (6) Could not resolve host: example.com", END)
    assert judged(*lines) == judged(*lines) == Classifier(load_taxonomy(None)).judge(extraction(*lines))
