"""Local servers that misbehave on purpose, so that a network failure is recorded without a network.

What belongs here: one small behaviour each, on loopback, on a free port. Does
not: anything GitHub answers.
"""

from __future__ import annotations

import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ci_metrics.errors import ContractError

_HEAD = b"HTTP/1.1 %s\r\nServer: front\r\nContent-Type: text/plain\r\n"
_ANSWERS = {
    "503": _HEAD % b"503 Service Unavailable"
    + b"Content-Length: 21\r\nConnection: close\r\n\r\nno healthy upstream\r\n",
    "403": _HEAD % b"403 Forbidden" + b"Content-Length: 11\r\nConnection: close\r\n\r\nforbidden\r\n",
    "401": _HEAD % b"401 Unauthorized" + b"Content-Length: 9\r\nConnection: close\r\n\r\nno token\n",
    "cut": _HEAD % b"200 OK" + b"Content-Length: 5242880\r\nConnection: close\r\n\r\n" + b"x" * 70_000,
    "tls": _HEAD % b"200 OK" + b"Content-Length: 3\r\nConnection: close\r\n\r\nok\n",
    # The first two requests fail, the third is answered: a download that is retried and succeeds.
    "third": _HEAD % b"200 OK" + b"Content-Length: 3\r\nConnection: close\r\n\r\nok\n",
    "hang": b"",
    "reset": b"",
}


@contextmanager
def serve(behaviour: str, scratch: Path) -> Iterator[int]:
    """Serve `behaviour` on a free loopback port, which is yielded; 0 when `behaviour` is empty.

    `closed` yields a port nothing listens on. Raises ContractError for a
    behaviour that is not known.
    """
    if not behaviour:
        yield 0
        return
    if behaviour != "closed" and behaviour not in _ANSWERS:
        raise ContractError(f"serve = {behaviour!r} is not one of closed, {', '.join(_ANSWERS)}")
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    if behaviour == "closed":
        listener.close()
        yield port
        return
    context = _self_signed(scratch) if behaviour == "tls" else None
    thread = threading.Thread(target=_accept, args=(listener, behaviour, context), daemon=True)
    thread.start()
    try:
        yield port
    finally:
        listener.close()


def _accept(listener: socket.socket, behaviour: str, context: ssl.SSLContext | None) -> None:
    held: list[socket.socket] = []
    count = 0
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            break
        count += 1
        try:
            if context is not None:
                client = context.wrap_socket(client, server_side=True)
            client.recv(65_536)
            if behaviour == "hang":
                held.append(client)
                continue
            if behaviour == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                client.sendall(_ANSWERS["503" if behaviour == "third" and count < 3 else behaviour])
                client.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the client went away: that is what some of these recordings are about
        client.close()


def _self_signed(scratch: Path) -> ssl.SSLContext:
    key, certificate = scratch / "tls.key", scratch / "tls.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
