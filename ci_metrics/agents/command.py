"""`ci-metrics mcp`: serve coding agents.

Belongs here: options. Does not: the server (`mcp_server.py`), what it answers (`questions.py`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ci_metrics.errors import SettingsError
from ci_metrics.settings import load_settings

#: Where `--http` listens unless told otherwise.
PORT = 8765


def mcp(*logs: Path, http: Annotated[bool, Parameter(negative="")] = False, port: int = PORT) -> None:
    """Answer coding agents over standard input and output: why a job, run or pull request failed,
    what is broken on the default branch now, what is flaky. It only reads.

    Parameters
    ----------
    logs
        Logs that agents may ask about, and folders of them; needs no index. No other file is read.
    http
        Serve http://127.0.0.1:PORT/mcp instead; for programs of this machine only.
    port
        Port of --http.
    """
    settings = load_settings()
    for log in logs:
        if not log.exists():
            raise SettingsError("LOG", f"there is no {log}", "Give the path of a log, or of a folder of logs")
    if not 1 <= port <= 65_535:
        raise SettingsError("--port", f"{port} is not a port", "Write 1 to 65535")
    from ci_metrics.agents.mcp_server import HOST, build_server, serve_http
    from ci_metrics.agents.questions import Questions

    server = build_server(Questions(settings, logs))
    if http:
        print(f"ci-metrics answers agents at http://{HOST}:{port}/mcp", file=sys.stderr)
        serve_http(server, port)
    else:
        server.run("stdio")
