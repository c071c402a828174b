"""Re-runs are found by listing a day of a repository; a repository that is gone costs the others
nothing. With a real client, the sample GitHub and a clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from upath import UPath

from ci_metrics.commands.doctor import look
from ci_metrics.definitions import build_definitions
from ci_metrics.errors import AuthenticationError, CiMetricsError, NotFoundError, TransientError
from ci_metrics.orchestration.due_hours import REASON_TAG, due_repositories, plan
from ci_metrics.orchestration.jobs import INGEST
from ci_metrics.orchestration.partitions import HOUR, hour_key
from ci_metrics.orchestration.parts import Parts, open_parts
from ci_metrics.orchestration.storage.failing_repositories import MOST_FAILURES, RARELY, FailingRepositories
from ci_metrics.orchestration.storage.marked_hours import MarkedHours
from ci_metrics.orchestration.sweeps import read_sweeps, sweep_day
from ci_metrics.sample.faults import Fault
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.world import World
from ci_metrics.settings import Settings, load_settings
from ci_metrics_tests.github.worlds import START, at, attempt, job, run, world
from ci_metrics_tests.orchestration.conftest import resources_of

LATER = timedelta(days=9)
REPOS = ("acme/basket", "acme/cart")


def re_run_later() -> World:
    """A run of each repository; that of `acme/basket` is run again nine days later."""
    again = job(13, "test", begin=LATER / timedelta(minutes=1), end=LATER / timedelta(minutes=1) + 5)
    return world(
        run(
            1,
            [
                attempt(1, [job(12, "test", conclusion="failure")]),
                attempt(2, [again], begin=LATER / timedelta(minutes=1), failed_only=True),
            ],
        ),
        run(2, [attempt(1, [job(22, "test")])], repo="acme/cart", head_repo="acme/cart"),
    )


KEY, DAY = hour_key(START), f"{START:%Y-%m-%d}"


@pytest.fixture
def server() -> Iterator[SampleGitHub]:
    with SampleGitHub(re_run_later()) as running:
        yield running


def settings_of(server: SampleGitHub, home: Path) -> Settings:
    environ = {"GITHUB_API_URL": server.api_url, "GITHUB_TOKEN": server.token, "REPO": ",".join(REPOS)}
    return load_settings({**environ, "CI_METRICS_HOME": str(home)})


def ingest(parts: Parts, hour: str = KEY, reason: str = "") -> bool:
    """One run of the chain over an hour, by the clock of these parts."""
    made = build_definitions(settings=parts.settings, resource_overrides=resources_of(parts))
    tags = {REASON_TAG: reason} if reason else {}
    with dg.DagsterInstance.ephemeral() as instance:
        job = made.resolve_job_def(INGEST)
        done = job.execute_in_process(instance=instance, partition_key=hour, tags=tags, raise_on_error=False)
    return done.success


def due(parts: Parts) -> dict[str, set[str]]:
    """What is marked and would be done again, by hour."""
    marked = parts.hours.marked.read()
    ranges = plan(parts.hours.now(), parts.hours.store.states(), REPOS, START, marked=marked, most_ranges=99)
    return {each.first: set(marked[each.first]) for each in ranges if each.reason == "changed"}


def test_a_re_run_nine_days_later_is_found_by_one_listing_and_stays_due_until_it_is_fetched(
    server: SampleGitHub, tmp_path: Path
) -> None:
    settings, now = settings_of(server, tmp_path), [at(120)]
    server.clock.set(at(120))
    with open_parts(settings, clock=lambda: now[0]) as parts:
        assert ingest(parts)
        github = parts.github.client
        assert sweep_day(parts.hours, github, DAY) == 0
        server.reset_stats()
        now[0] = at(240)
        assert sweep_day(parts.hours, github, DAY) == 0
        assert (server.stats.total["runs"], server.stats.counted.total()) == (2, 0), "unchanged days cost no quota"
        now[0] = START + LATER + HOUR
        server.clock.set(now[0])
        assert sweep_day(parts.hours, github, DAY) == 1
        assert due(parts) == {KEY: {"acme/basket"}}
        now[0] += timedelta(days=1)
        assert sweep_day(parts.hours, github, DAY) == 1, "not fetched yet: found again"
        now[0] += HOUR
        assert ingest(parts, reason="changed")
        assert sweep_day(parts.hours, parts.github.client, DAY) == 0
        assert parts.hours.marked.read() == {}, "what was fetched since needs no mark"
        assert len(list(parts.index.documents.scan("workflows"))) == 3


def test_a_mark_on_an_hour_that_is_looked_at_no_more_goes_and_a_young_ones_stays(
    server: SampleGitHub, tmp_path: Path
) -> None:
    now = START + timedelta(days=40)
    young = hour_key(now - HOUR)
    with open_parts(settings_of(server, tmp_path), clock=lambda: now) as parts:
        parts.hours.marked.mark({KEY: [REPOS[0]], young: [REPOS[0]]}, now)
        sweep_day(parts.hours, parts.github.client, young[:10])
        assert set(parts.hours.marked.read()) == {young}


def test_a_repository_that_cannot_be_listed_is_left_for_later_and_the_others_are_swept(
    server: SampleGitHub, tmp_path: Path
) -> None:
    settings, now = settings_of(server, tmp_path), [at(120)]
    server.clock.set(at(120))
    with open_parts(settings, clock=lambda: now[0]) as parts:
        assert ingest(parts)
        server.world = replace(server.world, runs=tuple(r for r in server.world.runs if r.repo == "acme/basket"))
        for tries in range(1, MOST_FAILURES + 1):
            now[0] += timedelta(minutes=15)
            sweep_day(parts.hours, parts.github.client, DAY)
            assert parts.hours.failing.read()["acme/cart"].tries == tries
            assert read_sweeps(parts.hours.store).swept[DAY] == at(135), "the day itself was looked at"
        server.reset_stats()
        now[0] += timedelta(hours=3)
        sweep_day(parts.hours, parts.github.client, DAY)
        assert server.stats.total["runs"] == 1, "only the other one is asked"
        assert parts.hours.awaited_repos == ["acme/basket"]
        following = hour_key(START + HOUR)
        assert ingest(parts, following, "schedule"), "the next hour does without it"
        asked, state = server.stats.total["runs"], parts.hours.store.state(following)
        assert list(state.set_aside) == ["acme/cart listing of runs"]
        assert due_repositories(now[0] + timedelta(days=1), following, state, parts.hours.awaited_repos) == []
        now[0] += RARELY
        server.world = re_run_later()
        assert ingest(parts, hour_key(START + 2 * HOUR), "schedule")
        assert server.stats.total["runs"] == asked + 2, "a day later it is asked again"
        assert parts.hours.awaited_repos == list(REPOS)
        assert due_repositories(now[0], following, state, parts.hours.awaited_repos) == ["acme/cart"]


def test_the_doctor_names_a_repository_that_is_set_aside_with_the_reason(
    server: SampleGitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(server, tmp_path)
    for name in ("GITHUB_API_URL", "REPO", "CI_METRICS_HOME"):
        monkeypatch.setenv(name, ",".join(REPOS) if name == "REPO" else str(getattr(settings, name.lower())))
    monkeypatch.setenv("GITHUB_TOKEN", server.token)
    with open_parts(settings) as parts:
        for _ in range(MOST_FAILURES):
            parts.hours.failing.note({"acme/cart": NotFoundError("GitHub answered 404"), "acme/basket": None}, START)
    (found,) = [each for each in look() if each.part.startswith("set aside acme")]
    assert (found.part, found.state) == ("set aside acme/cart", "wrong")
    assert "failed 3 times in a row, so it is asked once a day: GitHub answered 404" in found.says


def test_a_server_with_trouble_sets_nobody_aside(server: SampleGitHub, tmp_path: Path) -> None:
    settings = settings_of(server, tmp_path)
    server.clock.set(at(120))
    with open_parts(settings, clock=lambda: at(120)) as parts:
        assert ingest(parts)
        server.faults.add(Fault(kind="status", status=401, on="runs", times=None))
        sweep_day(parts.hours, parts.github.client, DAY)
        assert parts.hours.failing.read() == {}
        assert set(read_sweeps(parts.hours.store).left[DAY]) == set(REPOS)


@pytest.mark.parametrize(
    ("answers", "tries"),
    [
        ({"a": NotFoundError("404"), "b": None}, 1),
        ({"a": AuthenticationError("403"), "b": None}, 1),
        ({"a": TransientError("502"), "b": None}, None),
        ({"a": AuthenticationError("401", everywhere=True), "b": None}, None),
    ],
)
def test_what_is_no_single_repositorys_failure_does_not_count(
    tmp_path: Path, answers: dict[str, CiMetricsError | None], tries: int | None
) -> None:
    failing = FailingRepositories(UPath(tmp_path))
    failing.note(answers, START)
    assert (failing.read()["a"].tries if tries else failing.read()) == (tries or {})


def test_one_that_failed_three_times_is_asked_once_a_day_and_one_answer_brings_it_back(tmp_path: Path) -> None:
    failing = FailingRepositories(UPath(tmp_path))
    for n in range(MOST_FAILURES):
        assert not (failing.read().get("a") and failing.read()["a"].is_set_aside)
        failing.note({"a": NotFoundError("gone"), "b": None}, START + n * HOUR)
    seen = START + (MOST_FAILURES - 1) * HOUR
    assert failing.read()["a"].rests(seen + RARELY - timedelta(seconds=1))
    assert not failing.read()["a"].rests(seen + RARELY)
    assert not failing.read()["a"].rests(seen - timedelta(days=300))  # noted by a clock that ran ahead
    failing.note({"a": None, "b": None}, seen + RARELY)
    assert failing.read() == {}


def test_marks_of_several_writers_add_up_and_the_later_time_holds(tmp_path: Path) -> None:
    marks = MarkedHours(UPath(tmp_path))
    marks.mark({"2026-03-02T05": ["a"]}, START)
    marks.mark({"2026-03-02T05": ["a", "b"], "2026-03-02T06": []}, START + HOUR)
    assert marks.read() == {"2026-03-02T05": {"a": START + HOUR, "b": START + HOUR}, "2026-03-02T06": {}}
    marks.drop(lambda _hour, repo, _at: repo == "b")
    assert marks.read() == {"2026-03-02T05": {"b": START + HOUR}}
