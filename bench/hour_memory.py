"""What an hour of CI takes through the whole chain: `python bench/hour_memory.py [--runs 100 --jobs
30 --repos 1 --latency 0.05]`.

Serves a generated hour from another process, without a limit a minute, and runs the hourly chain
over it in a process of its own: seconds, CPU seconds, the largest resident size.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from multiprocessing.connection import Connection

from ci_metrics.commands.launch import run_hours
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST
from ci_metrics.orchestration.partitions import hour_key
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.settings import load_settings


def serve(given: argparse.Namespace, told: Connection) -> None:
    """Serve the world until the parent ends."""
    world = scaled_world(
        runs=given.runs, jobs=given.jobs, repos=given.repos, failure_share=given.failure_share, log_bytes=4_000
    )
    with SampleGitHub(world, quota=10**9) as server:
        server.faults.latency = given.latency
        told.send((server.api_url, server.token, world.repos, hour_key(world.start)))
        told.recv()


def ingest(address: tuple[str, str, tuple[str, ...], str], told: Connection) -> None:
    """Run the chain over the hour, and tell what it took."""
    url, token, repos, hour = address
    with tempfile.TemporaryDirectory() as home:
        environ = {"GITHUB_API_URL": url, "GITHUB_TOKEN": token, "REPO": ",".join(repos), "CI_METRICS_HOME": home}
        settings = load_settings({**environ, "ENABLE_ERROR_CLASSIFICATION": "true"})
        began = time.perf_counter()
        with open_instance(settings) as instance:
            success = run_hours(settings, instance, INGEST, hour, hour, quiet=True).success
        used = resource.getrusage(resource.RUSAGE_SELF)
        told.send(
            {
                "success": success,
                "seconds": round(time.perf_counter() - began, 1),
                "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
                "largest_mb": round(used.ru_maxrss / 1024),
            }
        )


def main() -> int:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=30, help="a run")
    parser.add_argument("--repos", type=int, default=1)
    parser.add_argument("--failure-share", type=float, default=0.1)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds before every answer")
    given = parser.parse_args()
    fresh = multiprocessing.get_context("spawn")
    to_server, server_end = fresh.Pipe()
    to_chain, chain_end = fresh.Pipe()
    server = fresh.Process(target=serve, args=(given, server_end))
    server.start()
    address = to_server.recv()
    chain = fresh.Process(target=ingest, args=(address, chain_end))
    chain.start()
    print(json.dumps({"jobs": given.runs * given.jobs, "repositories": given.repos, **to_chain.recv()}))
    chain.join()
    to_server.send("done")
    server.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
