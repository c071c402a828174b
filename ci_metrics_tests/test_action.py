"""The action's steps, run by bash as a runner runs them, against the sample GitHub."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci_metrics.sample.server import SAMPLE_TOKEN, SampleGitHub
from ci_metrics.sample.world import World
from ci_metrics_tests.github.worlds import REPO, attempt, job, run, world
from ci_metrics_tests.test_log_commands import MAKE

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
HOSTILE = "build [x](https://evil.example) <img src=x> @octocat"


def a_world() -> World:
    """A run of which one job failed, one passed, and one, which explains, still goes on."""
    failed = job(11, HOSTILE, conclusion="failure", log=MAKE)
    return world(run(1, [attempt(1, [failed, job(12, "lint"), job(13, "explain", end=None)])]), opens=30)


def explained(home: Path, github: SampleGitHub, **inputs: str) -> tuple[str, str]:
    """The job summary after the action, and what its steps printed."""
    program = home / "bin" / "ci-metrics"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom ci_metrics.cli import main\nmain()\n")
    program.chmod(0o755)
    summary = home / "summary.md"
    runner = {
        "PATH": f"{program.parent}:{os.environ['PATH']}", "HOME": os.environ["HOME"], "PYTHONPATH": str(ROOT), "RUNNER_TEMP": str(home),
        "GITHUB_ACTION_PATH": str(ROOT), "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_PATH": str(home / "path"),
        "GITHUB_SERVER_URL": github.api_url, "GITHUB_API_URL": github.api_url, "GITHUB_REPOSITORY": REPO,
        "GITHUB_RUN_ID": "1", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_ACTIONS": "true", "CI": "true",
    }  # fmt: skip
    values = {"github.token": github.token, "github.repository": REPO, "runner.temp": str(home)}
    given = {name: str(each["default"]) for name, each in ACTION["inputs"].items()} | inputs
    values |= {f"inputs.{name}": filled(value, values) for name, value in given.items()}
    printed = ""
    for step in ACTION["runs"]["steps"]:
        assert step["shell"] == "bash"
        own = {name: filled(str(value), values) for name, value in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=home, env={**runner, **own}, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        printed += done.stdout + done.stderr
    return summary.read_text() if summary.exists() else "", printed


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with the runner's expressions replaced; one that the test does not know fails it."""
    return re.sub(r"\$\{\{ *([\w.-]+) *\}\}", lambda found: values[found[1]], text)


def test_the_runs_finished_jobs_are_explained_and_the_unfinished_one_is_named(tmp_path: Path) -> None:
    with SampleGitHub(a_world()) as github:
        summary, printed = explained(tmp_path, github)
    assert "compilation error" in summary and "cart.c:12:1: error: unknown type name 'price_t'" in summary
    assert "1 job failed, 1 passed" in summary
    assert "Not finished, so their logs are not to be had yet: explain." in summary
    assert "](https://evil" not in summary and "<img" not in summary and "@octocat" not in summary
    assert SAMPLE_TOKEN not in summary + printed


def test_a_log_of_the_calling_job_is_explained_without_a_token(tmp_path: Path) -> None:
    (tmp_path / "build.log").write_bytes(MAKE)
    with SampleGitHub(a_world()) as github:
        summary, _ = explained(tmp_path, github, **{"log-file": "build.log", "github-token": "none"})
        assert not github.stats.total
    assert "compilation error" in summary and "price_t" in summary


def test_a_checkout_has_no_say_in_where_the_action_asks(tmp_path: Path) -> None:
    (tmp_path / "build.log").write_bytes(MAKE)
    (tmp_path / ".env").write_text("MAX_RPM=none\nTAXONOMY_FILE=theirs.toml\n")
    with SampleGitHub(a_world()) as github:
        summary, printed = explained(tmp_path, github, **{"log-file": "build.log"})
    assert "compilation error" in summary and "::warning" not in printed


def test_a_token_that_may_not_read_leaves_a_warning_and_no_further_failure(tmp_path: Path) -> None:
    with SampleGitHub(a_world()) as github:
        summary, printed = explained(tmp_path, github, **{"github-token": "wrong"})
    assert not summary
    assert "::warning title=ci-metrics::" in printed and "GITHUB_TOKEN" in printed


def test_every_file_that_the_installation_names_is_there() -> None:
    steps: list[Any] = ACTION["runs"]["steps"]
    named = re.findall(r"\$GITHUB_ACTION_PATH/([\w.-]+)", steps[0]["run"])
    assert named and all((ROOT / name).is_file() for name in named)
