"""What an extraction promises, on whole logs."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime, timedelta

import pytest

from ci_metrics.logs import DEFAULT_BUDGET, background_of, extract
from ci_metrics.models import Annotation, Job, Step
from ci_metrics_tests.builders import a_job, a_step

START = datetime(2024, 5, 1, 10, 0, 0, tzinfo=UTC)


def github(*steps: tuple[str, ...], end: str = "Cleaning up orphan processes", apart: int = 5) -> bytes:
    """A complete job log: each step is its header and its lines, `apart`
    seconds after the one before.
    """
    lines = [
        (0, "Current runner version: '2.320.0'"),
        (0, "##[group]Operating System"),
        (0, "Ubuntu"),
        (0, "##[endgroup]"),
    ]
    for number, step in enumerate(steps, start=1):
        lines += [(number * apart, line) for line in step]
    lines.append(((len(steps) + 1) * apart, end))
    return "".join(
        f"{START + timedelta(seconds=at):%Y-%m-%dT%H:%M:%S}.0000000Z {line}\n" for at, line in lines
    ).encode()


def step(number: int, name: str, conclusion: str | None, at: int, length: int = 4) -> Step:
    begun = START + timedelta(seconds=at)
    return a_step(number, conclusion, name=name, started_at=begun, completed_at=begun + timedelta(seconds=length))


def job(*steps: Step, conclusion: str = "failure", annotations: tuple[Annotation, ...] = ()) -> Job:
    times = {"created_at": START, "started_at": START, "completed_at": START}
    return a_job(conclusion=conclusion, steps=steps, annotations=annotations, **times)


END_OF_STEP = "##[error]Process completed with exit code 1."
CHECKOUT = ("##[group]Run actions/checkout@v4", "with:", "  repository: o/r", "##[endgroup]", "Syncing repository: o/r")
TESTS = (
    "##[group]Run make test",
    "\x1b[36;1mmake test\x1b[0m",
    "##[endgroup]",
    "=================================== FAILURES ===================================",
    "_________________________________ test_total ___________________________________",
    ">       assert total == 3",
    "E       assert 4 == 3",
    "tests/test_cart.py:12: AssertionError",
    "FAILED tests/test_cart.py::test_total - assert 4 == 3",
    "=========== 1 failed, 812 passed in 12.31s ===========",
    "##[error]Process completed with exit code 1.",
)
UPLOAD = ("##[group]Run actions/upload-artifact@v4", "with:", "  path: out", "##[endgroup]", "Artifact uploaded")


def test_the_failing_step_is_named_as_the_api_names_it() -> None:
    described = job(
        step(1, "Set up job", "success", 0),
        step(2, "Check out", "success", 5),
        step(3, "Unit tests", "failure", 10),
        step(4, "Complete job", "success", 15),
    )
    found = extract(github(CHECKOUT, TESTS), job=described)
    assert (found.state, found.failed_step) == ("errors", "Unit tests")
    assert {(e.step, e.step_number) for e in found.errors} == {("Unit tests", 3)}
    assert "FAILED tests/test_cart.py::test_total" in "\n".join(line.text for line in found.errors[0].lines)


def test_without_the_job_the_header_names_the_step() -> None:
    assert extract(github(CHECKOUT, TESTS)).failed_step == "Run make test"


def test_line_numbers_are_those_of_the_raw_file_and_the_text_stands_there() -> None:
    raw = github(CHECKOUT, TESTS)
    lines = raw.decode().split("\n")
    found = extract(raw)
    assert found.lines
    for line in found.lines:
        assert line.text in lines[line.number - 1].replace("\x1b[36;1m", "").replace("\x1b[0m", "")
        assert any(first <= line.number <= last for first, last in found.spans)


def test_a_wrapper_is_never_the_first_error_and_stands_once_in_the_excerpt() -> None:
    found = extract(github(CHECKOUT, TESTS))
    assert "exit code" not in found.errors[0].headline
    assert found.excerpt.count("Process completed with exit code 1") == 1


def test_a_step_that_always_runs_after_the_failure_is_not_the_reason() -> None:
    failing_upload = (
        *UPLOAD[:4],
        "##[error]No files were found with the provided path: out",
        "##[error]Process completed with exit code 1.",
    )
    described = job(
        step(1, "Set up job", "success", 0),
        step(2, "Unit tests", "failure", 5),
        step(3, "Deploy", "skipped", 10, 0),
        step(4, "Upload", "failure", 10),
        step(5, "Complete job", "success", 15),
    )
    found = extract(github(TESTS, failing_upload), job=described)
    assert found.failed_step == "Unit tests"
    assert found.errors[0].step == "Unit tests"


def test_a_step_that_may_fail_is_not_the_reason() -> None:
    lint = (
        "##[group]Run make lint",
        "##[endgroup]",
        "a.py:1:1: F401 `os` imported but unused",
        "##[error]Process completed with exit code 1.",
    )
    described = job(
        step(1, "Set up job", "success", 0),
        step(2, "Lint", "failure", 5),
        step(3, "Unit tests", "failure", 10),
        step(4, "Deploy", "skipped", 15, 0),
        step(5, "Complete job", "success", 15),
    )
    assert extract(github(lint, TESTS), job=described).errors[0].step == "Unit tests"


def test_an_action_made_of_steps_belongs_to_the_step_that_uses_it() -> None:
    inner = (
        "##[group]Run ./.github/actions/build",
        "##[endgroup]",
        "##[group]Run cmake --build .",
        "\x1b[36;1mcmake --build .\x1b[0m",
        "shell: /usr/bin/bash --noprofile --norc -e -o pipefail {0}",
        "##[endgroup]",
        "src/a.c:3:5: error: expected ';' before 'return'",
        "##[error]Process completed with exit code 2.",
    )
    described = job(
        step(1, "Set up job", "success", 0),
        step(2, "Build it all", "failure", 5),
        step(3, "Complete job", "success", 10),
    )
    found = extract(github(inner), job=described)
    assert found.errors[0].step == "Build it all"
    assert "expected ';'" in found.errors[0].headline


@pytest.mark.parametrize(
    "lines",
    [
        (
            "##[group]Run make test",
            "##[endgroup]",
            "tests/test_errors.py::test_error_is_raised PASSED",
            "0 errors, 0 failed",
            "10 passed",
        ),
        (
            "##[group]Run npm test",
            "##[endgroup]",
            "Error: this is expected in a test",
            "    at Object.<anonymous> (a.js:1:2)",
            "Tests: 3 passed, 3 total",
        ),
        (
            "##[group]Run mvn verify",
            "##[endgroup]",
            "java.lang.IllegalStateException: boom",
            "\tat a.B.c(B.java:3)",
            "[INFO] BUILD SUCCESS",
        ),
        (
            "##[group]Run gcc -Werror",
            "##[endgroup]",
            "gcc -Wall -Werror -c error.c",
            "ERROR: cannot connect, retrying",
            "connected",
        ),
    ],
)
def test_a_log_that_passed_gives_nothing_however_often_it_says_error(lines: tuple[str, ...]) -> None:
    found = extract(github(CHECKOUT, lines))
    assert (found.state, found.errors, found.excerpt) == ("no_error_found", (), "")


@pytest.mark.parametrize(
    "log",
    [
        b"$ make test\nok 1 - fails on bad input\nok 2 - reports errors\n\nDone. Your build exited with 0.\n",
        b"[INFO] Tests run: 3, Failures: 0, Errors: 0, Skipped: 0\n[INFO] BUILD SUCCESS\nFinished: SUCCESS\n",
        b"test tests::error_is_raised ... ok\ntest result: ok. 12 passed; 0 failed; 0 ignored\n",
        b"=== RUN   TestError\n--- PASS: TestError (0.00s)\nPASS\nok  \tgithub.com/a/b\t0.01s\n",
        b"3 examples, 0 failures\n",
        b"Build succeeded.\n    0 Warning(s)\n    0 Error(s)\n",
        b"compiling error-chain v0.12.4\nchecking for strerror... yes\nadded 12 packages, found 0 vulnerabilities\n",
    ],
)
def test_plain_logs_that_passed_give_nothing(log: bytes) -> None:
    assert extract(log).state == "no_error_found"


def test_a_job_that_passed_gives_nothing_even_where_a_step_was_allowed_to_fail() -> None:
    described = job(step(1, "Set up job", "success", 0), step(2, "Unit tests", "success", 5), conclusion="success")
    assert extract(github(TESTS), job=described).state == "no_error_found"


@pytest.mark.parametrize("log", [b"", b"\xef\xbb\xbf", b"\n\n  \n"])
def test_an_empty_log_is_no_log(log: bytes) -> None:
    assert extract(log).state == "no_log"


@pytest.mark.parametrize(
    ("message", "log"),
    [
        ("The job running on runner X has exceeded the maximum execution time of 360 minutes.", b""),
        ("The self-hosted runner: X lost communication with the server.", github(CHECKOUT)),
        ("Canceling since a higher priority waiting request for 'ci-main' exists", github(CHECKOUT)),
    ],
)
def test_the_cause_of_a_cancelled_job_is_read_from_its_annotation(message: str, log: bytes) -> None:
    notes = (
        Annotation(level="failure", message="The operation was canceled."),
        Annotation(level="failure", message=message),
    )
    found = extract(log, job=job(step(1, "Set up job", "success", 0), conclusion="cancelled", annotations=notes))
    assert found.state == "errors"
    assert found.errors[0].headline == message
    assert (found.errors[0].source, found.errors[0].line) == ("annotation", None)


def test_an_annotation_that_repeats_the_log_adds_no_error() -> None:
    raw = github(CHECKOUT, TESTS)
    alone = extract(raw)
    both = extract(raw, annotations=(Annotation(level="failure", message="Process completed with exit code 1."),))
    assert [e.fingerprint for e in both.errors] == [e.fingerprint for e in alone.errors]


def test_a_full_disk_comes_before_the_failing_tests_of_it() -> None:
    tests = (*TESTS[:3], "cp: error writing 'out.bin': No space left on device", *TESTS[3:])
    assert "No space left" in extract(github(CHECKOUT, tests)).errors[0].headline


def test_a_block_is_kept_whole() -> None:
    trace = (
        "##[group]Run python a.py",
        "##[endgroup]",
        "Traceback (most recent call last):",
        *(f'  File "/w/a{i}.py", line {i}, in call_{i}\n    call_{i + 1}()' for i in range(12)),
        "ValueError: the total is negative",
        "##[error]Process completed with exit code 1.",
    )
    found = extract(github(CHECKOUT, trace))
    assert found.errors[0].headline == "ValueError: the total is negative"
    texts = [line.text for line in found.errors[0].lines]
    assert texts[0].startswith("Traceback") or "Traceback (most recent call last):" in texts
    assert "ValueError: the total is negative" in texts


def test_near_identical_blocks_are_collapsed_and_counted() -> None:
    again = [
        line
        for i in range(40)
        for line in (f"2024 {i} starting worker {i}", f"Error: worker {i} could not reach 10.0.0.{i}:5432", "")
    ]
    found = extract(
        github(CHECKOUT, ("##[group]Run make", "##[endgroup]", *again, "##[error]Process completed with exit code 1."))
    )
    mine = [e for e in found.errors if "could not reach" in e.headline]
    assert len(mine) == 1
    assert mine[0].repeats > 1


def test_a_budget_is_kept_and_more_can_be_asked_for() -> None:
    flood = [
        f"src/m{i}.c:{i}:1: error: unknown type name 'type_{i}' in a declaration that goes on and on"
        for i in range(1, 900)
    ]
    raw = github(
        CHECKOUT, ("##[group]Run make", "##[endgroup]", *flood, "##[error]Process completed with exit code 2.")
    )
    small, large = extract(raw), extract(raw, budget=40_000)
    assert sum(len(line.text) + 1 for line in small.lines) <= DEFAULT_BUDGET + 200
    assert len(large.excerpt) > 2 * len(small.excerpt)
    assert "[… lines " in small.excerpt, "what was left out is told"


def test_what_the_last_passing_run_printed_too_is_background() -> None:
    noise = tuple(f"ERROR: could not load plugin p{i}: not found" for i in range(6))
    passed = github(CHECKOUT, ("##[group]Run make", "##[endgroup]", *noise, "done"))
    failed = github(
        CHECKOUT,
        (
            "##[group]Run make",
            "##[endgroup]",
            *noise,
            "cart: invalid total -3",
            "##[error]Process completed with exit code 1.",
        ),
    )
    without, known = extract(failed), extract(failed, background=background_of(passed))
    assert "could not load plugin" in without.errors[0].headline
    assert "could not load plugin" not in known.errors[0].headline


def test_progress_bars_marks_and_colours_do_not_reach_the_excerpt() -> None:
    line = "\x1b[31mDownloading  10%\rDownloading  55%\rDownloading 100%\rerror: checksum mismatch for a.tgz\x1b[0m"
    found = extract(f"make\n{line}\n{END_OF_STEP}\n".encode())
    shown = next(entry.text for entry in found.lines if "checksum" in entry.text)
    assert "\x1b" not in shown and "\r" not in shown
    assert shown.count("Downloading") == 1


def test_a_stream_gives_what_its_bytes_give() -> None:
    raw = github(CHECKOUT, TESTS)
    assert extract(io.BytesIO(raw)) == extract(raw)


def test_a_log_of_many_blocks_keeps_its_error_its_line_number_and_little_memory() -> None:
    filler = b"2024-05-01T10:00:00.0000000Z compiling module and linking it, all is well here\n" * 120_000
    raw = github(CHECKOUT, TESTS)
    found = extract(io.BytesIO(filler + raw + filler))
    assert found.truncated
    alone = extract(raw).errors[0]
    assert (found.errors[0].headline, found.errors[0].line) == (alone.headline, 120_000 + (alone.line or 0))


def test_a_download_that_was_cut_is_told() -> None:
    mark = b"[ci-metrics] 12 bytes (1 lines) of this log were left out here: it is longer than the 5 bytes that MAX_LOG_MB allows\n"
    assert extract(b"error: broken\n" + mark + b"error: end\n").truncated
    assert not extract(b"error: broken\n").truncated


def test_bytes_that_are_no_text_are_no_trouble() -> None:
    found = extract(b"\xff\xfe\x00error: \xc3\x28 broken\nfatal: \x80\x81\n")
    assert found.state == "errors"


@pytest.mark.parametrize(
    "line", [b"a" * 3_000_000, b"=" * 200_000, b"error: " * 100_000, b"\r" * 300_000, b"\x1b[" * 100_000]
)
def test_one_endless_line_costs_no_more_than_its_ends(line: bytes) -> None:
    found = extract(b"make\n" + line + b"\nerror: broken\n")
    assert any("error: broken" in entry.text for e in found.errors for entry in e.lines)
    assert len(found.excerpt) < 2 * DEFAULT_BUDGET


def test_the_log_of_one_step_that_passed_gives_nothing_whatever_it_printed() -> None:
    step = "\n".join(
        f"2024-05-01T10:11:12.0000000Z {line}"
        for line in (
            "##[group]Run make",
            "make",
            "##[endgroup]",
            "basename: missing operand",
            "ERROR: tried again",
            "done",
        )
    )
    assert extract(step.encode()).state == "no_error_found"
    failed = step + "\n2024-05-01T10:11:13.0000000Z ##[error]Process completed with exit code 1."
    assert extract(failed.encode()).state == "errors"


def test_what_a_step_printed_that_passed_is_no_error_of_the_job() -> None:
    seed = (
        "##[group]Run make seed",
        "make seed",
        "##[endgroup]",
        "TimeoutError: no answer for 5 s",
        "tried again, fine",
    )
    described = job(
        step(1, "Set up job", "success", 0), step(2, "Seed", "success", 5), step(3, "Test", "failure", 10),
        step(4, "Complete job", "success", 15),
    )  # fmt: skip
    found = extract(github(seed, TESTS), job=described)
    assert found.errors and {error.step for error in found.errors} == {"Test"}


def test_the_script_of_a_step_is_shown_and_is_no_error() -> None:
    script = (
        "##[group]Run deploy",
        '\x1b[36;1m: "${TOKEN:?the environment variable TOKEN is not set}"\x1b[0m',
        "shell: /usr/bin/bash -e {0}",
        "##[endgroup]",
        "line 1: TOKEN: the environment variable TOKEN is not set",
        "##[error]Process completed with exit code 1.",
    )
    found = extract(github(CHECKOUT, script))
    assert found.errors[0].headline == "line 1: TOKEN: the environment variable TOKEN is not set"


def test_where_only_the_exit_code_is_known_the_last_thing_said_before_it_is_the_headline() -> None:
    check = (
        "##[group]Run ./check.sh",
        "\x1b[36;1m./check.sh\x1b[0m",
        "shell: /usr/bin/bash -e {0}",
        "##[endgroup]",
        "The zork is older than its source: run 'make zork' and commit it",
        "##[error]Process completed with exit code 1.",
    )
    found = extract(github(CHECKOUT, check))
    assert found.errors[0].headline == "The zork is older than its source: run 'make zork' and commit it"
    assert not found.errors[0].generic
    silent = extract(github(CHECKOUT, (*check[:4], check[5])))
    assert silent.errors[0].generic, "nothing was said: the exit code alone is no cause"


@pytest.mark.parametrize(
    "echo",
    [
        "ERROR: script returned exit code 1",
        "ERROR: script returned exit code 127",
        "Build step 'Execute shell' marked build as failure",
        "error: Recipe `test` failed on line 5 with exit code 1",
        "nox > Command pytest -q failed with exit code 1",
        "Error: The process '/usr/bin/bash' failed with exit code 1",
    ],
)
def test_a_line_that_says_only_that_something_failed_is_never_the_first_error(echo: str) -> None:
    lines = [
        "+ ./check",
        "total.c:4: totals differ: 3 and 4",
        "[Pipeline] }",
        "[Pipeline] // node",
        echo,
        "Finished: FAILURE",
        "",
    ]
    assert extract("\n".join(lines).encode()).errors[0].headline != echo
    lines[1] = "src/total.py:4: AssertionError: totals differ"
    assert extract("\n".join(lines).encode()).errors[0].headline == lines[1]


LINT = (
    "##[group]Run codespell docs",
    "codespell docs",
    "##[endgroup]",
    "docs/faq.md:12: recieve ==> receive",
    "##[error]Process completed with exit code 65.",
)
REPORT = (
    "##[group]Run acme/publish-test-report@v2",
    "with:",
    "##[endgroup]",
    "##[error]Error: no report was found: junit.xml",
)


def test_of_several_marked_steps_the_job_failed_of_the_last_one_that_does_not_look_after_a_failure() -> None:
    allowed = extract(github(CHECKOUT, LINT, TESTS))
    assert allowed.failed_step == "Run make test"
    assert {error.step for error in allowed.errors[:1]} == {"Run make test"}
    assert allowed.failed_span is not None and allowed.failed_span[0] > 10
    told = extract(github(CHECKOUT, TESTS, REPORT))
    assert told.failed_step == "Run make test"
    assert {error.step for error in told.errors[:1]} == {"Run make test"}


def test_one_marked_step_leaves_open_where_the_cause_stands() -> None:
    assert extract(github(CHECKOUT, TESTS)).failed_span is None


@pytest.mark.parametrize(
    "after",
    [
        ("Post job cleanup.", "##[error]ENOENT: no such file or directory, lstat '.cache/x'"),
        ("##[group]Run cat logs/app.log", "cat logs/app.log", "##[endgroup]", "cat: no such file", END_OF_STEP),
        REPORT,
    ],
    ids=["a post step", "a command that shows logs", "a report"],
)
def test_what_looks_after_a_failure_is_not_the_reason(after: tuple[str, ...]) -> None:
    found = extract(github(CHECKOUT, TESTS, after))
    assert found.failed_step == "Run make test"
    assert found.errors[0].step == "Run make test"


@pytest.mark.parametrize(
    "command", ["npm publish", "pytest tests/test_cache.py", "pytest --junitxml=report.xml", "./clean-and-build"]
)
def test_a_command_is_no_aftercare_for_what_its_arguments_say_nor_outdone_by_a_script_that_only_marked_lines(
    command: str,
) -> None:
    lint = (
        "##[group]Run eslint . || true",
        "eslint . || true",
        "shell: /usr/bin/bash -e {0}",
        "##[endgroup]",
        "##[error]src/a.js: line 3, col 4, Error - 'x' is not defined. (no-undef)",
    )
    failed = (
        f"##[group]Run {command}",
        command,
        "shell: /usr/bin/bash -e {0}",
        "##[endgroup]",
        "it broke in the middle",
        END_OF_STEP,
    )
    assert extract(github(CHECKOUT, lint, failed)).failed_step == f"Run {command}"


def test_a_time_that_is_none_is_no_time() -> None:
    for start in ("2026-01-01T24:00:00.0000000Z", "2026-13-41T99:99:99.1000000Z"):
        log = f"{start} ##[group]Run make\n{start} make: *** [all] Error 2\n{start} {END_OF_STEP}\n"
        assert extract(log.encode()).state == "errors"


def pipeline(*, post: bool) -> bytes:
    """A Jenkins pipeline: a stage whose tests print an error and pass, one that fails, and post
    actions that print another error.
    """
    lines = ["Started by user admin", "[Pipeline] Start of Pipeline", "[Pipeline] node", "[Pipeline] {"]
    lines += [
        "[Pipeline] stage",
        "[Pipeline] { (Unit)",
        "[Pipeline] sh",
        "+ ./unit",
        "java.lang.IllegalStateException: the store is shut",
    ]
    lines += ["\tat com.acme.Store.open(Store.java:41)", "12 tests, 0 failures", "[Pipeline] }", "[Pipeline] // stage"]
    lines += [
        "[Pipeline] stage",
        "[Pipeline] { (Check)",
        "[Pipeline] sh",
        "+ ./check",
        "src/total.py:4: AssertionError: totals differ",
    ]
    lines += ["[Pipeline] }", "[Pipeline] // stage"]
    if post:
        lines += ["[Pipeline] stage", "[Pipeline] { (Declarative: Post Actions)", "[Pipeline] sh", "+ ./dump"]
        lines += ["ERROR: java.lang.NullPointerException: no store to dump", "[Pipeline] }", "[Pipeline] // stage"]
    lines += [
        "[Pipeline] }",
        "[Pipeline] // node",
        "[Pipeline] End of Pipeline",
        "ERROR: script returned exit code 1",
        "Finished: FAILURE",
        "",
    ]
    return "\n".join(lines).encode()


@pytest.mark.parametrize("post", [False, True])
def test_a_jenkins_pipeline_failed_of_its_last_script_before_the_post_actions(post: bool) -> None:
    assert extract(pipeline(post=post)).errors[0].headline == "src/total.py:4: AssertionError: totals differ"


def test_headers_that_never_end_cost_little_more_than_headers_that_do() -> None:
    """Each of them begins inside all those before it. (The ratio is 2 to 4.)"""
    count = 8_000
    end = "##[error]Process completed with exit code 1.\n"
    spent = {}
    for body in ("##[endgroup]\n", "echo so it goes\n"):
        log = (f"##[group]Run make\n{body}" * count + end).encode()
        began = time.process_time()
        extract(log)
        spent[body] = time.process_time() - began
    ended, endless = spent.values()
    assert endless < 20 * ended
