"""A run's pull request: GitHub's own word, else found by its head, else "N/A"; asked for once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.world import PullSpec, RunSpec
from ci_metrics_tests.github.worlds import HOUR, REPO, START, at, attempt, client, pull, run, world

SHA = "a" * 40


def from_fork(run_id: int = 1, **given: object) -> RunSpec:
    """A fork's run, ten minutes after the start."""
    base = run(
        run_id, [attempt(1, [], begin=10)], begin=10, event="pull_request", head_repo="fork/basket", head_branch="fix"
    )
    return replace(base, head_sha=SHA, **given)  # type: ignore[arg-type]


CASES: list[tuple[str, RunSpec, list[PullSpec], str, int]] = [
    ("named by GitHub", run(1, [attempt(1, [])], event="pull_request", pull_numbers=(7,)), [], "7", 0),
    ("two named: ambiguous, same commit decides", replace(from_fork(), head_repo=REPO, pull_numbers=(7, 8)),
     [pull(7, REPO, "fix", SHA), pull(8, REPO, "fix", "b" * 40)], "7", 1),
    ("a push to main", run(1, [attempt(1, [])]), [pull(7, REPO, "main")], "N/A", 0),
    ("a fork's, by its head", from_fork(), [pull(7, "fork/basket", "fix"), pull(8, "other/basket", "fix")], "7", 1),
    ("a fork's, closed since", from_fork(), [pull(7, "fork/basket", "fix", closed_at=at(30))], "7", 1),
    ("a fork's, one of two by its commit", from_fork(),
     [pull(7, "fork/basket", "fix", SHA, closed_at=at(30)), pull(8, "fork/basket", "fix", "b" * 40)], "7", 1),
    ("a fork's, one of two by its time", from_fork(),
     [pull(7, "fork/basket", "fix", closed_at=at(5)), pull(8, "fork/basket", "fix")], "8", 1),
    ("a fork's, two that fit", from_fork(), [pull(7, "fork/basket", "fix"), pull(8, "fork/basket", "fix")], "N/A", 1),
    ("a fork's, none", from_fork(), [], "N/A", 1),
    ("a fork's, opened later", from_fork(), [pull(7, "fork/basket", "fix", begin=50)], "N/A", 1),
    ("a fork that is gone", from_fork(head_repo=None), [pull(7, "fork/basket", "fix")], "N/A", 0),
    ("our own branch, closed since", replace(from_fork(), head_repo=REPO), [pull(7, REPO, "fix", SHA, closed_at=at(9))], "7", 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "pulls", "expected", "asked"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_a_run_finds_its_pull_request(spec: RunSpec, pulls: list[PullSpec], expected: str, asked: int) -> None:
    with SampleGitHub(world(spec, pulls=pulls)) as server, client(server) as github:
        (found,) = github.runs_created(REPO, START, START + HOUR)
        assert github.pr_id(found) == expected
        assert github.requests.by_kind.get("pulls", 0) == asked


def test_a_head_is_asked_for_once() -> None:
    runs = [from_fork(n) for n in range(1, 6)]
    with SampleGitHub(world(*runs, pulls=[pull(7, "fork/basket", "fix")])) as server, client(server) as github:
        found = github.runs_created(REPO, START, START + HOUR)
        assert {github.pr_id(one) for one in found} == {"7"}
        assert github.requests.by_kind["pulls"] == 1
