"""The sample GitHub answers like GitHub: fields, pages, filters, states over time,
ETags, logs, quota, tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import httpx
import pytest

from ci_metrics.sample.faults import Fault
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.server_question import created_filter
from ci_metrics.sample.world import AnnotationSpec, World
from ci_metrics_tests.github.worlds import NOTE, REPO, START, at, attempt, job, pull, run, world
from ci_metrics_tests.sample.openapi import oracle

R = "/repos/{owner}/{repo}"


def busy_world() -> World:
    """One of everything: attempts, a re-run of failed jobs, skipped and waiting
    jobs, a fork, a pull request.
    """
    first = [
        job(11, "build"),
        job(12, "test", conclusion="failure", annotations=(NOTE,)),
        job(13, "deploy", end=1, conclusion="skipped", runner_id=None, runner_name=None, steps=()),
    ]
    again = [job(14, "test", begin=30, end=35)]
    waiting = [job(21, "test"), replace(job(22, "slow", begin=2, end=500), started_at=at(3))]
    gone = [job(31, "test", conclusion="timed_out", log_answer="gone", annotations=(NOTE,))]
    never = [replace(job(41, "test", end=None), started_at=None)]
    notes = (
        NOTE,
        AnnotationSpec(level="warning", message="Node 16 is deprecated", title="Old", path="a.py", end_line=9),
    )
    return world(
        run(1, [attempt(1, first), attempt(2, again, begin=29, failed_only=True)]),
        run(2, [attempt(1, waiting)], event="pull_request", head_branch="fix", pull_numbers=(5,)),
        run(3, [attempt(1, gone)], event="pull_request", head_branch="fix", head_repo="fork/basket"),
        run(4, [attempt(1, never)], event="schedule"),
        run(5, [attempt(1, [], conclusion="startup_failure")]),
        run(6, [attempt(1, [job(61, "lint", conclusion="cancelled", annotations=notes, log_answer="not_found")])]),
        pulls=[pull(5, REPO, "fix"), pull(6, "fork/basket", "fix", closed_at=at(50), merged=True)],
    )


@pytest.fixture
def server() -> Iterator[SampleGitHub]:
    with SampleGitHub(busy_world()) as running:
        yield running


@pytest.fixture
def web(server: SampleGitHub) -> Iterator[httpx.Client]:
    """A plain HTTP client with the server's token."""
    with httpx.Client(base_url=server.api_url, headers={"Authorization": f"Bearer {server.token}"}) as client:
        yield client


def get(web: httpx.Client, path: str, **params: object) -> Any:
    response = web.get(path, params=params)  # type: ignore[arg-type]
    assert response.status_code == 200, response.text
    return response.json()


ADDRESSES = [
    (R, ""),
    (R + "/actions/runs", "/actions/runs"),
    (R + "/actions/workflows/{workflow_id}/runs", "/actions/workflows/7/runs"),
    (
        R + "/actions/workflows/{workflow_id}/runs",
        "/actions/workflows/ci.yml/runs?status=success&branch=main&per_page=10",
    ),
    (R + "/actions/runs/{run_id}", "/actions/runs/1"),
    (R + "/actions/runs/{run_id}", "/actions/runs/3"),
    (R + "/actions/runs/{run_id}", "/actions/runs/5"),
    (R + "/actions/runs/{run_id}/attempts/{attempt_number}", "/actions/runs/1/attempts/1"),
    (R + "/actions/runs/{run_id}/attempts/{attempt_number}/jobs", "/actions/runs/1/attempts/1/jobs"),
    (R + "/actions/runs/{run_id}/attempts/{attempt_number}/jobs", "/actions/runs/4/attempts/1/jobs"),
    (R + "/actions/runs/{run_id}/jobs", "/actions/runs/1/jobs?filter=all"),
    (R + "/actions/runs/{run_id}/jobs", "/actions/runs/2/jobs"),
    (R + "/actions/jobs/{job_id}", "/actions/jobs/12"),
    (R + "/check-suites/{check_suite_id}/check-runs", "/check-suites/1000001/check-runs?filter=all"),
    (R + "/check-suites/{check_suite_id}/check-runs", "/check-suites/1000002/check-runs"),
    (R + "/check-runs/{check_run_id}", "/check-runs/31"),
    (R + "/check-runs/{check_run_id}/annotations", "/check-runs/61/annotations"),
    (R + "/pulls/{pull_number}", "/pulls/5"),
    (R + "/pulls/{pull_number}", "/pulls/6"),
    (R + "/issues/{issue_number}/comments", "/issues/5/comments"),
]


@pytest.mark.parametrize("minutes", [3.0, 40.0, 2000.0], ids=["going", "re-run", "done"])
@pytest.mark.parametrize(("template", "path"), ADDRESSES, ids=[path or "repo" for _, path in ADDRESSES])
def test_every_answer_fits_githubs_own_description(
    server: SampleGitHub, web: httpx.Client, template: str, path: str, minutes: float
) -> None:
    server.clock.set(at(minutes))
    web.post(f"/repos/{REPO}/issues/5/comments", json={"body": "A comment"}).raise_for_status()
    assert oracle.problems(template, get(web, f"/repos/{REPO}{path}")) == []


def test_the_quota_fits_githubs_own_description(web: httpx.Client) -> None:
    assert oracle.problems("/rate_limit", get(web, "/rate_limit")) == []


def test_an_answer_for_a_scaled_world_fits_too() -> None:
    made = scaled_world(runs=3, jobs=5, failure_share=0.4, repos=2, hours=3)
    made.check()
    with SampleGitHub(made) as server, httpx.Client(headers={"Authorization": f"Bearer {server.token}"}) as web:
        listed = get(web, f"{server.api_url}/repos/{made.repos[0]}/actions/runs")
        assert oracle.problems(R + "/actions/runs", listed) == []
        jobs = [get(web, r["jobs_url"])["jobs"] for r in listed["workflow_runs"]]
    assert [len(page) for page in jobs] == [5, 5]
    all_jobs = [j for r in made.runs for a in r.attempts for j in a.jobs]
    assert sum(j.conclusion == "failure" for j in all_jobs) == 6


def test_the_oracle_itself_notices_a_wrong_answer(web: httpx.Client) -> None:
    good = get(web, f"/repos/{REPO}/actions/jobs/12")
    template = R + "/actions/jobs/{job_id}"
    assert oracle.problems(template, {**good, "started_at": None}) != []
    assert oracle.problems(template, {**good, "conclusion": "exploded"}) != []
    assert oracle.problems(template, {**good, "completed_at": "yesterday"}) != []
    assert oracle.problems(template, {**good, "completed_at": None}) == []


def test_a_deleted_fork_is_null_as_at_github_though_its_description_forbids_it() -> None:
    orphan = world(run(1, [attempt(1, [job(11, "test")])], head_repo=None))
    with SampleGitHub(orphan) as server, httpx.Client(headers={"Authorization": f"Bearer {server.token}"}) as web:
        value = get(web, f"{server.api_url}/repos/{REPO}/actions/runs/1")
    assert value["head_repository"] is None
    found = oracle.problems(R + "/actions/runs/{run_id}", value)
    assert [line.split(":")[0] for line in found] == ["head_repository"]


@pytest.mark.parametrize(
    ("minutes", "run_status", "conclusion", "attempts", "job_states"),
    [
        (0.5, "queued", None, 1, {}),
        (1.5, "in_progress", None, 1, {"build": "in_progress", "test": "in_progress", "deploy": "completed"}),
        (5, "completed", "failure", 1, {"build": "completed", "test": "completed", "deploy": "completed"}),
        (29.5, "queued", None, 2, {"build": "completed", "test": "completed", "deploy": "completed"}),
        (31, "in_progress", None, 2, {"build": "completed", "test": "in_progress", "deploy": "completed"}),
        (36, "completed", "success", 2, {"build": "completed", "test": "completed", "deploy": "completed"}),
    ],
)
def test_a_run_is_what_its_events_make_it_at_the_clocks_time(
    server: SampleGitHub,
    web: httpx.Client,
    minutes: float,
    run_status: str,
    conclusion: str | None,
    attempts: int,
    job_states: dict[str, str],
) -> None:
    server.clock.set(at(minutes))
    found = get(web, f"/repos/{REPO}/actions/runs/1")
    assert (found["status"], found["conclusion"], found["run_attempt"]) == (run_status, conclusion, attempts)
    jobs = get(web, f"/repos/{REPO}/actions/runs/1/jobs")["jobs"]
    assert {j["name"]: j["status"] for j in jobs} == job_states


def test_a_rerun_of_failed_jobs_lists_the_good_ones_with_their_own_attempt(web: httpx.Client) -> None:
    jobs = get(web, f"/repos/{REPO}/actions/runs/1/attempts/2/jobs")["jobs"]
    assert {j["name"]: (j["id"], j["run_attempt"]) for j in jobs} == {
        "build": (11, 1),
        "test": (14, 2),
        "deploy": (13, 1),
    }
    everything = get(web, f"/repos/{REPO}/actions/runs/1/jobs", filter="all")["jobs"]
    assert sorted(j["id"] for j in everything) == [11, 12, 13, 14]


def test_pages_have_links_and_totals_and_are_newest_first() -> None:
    with SampleGitHub(scaled_world(runs=25, jobs=1)) as server, httpx.Client() as web:
        web.headers["Authorization"] = f"Bearer {server.token}"
        url: str | None = f"{server.api_url}/repos/scaled/repo-0000/actions/runs?per_page=10"
        seen, sizes = [], []
        while url:
            response = web.get(url)
            page = response.json()
            assert page["total_count"] == 25
            sizes.append(len(page["workflow_runs"]))
            seen += [r["created_at"] for r in page["workflow_runs"]]
            url = response.links.get("next", {}).get("url")
            assert ("last" in response.links) == (url is not None)
        assert sizes == [10, 10, 5]
        assert seen == sorted(seen, reverse=True)


def test_a_filtered_search_ends_at_a_thousand_results() -> None:
    with SampleGitHub(scaled_world(runs=1050, jobs=0)) as server, httpx.Client() as web:
        web.headers["Authorization"] = f"Bearer {server.token}"
        runs = f"{server.api_url}/repos/scaled/repo-0000/actions/runs"
        found = web.get(runs, params={"created": ">=2026-01-01", "per_page": 100, "page": 10})
        assert (found.json()["total_count"], len(found.json()["workflow_runs"])) == (1050, 100)
        assert "next" not in found.links
        assert len(web.get(runs, params={"per_page": 100, "page": 11}).json()["workflow_runs"]) == 50


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("2026-03-02T09:00:00Z..2026-03-02T09:59:59Z", ["09:00:00", "09:59:59"], ["08:59:59", "10:00:00"]),
        (">=2026-03-02T09:00:00Z", ["09:00:00", "23:00:00"], ["08:59:59"]),
        (">2026-03-02T09:00:00Z", ["09:00:01"], ["09:00:00"]),
        ("<=2026-03-02T09:00:00Z", ["09:00:00"], ["09:00:01"]),
        ("<2026-03-02T09:00:00Z", ["08:59:59"], ["09:00:00"]),
        ("2026-03-02", ["00:00:00", "23:59:59"], []),
        ("*..2026-03-02T09:00:00Z", ["00:00:00", "09:00:00"], ["09:00:01"]),
        ("2026-03-02T09:00:00+01:00..*", ["08:00:00"], ["07:59:59"]),
    ],
)
def test_the_created_filter_takes_both_ends(text: str, inside: list[str], outside: list[str]) -> None:
    holds = created_filter(text)
    moments = {clock: datetime.fromisoformat(f"2026-03-02T{clock}+00:00") for clock in inside + outside}
    assert {clock for clock, moment in moments.items() if holds(moment)} == set(inside)


@pytest.mark.parametrize(
    ("minutes", "query", "runs"),
    [
        (2000.0, {"status": "success"}, [1]),
        (10.0, {"status": "success"}, []),
        (10.0, {"status": "failure"}, [3, 1]),
        (10.0, {"status": "in_progress"}, [2]),
        (10.0, {"status": "completed"}, [6, 5, 3, 1]),
        (2000.0, {"status": "success", "branch": "fix"}, [2]),
        (2000.0, {"status": "success", "branch": "nobody's"}, []),
        (2000.0, {"status": "success", "created": "<=2026-03-02T08:59:59Z"}, []),
    ],
)
def test_runs_of_a_workflow_are_searched_by_how_they_stand(
    server: SampleGitHub, web: httpx.Client, minutes: float, query: dict[str, str], runs: list[int]
) -> None:
    server.clock.set(at(minutes))
    query = {"branch": "main", **query} if query["status"] == "success" else query
    for workflow in ("7", "ci.yml"):
        found = get(web, f"/repos/{REPO}/actions/workflows/{workflow}/runs", **query)
        assert [each["id"] for each in found["workflow_runs"]] == runs
        assert found["total_count"] == len(runs)


def test_a_workflow_that_is_not_there_is_a_404(web: httpx.Client) -> None:
    assert web.get(f"/repos/{REPO}/actions/workflows/8/runs").status_code == 404
    assert web.get(f"/repos/{REPO}/actions/workflows/other.yml/runs").status_code == 404


def test_an_unchanged_answer_is_a_304_that_costs_no_quota(server: SampleGitHub, web: httpx.Client) -> None:
    path = f"/repos/{REPO}/actions/runs/1/attempts/2/jobs"
    server.clock.set(at(31))
    first = web.get(path)
    again = web.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["x-ratelimit-remaining"] == first.headers["x-ratelimit-remaining"] == "4999"
    server.clock.set(at(36))
    changed = web.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (changed.status_code, changed.headers["x-ratelimit-remaining"]) == (200, "4998")
    assert (server.stats.counted["jobs"], server.stats.not_modified["jobs"]) == (2, 1)


def test_a_log_is_on_another_host_for_a_minute_and_no_token_may_come_with_it() -> None:
    now = [1_000_000.0]
    with SampleGitHub(busy_world(), wall=lambda: now[0]) as server, httpx.Client() as web:
        answer = web.get(
            f"{server.api_url}/repos/{REPO}/actions/jobs/12/logs", headers={"Authorization": f"Bearer {server.token}"}
        )
        target = answer.headers["location"]
        assert answer.status_code == 302
        assert target.startswith(server.log_url)
        assert not target.startswith(server.api_url)
        assert web.get(target).text == "a log\n"
        assert web.get(target, headers={"Range": "bytes=2-"}).text == "log\n"
        assert web.get(target, headers={"Authorization": f"Bearer {server.token}"}).status_code == 400
        assert web.get(target[:-1] + ("0" if target[-1] != "0" else "1")).status_code == 403
        now[0] += 61
        assert web.get(target).status_code == 403


@pytest.mark.parametrize(("job_id", "status"), [(12, 302), (61, 404), (31, 410), (22, 404), (999, 404)])
def test_a_log_that_is_not_there_says_how(server: SampleGitHub, web: httpx.Client, job_id: int, status: int) -> None:
    server.clock.set(at(60))  # job 22 is still going
    assert web.get(f"/repos/{REPO}/actions/jobs/{job_id}/logs").status_code == status


def test_annotations_are_counted_on_the_suites_page_once_the_job_is_done(
    server: SampleGitHub, web: httpx.Client
) -> None:
    path = f"/repos/{REPO}/check-suites/1000006/check-runs"
    server.clock.set(at(3))
    assert get(web, path)["check_runs"][0]["output"]["annotations_count"] == 0
    server.clock.set(at(6))
    assert get(web, path)["check_runs"][0]["output"]["annotations_count"] == 2
    levels = [note["annotation_level"] for note in get(web, f"/repos/{REPO}/check-runs/61/annotations")]
    assert levels == ["failure", "warning"]


@pytest.mark.parametrize(
    ("authorization", "said"), [(None, "Requires authentication"), ("Bearer nonsense", "Bad credentials")]
)
def test_without_a_good_token_there_is_nothing(server: SampleGitHub, authorization: str | None, said: str) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    answer = httpx.get(f"{server.api_url}/repos/{REPO}", headers=headers)
    assert (answer.status_code, answer.json()["message"]) == (401, said)


def test_the_quota_runs_out_and_fills_up_with_the_hour() -> None:
    now = [1_000_000.0]
    with SampleGitHub(busy_world(), quota=2, wall=lambda: now[0]) as server, httpx.Client() as web:
        web.headers["Authorization"] = f"Bearer {server.token}"
        url = f"{server.api_url}/repos/{REPO}"
        assert [web.get(url).status_code for _ in range(3)] == [200, 200, 403]
        refused = web.get(url)
        assert refused.headers["x-ratelimit-remaining"] == "0"
        assert refused.headers["x-ratelimit-reset"] == "1003600"
        assert web.get(f"{server.api_url}/rate_limit").json()["rate"]["remaining"] == 0
        now[0] += 3600
        assert web.get(url).status_code == 200


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("state=all", [6, 5]),
        ("", [5]),
        ("state=all&head=fork:fix", [6]),
        ("head=fork:fix", []),
        ("head=acme:fix", [5]),
        ("state=all&head=nobody:fix", []),
    ],
)
def test_pull_requests_are_found_by_head_owner_and_branch(web: httpx.Client, query: str, numbers: list[int]) -> None:
    found = web.get(f"/repos/{REPO}/pulls?{query}").json()
    assert [item["number"] for item in found] == numbers
    assert [problem for item in found for problem in oracle.component_problems("pull-request", item)] == []


def test_a_comment_can_be_written_found_and_changed(web: httpx.Client) -> None:
    made = web.post(f"/repos/{REPO}/issues/5/comments", json={"body": "The build failed"})
    assert made.status_code == 201
    assert oracle.component_problems("issue-comment", made.json()) == []
    changed = web.patch(made.json()["url"], json={"body": "The build is good again"})
    assert changed.status_code == 200
    assert [c["body"] for c in get(web, f"/repos/{REPO}/issues/5/comments")] == ["The build is good again"]
    assert web.post(f"/repos/{REPO}/issues/5/comments", json={"body": ""}).status_code == 422
    assert web.post(f"/repos/{REPO}/issues/77/comments", json={"body": "x"}).status_code == 404


@pytest.mark.parametrize("path", ["/repos/acme/nothing", "/repos/acme/nothing/actions/runs", "/nonsense", "/user"])
def test_what_is_not_there_is_a_404_in_githubs_form(web: httpx.Client, path: str) -> None:
    answer = web.get(path)
    assert answer.status_code == 404
    assert answer.json()["message"] == "Not Found"


def test_the_admin_address_moves_the_clock_sets_faults_and_counts(server: SampleGitHub, web: httpx.Client) -> None:
    root = f"{server.api_url}/_sample"
    assert web.post(f"{root}/clock", json={"now": START.isoformat()}).json() == {"now": START.isoformat()}
    assert web.post(f"{root}/clock", json={"advance": 60}).json() == {"now": at(1).isoformat()}
    web.post(f"{root}/faults", json={"kind": "status", "status": 502, "on": "repo", "times": 1})
    assert [web.get(f"/repos/{REPO}").status_code for _ in range(2)] == [502, 200]
    assert web.get(f"{root}/faults").json()["faults"][0]["done"] == 1
    assert web.delete(f"{root}/faults").json()["faults"] == []
    assert web.get(f"{root}/stats").json()["by_kind"] == {"repo": 2}
    assert web.post(f"{root}/faults", json={"kind": "status", "colour": "red"}).status_code == 422
    assert web.post(f"{root}/clock", json={"now": "late"}).status_code == 422
    assert web.get(f"{root}/nonsense").status_code == 404


def test_a_fault_strikes_the_requests_it_is_meant_for() -> None:
    fault = Fault(kind="status", on="jobs", after=1, every=2, times=2)
    struck = [fault.meets(kind) for kind in ["jobs", "runs", "jobs", "jobs", "jobs", "jobs", "jobs"]]
    assert struck == [False, False, True, False, True, False, False]


def test_a_world_with_a_mistake_is_refused() -> None:
    with pytest.raises(ValueError, match="job id occurs twice: 11"):
        world(run(1, [attempt(1, [job(11, "a"), job(11, "b")])]))
    with pytest.raises(ValueError, match="times run backwards"):
        world(run(1, [attempt(1, [job(11, "a", begin=5, end=1)])]))
