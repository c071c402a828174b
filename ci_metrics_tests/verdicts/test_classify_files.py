"""`ci-metrics classify`: what scripts parse, as the contract has it."""

import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from ci_metrics.catalogue import load_catalogue
from ci_metrics.commands.classify_files import classify
from ci_metrics.commands.extract_files import extract
from ci_metrics.errors import ContractError

STAMP = "2026-01-01T10:00:00.1234567Z "
LOG = "\n".join(
    STAMP + line
    for line in (
        "##[group]Run pytest",
        "pytest",
        "##[endgroup]",
        "FAILED tests/test_money.py::test_sum - assert 3 == 4",
        "=== 1 failed in 0.12s ===",
        "##[error]Process completed with exit code 1.",
        "",
    )
)


def rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_one_json_object_a_file_in_order_with_the_promised_fields(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed, passed = tmp_path / "failed.log.gz", tmp_path / "passed.log"
    failed.write_bytes(gzip.compress(LOG.encode()))
    passed.write_text(f"{STAMP}all is well\n{STAMP}Cleaning up orphan processes\n")
    classify(str(failed), str(passed), json_lines=True)
    first, second = rows(capsys)
    assert list(first) == [
        "file", "state", "error_type", "confidence", "summary", "evidence", "suggested_fix", "source", "fingerprint",
        "decided_by", "failed_tests", "other_errors",
    ]  # fmt: skip
    assert (first["file"], first["state"], first["error_type"], first["source"]) == (
        str(failed),
        "classified",
        "assertion_failure",
        "rules",
    )
    assert first["decided_by"] == "words" or first["decided_by"] in load_catalogue().by_id
    assert second["decided_by"] == ""
    assert isinstance(first["evidence"], list)
    for quote in first["evidence"]:
        assert quote["text"] in LOG.split("\n")[quote["line"] - 1]
    assert (second["state"], second["error_type"], second["evidence"]) == ("no_error_found", None, [])


def test_standard_input_is_a_dash(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(LOG.encode())))
    classify("-", json_lines=True)
    assert rows(capsys)[0]["error_type"] == "assertion_failure"


def test_people_get_sentences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "failed.log"
    path.write_text(LOG)
    classify(str(path))
    printed = capsys.readouterr().out
    assert "assertion_failure (" in printed and "% confidence)" in printed
    assert "Summary: " in printed and "assert 3 == 4" in printed and "Hint: " in printed


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"nope\.log"):
        classify(str(tmp_path / "nope.log"))


@pytest.mark.parametrize("text", ["", "nonsense", "[]"])
def test_a_wrong_job_file_is_named(tmp_path: Path, text: str) -> None:
    job, log = tmp_path / "job.json", tmp_path / "a.log"
    job.write_text(text)
    log.write_text(LOG)
    with pytest.raises(ContractError):
        classify(str(log), job=job)


PASSING = sorted((Path(__file__).parent / "passing").glob("*.log"))
RUNNER = (
    "Current runner version: '2.319.1'",
    "Prepare all required actions",
    "Complete job name: build",
    "##[group]Run x",
    "##[endgroup]",
)


def as_github(text: str) -> str:
    lines = [*RUNNER, *text.splitlines(), "Post job cleanup.", "Cleaning up orphan processes"]
    return "\n".join(STAMP + line for line in lines)


def as_travis(text: str) -> str:
    return f'$ x\n{text}\nThe command "x" exited with 0.\n\nDone. Your build exited with 0.\n'


def as_jenkins(text: str) -> str:
    return f"Started by user x\n{text}\nFinished: SUCCESS\n"


#: (log, form) -> what is taken for a failure.
TAKEN = {("git_log", "as_github"): "an action that ends with a commit's title, “Fix error: connection refused”"}


def passing_logs() -> list[object]:
    return [
        pytest.param(
            path,
            form,
            id=f"{path.stem}-{form.__name__}",
            marks=pytest.mark.xfail(reason=TAKEN[path.stem, form.__name__], strict=True)
            if (path.stem, form.__name__) in TAKEN
            else (),
        )
        for path in PASSING
        for form in (as_github, as_travis, as_jenkins)
    ]


@pytest.mark.parametrize(("path", "form"), passing_logs())
def test_a_log_that_passed_gets_no_verdict(
    path: Path, form: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "passed.log"
    log.write_text(form(path.read_text(encoding="utf-8")))
    classify(str(log), json_lines=True)
    assert rows(capsys)[0]["error_type"] is None


def test_a_hyphen_on_the_command_line_reads_standard_input() -> None:
    command = [sys.executable, "-c", "from ci_metrics.cli import main; main()", "classify", "--json", "-"]
    done = subprocess.run(command, input=LOG.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["error_type"] == "assertion_failure"


def test_no_file_at_all_is_an_error_that_says_what_to_give() -> None:
    with pytest.raises(ContractError, match="- for standard input"):
        classify()


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "job.log").write_text("make: *** [Makefile:3: test] Error 1\n")
    command = ["-c", "from ci_metrics.cli import main; main()", "classify", "--json", str(tmp_path / "job.log")]
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + 13


def test_what_a_passing_run_printed_too_is_no_cause_for_either_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = [f"{STAMP}ERROR: could not load plugin p{number}: not found\n" for number in range(6)]
    header = f"{STAMP}##[group]Run make\n{STAMP}##[endgroup]\n"
    ends = f"{STAMP}cart: invalid total -3\n{STAMP}##[error]Process completed with exit code 1.\n"
    failed, passed = tmp_path / "failed.log", tmp_path / "passed.log.gz"
    failed.write_text("".join([header, *noise, ends]))
    passed.write_bytes(gzip.compress("".join([header, *noise]).encode()))
    for passing in (None, passed):
        extract(str(failed), json_lines=True, passing=passing)
        classify(str(failed), json_lines=True, passing=passing)
    without, _, known, judged = rows(capsys)
    assert "plugin" in without["errors"][0]["headline"]  # type: ignore[index]
    assert "plugin" not in known["errors"][0]["headline"]  # type: ignore[index]
    assert judged["fingerprint"] == known["errors"][0]["fingerprint"]  # type: ignore[index]
    for command in (extract, classify):
        with pytest.raises(ContractError, match="cannot be read"):
            command(str(failed), passing=tmp_path / "none.log")
