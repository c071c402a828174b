"""The whole sample day, as the sample GitHub serves it, fits GitHub's own description, and
its logs are the day's logs.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ci_metrics.sample.dates import OPENS_AT, SETTLED_AT
from ci_metrics.sample.scenario import sample_day, sample_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics_tests.sample.openapi import oracle

R = "/repos/{owner}/{repo}"
#: GitHub does answer null for a fork that was deleted, though its description does not say so.
_GONE = "head_repository: None is not of type 'object'"


@pytest.fixture(scope="module")
def server() -> Iterator[SampleGitHub]:
    with SampleGitHub(sample_world(), quota=50_000) as running:
        yield running


@pytest.fixture(scope="module")
def web(server: SampleGitHub) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.api_url, headers={"Authorization": f"Bearer {server.token}"}) as client:
        yield client


def pages(web: httpx.Client, path: str) -> Iterator[Any]:
    address = f"{path}{'&' if '?' in path else '?'}per_page=100"
    while address:
        response = web.get(address).raise_for_status()
        yield response.json()
        address = str(response.links.get("next", {}).get("url", ""))


@pytest.mark.parametrize("when", ["opens", "settled"])
def test_every_run_and_job_of_the_day_fits_githubs_description(
    server: SampleGitHub, web: httpx.Client, when: str
) -> None:
    server.clock.set(OPENS_AT if when == "opens" else SETTLED_AT)
    jobs = 0
    for repo in sample_world().repos:
        for page in pages(web, f"/repos/{repo}/actions/runs"):
            found = oracle.problems(R + "/actions/runs", page)
            assert [problem for problem in found if _GONE not in problem] == []
            for run in page["workflow_runs"][:: 1 if when == "settled" else 6]:
                template = R + "/actions/runs/{run_id}/attempts/{attempt_number}/jobs"
                attempts = range(1, run["run_attempt"] + 1)
                for attempt in attempts:
                    for listed in pages(web, f"/repos/{repo}/actions/runs/{run['id']}/attempts/{attempt}/jobs"):
                        assert oracle.problems(template, listed) == []
                        jobs += len(listed["jobs"])
    assert jobs >= (480 if when == "settled" else 50)


def test_every_annotation_of_the_day_fits_githubs_description(server: SampleGitHub, web: httpx.Client) -> None:
    server.clock.set(SETTLED_AT)
    template = R + "/check-runs/{check_run_id}/annotations"
    for truth in sample_day().truth[::4]:
        for page in pages(web, f"/repos/{truth.repo}/check-runs/{truth.job_id}/annotations"):
            assert oracle.problems(template, page) == []


def test_failed_jobs_logs_come_as_they_are_or_not_at_all(server: SampleGitHub, web: httpx.Client) -> None:
    server.clock.set(SETTLED_AT)
    seen = set()
    for truth in sample_day().truth[::3] + tuple(t for t in sample_day().truth if t.state == "no_log"):
        redirect = web.get(f"/repos/{truth.repo}/actions/jobs/{truth.job_id}/logs")
        log = httpx.get(redirect.headers["location"]) if redirect.status_code == 302 else redirect
        seen.add(log.status_code)
        assert (log.status_code == 200) == (truth.state != "no_log")
        assert log.status_code != 200 or log.content.startswith("\ufeff2026-03-".encode())
    assert seen == {200, 404, 410}


def test_the_first_bad_commit_of_main_leads_to_its_author_pull_request_and_owners(
    server: SampleGitHub, web: httpx.Client
) -> None:
    server.clock.set(OPENS_AT)
    repo = "/repos/sample-org/widgets"
    failed = {truth.run_id for truth in sample_day().truth if truth.slug == "pytest-assert"}
    run = next(run for run in sample_world().runs if run.run_id in failed)
    commit = web.get(f"{repo}/commits/{run.head_sha}").raise_for_status().json()
    (pull,) = web.get(f"{repo}/commits/{run.head_sha}/pulls").raise_for_status().json()
    assert (pull["merged_at"] is not None, pull["merge_commit_sha"]) == (True, run.head_sha)
    assert commit["author"]["login"] == pull["user"]["login"] == run.attempts[0].actor
    assert commit["commit"]["message"] == f"Round prices in one place (#{pull['number']})"
    assert [file["filename"] for file in commit["files"]] == ["shop/price.py"]
    before = commit["parents"][0]["sha"]
    compared = web.get(f"{repo}/compare/{before}...{run.head_sha}").raise_for_status().json()
    assert (compared["status"], [one["sha"] for one in compared["commits"]]) == ("ahead", [run.head_sha])
    file = web.get(f"{repo}/contents/.github/CODEOWNERS").raise_for_status().json()
    assert b"/shop/                 @ada-fern @sample-org/shop\n" in base64.b64decode(file["content"])


def test_a_commit_of_a_branch_follows_mains_newest_and_belongs_to_its_pull_request(
    server: SampleGitHub, web: httpx.Client
) -> None:
    server.clock.set(OPENS_AT)
    run = next(r for r in reversed(sample_world().runs) if r.event == "pull_request" and r.pull_numbers)
    commit = web.get(f"/repos/{run.repo}/commits/{run.head_sha}").raise_for_status().json()
    before = [r.head_sha for r in sample_world().runs if r.repo == run.repo and r.created_at < run.created_at]
    assert commit["parents"][0]["sha"] in before
    pulls = web.get(f"/repos/{run.repo}/commits/{run.head_sha}/pulls").raise_for_status().json()
    assert [pull["number"] for pull in pulls] == list(run.pull_numbers)
    assert oracle.component_problems("pull-request", pulls[0]) == []


@pytest.mark.parametrize(
    ("path", "status"),
    [(f"commits/{'0' * 40}", 422), (f"commits/{'0' * 40}/pulls", 422), ("contents/CODEOWNERS", 404)],
)
def test_a_commit_or_file_that_is_not_there_is_refused_as_at_github(web: httpx.Client, path: str, status: int) -> None:
    assert web.get(f"/repos/sample-org/widgets/{path}").status_code == status
