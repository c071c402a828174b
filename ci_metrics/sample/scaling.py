"""Worlds of any size, generated: for benchmarks and fault tests, where the number counts
and not what the logs say.

What belongs here: runs x jobs with a share of failures, from a seed, the same every time. Does not:
the recorded day that a newcomer sees (`scenario.py`).
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial

from ci_metrics.sample.world import AnnotationSpec, AttemptSpec, JobSpec, RunSpec, StepSpec, World

_START = datetime(2026, 3, 2, 9, tzinfo=UTC)

#: How the generated failures end: a few kinds of tools, so that not every job has the same cause.
_ENDINGS = (
    "FAILED tests/test_basket.py::test_total - assert 41 == 42\n1 failed, 311 passed in 12.04s",
    "src/main.c:14:9: error: 'totl' undeclared (first use in this function)\nmake: *** [Makefile:7: main.o] Error 1",
    "ERROR: No matching distribution found for basket-core==9.9.9",
    "curl: (6) Could not resolve host: artefacts.example.invalid",
    "write /var/cache/layer.tar: no space left on device",
    "Traceback (most recent call last):\n  File \"serve.py\", line 3, in <module>\nKeyError: 'region'",
    "Segmentation fault (core dumped)",
    "Error: environment variable DEPLOY_KEY is not set",
)


def _named(cause: int) -> str:
    """How a failure of one cause of many ends: its name is of letters, as numbers are the same to
    a fingerprint.
    """
    name = "".join(chr(ord("a") + cause // 26**place % 26) for place in range(4))
    return f"FAILED tests/test_{name}.py::test_{name} - assert {name} == 42\n1 failed, 311 passed in 12.04s"


@lru_cache(maxsize=32)
def _log(ending: str, size: int, started: datetime) -> bytes:
    """A log of about `size` bytes in GitHub's form that ends with `ending`."""

    def line(second: float, text: str) -> str:
        return f"{(started + timedelta(seconds=second)).strftime('%Y-%m-%dT%H:%M:%S.%f')}0Z {text}\n"

    lines = [line(0, "##[group]Run make check"), line(0, "make check"), line(0, "##[endgroup]")]
    length, count = sum(map(len, lines)), 0
    while length < size - 600:
        count += 1
        lines.append(line(1 + count / 1000, f"  compiling module {count:06d} of the basket ... ok"))
        length += len(lines[-1])
    lines += [line(60, text) for text in ending.splitlines()]
    lines.append(line(61, "##[error]Process completed with exit code 1."))
    lines.append(line(62, "Cleaning up orphan processes"))
    return ("\ufeff" + "".join(lines)).encode()


def scaled_world(
    *,
    runs: int = 100,
    jobs: int = 30,
    failure_share: float = 0.1,
    log_bytes: int = 12_000,
    repos: int = 1,
    hours: int = 1,
    causes: int = 0,
    seed: int = 1,
) -> World:
    """`runs` runs of `jobs` jobs each, spread over `repos` repositories and `hours` hours, all
    done by the end of the world.

    `failure_share` of all jobs fail (exactly, rounded), each with one annotation and a log
    of about `log_bytes` bytes; they have `causes` causes, 0: one of each kind of tool.
    """
    chance = random.Random(seed)
    total = runs * jobs
    failing = set(chance.sample(range(total), round(total * failure_share)))
    made = [
        _run(index, [index * jobs + job in failing for job in range(jobs)], log_bytes, repos, runs, hours, causes)
        for index in range(runs)
    ]
    end = _START + timedelta(hours=hours)
    done = end + timedelta(hours=2)
    return World(runs=tuple(made), start=_START, end=end, opens_at=done, settled_at=done)


def _run(index: int, fails: list[bool], log_bytes: int, repos: int, runs: int, hours: int, causes: int) -> RunSpec:
    created = (_START + timedelta(seconds=hours * 3600 * index / runs)).replace(microsecond=0)
    repo = f"scaled/repo-{index % repos:04d}"
    run_id = 9_000_000 + index
    made = tuple(
        _job(run_id * 1000 + number, number, created, fail, log_bytes, causes) for number, fail in enumerate(fails)
    )
    return RunSpec(
        repo=repo,
        run_id=run_id,
        workflow_id=500 + index % 5,
        workflow_name=f"Check {index % 5}",
        workflow_path=f".github/workflows/check-{index % 5}.yml",
        event="push",
        head_branch="main",
        head_sha=f"{run_id:040x}",
        head_repo=repo,
        check_suite_id=run_id + 50_000_000,
        run_number=index + 1,
        display_title=f"Change {index}",
        created_at=created,
        attempts=(AttemptSpec(number=1, actor=f"dev-{index % 7}", created_at=created, jobs=made),),
    )


def _job(job_id: int, number: int, created: datetime, fail: bool, log_bytes: int, causes: int) -> JobSpec:
    start = created + timedelta(seconds=5 + number % 20)
    end = start + timedelta(seconds=70 + number)
    result = "failure" if fail else "success"
    steps = (
        StepSpec(number=1, name="Set up job", started_at=start, completed_at=start + timedelta(seconds=2)),
        StepSpec(
            number=2,
            name="Run make check",
            conclusion=result,
            started_at=start + timedelta(seconds=2),
            completed_at=end - timedelta(seconds=1),
        ),
        StepSpec(number=3, name="Complete job", started_at=end - timedelta(seconds=1), completed_at=end),
    )
    ending = "all checks passed"
    if fail:
        ending = _named(job_id * 7 % causes) if causes else _ENDINGS[job_id % len(_ENDINGS)]
    note = AnnotationSpec(level="failure", message="Process completed with exit code 1.", start_line=24)
    return JobSpec(
        job_id=job_id,
        name=f"check ({number})",
        created_at=created,
        started_at=start,
        completed_at=end,
        conclusion=result,
        runner_id=number + 1,
        runner_name=f"GitHub Actions {number + 1}",
        steps=steps,
        annotations=(note,) if fail else (),
        log=partial(_log, ending, log_bytes, _START),
    )
