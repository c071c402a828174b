"""The sample GitHub as a program: `ci-metrics sample`, `python -m ci_metrics.sample`.

What belongs here: choosing the world, serving until it is stopped, saying how to use it.
Does not: the server itself.
"""

from __future__ import annotations

import signal
import threading
from datetime import datetime
from types import FrameType

from ci_metrics.errors import SettingsError
from ci_metrics.sample.clock import Clock
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.server import SampleGitHub


def serve(
    *,
    port: int = 8650,
    log_port: int = 8651,
    now: datetime | None = None,
    base_path: str = "",
    quota: int = 5000,
    latency: float = 0.0,
    runs: int = 0,
    jobs: int = 30,
    failure_share: float = 0.1,
    log_bytes: int = 12_000,
    repos: int = 1,
    hours: int = 1,
) -> None:
    """Serve a sample GitHub on this machine until Ctrl-C.

    Parameters
    ----------
    port
        Where the API answers; 0 takes any free port.
    log_port
        Where logs are downloaded from; 0 takes any free port.
    now
        The time in the sample's world, which stands still (POST /_sample/clock moves it).
        Default: where its story starts.
    base_path
        Where the API lives on its host: /api/v3 is as on GitHub Enterprise.
    quota
        Requests an hour.
    latency
        Seconds before every answer.
    runs
        With a number, a generated world of so many runs instead of the recorded weeks.
    jobs
        Of the generated world: jobs in each run.
    failure_share
        Of the generated world: the share of jobs that fail, 0 to 1.
    log_bytes
        Of the generated world: size of each log.
    repos
        Of the generated world: repositories that the runs are spread over.
    hours
        Of the generated world: hours that the runs are spread over.
    """
    if runs:
        world = scaled_world(
            runs=runs, jobs=jobs, failure_share=failure_share, log_bytes=log_bytes, repos=repos, hours=hours
        )
    else:
        from ci_metrics.sample.scenario import sample_weeks  # reads the recordings: only when they are served

        world = sample_weeks().world
    if now is not None and now.tzinfo is None:
        raise SettingsError("--now", f"{now.isoformat()} has no time zone", "Write it like 2026-03-02T12:00:00Z")
    try:
        server = SampleGitHub(
            world, clock=Clock(now or world.opens_at), quota=quota, base_path=base_path, port=port, log_port=log_port
        )
    except OSError as error:
        seen = f"{port} and {log_port} cannot both be opened ({error.strerror or error})"
        raise SettingsError("--port, --log-port", seen, "Choose other ports, or 0 for any free ones") from None
    server.faults.latency = latency
    done = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 — the signature is signal's
        done.set()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with server:
            print(_how_to_use(server), flush=True)  # noqa: T201 - a program's output
            done.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _how_to_use(server: SampleGitHub) -> str:
    world = server.world
    jobs = sum(len(attempt.jobs) for run in world.runs for attempt in run.attempts)
    return "\n".join(
        (
            f"A sample GitHub is at {server.api_url}: {len(world.runs)} runs, {jobs} jobs, "
            f"{world.start:%Y-%m-%d %H:%M} to {world.end:%Y-%m-%d %H:%M} UTC; there it is {server.clock.now():%Y-%m-%d %H:%M}.",
            "In another terminal:",
            f"  export GITHUB_API_URL={server.api_url} GITHUB_TOKEN={server.token}",
            f"  export REPO={','.join(world.repos)}",
            "Stop it with Ctrl-C.",
        )
    )
