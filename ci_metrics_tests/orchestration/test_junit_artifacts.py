"""JUnit reports among a run's artifacts, against the sample GitHub."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from ci_metrics.commands.launch import run_hours
from ci_metrics.commands.sample_mode import sample_settings
from ci_metrics.github import GitHub
from ci_metrics.models import Job, JobLog
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST
from ci_metrics.orchestration.junit_artifacts import artifact_job, missing_reports, reports_undecided, with_reports
from ci_metrics.orchestration.partitions import hour_key
from ci_metrics.orchestration.parts import open_parts
from ci_metrics.sample.faults import Fault
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.server_artifacts import ArtifactSpec
from ci_metrics.settings import load_settings, with_values
from ci_metrics_tests.builders import a_job_log
from ci_metrics_tests.github.worlds import HOUR, REPO, START, at, attempt, client, job, run, world

UNIT, LINT = job(11, "unit (3.11)", 1, 5, conclusion="failure"), job(12, "unit (3.12)", 2, 6, conclusion="failure")
WORLD = world(run(1, [attempt(1, [UNIT, LINT])]))


def archive(*names: str, passed: int = 1, file: str = "out/results.xml") -> bytes:
    cases = "".join(f"<testcase name='{name}'><failure/></testcase>" for name in names)
    cases += "<testcase name='fine'/>" * passed
    return packed({file: f"<testsuite>{cases}</testsuite>".encode()})


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return out.getvalue()


def artifact(number: int, name: str, data: bytes, when: datetime | None = None, **more: bool) -> ArtifactSpec:
    return ArtifactSpec(artifact_id=number, name=name, created_at=when or at(4), archive=data, **more)


def looked_for(server: SampleGitHub, github: GitHub, patterns: Sequence[str] = ("junit*",)) -> dict[int, JobLog]:
    runs = github.runs_created(REPO, START, START + HOUR)
    jobs = {(each.job_id, each.run_attempt): each for each in github.jobs(runs[0])}
    logs = [a_job_log(each) for each in jobs.values()]
    return {log.job_id: log for log in with_reports(github, patterns, runs, jobs, logs)}


def test_failed_tests_of_a_report_are_those_of_the_job_that_made_it() -> None:
    with SampleGitHub(WORLD) as server, client(server) as github:
        server.artifacts[1] = [
            artifact(901, "junit-unit-3.11", archive("adds", "rounds")),
            artifact(902, "junit-unit-3.12", archive("drains")),
            artifact(903, "coverage", archive("not asked for")),
            artifact(904, "junit-unit-3.11-old", archive("gone"), expired=True),
        ]
        logs = looked_for(server, github)
    assert (logs[11].junit, logs[11].failed_tests) == ("read", ("adds", "rounds"))
    assert (logs[12].junit, logs[12].failed_tests) == ("read", ("drains",))
    assert not any(reports_undecided(log) for log in logs.values())


def test_a_report_that_may_be_either_jobs_is_nobodys_and_none_is_said_so() -> None:
    with SampleGitHub(WORLD) as server, client(server) as github:
        server.artifacts[1] = [artifact(901, "junit", archive("adds"))]
        logs = looked_for(server, github)
    assert [(log.junit, log.failed_tests) for log in logs.values()] == [("none", ()), ("none", ())]


def test_the_job_that_ran_alone_when_it_was_made_is_its_job() -> None:
    with SampleGitHub(WORLD) as server, client(server) as github:
        server.artifacts[1] = [artifact(901, "junit", archive("adds"), at(1.5))]
        logs = looked_for(server, github)
    assert (logs[11].failed_tests, logs[12].failed_tests) == (("adds",), ())


def test_without_a_time_an_artifact_is_nobodys(  # GitHub's description allows null
) -> None:
    with SampleGitHub(WORLD) as server, client(server) as github:
        server.artifacts[1] = [artifact(901, "junit-3.11", archive("adds"))]
        (listed,) = github.artifacts(github.runs_created(REPO, START, START + HOUR)[0])
        jobs: list[Job] = github.jobs(github.runs_created(REPO, START, START + HOUR)[0])
    assert artifact_job(listed, jobs) is not None
    assert artifact_job(replace(listed, created_at=None), jobs) is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"no archive", "is no archive"),
        (packed({"r.xml": b"<testsuite><"}), "r.xml: is not well-formed"),
        (packed({"r.xml": b"<!DOCTYPE x><testsuite/>"}), "declares a document type"),
        (packed({f"{n}.xml": b" " * 60_000_000 for n in range(2)}), "unpacks to more than 100 MB"),
    ],
)
def test_a_report_that_cannot_be_read_says_why_and_is_not_asked_for_again(data: bytes, said: str) -> None:
    with SampleGitHub(WORLD) as server, client(server) as github:
        server.artifacts[1] = [artifact(901, "junit-3.11", data)]
        log = looked_for(server, github)[11]
    assert log.failed_tests == ()
    assert not reports_undecided(log) and missing_reports(log) == ""
    assert said in log.junit


def test_what_github_refuses_now_is_asked_for_again() -> None:
    with SampleGitHub(WORLD) as server, client(server) as github:
        server.artifacts[1] = [artifact(901, "junit-3.11", archive("adds"))]
        server.faults.add(Fault(kind="status", on="log_storage", status=503, times=None))
        log = looked_for(server, github)[11]
        assert reports_undecided(log) and "503" in missing_reports(log)
        server.faults.clear()
        assert looked_for(server, github)[11].failed_tests == ("adds",)


def test_through_the_chain_a_reports_names_come_before_the_logs(tmp_path: Path) -> None:
    log = (
        b"2026-03-02T09:00:00.0000000Z ##[group]Run pytest\n2026-03-02T09:00:00.0000000Z pytest\n"
        b"2026-03-02T09:00:00.0000000Z shell: /usr/bin/bash -e {0}\n2026-03-02T09:00:00.0000000Z ##[endgroup]\n"
        b"2026-03-02T09:00:01.0000000Z FAILED tests/test_a.py::test_b - AssertionError\n"
        b"2026-03-02T09:00:02.0000000Z ##[error]Process completed with exit code 1.\n"
        b"2026-03-02T09:00:03.0000000Z Cleaning up orphan processes\n"
    )
    failed = [
        job(11, "unit (3.11)", 1, 5, conclusion="failure", log=log),
        job(12, "unit (3.12)", 2, 6, conclusion="failure", log=log),
    ]
    made = world(run(1, [attempt(1, failed)]))
    with SampleGitHub(made) as server:
        server.artifacts[1] = [artifact(901, "junit-unit-3.11", archive("tests.test_a.test_b", "tests.test_a.test_c"))]
        settings = sample_settings(load_settings({"CI_METRICS_HOME": str(tmp_path)}), server.api_url, made.repos)
        settings = with_values(settings, junit_artifacts="junit-*, results")
        hour = hour_key(START)
        with open_instance(settings) as instance:
            assert run_hours(settings, instance, INGEST, hour, hour, quiet=True).success
        with open_parts(settings) as parts:
            bodies = {document.body["s_job_id"]: document.body for document in parts.index.documents.scan("jobs")}
    assert bodies["11"]["s_failed_tests"] == ["tests.test_a.test_b", "tests.test_a.test_c"]
    assert bodies["12"]["s_failed_tests"] == ["tests/test_a.py::test_b"]
    assert bodies["11"]["s_failed_command"] == "pytest"
