"""How many requests of GitHub's quota an hour of CI costs: `python bench/github_requests.py [--runs 100 --jobs 30 --latency 0.1]`.

Serves a generated hour (100 runs x 30 jobs, 10 % failed) on loopback, fetches all that the pipeline fetches, then asks again
while nothing has changed. Fails when a job costs more than 0.3 requests, or when the second time costs any of the quota.
The runs need as many requests as GitHub's listing has pages, so the figures hold for GitHub as they are.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ci_metrics.github import GitHub, RequestCount, SQLiteConditionalCache, open_github
from ci_metrics.models import Job, Run
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.world import World
from ci_metrics.settings import load_settings

#: Requests of the quota that a job may cost.
TARGET = 0.3


def fetch(github: GitHub, world: World, stored: set[int]) -> tuple[int, int]:
    """All of the hour, eight runs at a time; logs that are `stored` are not fetched again. Gives (jobs, bytes of logs)."""

    def one(run: Run) -> tuple[int, int]:
        jobs, size = 0, 0
        github.pr_id(run)
        for attempt in github.attempts(run):
            found = github.jobs(attempt)
            github.annotations(run.repo, attempt, found)
            jobs += len(found)
            size += sum(log(job) for job in found if job.failed and job.job_id not in stored)
        return jobs, size

    def log(job: Job) -> int:
        result = github.download_log(job, lambda _: None, 200_000_000)
        stored.add(job.job_id)
        return result.raw_bytes

    runs = [run for repo in world.repos for run in github.runs_created(repo, world.start, world.end)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(one, runs))
    return sum(jobs for jobs, _ in results), sum(size for _, size in results)


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
        runs=given.runs,
        jobs=given.jobs,
        failure_share=given.failure_share,
        repos=given.repos,
        log_bytes=given.log_bytes,
    )
    counts: list[RequestCount] = []
    stored: set[int] = set()
    jobs = 0
    with tempfile.TemporaryDirectory() as folder, SampleGitHub(world, quota=10**9) as server:
        server.faults.latency = given.latency
        environ = {"GITHUB_API_URL": server.api_url, "GITHUB_TOKEN": server.token, "REPO": ",".join(world.repos)}
        for title in ("First time", "Again, nothing has changed"):
            with (
                SQLiteConditionalCache(Path(folder) / "cache.sqlite") as cache,
                open_github(load_settings(environ), cache=cache) as github,
            ):
                began = time.perf_counter()
                jobs, size = fetch(github, world, stored)
                counts.append(github.requests)
                show(title, github.requests, jobs, time.perf_counter() - began)
                if size:
                    print(f"  logs: {size / 1e6:.1f} MB")
    per_job = counts[0].counted / jobs
    good = per_job <= TARGET and counts[1].counted == 0
    print(
        f"{'PASS' if good else 'FAIL'}: {per_job:.3f} requests per job (target {TARGET}), {counts[1].counted} when unchanged (0)"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
