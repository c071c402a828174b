"""What one line answers with nothing set up: a log, the page of a job or of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_metrics.commands.classify_files import classify
from ci_metrics.commands.explain import explain
from ci_metrics.errors import SettingsError
from ci_metrics.logs.encodings import why_no_text
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.settings import Settings
from ci_metrics_tests.github.worlds import REPO, attempt, job, run, world
from ci_metrics_tests.llm.model_server import KEY, ModelServer
from ci_metrics_tests.test_log_commands import MAKE, log_of

NPM = log_of(
    "##[group]Run npm ci",
    "##[endgroup]",
    "npm error code ETARGET",
    "npm error notarget No matching version found for left-pad@9.9.9.",
    "##[error]Process completed with exit code 1.",
)
TWO = NPM + MAKE


@pytest.fixture(autouse=True)
def _nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("CI_METRICS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[SampleGitHub]:
    """A GitHub with a failed run, and a developer's shell: a token, no REPO."""
    red = [
        job(11, "build", conclusion="failure", log=MAKE),
        job(12, "lint"),
        job(13, "docs", conclusion="failure", log=NPM),
    ]
    with SampleGitHub(world(run(1, [attempt(1, red)]))) as server:
        monkeypatch.setenv("GITHUB_API_URL", server.api_url)
        monkeypatch.setenv("GITHUB_TOKEN", server.token)
        yield server


def test_the_page_of_a_job_needs_a_token_and_no_repository_set(
    github: SampleGitHub, capsys: pytest.CaptureFixture[str]
) -> None:
    explain(f"{github.api_url}/{REPO}/actions/runs/1/job/11")
    said = capsys.readouterr().out
    assert said.startswith("compilation_error") and "nothing was stored" in said
    assert "> 3 │ cart.c:12:1: error: unknown type name 'price_t'" in said


@pytest.mark.parametrize("page", ["actions/runs/1", "actions/runs/1/attempts/1"])
def test_the_page_of_a_run_tells_each_failed_job(
    page: str, github: SampleGitHub, capsys: pytest.CaptureFixture[str]
) -> None:
    explain(f"{github.api_url}/{REPO}/{page}", json_=True)
    row = json.loads(capsys.readouterr().out)
    assert (row["passed"], row["attempt"], row["unfinished"]) == (1, 1, [])
    assert {each["job"]: each["error_type"] for each in row["jobs"]} == {
        "build": "compilation_error",
        "docs": "dependency_error",
    }


def test_without_a_token_a_page_says_which_setting_is_missing() -> None:
    with pytest.raises(SettingsError, match=r"GITHUB_TOKEN: not set, and job 3 of o/r is in no index here"):
        explain("https://github.com/o/r/actions/runs/1/job/3")


def test_a_job_is_explained_without_loading_dagster(github: SampleGitHub) -> None:
    page = f"{github.api_url}/{REPO}/actions/runs/1/job/11"
    code = f"import sys; from ci_metrics.cli import run; run(['explain', {page!r}]); print('loaded:', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=dict(os.environ)
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "compilation_error" in done.stdout, done.stderr
    assert not {"dagster", "pandas", "mcp", "opentelemetry"} & loaded


def test_more_than_the_first_error_of_a_log_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "two.log").write_bytes(TWO)
    classify("two.log", json_lines=True)
    row = json.loads(capsys.readouterr().out)
    (other,) = row["other_errors"]
    assert {row["error_type"], other["error_type"]} == {"dependency_error", "compilation_error"}
    classify("two.log")
    assert f"Also line {other['line']}: {other['error_type']}: {other['text']}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"PK\x03\x04" + b"\x00" * 50, "it is a zip archive"),
        (b"\x7fELF" + bytes(range(32)) * 20, "it is a program (ELF)"),
        (bytes(range(32)) * 50, "it is binary, no text"),
    ],
)
def test_what_is_no_log_is_named(content: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "it").write_bytes(content)
    classify("it", json_lines=True)
    row = json.loads(capsys.readouterr().out)
    assert row["state"] == "no_log" and said in row["summary"]


@pytest.mark.parametrize(
    "content",
    [
        MAKE,
        "Fehler: größe\n".encode(),
        "error: x\n".encode("utf-16"),
        b"\x1b[31mred\x1b[0m\r\n",
        b"BZh: a name",
        b"MZ is short",
        b"\n",
    ],
)
def test_what_is_text_is_never_called_binary(content: bytes) -> None:
    assert why_no_text(content) == ""


def test_the_configured_model_is_asked_and_answers_only_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "make.log").write_bytes(MAKE)
    with pytest.raises(SettingsError, match=r"ANTHROPIC_API_KEY: not set, while --model asks"):
        classify("make.log", model=True)
    with ModelServer() as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        monkeypatch.setenv("API_BASE_URL", server.url)
        classify("make.log", json_lines=True)
        assert not server.requests
        classify("make.log", json_lines=True, model=True)
        assert len(server.requests) == 1
    embedded, asked = map(json.loads, capsys.readouterr().out.splitlines())
    assert (embedded["source"], asked["source"]) == ("rules", "model")
    assert asked["summary"].startswith("Line 3 says:")
