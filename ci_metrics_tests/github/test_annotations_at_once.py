"""Annotations of many jobs by one question, the same as REST gives, and REST where there is no
answer.
"""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from ci_metrics.github.annotations_at_once import graphql_url
from ci_metrics.github.answers import wait_asked_for
from ci_metrics.models import Annotation
from ci_metrics.sample.faults import Fault, FaultKind
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.world import AnnotationSpec, World
from ci_metrics_tests.github.worlds import NOTE, REPO, at, attempt, client, job, run, world

WARNING = AnnotationSpec(level="warning", message="Node 16\x07 is deprecated", title="Old", path="a.py", start_line=3)


def noted() -> World:
    """Two runs: notes on a failed job, on a good one, none on another, one that still runs."""
    jobs = [job(11, "test", conclusion="failure", annotations=(NOTE, WARNING)), job(12, "lint")]
    return world(
        run(1, [attempt(1, jobs)]),
        run(2, [attempt(1, [job(21, "build", annotations=(WARNING,)), job(22, "slow", end=9_000)])]),
    )


def by_rest_and_at_once(server: SampleGitHub) -> tuple[dict[int, tuple[Annotation, ...]], ...]:
    with client(server) as github:
        runs = github.runs_created(REPO, at(0), at(60))
        jobs = [each for one in runs for each in github.jobs(one)]
        at_once = github.annotations_at_once(jobs)
        by_rest: dict[int, tuple[Annotation, ...]] = {}
        for one in runs:
            own = [each for each in jobs if each.run_id == one.run_id and each.finished]
            by_rest.update(github.annotations(REPO, one, own))
        return by_rest, at_once


def test_one_question_gives_what_rest_gives_in_five() -> None:
    with SampleGitHub(noted()) as server:
        by_rest, at_once = by_rest_and_at_once(server)
        assert at_once == by_rest
        assert {key: len(notes) for key, notes in at_once.items()} == {11: 2, 12: 0, 21: 1}
        assert "\x07" not in at_once[21][0].message, "cleaned as all that comes in is"
        assert server.stats.total["graphql"] == 1
        assert server.stats.total["check_runs"] + server.stats.total["annotations"] == 4


def test_a_hundred_jobs_are_one_question() -> None:
    made = scaled_world(runs=5, jobs=50)
    (name,) = made.repos
    with SampleGitHub(made) as server, client(server) as github:
        jobs = [each for one in github.runs_created(name, made.start, made.end) for each in github.jobs(one)]
        assert len(github.annotations_at_once(jobs)) == 250
        assert server.stats.total["graphql"] == 3
        assert github.requests.by_kind["graphql"] == 3
        assert github.requests.counted == server.stats.counted.total() == 6, "of the quota of REST it takes nothing"


@pytest.mark.parametrize("kind", ["status", "break", "html", "shape", "cut", "nested", "empty"])
def test_where_there_is_no_answer_nothing_is_taken_for_none_and_it_is_asked_once(kind: FaultKind) -> None:
    made = scaled_world(runs=5, jobs=50)
    (name,) = made.repos
    with SampleGitHub(made) as server, client(server) as github:
        server.faults.add(Fault(kind=kind, on="graphql", times=None, status=404, seconds=3000))
        jobs = [each for one in github.runs_created(name, made.start, made.end) for each in github.jobs(one)]
        assert github.annotations_at_once(jobs) == {}
        assert server.stats.total["graphql"] == 1
        assert len(github.runs_created(name, made.start, made.end)) == 5, "REST goes on"


def test_a_job_with_more_annotations_than_fit_and_one_that_is_not_shown_are_left_to_rest() -> None:
    many = tuple(replace(NOTE, message=f"note {n}") for n in range(60))
    jobs = [job(11, "test", annotations=many), job(12, "lint", annotations=(NOTE,)), job(13, "docs")]
    with SampleGitHub(world(run(1, [attempt(1, jobs)]))) as server, client(server) as github:
        server.faults.hidden_check_runs = {13}
        (one,) = github.runs_created(REPO, at(0), at(60))
        assert set(github.annotations_at_once(github.jobs(one))) == {12}


def test_a_quota_of_graphql_that_is_used_up_is_waited_for_by_nobody() -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9999999999", "x-ratelimit-resource": "graphql"}
    assert wait_asked_for(httpx.Response(403, headers=headers)) is None
    assert wait_asked_for(httpx.Response(403, headers={**headers, "x-ratelimit-resource": "core"})) is not None


@pytest.mark.parametrize(
    ("api", "graphql"),
    [
        ("https://api.github.com", "https://api.github.com/graphql"),
        ("https://git.example/api/v3", "https://git.example/api/graphql"),
    ],
)
def test_where_graphql_is_asked(api: str, graphql: str) -> None:
    assert graphql_url(api) == graphql
