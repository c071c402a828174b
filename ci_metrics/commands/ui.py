"""`ci-metrics ui`: Dagster's UI and daemon on the data of this machine, with its history.

Belongs here: the environment and the command line of `dagster dev`. Does not: a server of our own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping

from ci_metrics.commands.sample_mode import serve_sample
from ci_metrics.commands.ui_address import DEFAULT_HOST, DEFAULT_PORT, address_of, told_address
from ci_metrics.errors import PermanentError
from ci_metrics.orchestration.instance import WORKSPACE_YAML, dagster_home
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
        address = address_of(host, port)
        stack.enter_context(told_address(settings, address))
        print(f"Dagster's UI: {address}  (Ctrl-C ends it; history in {dagster_home(settings)})", flush=True)
        environment = {**os.environ, "DAGSTER_HOME": str(dagster_home(settings)), **extra}
        # A shell starts what runs in the background with SIGINT ignored, and children inherit that:
        # Dagster's could not end.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        process = subprocess.Popen(dagster_dev(host, port), env=environment)
        # A service manager ends only us: Dagster's own processes end when theirs is told to.
        signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGINT))
        try:
            return process.wait()
        except KeyboardInterrupt:
            return process.wait()  # the terminal's Ctrl-C has reached dagster too


def _taken(host: str, port: int) -> bool:
    """Whether something answers there already: then Dagster would start its
    daemon before it notices.
    """
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def dagster_dev(host: str, port: int) -> list[str]:
    """The command line of `dagster dev` for this project."""
    return [sys.executable, "-m", "dagster", "dev", "-w", str(WORKSPACE_YAML), "-h", host, "-p", str(port)]


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
