"""The sample GitHub as a program, and its recorded day as GitHub would serve it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from typing import Any

import httpx
import pytest

from ci_metrics.sample.scenario import sample_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics_tests.sample.openapi import oracle

R = "/repos/{owner}/{repo}"

#: The one place where GitHub breaks its own description, and the recorded day with it:
#: a deleted fork is null.
DELETED_FORK = re.compile(r"(workflow_runs/\d+/)?head_repository: None is not of type 'object'")


def problems(template: str, value: object) -> list[str]:
    """What is wrong with an answer, the deleted fork apart."""
    return [found for found in oracle.problems(template, value) if not DELETED_FORK.fullmatch(found)]


def pages(web: httpx.Client, url: str, field: str | None, template: str) -> list[Any]:
    """All entries of a listing, each page judged."""
    found: list[Any] = []
    following: str | None = url
    while following:
        answer = web.get(following, params=None if "page=" in following else {"per_page": 100})
        assert answer.status_code == 200, following
        assert problems(template, answer.json()) == [], following
        found += answer.json() if field is None else answer.json()[field]
        following = answer.links.get("next", {}).get("url")
    return found


@pytest.mark.parametrize("settled", [False, True], ids=["at first", "two weeks later"])
def test_every_answer_about_the_recorded_day_fits_githubs_own_description(settled: bool) -> None:
    day = sample_world()
    with SampleGitHub(day, quota=10**6) as server, httpx.Client() as web:
        web.headers["Authorization"] = f"Bearer {server.token}"
        if settled:
            assert day.settled_at is not None
            server.clock.set(day.settled_at)
        seen = 0
        for repo in day.repos:
            base = f"{server.api_url}/repos/{repo}"
            for found in pages(web, f"{base}/actions/runs", "workflow_runs", R + "/actions/runs"):
                jobs_of = R + "/actions/runs/{run_id}/attempts/{attempt_number}/jobs"
                for number in range(1, found["run_attempt"] + 1):
                    url = f"{base}/actions/runs/{found['id']}/attempts/{number}"
                    attempt = web.get(url).json()
                    assert problems(R + "/actions/runs/{run_id}/attempts/{attempt_number}", attempt) == []
                    seen += len(pages(web, f"{url}/jobs", "jobs", jobs_of))
                suite = f"{base}/check-suites/{found['check_suite_id']}/check-runs"
                for check in pages(web, suite, "check_runs", R + "/check-suites/{check_suite_id}/check-runs"):
                    if check["output"]["annotations_count"]:
                        url = check["output"]["annotations_url"]
                        notes = pages(web, url, None, R + "/check-runs/{check_run_id}/annotations")
                        assert len(notes) == check["output"]["annotations_count"]
        assert seen > 400


def start(*arguments: str) -> subprocess.Popen[str]:
    """The program, with its output to read."""
    command = [sys.executable, "-m", "ci_metrics.sample", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_the_program_says_how_to_use_it_serves_and_stops_when_told(how: signal.Signals) -> None:
    with start("--port", "0", "--log-port", "0", "--runs", "4", "--jobs", "3", "--base-path", "/api/v3") as program:
        assert program.stdout is not None
        said = "".join(program.stdout.readline() for _ in range(5))
        settings = dict(re.findall(r"([A-Z_]+)=(\S+)", said))
        answer = httpx.get(
            f"{settings['GITHUB_API_URL']}/repos/{settings['REPO']}/actions/runs",
            headers={"Authorization": f"Bearer {settings['GITHUB_TOKEN']}"},
        )
        assert answer.json()["total_count"] == 4
        assert settings["GITHUB_API_URL"].endswith("/api/v3")
        program.send_signal(how)
        assert program.wait(timeout=30) == 0


def test_a_taken_port_is_one_line_that_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with start("--port", port, "--log-port", "0", "--runs", "1") as program:
            _, said = program.communicate(timeout=60)
    assert program.returncode == 2
    assert said.count("\n") == 1
    assert f"{port} and 0 cannot both be opened" in said
    assert "Choose other ports" in said


def test_a_time_without_a_zone_is_refused() -> None:
    with start("--now", "2026-03-02T12:00:00", "--runs", "1", "--port", "0", "--log-port", "0") as program:
        _, said = program.communicate(timeout=60)
    assert program.returncode == 2
    assert "has no time zone" in said
