"""How many requests of GitHub's quota an hour of CI costs: `python bench/github_requests.py [--runs
100 --jobs 30 --latency 0.1]`.

Serves two generated hours (100 runs x 30 jobs each, 10 % failed) on loopback and fetches all that
the pipeline fetches, the logs of passing runs as background too: the first hour as a new
installation meets it, in which no job has a background yet, the next one, and the first one again
while nothing has changed. Fails when a job costs more than 0.3 requests, or when the last costs any
of the quota. The runs need as many requests as GitHub's listing has pages, so the figures hold for
GitHub as they are.
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
from ci_metrics.models import Job, JobLog, Run
from ci_metrics.orchestration.partitions import HOUR, hour_key
from ci_metrics.orchestration.passing_runs import look_for
from ci_metrics.orchestration.store import HourStore
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.world import World
from ci_metrics.settings import load_settings

#: Requests of the quota that a job may cost.
TARGET = 0.3


def fetch(
    github: GitHub, world: World, start: datetime, store: HourStore, manifest: dict[int, JobLog]
) -> tuple[int, int]:
    """All of the hour from `start` on, eight runs at a time, without logs in the `manifest`.
    Gives (jobs, bytes of new logs).
    """
    before = set(manifest)

    def one(run: Run) -> list[Job]:
        github.pr_id(run)
        found = []
        for attempt in github.attempts(run):
            jobs = github.jobs(attempt)
            github.annotations(run.repo, attempt, jobs)
            for job in jobs:
                if job.failed and job.job_id not in before:
                    manifest[job.job_id] = github.download_log(job, lambda _: None, 200_000_000)
            found += jobs
        return found

    runs = [run for repo in world.repos for run in github.runs_created(repo, start, start + HOUR)]
    with ThreadPoolExecutor(8) as pool:
        jobs = [job for found in pool.map(one, runs) for job in found]
    new = [log for job_id, log in manifest.items() if job_id not in before]
    store.commit("workflow_jobs", hour_key(start), jobs, Job, notes={}, status={}, now=start)
    look = look_for(github, store, hour_key(start), jobs, runs, new)
    manifest.update({log.job_id: log for log in look.logs})
    if new:
        states = Counter(log.passing.state for log in look.logs if log.passing is not None)
        print(f"  background: {dict(states)}, {look.fetched} passing logs, {look.requests} requests")
    return len(jobs), sum(log.raw_bytes for log in new)


def show(title: str, count: RequestCount, jobs: int, seconds: float) -> None:
    """One block of figures."""
    kinds = ", ".join(f"{kind} {number}" for kind, number in count.by_kind.items())
    print(f"{title}: {jobs} jobs in {seconds:.1f} s")
    print(f"  requests {count.total}, of them 304: {count.not_modified}, against the quota: {count.counted}")
    print(f"  requests per job {count.total / jobs:.3f}, against the quota per job {count.counted / jobs:.3f}")
    print(f"  by kind: {kinds}")


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=30)
    parser.add_argument("--failure-share", type=float, default=0.1)
    parser.add_argument("--repos", type=int, default=1)
    parser.add_argument("--log-bytes", type=int, default=12_000)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before every answer")
    given = parser.parse_args()
    world = scaled_world(
        runs=2 * given.runs,
        jobs=given.jobs,
        failure_share=given.failure_share,
        repos=given.repos,
        log_bytes=given.log_bytes,
        hours=2,
    )
    counts: list[RequestCount] = []
    manifest: dict[int, JobLog] = {}
    per_job: list[float] = []
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
                jobs, size = fetch(github, world, start, HourStore(Path(folder) / "hours"), manifest)
                counts.append(github.requests)
                per_job.append(github.requests.counted / jobs)
                show(title, github.requests, jobs, time.perf_counter() - began)
                if size:
                    print(f"  logs: {size / 1e6:.1f} MB")
    good = max(per_job) <= TARGET and counts[2].counted == 0
    print(
        f"{'PASS' if good else 'FAIL'}: {per_job[0]:.3f} and {per_job[1]:.3f} requests per job (target {TARGET}), "
        f"{counts[2].counted} when unchanged (0)"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
