"""`ci-metrics ui`: Dagster's UI and daemon on the data of this machine, with its history.

Belongs here: the environment and the command lines of Dagster's daemon and webserver. Does not: the
pages beside Dagster's (`webserver.py`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from ci_metrics.commands.sample_mode import serve_sample
from ci_metrics.commands.ui_address import DEFAULT_HOST, DEFAULT_PORT, address_of, told_address
from ci_metrics.errors import PermanentError
from ci_metrics.orchestration.assets.classifications import NAME as CLASSIFICATIONS
from ci_metrics.orchestration.assets.daily_report import NAME as DAILY_REPORT
from ci_metrics.orchestration.instance import WORKSPACE_YAML, dagster_home
from ci_metrics.orchestration.page_addresses import partition_address, report_address
from ci_metrics.orchestration.parts import open_parts
from ci_metrics.orchestration.storage.hours import HourState
from ci_metrics.settings import Settings, load_settings


def ui(*, port: int = DEFAULT_PORT, host: str = DEFAULT_HOST) -> int:
    """Open Dagster's UI on the data just made, and run its schedules and sensors, until Ctrl-C.

    The UI has no password: leave it on 127.0.0.1, or put a proxy in front.

    Parameters
    ----------
    port
        Where it listens.
    host
        The address it listens on.
    """
    settings = load_settings()
    if _taken(host, port):
        raise PermanentError(f"{host}:{port} is in use already. Give another port: ci-metrics ui --port {port + 1}")
    with contextlib.ExitStack() as stack:
        extra: Mapping[str, str] = {}
        if settings.is_sample:
            settings, _, _ = stack.enter_context(serve_sample(settings))
            extra = sample_environment(settings)
        environment = {**os.environ, "DAGSTER_HOME": str(dagster_home(settings)), **extra}
        root = address_of(host, port)
        stack.enter_context(told_address(settings, root))
        print(f"Starting Dagster (history in {dagster_home(settings)}); Ctrl-C ends it ...", flush=True)
        # A shell starts what runs in the background with SIGINT ignored, and children inherit that:
        # Dagster's could not end.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        processes = [subprocess.Popen(command, env=environment) for command in dagster_commands(host, port)]
        # A service manager ends only us: Dagster's own processes end when theirs are told to.
        signal.signal(signal.SIGTERM, lambda *_: _end(processes))
        try:
            while not _taken(host, port) and not _ended(processes):
                time.sleep(0.2)
            if not _ended(processes):
                print("\n".join(what_to_open(settings, root)), flush=True)
            while not _ended(processes):
                time.sleep(0.5)
            _end(processes)
        except KeyboardInterrupt:
            pass  # the terminal's Ctrl-C has reached Dagster too
        codes = [process.wait() for process in processes]
        return next((code for code in codes if code), 0)


#: All hourly assets at once; Dagster's own overview shows their groups, folded.
LINEAGE = f"/assets/{DAILY_REPORT}?view=lineage&lineageScope=upstream&lineageDepth=7"


def what_to_open(settings: Settings, root: str) -> list[str]:
    """The addresses that lead to something: what was made last, or where to begin."""
    with open_parts(settings) as parts:
        states = parts.hours.store.states()
        failed = [hour for hour, state in states.items() if _failed(state)]
        days = sorted(file.stem for file in (parts.hours.store.root / DAILY_REPORT).glob("*.html"))
    lines = [f"Dagster's UI:      {root}{LINEAGE}"]
    if failed:
        lines.append(f"The last failures: {root}{partition_address(CLASSIFICATIONS, max(failed))}")
    if days:
        lines.append(f"The report:        {root}{report_address(days[-1])}")
    if not states:
        lines.append("There are no hours yet: ci-metrics upload (or make run) makes some.")
    return lines


def _failed(state: HourState) -> bool:
    record = state.of(CLASSIFICATIONS)
    return record is not None and bool(record.said.get("states"))


def _ended(processes: Sequence[subprocess.Popen[bytes]]) -> bool:
    return any(process.poll() is not None for process in processes)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)


def _taken(host: str, port: int) -> bool:
    """Whether something answers there already: then Dagster would start its
    daemon before it notices.
    """
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def dagster_commands(host: str, port: int) -> list[list[str]]:
    """The command lines of Dagster's daemon and of its webserver, both quiet."""
    workspace, quiet = ["-w", str(WORKSPACE_YAML)], ["--code-server-log-level", "error"]
    daemon = [sys.executable, "-m", "dagster._daemon", "run", "--log-level", "error"]
    web = [sys.executable, "-m", "ci_metrics.commands.webserver", "-h", host, "-p", str(port)]
    return [[*daemon, *quiet, *workspace], [*web, "--dagster-log-level", "warning", *quiet, *workspace]]


def sample_environment(settings: Settings) -> Mapping[str, str]:
    """What a child process needs to see the same sample GitHub."""
    assert settings.github_token is not None, "sample settings carry the sample's token"
    return {
        "CI_METRICS_SAMPLE": "true",
        "GITHUB_API_URL": settings.github_api_url,
        "GITHUB_TOKEN": settings.github_token.get_secret_value(),
        "REPO": ",".join(settings.repo),
        "ENABLE_ERROR_CLASSIFICATION": "true",
        **({} if settings.uses_model else {"ANTHROPIC_API_KEY": ""}),  # see sample_settings
        "CI_METRICS_HOME": str(settings.ci_metrics_home.absolute()),
    }
