"""A proxy in front of a real OpenSearch that answers some requests itself, and badly.

What belongs here: passing on, and each way of not passing on. Does not: OpenSearch
(`ci_metrics_tests/opensearch_server.py`).
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    """What the proxy says by itself. Status 0: it closes the connection."""

    status: int
    text: str = ""


#: From a request's address and body to the answer that it gets; None: it is passed on.
Fault = Callable[[str, bytes], Answer | None]


class IndexProxy:
    """Where it listens, and what is wrong at the moment."""

    def __init__(self, target: str) -> None:
        """`target`: the real server's address."""
        self.target = urlsplit(target)
        self.fault: Fault | None = None
        self.refused: str | None = None  # the beginning of a document's id that no bulk may write
        self.url = ""


@contextmanager
def index_proxy(target: str) -> Iterator[IndexProxy]:
    """It listens until the block ends."""
    proxy = IndexProxy(target)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that gave up waiting is no news here."""


class _Handler(BaseHTTPRequestHandler):
    proxy: IndexProxy
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        answer = self.proxy.fault(self.path, body) if self.proxy.fault else None
        if answer is None:
            self._pass_on(body)
        elif answer.status:
            self._send(answer.status, answer.text.encode(), "text/plain")
        else:
            self.close_connection = True
            self.connection.close()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815 - http.server looks for these names

    def _pass_on(self, body: bytes) -> None:
        refused: list[int] = []
        if self.proxy.refused and self.path.startswith("/_bulk"):
            body, refused = _without(body, self.proxy.refused)
        connection = http.client.HTTPConnection(str(self.proxy.target.hostname), self.proxy.target.port, timeout=60)
        kind = self.headers.get("content-type", "application/json")
        connection.request(self.command, self.path, body or None, {"content-type": kind})
        reply = connection.getresponse()
        data = reply.read()
        connection.close()
        self._send(reply.status, _with_refusals(data, refused), reply.headers.get("content-type", ""))

    def _send(self, status: int, data: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _without(body: bytes, refused: str) -> tuple[bytes, list[int]]:
    """A bulk of `index` actions without one document, and at which places that stood."""
    lines = body.splitlines()
    pairs = [lines[n : n + 2] for n in range(0, len(lines), 2)]
    ids = [str(json.loads(action)["index"]["_id"]) for action, _ in pairs]
    kept = [pair for pair, id_ in zip(pairs, ids, strict=True) if not id_.startswith(refused)]
    places = [n for n, id_ in enumerate(ids) if id_.startswith(refused)]
    return b"".join(line + b"\n" for pair in kept for line in pair), places


def _with_refusals(data: bytes, places: list[int]) -> bytes:
    if not places:
        return data
    answer: dict[str, Any] = json.loads(data)
    error = {"type": "mapper_parsing_exception", "reason": "failed to parse"}
    for place in places:
        answer["items"].insert(place, {"index": {"_id": f"refused-{place}", "status": 400, "error": error}})
    return json.dumps({**answer, "errors": True}).encode()
