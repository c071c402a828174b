"""Many changes of documents in few requests: how large, how many at once, what is sent again,
what is refused for ever.

What belongs here: bulk requests. Does not: which documents, into which index (`opensearch.py`).

A request that is too large for the server, or for a proxy before it (413), is sent again in halves,
and later ones are no larger; they grow again to the setting where it was only slow. One document
that spoils its request (400) is found in the same way. So what remains refused is one document
each, with the server's reason, and everything else is written.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import TransportError

from ci_metrics.errors import TransientError
from ci_metrics.index.document_index import Body
from ci_metrics.index.opensearch_errors import RETRYABLE, explained, reason_of

#: Changes and bytes of the first request; OpenSearch advises 5 to 15 MB.
CHUNK_DOCUMENTS = 1_000
CHUNK_BYTES = 5 * 1024 * 1024

#: Requests are made no smaller than this by a slow server; a 413 may ask for less.
FEW_BYTES = 256 * 1024

#: Seconds after which an answer is so slow that the next requests are smaller, or so
#: quick that they are larger.
SLOW = 20
QUICK = 2

#: Requests on their way at once: what opensearch-py's own parallel bulk has.
AT_ONCE = 4

#: Retries of changes that a busy server put off (429); waits of 1, 2, 4, 8 and 16 seconds.
_RETRIES = 5
FIRST_WAIT = 1
_LONGEST_WAIT = 30

#: Nothing of an answer is read but this.
_ANSWER = "errors,items.*.status,items.*.result,items.*.error"

#: Made once: `json.dumps` makes one each time.
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class BulkAction:
    """One line or two of a bulk request."""

    id: str
    index: str
    lines: bytes


@dataclass(slots=True)
class RequestSize:
    """How large requests to one server are now. Shared by the threads that send; a
    lost update costs nothing.
    """

    most: int  # the setting
    now: int = 0
    refused: int = 0  # the smallest that was answered with 413; 0: none

    def __post_init__(self) -> None:
        """Begin as OpenSearch advises."""
        self.now = min(CHUNK_BYTES, self.most)

    @property
    def documents(self) -> int:
        """Changes of a request, which grow with its bytes."""
        return max(1, CHUNK_DOCUMENTS * self.now // CHUNK_BYTES)

    def too_large(self, sent: int) -> None:
        """The server refused a request of so many bytes for its size."""
        self.refused = min(sent, self.refused or sent)
        self.now = max(1, min(self.now, sent // 2))

    def took(self, seconds: float) -> None:
        """An answer came after so many seconds."""
        if seconds > SLOW:
            self.now = max(min(self.now, FEW_BYTES), self.now // 2)
        elif seconds < QUICK:
            most = min(self.most, self.refused - 1) if self.refused else self.most
            self.now = min(max(most, 1), self.now + self.now // 2)


@dataclass(slots=True)
class Bulk:
    """Sends changes to one server. `refused`: (id, reason) of each
    document that it will never take.
    """

    client: OpenSearch
    where: str  # the index, for people
    size: RequestSize
    ignore_missing: bool = False  # changing a document that is not there is no failure
    refused: list[tuple[str, str]] = field(default_factory=list)

    def send(self, changes: Iterable[BulkAction]) -> Iterator[str]:
        """The result word of each change that was made, in order.

        Raises TransientError when the server stays too busy or cannot be reached, PermanentError
        when it refuses everything.
        """
        sending: deque[Future[list[str]]] = deque()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="bulk") as pool:
            for chunk, again in self._chunks(changes):
                while sending and (again or len(sending) >= AT_ONCE):
                    yield from sending.popleft().result()
                sending.append(pool.submit(self._sent, chunk))
            while sending:
                yield from sending.popleft().result()

    def _chunks(self, changes: Iterable[BulkAction]) -> Iterator[tuple[list[BulkAction], bool]]:
        """Changes of one request, and whether the one before must be answered first: it changes
        a document of this one too.
        """
        chunk: list[BulkAction] = []
        size, again, on_the_way = 0, False, set[tuple[str, str]]()
        for change in changes:
            key = change.index, change.id
            twice = key in on_the_way
            if chunk and (twice or len(chunk) >= self.size.documents or size + len(change.lines) > self.size.now):
                yield chunk, again
                chunk, size, again = [], 0, False
            if twice:
                on_the_way.clear()
                again = True
            on_the_way.add(key)
            chunk.append(change)
            size += len(change.lines)
        if chunk:
            yield chunk, again

    def _sent(self, chunk: Sequence[BulkAction]) -> list[str]:
        waiting, results, wait = list(chunk), list[str](), float(FIRST_WAIT)
        for tried in range(_RETRIES + 1):
            done, waiting = self._once(waiting)
            results += done
            if not waiting:
                return results
            if tried < _RETRIES:
                time.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
        raise TransientError(
            f"{self.where}: too busy for {len(waiting)} documents after {_RETRIES} retries, {waiting[0].id} among them"
        )

    def _once(self, chunk: list[BulkAction]) -> tuple[list[str], list[BulkAction]]:
        """Result words, and the changes that were put off."""
        body = b"".join(change.lines for change in chunk)
        begun = time.monotonic()
        try:
            with explained(self.where, leaving=(400, 413, 429)):
                answer = self.client.bulk(body=body, params={"filter_path": _ANSWER})
        except TransportError as error:
            if error.status_code == 429:
                self.size.took(SLOW + 1)
                return [], chunk
            if error.status_code == 413:
                self.size.too_large(len(body))
            if len(chunk) == 1:
                self.refused.append((chunk[0].id, _why(error, len(body))))
                return [], []
            halves = [self._once(half) for half in (chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :])]
            return [word for words, _ in halves for word in words], [change for _, later in halves for change in later]
        self.size.took(time.monotonic() - begun)
        return self._read(chunk, answer)

    def _read(self, chunk: list[BulkAction], answer: Any) -> tuple[list[str], list[BulkAction]]:
        words: list[str] = []
        later: list[BulkAction] = []
        for change, item in zip(chunk, answer["items"], strict=True):
            (said,) = item.values()
            error, status = said.get("error"), said["status"]
            if status < 300:
                words.append(said["result"])
            elif status == 404 and self.ignore_missing and "index_not_found" not in str(error):
                continue
            elif status in RETRYABLE:
                later.append(change)
            else:
                self.refused.append((change.id, reason_of(error)))
        return words, later


def indexing(index: str, id_: str, body: Body) -> BulkAction:
    """Write a document. Raises ValueError or TypeError saying why its body cannot be sent."""
    return BulkAction(id_, index, f"{_head('index', index, id_)}\n{_to_json(body)}\n".encode())


def updating(index: str, id_: str, change: Body) -> BulkAction:
    """Change a document that is there: `change` is what OpenSearch's update takes."""
    return BulkAction(id_, index, f"{_head('update', index, id_, retry_on_conflict=5)}\n{_to_json(change)}\n".encode())


def deleting(index: str, id_: str) -> BulkAction:
    """Remove a document."""
    return BulkAction(id_, index, f"{_head('delete', index, id_)}\n".encode())


def _head(action: str, index: str, id_: str, **more: object) -> str:
    return _to_json({action: {"_index": index, "_id": id_, **more}})


def _why(error: TransportError, size: int) -> str:
    if error.status_code == 413:
        return f"HTTP 413: a document of {size:,} bytes is larger than the server takes in one request"
    return f"HTTP {error.status_code}: {reason_of(error.info.get('error') if isinstance(error.info, dict) else error.error)}"
