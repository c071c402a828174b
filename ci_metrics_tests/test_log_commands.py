"""What the commands on log files share: one excerpt budget, standard input, gzip, a job's JSON,
the fields of `extract --json`.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ci_metrics.classifier import Classifier
from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.commands.classify_files import classify
from ci_metrics.commands.evaluate import evaluate
from ci_metrics.commands.extract_files import extract
from ci_metrics.errors import ContractError, SettingsError
from ci_metrics.github.schemas import job_from_object
from ci_metrics.logs import extract as extract_log
from ci_metrics.settings import load_settings

STAMP = "2026-01-01T10:00:00.1234567Z "


def log_of(*lines: str) -> bytes:
    return "".join(f"{STAMP}{line}\n" for line in lines).encode()


def evaluate_one(file: str) -> None:
    """`evaluate` on the folder of one log."""
    evaluate(Path(file).parent)


MAKE = log_of(
    "##[group]Run make",
    "##[endgroup]",
    "cart.c:12:1: error: unknown type name 'price_t'",
    "##[error]Process completed with exit code 2.",
)
FLOOD = log_of(
    "##[group]Run make",
    "##[endgroup]",
    *(f"m{n}.c:{n}:1: error: unknown type name 'type_{n}' in a declaration of module {n}" for n in range(1, 900)),
    "##[error]Process completed with exit code 2.",
)


@pytest.fixture(autouse=True)
def _no_settings_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EXCERPT_BUDGET", raising=False)


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def kept_characters(excerpt: object) -> int:
    return sum(len(line) + 1 for line in str(excerpt).splitlines() if not line.startswith("[…"))


@pytest.mark.parametrize("budget", [None, 3_000, 30_000])
def test_all_commands_keep_as_much_of_a_log_as_excerpt_budget_says(
    budget: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if budget:
        monkeypatch.setenv("EXCERPT_BUDGET", str(budget))
    (tmp_path / "flood.log").write_bytes(FLOOD)
    extract("flood.log", json_lines=True)
    [extracted] = printed(capsys)
    asked = budget or load_settings({}).excerpt_budget
    assert kept_characters(extracted["excerpt"]) <= 1.05 * asked
    assert extracted["excerpt"] == extract_log(FLOOD, budget=asked).excerpt
    assert budget is None or extracted["excerpt"] != extract_log(FLOOD).excerpt

    classify("flood.log", json_lines=True, show_request=True)
    [shown] = printed(capsys)
    assert isinstance(shown["body"], dict)
    question = shown["body"]["messages"][0]["content"]
    sent = [line.split("| ", 1)[1] for line in question.splitlines() if line.lstrip()[:1].isdigit()]
    assert sent == [line for line in str(extracted["excerpt"]).splitlines() if not line.startswith("[…")]

    case = {"id": "s/p/1", "log": "flood.log", "format": "gha", "expected": ["compilation_error"], "spans": [[3, 3]]}
    (tmp_path / "cases.jsonl").write_text(json.dumps(case))
    evaluate(tmp_path, json_lines=True)
    [figures] = printed(capsys)
    assert isinstance(figures["all"], dict)
    assert figures["all"]["extractions"]["characters"] == len(str(extracted["excerpt"]))


def test_an_option_asks_for_more_than_the_setting_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EXCERPT_BUDGET", "3000")
    (tmp_path / "flood.log").write_bytes(FLOOD)
    extract("flood.log", json_lines=True, budget=20_000)
    [row] = printed(capsys)
    assert row["excerpt"] == extract_log(FLOOD, budget=20_000).excerpt
    assert kept_characters(row["excerpt"]) > 6_000


@pytest.mark.parametrize(("budget", "advice"), [(10, "Write at least 1000"), (10**7, "Write at most 400000")])
def test_a_budget_that_is_too_small_or_too_large_is_one_message(tmp_path: Path, budget: int, advice: str) -> None:
    (tmp_path / "make.log").write_bytes(MAKE)
    with pytest.raises(SettingsError, match=f"^EXCERPT_BUDGET: “{budget}” is not usable. {advice}$"):
        extract("make.log", budget=budget)


def columns_of(job: str, *lines: str) -> str:
    """As `gh run view --log-failed` prints them."""
    return "".join(f"{job}\tRun it\t{STAMP}{line}\n" for line in lines)


COMPILED = "src/cart.ts(3,5): error TS2304: Cannot find name 'price'."
REFUSED = "denied: requested access to the resource is denied"
TWO_JOBS = (
    columns_of("build", "##[group]Run npx tsc", "##[endgroup]", COMPILED, "##[error]Process completed with exit code 2.")
    + columns_of("push image", "##[group]Run docker push acme/shop", "##[endgroup]", "The push refers to acme/shop")
    + columns_of("push image", REFUSED, "##[error]Process completed with exit code 1.")
)  # fmt: skip


def test_each_job_of_a_runs_log_is_judged_for_itself_by_the_files_own_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.log"
    file.write_text(TWO_JOBS)
    classify(str(file), json_lines=True)
    (row,) = printed(capsys)  # one object a file
    assert (row["error_type"], row["evidence"][0]) == ("compilation_error", {"line": 3, "text": COMPILED})
    jobs = [(job["job"], job["error_type"], job["evidence"][0]) for job in row["jobs"]]
    assert jobs == [
        ("build", "compilation_error", {"line": 3, "text": COMPILED}),
        ("push image", "configuration_error", {"line": 8, "text": REFUSED}),
    ]
    extract(str(file), json_lines=True)
    (row,) = printed(capsys)
    assert [(job["job"], job["errors"][0]["line"]) for job in row["jobs"]] == [("build", 3), ("push image", 8)]
    assert (row["errors"], row["excerpt"]) == (row["jobs"][0]["errors"], row["jobs"][0]["excerpt"])
    assert REFUSED not in row["excerpt"]
    classify(str(file))
    told = capsys.readouterr().out
    assert f"{file}, job build: compilation_error" in told
    assert f"{file}, job push image: configuration_error" in told


def test_a_jobs_json_chooses_its_own_lines_of_a_runs_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, described = tmp_path / "run.log", tmp_path / "job.json"
    file.write_text(TWO_JOBS)
    described.write_text(json.dumps({"id": 1, "name": "push image", "status": "completed", "conclusion": "failure"}))
    classify(str(file), json_lines=True, job=described)
    (row,) = printed(capsys)
    assert (row["error_type"], row["evidence"][0]["line"]) == ("configuration_error", 8)
    assert "jobs" not in row


def test_of_a_runs_log_jobs_that_passed_are_not_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.log"
    passed = columns_of("lint", "Current runner version: '2.331.0'", "##[group]Run make lint", "##[endgroup]", "fine")
    file.write_text(passed + columns_of("lint", "Cleaning up orphan processes") + TWO_JOBS)
    classify(str(file), json_lines=True)
    (row,) = printed(capsys)
    assert [job["job"] for job in row["jobs"]] == ["build", "push image"]


def test_bytes_that_are_no_log_are_said_to_be_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "core"
    file.write_bytes(random.Random(3).randbytes(4_000))
    for command in (classify, extract):
        command(str(file), json_lines=True)
        assert printed(capsys)[0]["state"] == "no_log"


@pytest.mark.parametrize(
    ("held", "state", "said"),
    [
        ("\n  \n\n", "no_log", "No log: it holds only blank lines."),
        ("all is well\n", "no_error_found", "Nothing in it says that something failed."),
        ('<testsuite><testcase name="a"/></testsuite>', "no_error_found", "Nothing in it says that something failed."),
    ],
)
def test_of_a_log_without_an_error_it_is_said_why_there_is_no_verdict(
    held: str, state: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "some.log"
    file.write_text(held)
    classify(str(file))
    assert capsys.readouterr().out == f"{file}: {state}\n   {said}\n"
    classify(str(file), json_lines=True)
    (row,) = printed(capsys)
    assert (row["state"], row["summary"], row["confidence"]) == (state, said, 0.0)


def test_a_report_that_breaks_off_is_named_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "results.xml"
    file.write_text('<testsuite name="a"><testcase name="x">')
    with pytest.raises(ContractError, match=rf"^{file}: is not well-formed XML "):
        classify(str(file))


@pytest.mark.parametrize("seed", range(5))
def test_whatever_the_log_of_a_failed_job_holds_it_gives_an_error(seed: int) -> None:
    described = job_from_object({"id": 1, "name": "build", "status": "completed", "conclusion": "failure"})
    found = extract_log(random.Random(seed).randbytes(4_000), job=described)
    assert found.state == "errors"
    assert found.errors
    verdict = Classifier(load_taxonomy(None)).judge(found, job=described)
    assert verdict.state == "unknown"


def test_extract_prints_one_object_a_file_with_the_promised_fields(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = log_of("##[group]Run x", "##[endgroup]", "##[error]Process completed with exit code 1.")
    (tmp_path / "make.log").write_bytes(MAKE)
    (tmp_path / "bare.log.gz").write_bytes(gzip.compress(bare))
    extract("make.log", "bare.log.gz", json_lines=True)
    told, untold = printed(capsys)
    assert list(told) == ["file", "state", "excerpt", "spans", "errors"]
    [error], [only] = told["errors"], untold["errors"]
    assert set(error) == {"step", "line", "spans", "headline", "fingerprint", "generic"}
    assert (error["line"], error["headline"]) == (3, "cart.c:12:1: error: unknown type name 'price_t'")
    assert (error["generic"], only["generic"], only["line"]) == (False, True, 3)


JOB = {"id": 7, "steps": [{"number": 4, "name": "Compile it all", "conclusion": "failure"}]}


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input_may_be_gzip_and_a_jobs_json_names_the_step(
    packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = tmp_path / "job.json"
    job.write_text(json.dumps(JOB))
    data = gzip.compress(MAKE) if packed else MAKE
    for command in (extract, classify):
        source = io.BytesIO(data)
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=source))
        command("-", json_lines=True, job=job)
        assert not source.closed, "standard input is not ours to close"
    extracted, classified = printed(capsys)
    assert extracted["errors"][0]["step"] == "Compile it all"
    assert (extracted["file"], classified["file"], classified["error_type"]) == ("-", "-", "compilation_error")


def test_standard_input_that_is_broken_gzip_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(gzip.compress(MAKE)[:-9])))
    with pytest.raises(ContractError, match="-: cannot be read"):
        extract("-")


def test_classify_loads_no_client_of_a_service_and_no_scheduler(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_bytes(log_of("##[error]Process completed with exit code 1."))
    program = (
        "import sys\n"
        "from ci_metrics.cli import main\n"
        f"sys.argv = ['ci-metrics', 'classify', '--json', {str(log)!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print(*sorted({'dagster', 'altair', 'jwt', 'cryptography', 'httpx', 'pandas', 'sqlite3'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    verdict, loaded = done.stdout.splitlines()
    assert json.loads(verdict)["file"] == str(log)
    assert loaded == ""


@pytest.mark.parametrize("command", [classify, extract, evaluate_one])
def test_a_packed_log_that_unpacks_to_more_than_max_log_mb_is_refused_without_unpacking_it_all(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_LOG_MB", "1")
    bomb = tmp_path / "bomb.log.gz"
    bomb.write_bytes(gzip.compress(b"\n" * 900_000) * 3_000)  # 2.7 GB from 3 MB
    with pytest.raises(ContractError, match=r"bomb\.log\.gz: unpacks to more than the 1 MB that MAX_LOG_MB allows"):
        command(str(bomb))


def test_a_packed_log_that_is_damaged_is_said_to_be(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(FLOOD))
    packed[len(packed) // 2] ^= 0xFF
    (tmp_path / "half.log.gz").write_bytes(packed)
    with pytest.raises(ContractError, match=r"half\.log\.gz: cannot be read"):
        extract("half.log.gz")


@pytest.mark.parametrize(("json_lines", "show_request"), [(True, False), (False, True), (True, True)])
def test_json_says_all_and_steers_no_terminal(
    json_lines: bool, show_request: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also by 8-bit codes, breaks of lines that are none, and turned text."""
    odd = "error: unknown \x9b31mtype\x9b0m \u202eeman\u202c a\u2028b \x85\u2066"
    log = tmp_path / "odd.log"
    log.write_bytes(log_of("##[group]Run make", "##[endgroup]", odd, "##[error]Process completed with exit code 2."))
    classify(str(log), json_lines=json_lines, show_request=show_request)
    extract(str(log), json_lines=True)
    out = capsys.readouterr().out
    assert all(c.isprintable() or c == "\n" for c in out)
    assert odd.rstrip() in json.loads(out.splitlines()[-1])["excerpt"]
