"""How long one answer may take in all, its headers too.

What belongs here: the time left. Does not: repeating what took too long (`retrying.py`).

A read timeout counts from one byte to the next: an answer that comes a byte a second holds its
connection for hours and never meets one. httpcore hands a request's read timeout to the socket anew
at each read, and a socket takes any whole number (`__index__`): one that shrinks bounds them all.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx

#: Seconds that an answer may take however slowly it comes. GitHub ends a request of its own accord
#: after ten (documentation "Troubleshooting the REST API", timeouts).
GRACE = 30.0

#: On top of them, an answer may take as long as it takes to read it at so many bytes a second.
_LEAST_RATE = 4_096

#: Seconds until there is a connection, and until the request is written.
_CONNECT, _WRITE = 15.0, 60.0


class Deadline:
    """The seconds that are left for one answer, from now on."""

    def __init__(self, grace: float = GRACE) -> None:
        """`grace`: seconds, whatever the answer's length."""
        self._began = time.monotonic()
        self._grace = grace
        self._received = 0

    def __index__(self) -> int:
        """The whole seconds left, at least one. Raises TimeoutError when there are none."""
        took = time.monotonic() - self._began
        left = self._grace + self._received / _LEAST_RATE - took
        if left <= 0:
            raise TimeoutError(
                f"{self._received} bytes in {took:.0f} s, too slow to wait for the end. Is there a proxy in between?"
            )
        return math.ceil(left)

    @property
    def extensions(self) -> Mapping[str, object]:
        """For httpx's `extensions=`."""
        return {"timeout": {"connect": _CONNECT, "read": self, "write": _WRITE, "pool": _WRITE}}

    def body(self, response: httpx.Response) -> Iterator[bytes]:
        """The body of a streamed answer, unpacked, as it comes. Raises httpx's errors,
        ReadTimeout when time is over.
        """
        for chunk in response.iter_bytes():
            self._received += len(chunk)
            yield chunk


def bounded_answers(seconds: float) -> Mapping[str, list[Callable[[Any], None]]]:
    """For the `event_hooks=` of a client whose requests an SDK makes: each answer
    takes so many seconds at most.

    Of an answer that is read in pieces that holds for each request alike; a
    body's length buys no time.
    """

    def bound(request: Any) -> None:
        request.extensions = {**request.extensions, **Deadline(seconds).extensions}

    return {"request": [bound]}
