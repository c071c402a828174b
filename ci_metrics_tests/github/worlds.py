"""Small worlds for the tests of the client and the server, built by hand so that a
test can say what it expects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ci_metrics.github import ConditionalCache, GitHub, open_github
from ci_metrics.github.rate_limits import Patience
from ci_metrics.limits import Limiter
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.world import AnnotationSpec, AttemptSpec, JobSpec, PullSpec, RunSpec, StepSpec, World
from ci_metrics.settings import Settings, load_settings

REPO = "acme/basket"
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
SOON = timedelta(minutes=1)

#: Waits that a test can afford.
QUICK = Patience(request=300, total=1800, retry=0.01)


def at(minutes: float) -> datetime:
    """So many minutes after the world's start."""
    return START + timedelta(minutes=minutes)


def job(job_id: int, name: str, begin: float = 1, end: float | None = 5, **given: object) -> JobSpec:
    """A job from `begin` to `end` (minutes after the start; no end: it
    never ends), with two steps.
    """
    conclusion = str(given.get("conclusion", "success"))
    ended = at(end) if end is not None else None
    steps = (
        StepSpec(number=1, name="Set up job", started_at=at(begin), completed_at=at(begin + 0.1)),
        StepSpec(number=2, name="Run tests", conclusion=conclusion, started_at=at(begin + 0.1), completed_at=ended),
    )
    base = JobSpec(
        job_id=job_id,
        name=name,
        created_at=at(begin),
        started_at=at(begin),
        completed_at=ended,
        steps=steps,
        log=b"a log\n",
    )
    return replace(base, **given)  # type: ignore[arg-type]


def attempt(number: int, jobs: Sequence[JobSpec], begin: float = 0, **given: object) -> AttemptSpec:
    """An attempt from `begin` on."""
    base = AttemptSpec(number=number, actor=f"dev-{number}", created_at=at(begin), jobs=tuple(jobs))
    return replace(base, **given)  # type: ignore[arg-type]


def run(run_id: int, attempts: Sequence[AttemptSpec], begin: float = 0, **given: object) -> RunSpec:
    """A run of REPO, a push to main unless said otherwise."""
    base = RunSpec(
        repo=REPO,
        run_id=run_id,
        workflow_id=7,
        workflow_name="CI",
        workflow_path=".github/workflows/ci.yml",
        event="push",
        head_branch="main",
        head_sha=f"{run_id:040x}",
        head_repo=REPO,
        check_suite_id=run_id + 1_000_000,
        run_number=run_id,
        display_title=f"Change {run_id}",
        created_at=at(begin),
        attempts=tuple(attempts),
    )
    return replace(base, **given)  # type: ignore[arg-type]


def world(*runs: RunSpec, pulls: Sequence[PullSpec] = (), opens: float = 24 * 60) -> World:
    """A checked world of these runs; its clock opens `opens` minutes after the start."""
    made = World(runs=runs, start=START, end=START + HOUR, opens_at=at(opens), pulls=tuple(pulls))
    made.check()
    return made


def pull(number: int, head_repo: str, branch: str, sha: str = "0" * 40, begin: float = 0, **given: object) -> PullSpec:
    """A pull request into REPO."""
    base = PullSpec(
        repo=REPO,
        number=number,
        title=f"Change {number}",
        author=head_repo.partition("/")[0],
        head_repo=head_repo,
        head_branch=branch,
        head_sha=sha,
        created_at=at(begin),
    )
    return replace(base, **given)  # type: ignore[arg-type]


NOTE = AnnotationSpec(level="failure", message="Process completed with exit code 1.", title="", start_line=12)


class FakeTime:
    """A clock that jumps when somebody sleeps: waits of minutes take none."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


def settings_for(server: SampleGitHub, **given: str) -> Settings:
    """Settings that point at a sample GitHub."""
    repos = ",".join(server.world.repos)
    environ = {"GITHUB_API_URL": server.api_url, "GITHUB_TOKEN": server.token, "REPO": repos, **given}
    return load_settings(environ)


@contextmanager
def client(
    server: SampleGitHub,
    *,
    cache: ConditionalCache | None = None,
    time: FakeTime | None = None,
    patience: Patience = QUICK,
    grace: float = 30.0,
    **given: str,
) -> Iterator[GitHub]:
    """A client of a sample GitHub with a limiter of its own, whose waits take no time."""
    time = time or FakeTime()
    limiter = Limiter(clock=time, sleep=time.sleep, per_minute=100_000)
    with open_github(
        settings_for(server, **given), cache=cache, limiter=limiter, patience=patience, grace=grace
    ) as github:
        yield github
