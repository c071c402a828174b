"""Annotations: the right ones for each job, for as few requests as can be."""

from __future__ import annotations

from ci_metrics.models import Annotation
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.world import AnnotationSpec
from ci_metrics_tests.github.worlds import HOUR, NOTE, REPO, START, at, attempt, client, job, run, world

WARNING = AnnotationSpec(level="warning", message="Node 16 is deprecated", title="Old", path="a.py", start_line=9)


def test_only_jobs_that_have_annotations_are_asked_for_them() -> None:
    jobs = [
        job(11, "good"),
        job(12, "bad", conclusion="failure", annotations=(NOTE, WARNING)),
        job(13, "fine", annotations=(WARNING,)),
    ]
    with SampleGitHub(world(run(1, [attempt(1, jobs)]))) as server, client(server) as github:
        (latest,) = github.runs_created(REPO, START, START + HOUR)
        found = github.annotations(REPO, latest, github.jobs(latest))
        assert github.requests.by_kind == {"runs": 1, "jobs": 1, "check_runs": 1, "annotations": 2}
    warning = Annotation(level="warning", message="Node 16 is deprecated", title="Old", path="a.py", start_line=9)
    failure = Annotation(level="failure", message=NOTE.message, path=".github", start_line=12)
    assert found == {11: (), 12: (failure, warning), 13: (warning,)}


def test_a_job_that_the_suites_page_lacks_is_asked_directly() -> None:
    jobs = [job(11, "good"), job(12, "bad", conclusion="failure", annotations=(NOTE,))]
    with SampleGitHub(world(run(1, [attempt(1, jobs)]))) as server, client(server) as github:
        server.faults.hidden_check_runs = {11, 12}
        (latest,) = github.runs_created(REPO, START, START + HOUR)
        found = github.annotations(REPO, latest, github.jobs(latest))
        assert github.requests.by_kind["check_run"] == 2
    assert {job_id: len(notes) for job_id, notes in found.items()} == {11: 0, 12: 1}


def test_later_attempts_need_no_page_of_their_own_once_all_is_done() -> None:
    first = attempt(1, [job(11, "test", conclusion="failure", annotations=(NOTE,))])
    second = attempt(2, [job(12, "test", begin=20, end=24, annotations=(WARNING,))], begin=19)
    with SampleGitHub(world(run(1, [first, second]))) as server, client(server) as github:
        (latest,) = github.runs_created(REPO, START, START + HOUR)
        found = [github.annotations(REPO, a, github.jobs(a)) for a in github.attempts(latest)]
        assert github.requests.by_kind["check_runs"] == 1
    assert [[n.level for notes in one.values() for n in notes] for one in found] == [["failure"], ["warning"]]


def test_a_count_from_before_a_job_ended_is_not_trusted_after() -> None:
    jobs = [job(11, "early"), job(12, "late", end=30, conclusion="failure", annotations=(NOTE,))]
    with SampleGitHub(world(run(1, [attempt(1, jobs)]), opens=10)) as server, client(server) as github:
        (latest,) = github.runs_created(REPO, START, START + HOUR)
        before = github.annotations(REPO, latest, github.jobs(latest))
        server.clock.set(at(31))
        after = github.annotations(REPO, latest, github.jobs(latest))
    assert (len(before[12]), len(after[12])) == (0, 1)


def test_more_than_a_hundred_check_runs_and_annotations_come_whole() -> None:
    notes = tuple(AnnotationSpec(level="warning", message=f"Warning {n}", start_line=n + 1) for n in range(130))
    jobs = [job(100 + n, f"test ({n})", annotations=notes if n == 149 else ()) for n in range(150)]
    with SampleGitHub(world(run(1, [attempt(1, jobs)]))) as server, client(server) as github:
        (latest,) = github.runs_created(REPO, START, START + HOUR)
        found = github.annotations(REPO, latest, github.jobs(latest))
        assert github.requests.by_kind == {"runs": 1, "jobs": 2, "check_runs": 2, "annotations": 2}
    assert [note.message for note in found[249]] == [f"Warning {n}" for n in range(130)]
    assert sum(len(notes) for notes in found.values()) == 130


def test_a_run_without_jobs_asks_nothing() -> None:
    with (
        SampleGitHub(world(run(1, [attempt(1, [], conclusion="startup_failure")]))) as server,
        client(server) as github,
    ):
        (latest,) = github.runs_created(REPO, START, START + HOUR)
        assert github.annotations(REPO, latest, github.jobs(latest)) == {}
        assert github.requests.by_kind == {"runs": 1, "jobs": 1}
