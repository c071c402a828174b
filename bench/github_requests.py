"""How many requests an hour of CI costs, beside the fewest that are possible: `python
bench/github_requests.py [--latency 0.1]`.

Serves two generated hours of 100 runs on loopback, with 3, 10 and 30 jobs a run (10 % failed), and
fetches all that the pipeline fetches: the first hour as a new installation meets it, in which no
job has a background yet, the next one, and the first one again while nothing has changed.

The floor is a page of runs for a hundred of them, a page of jobs for a hundred of a run's, a log
for each failed job, and what backgrounds need. Fails when an hour costs more than 1.3 times that,
requests of every kind counted, or the last one any of the quota. The runs need as many requests as
GitHub's listing has pages, so the figures hold for GitHub as they are.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from ci_metrics.github import GitHub, RequestCount, SQLiteConditionalCache, open_github
from ci_metrics.models import Job, JobLog
from ci_metrics.orchestration.assets.workflow_jobs import fetch_attempts
from ci_metrics.orchestration.partitions import HOUR, hour_key
from ci_metrics.orchestration.passing_runs import look_for
from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.world import World
from ci_metrics.settings import load_settings

#: Times the floor that an hour may cost.
TARGET = 1.3
#: Kinds of requests that no way of asking does without.
NEEDED = ("runs", "jobs", "log", "repo", "workflow_runs", "run_jobs")


def fetch(
    github: GitHub,
    world: World,
    start: datetime,
    store: HourStore,
    manifest: dict[int, JobLog],
    settled: dict[int, list[Job]],
) -> tuple[int, int]:
    """All of the hour from `start` on, as the assets do: without logs in the `manifest`, and runs
    that have `settled`. Gives (jobs, bytes of new logs).
    """
    before = set(manifest)
    runs = [run for repo in world.repos for run in github.runs_created(repo, start, start + HOUR)]
    attempts = [attempt for run in runs if run.run_id not in settled for attempt in github.attempts(run)]
    for fetched in fetch_attempts(github, attempts):
        settled.setdefault(fetched.jobs[0].run_id, []).extend(fetched.jobs)
    jobs = [job for run in runs for job in settled[run.run_id]]
    due = [job for job in jobs if job.failed and job.job_id not in before]
    with ThreadPoolExecutor(8) as pool:
        logs = list(pool.map(lambda job: github.download_log(job, lambda _: None, 200_000_000), due))
    store.commit("workflow_jobs", hour_key(start), jobs, Job, notes={}, status={}, now=start)
    look = look_for(github, store, hour_key(start), jobs, runs, logs)
    manifest.update({log.job_id: log for log in look.logs})
    if logs:
        states = Counter(log.passing.state for log in look.logs if log.passing is not None)
        print(f"  background: {dict(states)}, {look.fetched} passing logs, {look.requests} requests")
    return len(jobs), sum(log.raw_bytes for log in logs)


def times_floor(count: RequestCount) -> float:
    """An hour's requests, over those that nothing does without."""
    return count.total / sum(count.by_kind.get(kind, 0) for kind in NEEDED)


def show(title: str, count: RequestCount, jobs: int, seconds: float) -> None:
    """One block of figures."""
    kinds = ", ".join(f"{kind} {number}" for kind, number in count.by_kind.items())
    print(f"{title}: {jobs} jobs in {seconds:.1f} s")
    print(f"  requests {count.total}, of them 304: {count.not_modified}, against the quota: {count.counted}")
    print(f"  requests a job {count.total / jobs:.3f}, {times_floor(count):.2f} times the floor")
    print(f"  by kind: {kinds}")


def measure(jobs_a_run: int, given: argparse.Namespace) -> bool:
    """Three hours of runs of one size; whether they keep the target."""
    world = scaled_world(
        runs=2 * given.runs,
        jobs=jobs_a_run,
        failure_share=given.failure_share,
        repos=given.repos,
        log_bytes=given.log_bytes,
        hours=2,
    )
    counts: list[RequestCount] = []
    manifest: dict[int, JobLog] = {}
    settled: dict[int, list[Job]] = {}
    with tempfile.TemporaryDirectory() as folder, SampleGitHub(world, quota=10**9) as server:
        server.faults.latency = given.latency
        environ = {"GITHUB_API_URL": server.api_url, "GITHUB_TOKEN": server.token, "REPO": ",".join(world.repos)}
        hours = (world.start, world.start + HOUR, world.start)
        for title, start in zip(("First hour", "The next hour", "The first again, unchanged"), hours, strict=True):
            with (
                SQLiteConditionalCache(Path(folder) / "cache.sqlite") as cache,
                open_github(load_settings(environ), cache=cache) as github,
            ):
                began = time.perf_counter()
                jobs, size = fetch(github, world, start, HourStore(Path(folder) / "hours"), manifest, settled)
                counts.append(github.requests)
                show(title, github.requests, jobs, time.perf_counter() - began)
                if size:
                    print(f"  logs: {size / 1e6:.1f} MB")
    factors = [times_floor(count) for count in counts[:2]]
    good = max(factors) <= TARGET and counts[2].counted == 0
    print(
        f"{'PASS' if good else 'FAIL'}: {jobs_a_run} jobs a run: {factors[0]:.2f} and {factors[1]:.2f} times the floor "
        f"(target {TARGET}), {counts[2].counted} of the quota when unchanged (0)"
    )
    return good


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--jobs", type=int, nargs="+", default=[3, 10, 30], help="a run")
    parser.add_argument("--failure-share", type=float, default=0.1)
    parser.add_argument("--repos", type=int, default=1)
    parser.add_argument("--log-bytes", type=int, default=12_000)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before every answer")
    given = parser.parse_args()
    kept = [measure(jobs, given) for jobs in given.jobs]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
