"""Every fault of the sample GitHub: what came is whole or says what is missing, and once the fault
is gone all is there.

One table, one promise. What is taken is what the pipeline takes: runs, attempts, jobs, annotations,
logs of failed jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import pytest

from ci_metrics.errors import CiMetricsError, IncompleteError
from ci_metrics.github import GitHub, SQLiteConditionalCache
from ci_metrics.models import Annotation, Job, Run
from ci_metrics.sample.faults import Fault
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.world import AnnotationSpec, JobSpec, StepSpec, World
from ci_metrics_tests.github.worlds import HOUR, REPO, START, at, attempt, client, job, run, world

T = TypeVar("T")

#: As the runner writes it: a byte order mark, a time before each line, its own last line.
LOG = "\ufeff" + "".join(
    f"2026-03-02T09:01:{n % 60:02d}.0000000Z {line}\n"
    for n, line in enumerate(
        [*(f"step {n} of the build" for n in range(900)), "##[error]no", "Cleaning up orphan processes"]
    )
)


def _done(job_id: int, name: str, failed: bool, notes: int = 0, begin: float = 1) -> JobSpec:
    base = job(
        job_id, name, begin=begin, end=begin + 4, conclusion="failure" if failed else "success", log=LOG.encode()
    )
    last = StepSpec(number=9, name="Complete job", started_at=at(begin + 3), completed_at=at(begin + 4))
    told = tuple(AnnotationSpec(level="warning", message=f"note {n} of {name}") for n in range(notes))
    return replace(base, steps=(*base.steps, last), annotations=told)


def _world() -> World:
    """Two pages of runs; of the first one's two attempts, two pages of jobs and of annotations."""
    jobs = [_done(1000 + n, f"test ({n})", n in (7, 110), notes={7: 130, 110: 2}.get(n, 0)) for n in range(120)]
    again = [_done(2000, "test (7)", failed=False, begin=20)]
    first = run(1, [attempt(1, jobs), attempt(2, again, begin=19, failed_only=True)])
    others = [
        run(100 + n, [attempt(1, [_done(5000 + n, "lint", n == 3, notes=int(n == 3), begin=n / 4 + 1)])], begin=n / 4)
        for n in range(120)
    ]
    return world(first, *others)


WORLD = _world()

#: Runs whose jobs are taken: enough to see, few enough to be quick.
LOOKED_AT = (1, 102, 103)


@dataclass(slots=True)
class Taken:
    """What a look at the hour gave."""

    runs: dict[tuple[int, int], Run] = field(default_factory=dict)
    jobs: dict[tuple[int, int], Job] = field(default_factory=dict)
    logs: dict[int, bytes] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def what(self) -> tuple[object, ...]:
        """What is there, by identity, whatever the texts say."""
        noted = {key: (len(one.annotations), len(one.steps)) for key, one in self.jobs.items()}
        return sorted(self.runs), noted, self.logs

    def take_log(self, github: GitHub, of: Job) -> None:
        """The job's log, or why it is not there."""
        parts: list[bytes] = []
        log = github.download_log(of, parts.append, 10**8)
        if log.state == "stored":
            self.logs[of.job_id] = b"".join(parts)
        else:
            self.missing.append(f"log of job {of.job_id}: {log.state}: {log.detail}")

    def ask(self, question: Callable[[], T], otherwise: T) -> T:
        """The answer; of one that is not whole, what came and why."""
        try:
            return question()
        except IncompleteError as error:
            self.missing.append(str(error))
            return cast(T, error.found)
        except CiMetricsError as error:
            self.missing.append(str(error))
            return otherwise


def take(github: GitHub) -> Taken:
    """Everything that the pipeline takes of the hour, for some of its runs."""
    taken = Taken()
    listed: list[Run] = taken.ask(partial(github.runs_created, REPO, START, START + HOUR), [])
    for latest in listed:
        attempts: list[Run] = taken.ask(partial(github.attempts, latest), [])
        taken.runs |= {(one.run_id, one.run_attempt): one for one in attempts}
    for one in [one for one in taken.runs.values() if one.run_id in LOOKED_AT]:
        jobs: list[Job] = taken.ask(partial(github.jobs, one), [])
        nothing: dict[int, tuple[Annotation, ...]] = {}
        notes = taken.ask(partial(github.annotations, REPO, one, jobs), nothing)
        for found in jobs:
            taken.jobs[found.job_id, found.run_attempt] = replace(found, annotations=notes.get(found.job_id, ()))
            if found.failed:
                taken.take_log(github, found)
    return taken


@pytest.fixture(scope="module")
def undisturbed() -> Taken:
    """All there is."""
    with SampleGitHub(WORLD) as server, client(server) as github:
        whole = take(github)
    assert not whole.missing
    assert (len(whole.runs), len(whole.jobs), len(whole.logs)) == (122, 123, 3)
    assert sorted(len(one.annotations) for one in whole.jobs.values())[-3:] == [1, 2, 130]
    return whole


LISTINGS = ("runs", "jobs", "check_runs", "annotations")
OBJECTS = ("attempt",)


def cases() -> Iterator[tuple[str, str, dict[str, object]]]:
    """(kind, on which requests, more about it)."""
    for on in ("jobs", "attempt", "log"):
        for kind in ("break", "html", "empty", "gzip", "nested", "not_modified", "redirect_loop", "shape"):
            yield kind, on, {}
    yield "status", "*", {"status": 502, "every": 2}
    for on in (*LISTINGS, *OBJECTS, "log"):
        yield "status", on, {"status": 502}
        yield "status", on, {"status": 404}
    for on in (*LISTINGS, *OBJECTS):
        for kind in ("foreign", "numbers", "ids", "hostile", "megabyte"):
            yield kind, on, {"count": 2}
    for kind in ("stepless", "runs_as_jobs"):
        yield kind, "jobs", {}
    yield "earlier_jobs", "jobs", {"after": 2}  # behind the two pages of the first attempt
    for kind in ("elsewhen", "attempts"):
        yield kind, "runs", {}
    for on in LISTINGS:
        for kind in ("short", "lost_page", "double_page"):
            yield kind, on, {"etag_lies": True}
        for kind in ("short", "overcount", "undercount", "lost_page", "double_page", "endless"):
            yield kind, on, {}
    for on in ("jobs", "log_storage"):
        yield "drip", on, {"seconds": 0.02}
        yield "drip_head", on, {"seconds": 0.02}
        yield "cut", on, {}
    for kind in (
        "break",
        "html",
        "html_as_text",
        "empty",
        "gzip",
        "nested",
        "half",
        "half_unsized",
        "unsized",
        "checksum",
    ):
        yield kind, "log_storage", {}
    yield "redirect_loop", "log_storage", {}
    yield "status", "log_storage", {"status": 503}


def name_of(case: object) -> str:
    """For the test's id."""
    return " ".join(str(part) for part in case) if isinstance(case, tuple) else str(case)


@pytest.mark.parametrize("times", [1, None], ids=["struck once", "struck always"])
@pytest.mark.parametrize("case", list(cases()), ids=name_of)
def test_what_came_is_whole_or_says_what_is_missing_and_all_is_there_once_the_fault_is_gone(
    case: tuple[str, str, dict[str, object]], times: int | None, undisturbed: Taken, tmp_path: Path
) -> None:
    kind, on, more = case
    with SampleGitHub(WORLD) as server, SQLiteConditionalCache(tmp_path / "cache.sqlite") as cache:
        fault = server.faults.add(Fault(kind=kind, on=on, times=times, **more))  # type: ignore[arg-type]
        with client(server, cache=cache, grace=0.3) as github:
            during = take(github)
        assert fault.done
        assert during.missing or during.what == undisturbed.what
        assert set(during.runs) <= set(undisturbed.runs)
        assert set(during.jobs) <= set(undisturbed.jobs)
        assert all(undisturbed.logs[job_id] == log for job_id, log in during.logs.items())
        for one in during.jobs.values():
            texts = [one.name, *one.labels, *(step.name for step in one.steps), *(n.message for n in one.annotations)]
            assert all(text.isprintable() and len(text) <= 65_536 for text in texts)
        server.faults.clear()
        with client(server, cache=cache) as github:
            after = take(github)
    assert not after.missing
    assert (after.runs, after.jobs, after.logs) == (undisturbed.runs, undisturbed.jobs, undisturbed.logs)
