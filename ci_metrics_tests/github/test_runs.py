"""Runs, attempts and jobs come whole: all pages, each once, each attempt's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ci_metrics.errors import ContractError, IncompleteError, NotFoundError
from ci_metrics.sample import payloads
from ci_metrics.sample.faults import Fault, Faults
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.world import JobSpec, Moment, RunSpec
from ci_metrics_tests.github.worlds import HOUR, REPO, START, at, attempt, client, job, run, world


def test_an_hour_holds_its_first_second_and_not_its_last() -> None:
    edges = world(
        run(1, [attempt(1, [])], begin=-1 / 60),
        run(2, [attempt(1, [])], begin=0),
        run(3, [attempt(1, [])], begin=60 - 1 / 60),
        run(4, [attempt(1, [])], begin=60),
    )
    with SampleGitHub(edges) as server, client(server) as github:
        hours = [github.runs_created(REPO, START + n * HOUR, START + (n + 1) * HOUR) for n in (-1, 0, 1, 2)]
    assert [[found.run_id for found in hour] for hour in hours] == [[1], [2, 3], [4], []]


def test_several_pages_of_runs_come_whole_oldest_first() -> None:
    made = scaled_world(runs=230, jobs=0)
    with SampleGitHub(made) as server, client(server) as github:
        found = github.runs_created(made.repos[0], made.start, made.end)
        assert github.requests.by_kind == {"runs": 3}
    assert [r.run_id for r in found] == [r.run_id for r in made.runs]


@pytest.mark.parametrize("says_a_thousand", [False, True], ids=["says how many", "says 1,000"])
def test_an_hour_of_more_than_a_thousand_runs_comes_whole(says_a_thousand: bool) -> None:
    made = scaled_world(runs=2350, jobs=0)
    with SampleGitHub(made) as server, client(server) as github:
        server.faults.capped_total = says_a_thousand
        found = github.runs_created(made.repos[0], made.start, made.end)
    assert [r.run_id for r in found] == [r.run_id for r in made.runs]


def test_runs_that_begin_while_the_pages_are_read_push_none_out_and_double_none() -> None:
    made = scaled_world(runs=600, jobs=0)
    halfway = made.start + timedelta(minutes=30)
    with SampleGitHub(made) as server, client(server) as github:
        server.clock.set(halfway)
        server.faults.drift = 60  # ten new runs after each page
        found = github.runs_created(made.repos[0], made.start, made.end)
        assert server.clock.now() >= halfway + timedelta(minutes=3)
    then = [r.run_id for r in made.runs if r.created_at <= halfway]
    ids = [r.run_id for r in found]
    assert len(ids) == len(set(ids))
    assert set(then) <= set(ids)


def test_a_run_that_vanishes_between_pages_hides_no_other() -> None:
    """A deleted run moves the others to earlier pages, past the reader."""
    made = scaled_world(runs=250, jobs=0)
    newest_first = [r.run_id for r in reversed(made.runs)]
    rest = replace(made, runs=tuple(r for r in made.runs if r.run_id not in newest_first[:5]))

    class Deleting(Faults):
        """Deletes the five newest runs once the first page has been asked for."""

        def strike(self, kind: str, path: str = "") -> Fault | None:
            if server.stats.total["runs"] == 1:
                server.world = rest
            return super().strike(kind, path)

    with SampleGitHub(made, faults=Deleting()) as server, client(server) as github:
        found = {r.run_id for r in github.runs_created(made.repos[0], made.start, made.end)}
    assert {r.run_id for r in rest.runs} <= found


def test_each_attempt_has_its_own_times_actor_conclusion_and_jobs() -> None:
    first = attempt(1, [job(11, "build"), job(12, "test", conclusion="failure")])
    again = attempt(2, [job(13, "test", begin=20, end=24)], begin=19, failed_only=True, actor="someone-else")
    whole = attempt(3, [job(14, "build", begin=40, end=44), job(15, "test", begin=40, end=45)], begin=39)
    with SampleGitHub(world(run(1, [first, again, whole]))) as server, client(server) as github:
        (latest,) = github.runs_created(REPO, START, START + HOUR)
        attempts = github.attempts(latest)
        jobs = [[(j.job_id, j.run_attempt, j.conclusion) for j in github.jobs(found)] for found in attempts]
    assert [(a.run_attempt, a.conclusion, a.actor) for a in attempts] == [
        (1, "failure", "dev-1"),
        (2, "success", "someone-else"),
        (3, "success", "dev-3"),
    ]
    assert [a.run_started_at for a in attempts] == [at(0), at(19), at(39)]
    assert {a.created_at for a in attempts} == {START}
    assert jobs == [
        [(11, 1, "success"), (12, 1, "failure")],
        [(13, 2, "success")],
        [(14, 3, "success"), (15, 3, "success")],
    ]


def test_jobs_of_a_later_attempt_than_was_asked_for_are_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    told = payloads.job

    def later(base: str, moment: Moment, of: RunSpec, number: int, spec: JobSpec) -> dict[str, Any]:
        return told(base, moment, of, number + (spec.job_id == 12), spec)

    monkeypatch.setattr(payloads, "job", later)
    made = world(run(1, [attempt(1, [job(11, "build"), job(12, "test")])]))
    with SampleGitHub(made) as server, client(server) as github:
        (latest,) = github.runs_created(REPO, START, START + HOUR)
        with pytest.raises(IncompleteError, match="belongs to attempt 2, asked for was attempt 1") as caught:
            github.jobs(latest)
    assert [each.job_id for each in caught.value.found] == [11]


def test_attempts_that_are_known_are_not_asked_for_again() -> None:
    attempts = [attempt(n, [job(10 + n, "test", begin=n * 10, end=n * 10 + 5)], begin=n * 10 - 9) for n in (1, 2, 3)]
    with SampleGitHub(world(run(1, attempts))) as server, client(server) as github:
        (latest,) = github.runs_created(REPO, START, START + HOUR)
        found = github.attempts(latest, known={1})
        assert [a.run_attempt for a in found] == [2, 3]
        assert github.requests.by_kind == {"runs": 1, "attempt": 1}


@pytest.mark.parametrize("status", [404, 410])
def test_an_attempt_that_github_does_not_have_loses_no_other_and_is_missed_unless_it_is_gone(status: int) -> None:
    attempts = [attempt(n, [], begin=n * 10 - 9) for n in (1, 2)]
    with SampleGitHub(world(run(1, attempts))) as server, client(server) as github:
        (latest,) = github.runs_created(REPO, START, START + HOUR)
        server.faults.add(Fault(kind="status", status=status, on="attempt"))
        if status == 410:
            found = github.attempts(latest)
        else:
            with pytest.raises(IncompleteError, match=r"run 1 of acme/basket: attempt 1: .*404") as caught:
                github.attempts(latest)
            found = caught.value.found
        assert [a.run_attempt for a in found] == [2]
        assert [a.run_attempt for a in github.attempts(latest)] == [1, 2]


def test_a_matrix_of_more_than_a_hundred_jobs_comes_whole() -> None:
    jobs = [job(100 + n, f"test ({n})") for n in range(256)]
    with SampleGitHub(world(run(1, [attempt(1, jobs)]))) as server, client(server) as github:
        (latest,) = github.runs_created(REPO, START, START + HOUR)
        found = github.jobs(latest)
        assert github.requests.by_kind["jobs"] == 3
    assert [j.job_id for j in found] == [j.job_id for j in jobs]


def test_a_run_that_is_still_going_is_seen_so_and_done_later() -> None:
    going = run(1, [attempt(1, [job(11, "build"), job(12, "test", begin=2, end=90)])])
    with SampleGitHub(world(going, opens=10)) as server, client(server) as github:
        (before,) = github.runs_created(REPO, START, START + HOUR)
        jobs = github.jobs(before)
        server.clock.set(at(95))
        (after,) = github.runs_created(REPO, START, START + HOUR)
        later = github.jobs(after)
    assert (before.finished, before.conclusion) == (False, None)
    assert [(j.finished, [s.status for s in j.steps]) for j in jobs] == [
        (True, ["completed", "completed"]),
        (False, ["completed", "in_progress"]),
    ]
    assert jobs[1].completed_at is None
    assert (after.finished, after.conclusion) == (True, "success")
    assert [j.finished for j in later] == [True, True]


def test_several_repositories_do_not_mix() -> None:
    made = scaled_world(runs=20, jobs=1, repos=4)
    with SampleGitHub(made) as server, client(server) as github:
        for repo in made.repos:
            found = github.runs_created(repo, made.start, made.end)
            assert {r.repo for r in found} == {repo}
            assert [r.run_id for r in found] == [r.run_id for r in made.runs if r.repo == repo]
        with pytest.raises(NotFoundError, match=r"404 .*check REPO and the token"):
            github.runs_created("acme/nothing", made.start, made.end)


def test_the_api_may_live_below_a_path_as_on_enterprise() -> None:
    made = scaled_world(runs=130, jobs=2, failure_share=0.5)
    with SampleGitHub(made, base_path="/api/v3") as server, client(server) as github:
        assert server.api_url.endswith("/api/v3")
        found = github.runs_created(made.repos[0], made.start, made.end)
        assert len(found) == 130
        assert len(github.jobs(found[0])) == 2


def test_pages_that_point_to_another_host_are_not_followed_with_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    made = scaled_world(runs=130, jobs=0)
    with SampleGitHub(made) as server, client(server) as github:
        elsewhere = server.api_url.replace("127.0.0.1", "localhost")
        monkeypatch.setattr(SampleGitHub, "api_url", property(lambda _: elsewhere))
        with pytest.raises(ContractError, match="another host"):
            github.runs_created(made.repos[0], made.start, made.end)


def test_a_run_that_is_listed_as_its_thousandth_attempt_is_asked_for_itself_and_costs_one_request() -> None:
    made = world(run(1, [attempt(1, [job(11, "test")]), attempt(2, [job(12, "test", begin=20, end=24)], begin=19)]))
    with SampleGitHub(made) as server, client(server) as github:
        server.faults.add(Fault(kind="attempts", on="runs"))
        (latest,) = github.runs_created(REPO, START, START + HOUR)
        assert latest.run_attempt == 1000
        found = github.attempts(latest)
        assert github.requests.by_kind == {"runs": 1, "run": 1, "attempt": 1}
    assert [each.run_attempt for each in found] == [1, 2]


def test_of_a_run_that_insists_on_a_thousand_attempts_fifty_are_asked_for_at_a_look() -> None:
    made = world(run(1, [attempt(1, [job(11, "test")])]))
    with SampleGitHub(made) as server, client(server) as github:
        for on in ("runs", "run"):
            server.faults.add(Fault(kind="attempts", on=on, times=None))
        (latest,) = github.runs_created(REPO, START, START + HOUR)
        with pytest.raises(IncompleteError, match=r"run 1 of acme/basket: attempt 2: .*404") as caught:
            github.attempts(latest)
        assert github.requests.by_kind["attempt"] == 50
    assert [each.run_attempt for each in caught.value.found] == [1, 1000]


def test_a_run_of_another_hour_is_left_out_by_name_and_found_in_its_own() -> None:
    made = world(run(1, [attempt(1, [])]), run(2, [attempt(1, [])], begin=1))
    with SampleGitHub(made) as server, client(server) as github:
        fault = server.faults.add(Fault(kind="elsewhen", on="runs", times=None, count=1))
        said = "workflow run 2 of acme/basket: it was created 2026-03-01T09:01:00Z, asked for was 2026-03-02T09:00:00Z"
        with pytest.raises(IncompleteError, match=said) as caught:
            github.runs_created(REPO, START, START + HOUR)
        with pytest.raises(IncompleteError, match=said):
            github.standings(REPO, START, START + HOUR)
        assert [each.run_id for each in caught.value.found] == [1]
        fault.times = 0
        assert [each.run_id for each in github.runs_created(REPO, START, START + HOUR)] == [1, 2]


def test_jobs_without_their_steps_are_asked_for_again_and_land_without() -> None:
    made = world(run(1, [attempt(1, [job(11, "build"), job(12, "test"), job(13, "docs", steps=())])]))
    with SampleGitHub(made) as server, client(server) as github:
        (latest,) = github.runs_created(REPO, START, START + HOUR)
        fault = server.faults.add(Fault(kind="stepless", on="jobs", count=2))
        found = github.jobs(latest)
        assert [len(each.steps) for each in found] == [2, 2, 0], "no steps at all are an answer"
        assert github.requests.by_kind["jobs"] == 2
        fault.times = None
        said = r"acme/basket run 1 attempt 1: 2 of 3 jobs came without their steps: job 11"
        with pytest.raises(IncompleteError, match=said) as caught:
            github.jobs(latest)
    assert caught.value.lacking
    assert [(each.job_id, len(each.steps)) for each in caught.value.found] == [(11, 0), (12, 0), (13, 0)]


def test_the_first_attempts_jobs_are_no_answer_for_the_second() -> None:
    again = attempt(2, [job(13, "test", begin=20, end=24)], begin=19, failed_only=True)
    first = attempt(1, [job(11, "build"), job(12, "test", conclusion="failure")])
    with SampleGitHub(world(run(1, [first, again]))) as server, client(server) as github:
        (latest,) = github.runs_created(REPO, START, START + HOUR)
        fault = server.faults.add(Fault(kind="earlier_jobs", on="jobs"))
        assert [each.job_id for each in github.jobs(latest)] == [13]
        fault.times = None
        with pytest.raises(IncompleteError, match="attempt 2: all 2 jobs are of earlier attempts") as caught:
            github.jobs(latest)
    assert (caught.value.found, caught.value.lacking) == ([], True)


def test_runs_in_the_place_of_jobs_are_no_jobs() -> None:
    with SampleGitHub(world(run(1, [attempt(1, [job(11, "build")])]))) as server, client(server) as github:
        (latest,) = github.runs_created(REPO, START, START + HOUR)
        fault = server.faults.add(Fault(kind="runs_as_jobs", on="jobs"))
        assert [each.job_id for each in github.jobs(latest)] == [11]
        fault.times = None
        said = "1 of 1 jobs cannot be used: job 1 of acme/basket run 1 attempt 1: field “run_id” should be there"
        with pytest.raises(IncompleteError, match=said) as caught:
            github.jobs(latest)
    assert caught.value.found == []
