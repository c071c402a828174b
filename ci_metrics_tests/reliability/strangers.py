"""What else may be at the index's address: servers that are no OpenSearch, on loopback.

What belongs here: answering as each of them does. Does not: OpenSearch's own trouble
(`ci_metrics_tests/index/`).
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

Stranger = Literal[
    "nobody",
    "a page of HTML",
    "a page of HTML for 404",
    "another service's JSON",
    "a list in JSON",
    "a refused password",
    "a server error",
    "a redirect to itself",
    "silence",
    "no HTTP",
    "a byte now and then",
]


def _http(status: str, kind: str, body: str, *more: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(body)}", "connection: close", *more]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


_PAGE = "<html><head><title>Sign in</title></head><body>Sign in to go on</body></html>"

_ANSWERS: dict[Stranger, bytes] = {
    "a page of HTML": _http("200 OK", "text/html", _PAGE),
    "a page of HTML for 404": _http("404 Not Found", "text/html", _PAGE),
    "another service's JSON": _http("200 OK", "application/json", '{"status": "up", "service": "orders"}'),
    "a list in JSON": _http("200 OK", "application/json", "[1, 2, 3]"),
    "a refused password": _http("401 Unauthorized", "text/plain", "who are you?"),
    "a server error": _http("500 Internal Server Error", "text/plain", "oops"),
    "a redirect to itself": _http("302 Found", "text/plain", "", "location: /elsewhere"),
    "no HTTP": b"220 mail.example.invalid ESMTP ready\r\n",
}


@contextmanager
def stranger(kind: Stranger) -> Iterator[str]:
    """The address at which it listens until the block ends."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        if kind == "nobody":
            yield address
            return
        listener.listen(50)
        ended = threading.Event()
        thread = threading.Thread(target=_serve, args=(listener, kind, ended), daemon=True)
        thread.start()
        try:
            yield address
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _serve(listener: socket.socket, kind: Stranger, ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(connection, kind, ended), daemon=True).start()


def _answer(connection: socket.socket, kind: Stranger, ended: threading.Event) -> None:
    with connection, suppress(OSError):
        connection.recv(65_536)
        if kind == "silence":
            ended.wait(60)
        elif kind == "a byte now and then":
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n")
            while not ended.is_set():
                connection.sendall(b" ")
                time.sleep(0.05)
        else:
            connection.sendall(_ANSWERS[kind])
