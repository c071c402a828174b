"""What is read of the logs of services other than GitHub's: where they end, and what failed in
them; what a line relays, and when.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ci_metrics.classifier import Classifier
from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.logs import extract
from ci_metrics_tests.builders import a_job
from ci_metrics_tests.logs.test_extract import CHECKOUT, github

SAYS = "Not the right colour, see the wiki"
COMMAND_FAILED = [
    ("#!/bin/bash -eo pipefail", "paint blue", SAYS, "", "Exited with code exit status 1", "CircleCI received exit code 1"),
    ("paint blue", SAYS, "ERROR: Job failed: exit code 1"),
    ("~~~ Running commands", "$ paint blue", SAYS, "🚨 Error: The command exited with status 3"),
    ("[Container] 2026/01/02 10:11:12 Running command paint blue", SAYS,
     "[Container] 2026/01/02 10:11:12 Command did not exit successfully paint blue exit status 1"),
]  # fmt: skip
GITLAB = """\
section_start:1700000000:prepare_executor\r\x1b[0K\x1b[0K\x1b[36;1mPreparing the "docker" executor\x1b[0;m
section_end:1700000006:prepare_executor\r\x1b[0K
section_start:1700000010:step_script\r\x1b[0K\x1b[0K\x1b[36;1mExecuting "step_script" stage of the job script\x1b[0;m
\x1b[32;1m$ paint blue\x1b[0;m
Not the right colour, see the wiki
section_end:1700000090:step_script\r\x1b[0K
section_start:1700000090:after_script\r\x1b[0K\x1b[0K\x1b[36;1mRunning after_script\x1b[0;m
\x1b[32;1m$ cat report.xml\x1b[0;m
cat: report.xml: No such file or directory
section_end:1700000091:after_script\r\x1b[0K
section_start:1700000091:cleanup_file_variables\r\x1b[0K\x1b[0K\x1b[36;1mCleaning up project directory\x1b[0;m
section_end:1700000092:cleanup_file_variables\r\x1b[0K
\x1b[31;1mERROR: Job failed: exit code 1\x1b[0;m
"""


@pytest.mark.parametrize("lines", COMMAND_FAILED)
def test_the_last_words_before_a_services_end_are_the_error(lines: tuple[str, ...]) -> None:
    found = extract("\n".join(lines).encode())
    assert (found.state, found.errors[0].headline) == ("errors", SAYS)


def test_what_gitlab_runs_in_any_case_is_no_cause() -> None:
    assert extract(GITLAB.encode()).errors[0].headline == SAYS


def test_a_job_of_gitlabs_that_succeeded_gives_nothing() -> None:
    passed = GITLAB.replace("\x1b[31;1mERROR: Job failed: exit code 1\x1b[0;m", "\x1b[32;1mJob succeeded\x1b[0;m")
    assert extract(passed.encode()).state == "no_error_found"


def test_a_task_of_azures_names_its_error() -> None:
    tasks = (
        "##[section]Starting: Build", "all built", "##[section]Finishing: Build",
        "##[section]Starting: Paint", SAYS, "##[error]Bash exited with code '1'.", "##[section]Finishing: Paint",
    )  # fmt: skip
    found = extract("\n".join(tasks).encode())
    assert (found.errors[0].headline, found.errors[0].step) == (SAYS, "Paint")


@pytest.mark.parametrize(
    "log", [b"hello\n", b"one\ntwo\nall is well\n", github(CHECKOUT, ("##[group]Run x", "##[endgroup]", "done"))]
)
def test_the_log_of_a_job_that_failed_is_never_without_an_error(log: bytes) -> None:
    found = extract(log, job=a_job(conclusion="failure"))
    assert found.state == "errors"
    assert found.errors[0].headline


@pytest.mark.parametrize("log", [b"Rendering the second page\nPage 2 is not what was asked for; it must be blue\n"])
def test_of_a_service_that_nobody_knows_any_word_of_failure_will_do(log: bytes) -> None:
    assert extract(log).state == "errors"


def cancelled(*, silence: timedelta, after: timedelta = timedelta(0)) -> bytes:
    """A step that prints for so long, then nothing, then the runner's word of a cancel."""
    begun = datetime(2026, 5, 1, 10, 0, 0, tzinfo=UTC)
    lines = [(begun, "##[group]Run make all"), (begun, "##[endgroup]")]
    said = [begun + after * part / 40 for part in range(1, 41)]
    lines += [(at, f"painting plank {number}") for number, at in enumerate(said)]
    lines.append((said[-1] + silence, "##[error]The operation was canceled."))
    return "".join(f"{at:%Y-%m-%dT%H:%M:%S}.0000000Z {line}\n" for at, line in lines).encode()


@pytest.mark.parametrize(
    ("log", "late"),
    [
        (cancelled(silence=timedelta(minutes=29)), True),
        (cancelled(silence=timedelta(seconds=3), after=timedelta(minutes=60)), True),
        (cancelled(silence=timedelta(minutes=2), after=timedelta(minutes=5)), False),
        (cancelled(silence=timedelta(seconds=3), after=timedelta(minutes=33)), False),
    ],
)
def test_a_cancel_that_ends_a_silence_or_comes_with_a_round_limit_is_a_late_one(log: bytes, late: bool) -> None:
    found = extract(log)
    named = {name for each in found.messages if each.number == found.errors[0].line for name in each.messages}
    assert ("cancelled-late" in named, "github-cancelled" in named) == (late, not late)
    verdict = Classifier(load_taxonomy(None)).judge(found)
    assert (verdict.state, verdict.error_type) == (("classified", "timeout") if late else ("no_error_found", None))


@pytest.mark.parametrize(
    ("line", "message", "gone"),
    [
        ("ERROR: Job failed (system failure): invalid reference format (executor_docker.go:168:0s)", "docker-refused", "ci-agent-frame"),
        ("[lint] error[E0425]: cannot find value `x` in this scope", "rust-compile", ""),
        ("web:build: npm error code ERESOLVE", "npm-code", ""),
        ("remote:        sh: 1: cross-env: not found", "sys-command-missing", ""),
        ("[warning] npm error code ERESOLVE", "", "npm-code"),
    ],
)  # fmt: skip
def test_what_a_line_relays_counts_as_a_line_of_its_own(line: str, message: str, gone: str) -> None:
    found = extract(f"{line}\nExited with code exit status 1\n".encode())
    named = {name for each in found.messages if each.number == 1 for name in each.messages}
    assert {message} - {""} <= named
    assert gone not in named
