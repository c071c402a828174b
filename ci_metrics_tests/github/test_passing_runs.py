"""The last run of a workflow that passed: the right one, its good jobs, in two requests."""

from __future__ import annotations

import pytest

from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.world import RunSpec
from ci_metrics_tests.github.worlds import REPO, at, attempt, client, job, pull, run, world

DAY = -24 * 60.0


def passing(run_id: int, begin: float, branch: str = "main", **given: object) -> RunSpec:
    jobs = [
        job(run_id * 10 + 1, "test", begin=begin, end=begin + 5),
        job(run_id * 10 + 2, "skipped one", begin=begin, end=begin, conclusion="skipped", runner_id=None, steps=()),
    ]
    return run(run_id, [attempt(1, jobs, begin=begin)], begin=begin, head_branch=branch, **given)


WORLD = world(
    passing(1, 3 * DAY),
    passing(2, 2 * DAY),
    passing(3, DAY, branch="fix"),
    passing(4, DAY + 10, workflow_id=8, workflow_name="Other", workflow_path=".github/workflows/other.yml"),
    run(5, [attempt(1, [job(51, "test", begin=-30, end=-20, conclusion="failure")], begin=-30)], begin=-30),
    # Failed, and passed only when its failed job was run again.
    run(
        6,
        [
            attempt(1, [job(61, "build", begin=-20, end=-15), job(62, "test", begin=-20, end=-15, conclusion="failure")], begin=-20),
            attempt(2, [job(63, "test", begin=20, end=25)], begin=20, failed_only=True),
        ],
        begin=-20,
    ),
    passing(7, 40),
)  # fmt: skip


@pytest.mark.parametrize(
    ("before", "branch", "jobs"),
    [
        (at(0), "main", [21]),
        (at(0), "", [31]),
        (at(0), "fix", [31]),
        (at(0), "nobody's", []),
        (at(2 * DAY - 1), "main", [11]),
        (at(3 * DAY - 1), "", []),
        (at(30), "main", [61, 63]),
        (at(50), "main", [71]),
    ],
)
def test_it_is_the_newest_that_had_begun_to_pass_before_the_moment(
    before: object, branch: str, jobs: list[int]
) -> None:
    with SampleGitHub(WORLD) as server, client(server) as github:
        found = github.last_passing_jobs(REPO, 7, before, branch)  # type: ignore[arg-type]
        assert github.requests.total == (2 if jobs else 1)
    assert [each.job_id for each in found] == jobs
    assert {each.workflow_name for each in found} <= {"CI"}


def test_jobs_carried_over_from_an_earlier_attempt_keep_their_own() -> None:
    with SampleGitHub(WORLD) as server, client(server) as github:
        found = github.last_passing_jobs(REPO, 7, at(30), "main")
    assert {each.name: each.run_attempt for each in found} == {"build": 1, "test": 2}


def test_the_default_branch_is_asked_for_once() -> None:
    with SampleGitHub(WORLD) as server, client(server) as github:
        assert [github.default_branch(REPO) for _ in range(3)] == ["main"] * 3
        assert github.requests.by_kind == {"repo": 1}


def test_a_run_knows_its_workflow_and_the_base_of_its_pull_request() -> None:
    runs = world(
        run(1, [attempt(1, [])], event="pull_request", head_branch="fix", pull_numbers=(5,)),
        run(2, [attempt(1, [])], workflow_id=8),
        pulls=[pull(5, REPO, "fix")],
    )
    with SampleGitHub(runs) as server, client(server) as github:
        found = github.runs_created(REPO, at(-1), at(10))
    assert [(each.workflow_id, each.pr_id, each.base_branch) for each in found] == [(7, "5", "main"), (8, "N/A", "")]
