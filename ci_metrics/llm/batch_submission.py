"""Batches on their way to the endpoint: cut into chunks, noted before they are sent,
found again after a crash.

What belongs here: sending, and what a process that died while it sent has left. Does not: which
questions may be sent (`batches.py`), the records' form (`batch_ledger.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from ci_metrics.errors import CiMetricsError, OvertakenError
from ci_metrics.llm.batch_ledger import BatchAsk, BatchContents, BatchItem, BatchLedger, BatchRecord, LedgerLook
from ci_metrics.llm.client_protocol import BatchClient

_log = logging.getLogger(__name__)

# The API takes 100,000 requests and 256 MB a batch; smaller chunks end sooner and
# lose less when one fails.
MOST_REQUESTS = 5_000
MOST_BATCH_BYTES = 100_000_000

# A batch whose id was not noted is looked for among those created within this time of its record.
# Until it is over, another process may still be sending it.
_SAME_BATCH_SECONDS = 900.0


class BatchSender:
    """Sends the batches of one model; a record is written before a batch is sent."""

    def __init__(
        self,
        client: BatchClient,
        model: str,
        ledger: BatchLedger,
        clock: Callable[[], datetime],
        *,
        most_requests: int = MOST_REQUESTS,
        most_bytes: int = MOST_BATCH_BYTES,
    ) -> None:
        """`model` is its name, `clock` the present moment (UTC)."""
        self._client, self._model, self._ledger, self._clock = client, model, ledger, clock
        self._most_requests, self._most_bytes = most_requests, most_bytes

    def chunks(self, asks: Sequence[BatchAsk]) -> Iterator[list[BatchAsk]]:
        """`asks` in the order given, as the lists that go into one batch each."""
        chunk: list[BatchAsk] = []
        size = 0
        for ask in asks:
            bytes_ = self._client.request_bytes(ask.prompt)
            if chunk and (len(chunk) >= self._most_requests or size + bytes_ > self._most_bytes):
                yield chunk
                chunk, size = [], 0
            chunk.append(ask)
            size += bytes_
        if chunk:
            yield chunk

    def send(
        self,
        items: Sequence[BatchItem],
        systems: Mapping[str, str],
        usd: float,
        *,
        instead_of: LedgerLook | BatchRecord,
    ) -> None:
        """Note, send, note the id.

        `instead_of`: what the ledger said when it was asked whether these may be sent; or the ended
        batch whose place they take, so that no item is in two. Raises OvertakenError when another
        process was faster; CiMetricsError when the endpoint does not take a first submission. A
        resubmission is tried anew by the next look.
        """
        ended = instead_of if isinstance(instead_of, BatchRecord) else None
        contents = BatchContents(systems={item.system: systems[item.system] for item in items}, items=tuple(items))
        record = BatchRecord(
            id="",
            state="submitting",
            model=self._model,
            created_at=self._clock().timestamp(),
            estimated_usd=usd,
            remote_id=ended.remote_id if ended else "",  # the ended one: not to be taken for the new one
            keys=tuple(item.key for item in items),
        )
        if isinstance(instead_of, BatchRecord):
            record = self._ledger.change(instead_of, record, contents)
        else:
            record = self._ledger.begin(record, contents, instead_of)
        try:
            self._create(record, contents)
        except OvertakenError:
            raise
        except CiMetricsError:
            if ended is None:
                self._ledger.change(record, replace(record, state="done", estimated_usd=0.0))
                raise
            _log.warning("⚠️ The batch %s could not be sent again now; the next look tries anew", record.id)

    def may_be_under_way(self, record: BatchRecord) -> bool:
        """Whether the process that wrote the record may still be sending."""
        return self._clock().timestamp() - record.created_at <= _SAME_BATCH_SECONDS

    def found_again(self, record: BatchRecord, contents: BatchContents) -> BatchRecord:
        """The record of a batch whose id was never noted: found at the endpoint, or sent now.

        Raises OvertakenError when another process does that.
        """
        known = {other.remote_id for other in self._ledger.look().records}
        for state in self._client.recent_batches():
            near = abs(state.created_at - record.created_at) <= _SAME_BATCH_SECONDS
            if near and state.id not in known and state.total == len(record.keys):
                return self._ledger.change(record, replace(record, state="open", remote_id=state.id))
        record = self._ledger.change(record, replace(record, created_at=self._clock().timestamp()))
        return self._create(record, contents)

    def _create(self, record: BatchRecord, contents: BatchContents) -> BatchRecord:
        prompts = [(item.custom_id, item.prompt(contents.systems)) for item in contents.items]
        remote_id = self._client.create_batch(prompts)
        return self._ledger.change(record, replace(record, state="open", remote_id=remote_id))
