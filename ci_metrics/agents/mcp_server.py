"""The questions as a server of the Model Context Protocol.

Belongs here: which method is which tool or resource, errors as agents see them, host and origin
checks. Does not: answering (`questions.py`), options (`command.py`).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import ParamSpec, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import ToolAnnotations

from ci_metrics import __version__
from ci_metrics.agents.questions import Questions
from ci_metrics.agents.records import NOTICE
from ci_metrics.errors import CiMetricsError

P = ParamSpec("P")
R = TypeVar("R")

#: The only address that is listened on.
HOST = "127.0.0.1"

_INSTRUCTIONS = (
    "Why CI (GitHub Actions) fails: verdicts on failed jobs, with the log lines that prove them. Start with what_is_broken_now, "
    "or with the job, run or pull request at hand; link the log_url in what you report. A category and its confidence are found "
    f"automatically: the log has the last word. {NOTICE}"
)


def build_server(questions: Questions) -> MCPServer[None]:
    """The server, all of whose tools only read."""
    server: MCPServer[None] = MCPServer(
        "ci-metrics", instructions=_INSTRUCTIONS, version=__version__, log_level="WARNING", subscriptions=False
    )
    only_reads = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True)
    for ask in (
        questions.what_is_broken_now,
        questions.why_did_this_job_fail,
        questions.why_did_this_run_fail,
        questions.why_did_this_pull_request_fail,
        questions.is_this_flaky,
        questions.search_failures,
        questions.failures_like_this,
        questions.show_log_lines,
        questions.why_did_this_log_fail,
    ):
        server.add_tool(_said(ask, ToolError), annotations=only_reads)

    @server.resource("ci-metrics://report", name="report", mime_type="application/json")
    def report() -> str:
        """The last four weeks: failure rate, lost hours, biggest causes, flakiest tests."""
        return json.dumps(asdict(_said(questions.report, ResourceError)()), ensure_ascii=False)

    @server.resource("ci-metrics://taxonomy", name="taxonomy", mime_type="application/json")
    def taxonomy() -> str:
        """The categories that a failure can have, and what decides between them."""
        return json.dumps([asdict(each) for each in _said(questions.taxonomy, ResourceError)()], ensure_ascii=False)

    return server


def serve_http(server: MCPServer[None], port: int) -> None:
    """Serve on loopback until interrupted. A page in a browser cannot ask: requests for another
    host, or from another origin, are refused.
    """
    hosts = [f"{HOST}:{port}", f"localhost:{port}"]
    security = TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=[f"http://{host}" for host in hosts])
    server.run("streamable-http", host=HOST, port=port, transport_security=security)


def _said(ask: Callable[P, R], kind: type[Exception]) -> Callable[P, R]:
    """The question; an error that we raise on purpose is told with its text, no other is."""

    @functools.wraps(ask)
    def asked(*given: P.args, **named: P.kwargs) -> R:
        try:
            return ask(*given, **named)
        except CiMetricsError as error:
            raise kind(str(error)) from error

    return asked
