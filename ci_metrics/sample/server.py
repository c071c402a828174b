"""A GitHub to try things on: a world behind two ports on loopback, with a
clock, a quota and faults.

What belongs here: starting, stopping and steering it. Does not: HTTP (`server_http.py`,
`server_logs.py`), what an address answers (`server_routes.py`), its data
(`scenario.py`, `scaling.py`).

    with SampleGitHub(world) as github:
        ...  # github.api_url, github.token, github.clock, github.faults, github.stats
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any

from ci_metrics.sample.clock import Clock
from ci_metrics.sample.faults import Fault, Faults
from ci_metrics.sample.server_artifacts import ArtifactSpec
from ci_metrics.sample.server_comments import Comments
from ci_metrics.sample.server_http import ApiHandler, QuietServer
from ci_metrics.sample.server_limits import Gate, SampleApp, Stats
from ci_metrics.sample.server_logs import SIGNED_SECONDS, LogHandler, sign
from ci_metrics.sample.world import World

#: The token that every sample GitHub accepts. It opens nothing else.
SAMPLE_TOKEN = "sample-token-that-opens-nothing"


class SampleGitHub:
    """One running sample GitHub."""

    def __init__(
        self,
        world: World,
        *,
        clock: Clock | None = None,
        faults: Faults | None = None,
        quota: int = 5000,
        app: SampleApp | None = None,
        base_path: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
        log_port: int = 0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Bind the ports (0: any free one); `start` serves.

        `quota`: requests an hour; `base_path`: where the API lives on its host (`/api/v3` on GitHub
        Enterprise); `wall`: the machine's time in Unix seconds, for limits, tokens and signatures.
        Raises OSError when a port is taken.
        """
        self.world = world
        self.clock = clock or Clock(world.opens_at)
        self.faults = faults or Faults()
        self.comments = Comments()
        self.artifacts: dict[int, list[ArtifactSpec]] = {}  # by run id; a test puts some there
        self.token = SAMPLE_TOKEN
        self.gate = Gate(tokens={SAMPLE_TOKEN: "sample-user"}, quota=quota, app=app, wall=wall)
        self.base_path = base_path.rstrip("/")
        self.secret = secrets.token_bytes(16)
        self._logs: dict[int, Callable[[], bytes]] = {}
        self._indexed: World | None = None
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._api = QuietServer((host, port), ApiHandler)
        try:
            self._storage = QuietServer((host, log_port), LogHandler)
        except OSError:
            self._api.server_close()
            raise
        self._api.sample = self._storage.sample = self

    @property
    def api_url(self) -> str:
        """What GITHUB_API_URL would be."""
        host, port = self._api.server_address[:2]
        return f"http://{host!s}:{port}{self.base_path}"

    @property
    def log_url(self) -> str:
        """Where the log storage is: clients only learn it from redirects."""
        host, port = self._storage.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def stats(self) -> Stats:
        """Requests so far, by kind."""
        return self.gate.stats

    def reset_stats(self) -> None:
        """Count from zero again."""
        self.gate.stats = Stats()

    def start(self) -> SampleGitHub:
        """Serve in threads of this process."""
        for name, server in (("sample-github-api", self._api), ("sample-github-logs", self._storage)):
            thread = threading.Thread(
                target=server.serve_forever, kwargs={"poll_interval": 0.02}, name=name, daemon=True
            )
            thread.start()
            self._threads.append(thread)
        return self

    def stop(self) -> None:
        """Stop serving and free the ports. Stopping twice is harmless."""
        if self._threads:
            self._api.shutdown()
            self._storage.shutdown()
        self._api.server_close()
        self._storage.server_close()
        for thread in self._threads:
            thread.join()
        self._threads = []

    def wait(self) -> None:
        """Block until `stop` (or Ctrl-C)."""
        for thread in list(self._threads):
            thread.join()

    def __enter__(self) -> SampleGitHub:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def signed_log_url(self, job_id: int) -> str:
        """An address on the log storage that is good for a minute."""
        expires = int(self.gate.wall()) + SIGNED_SECONDS
        return f"{self.log_url}/logs/{job_id}?se={expires}&sig={sign(self.secret, job_id, expires)}"

    def read_log(self, job_id: int) -> bytes | None:
        """A job's log, or an artifact's archive; None when there is no such job or artifact."""
        for artifact in (each for several in self.artifacts.values() for each in several):
            if artifact.artifact_id == job_id:
                return artifact.archive
        with self._lock:
            if self._indexed is not self.world:
                jobs = (job for run in self.world.runs for attempt in run.attempts for job in attempt.jobs)
                self._logs = {job.job_id: job.read_log for job in jobs}
                self._indexed = self.world
            read = self._logs.get(job_id)
        return read() if read is not None else None

    def admin(self, method: str, what: str, body: Any) -> Mapping[str, object] | None:
        """An order from outside; None when there is no such address. TypeError or
        ValueError when it makes no sense.

        GET stats · GET, POST, DELETE faults (POST: fields of a Fault, or latency, drift) · GET,
        POST clock ({"now"} or {"advance"}).
        """
        match (method, what):
            case ("GET", "stats"):
                return self.stats.as_json()
            case ("GET", "faults"):
                pass
            case ("DELETE", "faults"):
                self.faults.clear()
            case ("POST", "faults"):
                given = dict(body)
                self.faults.latency = float(given.pop("latency", self.faults.latency))
                self.faults.drift = float(given.pop("drift", self.faults.drift))
                if given:
                    self.faults.add(Fault(**given))
            case ("GET", "clock"):
                return {"now": self.clock.now().isoformat()}
            case ("POST", "clock"):
                if "now" in body:
                    self.clock.set(datetime.fromisoformat(body["now"]))
                else:
                    self.clock.advance(float(body["advance"]))
                return {"now": self.clock.now().isoformat()}
            case _:
                return None
        return self.faults.as_json()
