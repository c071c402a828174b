"""`ci-metrics metrics`: the operator's figures in Prometheus' text form, once
or served on this machine.

Belongs here: their names, the text, the server. Does not: the figures (`orchestration/health.py`).
Form: Prometheus' documentation, "Exposition formats", version 0.0.4.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ci_metrics.commands.health import EXIT, read_health
from ci_metrics.errors import CiMetricsError, PermanentError, SettingsError
from ci_metrics.orchestration.health import Health
from ci_metrics.settings import load_settings

#: Seconds for which an answer serves: a second server that asks costs nothing.
_FRESH = 15.0
_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_HOSTS = ("127.0.0.1", "localhost")


def metrics(*, listen: str = "") -> int:
    """Print what health says as figures for Prometheus, or serve them at /metrics.

    Parameters
    ----------
    listen
        A port of this machine (9464, or 127.0.0.1:9464) to serve them on until stopped.
        Other machines cannot ask.
    """
    if listen:
        serve_metrics(_port(listen))
        return 0
    print(as_text(read_health(load_settings())), end="")
    return 0


def as_text(found: Health) -> str:
    """The figures of one moment."""
    return "\n".join(_families(found)) + "\n"


def serve_metrics(port: int, on_ready: Callable[[int], None] | None = None) -> None:
    """Serve the figures on this machine until interrupted; `on_ready`
    hears the port (0 takes any).
    """
    settings = load_settings()
    lock = threading.Lock()
    kept: tuple[float, str] = float("-inf"), ""

    def text() -> str:
        nonlocal kept
        with lock:
            if time.monotonic() - kept[0] > _FRESH:
                found = as_text(read_health(settings))
                kept = time.monotonic(), found
            return kept[1]

    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # seconds that a client may be silent

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self._answer(404, "there is only /metrics\n")
                return
            try:
                self._answer(200, text())
            except CiMetricsError as error:
                self._answer(503, f"{error}\n")

        def _answer(self, status: int, body: str) -> None:
            data = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", _TYPE)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """No line a request."""

    try:
        server = ThreadingHTTPServer((_HOSTS[0], port), Handler)
    except OSError as error:
        raise PermanentError(f"cannot listen on port {port}: {error.strerror}. Choose another one") from error
    with server:
        (on_ready or _say)(server.server_address[1])
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def _say(port: int) -> None:
    print(f"http://{_HOSTS[0]}:{port}/metrics (stop with Ctrl-C)", flush=True)


def _port(listen: str) -> int:
    host, _, port = listen.rpartition(":")
    if (host and host not in _HOSTS) or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise SettingsError("--listen", f"“{listen}”", "Write a port of this machine, like 9464 or 127.0.0.1:9464")
    return int(port)


def _families(found: Health) -> Iterator[str]:
    yield from _gauge("healthy", "1 when no person need look (ci-metrics health says why)", int(EXIT[found.level] != 1))
    yield from _gauge("hours_stored", "Hours that were worked on", found.hours)
    yield from _gauge("hours_behind", "Closed hours after the newest one that was worked on", found.behind)
    yield from _gauge("hours_missing", "Closed hours of the last 30 days that were left out", len(found.missing))
    yield from _gauge("hours_unfinished", "Hours of which another look would find more", len(found.unfinished))
    aside: dict[str, float] = {}
    for row in found.set_aside:
        aside[row.asset] = aside.get(row.asset, 0) + 1
    yield from _gauge("set_aside", "What could not be done, by asset", aside, "asset")
    yield from _gauge("open_verdicts", "Verdicts that will be looked at again", found.open_verdicts)
    yield from _gauge("unwritten_verdicts", "Verdicts that the index did not take yet", found.unwritten_verdicts)
    yield from _gauge("documents", "Documents that the stored hours have in the index", found.documents)
    yield from _gauge("documents_refused", "Documents that the index refused", found.documents_refused)
    yield from _gauge("verdicts", "Failed jobs by who judged them", found.verdicts, "source")
    yield from _gauge("model_usd_last_day", "Dollars that models cost in 24 hours", found.usd_last_day)
    if found.requests_left is not None:
        yield from _gauge("github_requests_left", "What is left of GitHub's hourly quota", found.requests_left)
    yield from _gauge("unreachable", "Parts that could not be asked", len(found.problems))


def _gauge(name: str, says: str, value: float | Mapping[str, float], label: str = "") -> Iterator[str]:
    yield f"# HELP ci_metrics_{name} {says}"
    yield f"# TYPE ci_metrics_{name} gauge"
    if isinstance(value, Mapping):
        for key, number in sorted(value.items()):
            yield f'ci_metrics_{name}{{{label}="{_escaped(key)}"}} {number:.12g}'
    else:
        yield f"ci_metrics_{name} {value:.12g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
