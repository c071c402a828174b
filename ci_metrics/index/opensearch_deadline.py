"""An end to each answer of OpenSearch: opensearch-py's timeout counts from one byte to the next.

What belongs here: the connection that ends an answer which takes too long. Does not: what is asked.
"""

from __future__ import annotations

import socket
import threading
from typing import Any

from opensearchpy import Urllib3HttpConnection
from urllib3.connection import HTTPConnection, HTTPSConnection

#: Of the timeout between two bytes, how long a whole answer may take: an answer of some 100 MB
#: takes a minute on a slow line, and a server that sends a byte now and then would go on for ever.
ANSWER_TIMEOUTS = 5


class _Ended:
    """An HTTP connection that takes no answer longer than `ANSWER_TIMEOUTS` of its timeout."""

    sock: Any
    timeout: float | None  # seconds; opensearch-py always gives some

    def getresponse(self) -> Any:
        """As urllib3's, head and body. Raises TimeoutError."""
        if self.timeout is None:
            return super().getresponse()  # type: ignore[misc]
        seconds, connected, over = ANSWER_TIMEOUTS * self.timeout, self.sock, threading.Event()

        def end() -> None:
            over.set()
            socket.socket.shutdown(connected, socket.SHUT_RDWR)  # whoever reads it sees its end

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            answer = super().getresponse()  # type: ignore[misc]
        except Exception as error:
            if over.is_set():
                raise TimeoutError(f"no whole answer in {seconds:.0f} s") from error
            raise
        finally:
            timer.cancel()
        return answer


class _Plain(_Ended, HTTPConnection):
    """Over http."""


class _Encrypted(_Ended, HTTPSConnection):
    """Over https."""


class EndingConnection(Urllib3HttpConnection):
    """opensearch-py's connection, whose answers end: with ConnectionTimeout when they do not by
    themselves.
    """

    def _create_urllib3_pool(self) -> None:
        super()._create_urllib3_pool()
        self.pool.ConnectionCls = _Encrypted if self.pool.scheme == "https" else _Plain
