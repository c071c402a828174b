"""What has not changed costs no quota; what has changed is seen at once; the
cache stays within its bounds.
"""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from ci_metrics.github import GitHub, KeptAnswer, SQLiteConditionalCache
from ci_metrics.sample.faults import Fault
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.world import AnnotationSpec, World
from ci_metrics_tests.github.worlds import HOUR, NOTE, REPO, START, attempt, client, job, run, world


def sweep(github: GitHub, made: World, settled: set[tuple[int, int]]) -> int:
    """Ask for everything of an hour but logs and what has `settled`, which grows; how many jobs
    there were.
    """
    jobs = 0
    for repo in made.repos:
        for latest in github.runs_created(repo, made.start, made.end):
            for one in github.attempts(latest, known=[n for run_id, n in settled if run_id == latest.run_id]):
                if (one.run_id, one.run_attempt) not in settled:
                    found = github.jobs(one)
                    github.annotations(repo, one, found)
                    jobs += len(found)
                if one.finished:
                    settled.add((one.run_id, one.run_attempt))
    return jobs


def test_when_nothing_has_changed_no_request_counts(tmp_path: Path) -> None:
    made = scaled_world(runs=12, jobs=110, failure_share=0.02, repos=2)
    with SampleGitHub(made) as server, SQLiteConditionalCache(tmp_path / "cache.sqlite") as cache:
        settled: set[tuple[int, int]] = set()
        with client(server, cache=cache) as github:
            assert sweep(github, made, settled) == 1320
        server.reset_stats()
        with client(server, cache=cache) as github:  # as a later process would
            assert sweep(github, made, settled) == 0
            spent = github.requests
        assert server.stats.counted.total() == spent.counted == 0
        assert spent.not_modified == spent.total == 2


def test_what_is_never_asked_for_again_is_not_kept(tmp_path: Path) -> None:
    late = attempt(2, [job(12, "test", begin=50, end=95)], begin=49)
    made = world(run(1, [attempt(1, [job(11, "test", conclusion="failure", annotations=(NOTE,))]), late]), opens=60)
    with SampleGitHub(made) as server, SQLiteConditionalCache(tmp_path / "cache.sqlite") as cache:
        with client(server, cache=cache) as github:
            assert sweep(github, made, set()) == 2
        server.reset_stats()
        with client(server, cache=cache) as github:
            sweep(github, made, set())
        assert +server.stats.not_modified == {"runs": 1, "jobs": 1}, "the listing, and the jobs that still run"
        assert set(server.stats.counted.elements()) == {"attempt", "jobs", "check_runs", "annotations"}


def test_how_runs_stand_is_kept_in_a_fraction(tmp_path: Path) -> None:
    made = scaled_world(runs=90, jobs=1)
    (name,) = made.repos
    sizes = []
    with SampleGitHub(made) as server:
        for file in ("whole", "standing"):
            with SQLiteConditionalCache(tmp_path / file) as cache, client(server, cache=cache) as github:
                ids = [
                    one.run_id
                    for one in (
                        github.runs_created(name, made.start, made.end)
                        if file == "whole"
                        else github.standings(name, made.start, made.end)
                    )
                ]
                assert ids == [one.run_id for one in made.runs]
            with sqlite3.connect(tmp_path / file) as db:
                sizes.append(db.execute("SELECT sum(size) FROM answers").fetchone()[0])
            db.close()
    assert sizes[1] * 3 < sizes[0]
    assert sizes[1] < 2_500


def test_what_has_changed_is_seen_and_only_that_costs(tmp_path: Path) -> None:
    late = attempt(2, [job(12, "test", begin=90, end=95)], begin=89)
    first = attempt(1, [job(11, "test", conclusion="failure")])
    made = world(run(1, [first, late]), run(2, [attempt(1, [job(21, "test")])]), opens=60)
    settled: set[tuple[int, int]] = set()
    with SampleGitHub(made) as server, SQLiteConditionalCache(tmp_path / "cache.sqlite") as cache:
        with client(server, cache=cache) as github:
            assert sweep(github, made, settled) == 2
        server.clock.advance(3600)
        server.reset_stats()
        with client(server, cache=cache) as github:
            assert sweep(github, made, settled) == 1
            found = github.runs_created(REPO, START, START + HOUR)
        assert [(r.run_id, r.run_attempt, r.conclusion) for r in found] == [(1, 2, "success"), (2, 1, "success")]
        # The listing, the new attempt's jobs, their suite.
        assert +server.stats.counted == {"runs": 1, "jobs": 1, "check_runs": 1}


def test_a_wrong_answer_is_never_kept(tmp_path: Path) -> None:
    made = scaled_world(runs=2, jobs=1)
    with SampleGitHub(made) as server, SQLiteConditionalCache(tmp_path / "cache.sqlite") as cache:
        server.faults.add(Fault(kind="shape", on="runs", times=3))
        with client(server, cache=cache) as github:
            for _ in range(2):
                assert len(github.runs_created(made.repos[0], made.start, made.end)) == 2


def test_answers_to_one_identity_are_not_shown_to_another(tmp_path: Path) -> None:
    with SQLiteConditionalCache(tmp_path / "cache.sqlite") as cache:
        cache.put("token-1", "https://a/x", KeptAnswer('"1"', b"[1]", "<l>"))
        assert cache.get("token-1", "https://a/x") == KeptAnswer('"1"', b"[1]", "<l>")
        assert cache.get("token-2", "https://a/x") is None
        cache.put("token-1", "https://a/x", KeptAnswer('"2"', b"[2]"))
        assert cache.get("token-1", "https://a/x") == KeptAnswer('"2"', b"[2]")


def test_the_file_stays_within_its_bound_and_the_newest_stay(tmp_path: Path) -> None:
    import random

    noise = random.Random(1)
    with SQLiteConditionalCache(tmp_path / "cache.sqlite", max_bytes=100_000) as cache:
        for number in range(200):
            cache.put("me", f"https://a/{number}", KeptAnswer("e", noise.randbytes(5_000)))
        there = [number for number in range(200) if cache.get("me", f"https://a/{number}") is not None]
    assert 10 <= len(there) <= 30
    assert (tmp_path / "cache.sqlite").stat().st_size < 1_000_000


@pytest.mark.parametrize("damage", [b"this is no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_replaced_because_it_is_only_a_cache(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "cache.sqlite"
    path.write_bytes(damage)
    with SQLiteConditionalCache(path) as cache:
        assert cache.get("me", "https://a") is None
        cache.put("me", "https://a", KeptAnswer("e", b"[]"))
        assert cache.get("me", "https://a") is not None


def _fill(path: Path, worker: int) -> None:
    with SQLiteConditionalCache(path) as cache, ThreadPoolExecutor(4) as pool:
        list(
            pool.map(lambda n: cache.put(f"w{worker}", f"u{n}", KeptAnswer(str(n), json.dumps(n).encode())), range(200))
        )


def test_threads_and_processes_share_it_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_fill, args=(path, n)) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    with SQLiteConditionalCache(path) as cache:
        kept = [cache.get(f"w{worker}", f"u{n}") for worker in range(2) for n in range(200)]
    assert [json.loads(answer.body) if answer else None for answer in kept] == [*range(200), *range(200)]


def test_a_clocks_change_back_is_a_change_too(tmp_path: Path) -> None:
    """The same world at an earlier time has another answer: an ETag is compared, not believed."""
    made = world(run(1, [attempt(1, [replace(job(11, "test", end=30))])]), opens=60)
    with (
        SampleGitHub(made) as server,
        SQLiteConditionalCache(tmp_path / "c.sqlite") as cache,
        client(server, cache=cache) as github,
    ):
        states = []
        for minutes in (-40, 40):
            server.clock.advance(60 * minutes)
            (latest,) = github.runs_created(REPO, START, START + HOUR)
            states.append(latest.status)
    assert states == ["in_progress", "completed"]


#: A token as GitHub forms them, made up: it opens nothing.
TOKEN = "ghp_" + "a1B2" * 9


def everything_in(folder: Path) -> bytes:
    """The cache's files, its answers unpacked."""
    files = b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
    with sqlite3.connect(f"file:{folder / 'cache.sqlite'}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT body FROM answers").fetchall()
    db.close()
    return files + b"".join(zstandard.decompress(body) for (body,) in rows)


def test_no_secret_of_a_name_or_an_annotation_is_kept(tmp_path: Path) -> None:
    note = AnnotationSpec(level="failure", message=f"refused: {TOKEN}", title=f"password={TOKEN[4:]}")
    leaking = replace(job(11, f"deploy {TOKEN}", conclusion="failure"), annotations=(note,), labels=(TOKEN,))
    made = world(run(1, [attempt(1, [leaking])], head_branch=f"fix/{TOKEN}", display_title=TOKEN, workflow_name=TOKEN))
    looks = []
    with SampleGitHub(made) as server:
        for _ in range(2):
            with SQLiteConditionalCache(tmp_path / "cache.sqlite") as cache, client(server, cache=cache) as github:
                (latest,) = github.runs_created(REPO, START, START + HOUR)
                jobs = github.jobs(latest)
                looks.append((latest, jobs, github.annotations(REPO, latest, jobs)))
                spent = github.requests
        assert (spent.not_modified, spent.total) == (1, 4)
    assert looks[0] == looks[1]
    assert TOKEN not in repr(looks)
    assert TOKEN[4:].encode() not in everything_in(tmp_path)
    assert b"[REDACTED]" in everything_in(tmp_path)


def test_the_file_is_its_owners_alone_and_what_an_earlier_version_kept_raw_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with SQLiteConditionalCache(path) as cache:
        cache.put("me", "https://a/x", KeptAnswer('"1"', b"raw"))
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 0")
        db.execute("UPDATE answers SET link = ?", (TOKEN,))
    db.close()
    path.chmod(0o644)
    with SQLiteConditionalCache(path) as cache:
        assert cache.get("me", "https://a/x") is None
    assert TOKEN.encode() not in everything_in(tmp_path)
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


def test_an_answer_that_is_kept_damaged_costs_one_request(tmp_path: Path) -> None:
    made = scaled_world(runs=2, jobs=1)
    with SampleGitHub(made) as server, SQLiteConditionalCache(tmp_path / "cache.sqlite") as cache:
        for _ in range(2):
            with client(server, cache=cache) as github:
                assert len(github.runs_created(made.repos[0], made.start, made.end)) == 2
                spent = github.requests
            with sqlite3.connect(tmp_path / "cache.sqlite") as db:
                db.execute("UPDATE answers SET body = ?", (zstandard.compress(b"{ no JSON"),))
            db.close()
        assert (spent.total, spent.not_modified) == (2, 1)
