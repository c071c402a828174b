"""Message batches: many questions at half the price, answered within a day,
collected by a later tick.

What belongs here: submitting what the money reaches, collecting, asking again what expired. Does
not: sending and finding again (`llm/batch_submission.py`), what an answer becomes
(`batch_answers.py`), the endpoint's wire format (the client), what is asked (`judge.py`), the
sensor that calls `collect`.

Several processes may submit and collect at once over one ledger: a question goes into one batch,
and one of them collects it. A crash at any point loses nothing: a record is written before a batch
is sent; one that was sent without its id having been noted is found again among the endpoint's
newest batches by its time and size, or sent anew.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.errors import CiMetricsError, NotFoundError, OvertakenError
from ci_metrics.llm.batch_ledger import BatchAsk, BatchContents, BatchItem, BatchLedger, BatchRecord, LedgerLook
from ci_metrics.llm.batch_submission import MOST_BATCH_BYTES, MOST_REQUESTS, BatchSender
from ci_metrics.llm.client_protocol import BatchClient, BatchState, ModelClient, ModelReply
from ci_metrics.models import Usage
from ci_metrics.settings import Settings
from ci_metrics.verdicts.batch_answers import kept_verdict
from ci_metrics.verdicts.budget import Budget, utc_now
from ci_metrics.verdicts.reuse import VerdictStore

_log = logging.getLogger(__name__)

#: A question is put into a batch so many times; then it goes the normal way.
_MOST_TRIES = 3

#: A batch's answers are left to the process that reads them for so long; one that was killed gives
#: way after it.
_COLLECTING_SECONDS = 900.0
#: How often it is looked again because other processes have begun batches meanwhile.
_MOST_LOOKS = 50


@dataclass(slots=True, kw_only=True)
class Submitted:
    """What became of a submission: the keys under way, and why the others are not."""

    keys: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)  # another process has brought their verdicts meanwhile
    why: str = ""


@dataclass(slots=True, kw_only=True)
class Collected:
    """What a look at all open batches brought."""

    verdicts: int = 0
    unproven: int = 0  # answers that cannot be used: these errors go the normal way next time
    resubmitted: int = 0
    failed: dict[str, str] = field(default_factory=dict)  # key -> why, given up: the normal way next time
    still_open: int = 0
    partitions: set[str] = field(default_factory=set)  # hours with something new, until they are judged again
    usage: Usage = field(default_factory=Usage)


class Batches:
    """The message batches of one model, under way and ended."""

    def __init__(
        self,
        *,
        settings: Settings,
        taxonomy: Taxonomy,
        model: ModelClient,
        store: VerdictStore,
        ledger: BatchLedger,
        budget: Budget | None = None,
        clock: Callable[[], datetime] = utc_now,
        most_requests: int = MOST_REQUESTS,
        most_bytes: int = MOST_BATCH_BYTES,
    ) -> None:
        """An endpoint without batches, or MODEL_BATCHES=false, leaves
        everything to the normal path.
        """
        self._settings, self._taxonomy, self._store, self._ledger = settings, taxonomy, store, ledger
        self._client: BatchClient | None = model if settings.model_batches and isinstance(model, BatchClient) else None
        self._sender = (
            BatchSender(self._client, model.model, ledger, clock, most_requests=most_requests, most_bytes=most_bytes)
            if self._client
            else None
        )
        self._clock = clock
        self.budget = budget or Budget(
            settings.max_usd_per_hour, clock=clock, spent_elsewhere=self._spent_since, note=store.note_spent
        )

    @property
    def available(self) -> bool:
        """Whether there are batches here at all."""
        return self._client is not None

    def waiting(self) -> set[str]:
        """The keys of verdicts that batches will bring."""
        return self._ledger.look().keys

    def waiting_partitions(self) -> set[str]:
        """The hours that wait for a batch."""
        return set(self._ledger.waiting_partitions())

    def note_waiting(self, partitions: Iterable[str], waiting: Mapping[str, Collection[str]]) -> None:
        """Note for which keys each of these hours waits now; hours that are not
        in `waiting` wait no more.
        """
        for partition in partitions:
            self._ledger.note_waiting(partition, waiting.get(partition, ()))

    def _spent_since(self, since: datetime) -> float:
        return self._store.spent_since(since) + self._ledger.spent_since(since)

    def submit(
        self, asks: Sequence[BatchAsk], answered: Callable[[Collection[str]], Collection[str]] = lambda _: ()
    ) -> Submitted:
        """Put questions into batches, as far as this hour's money goes; those
        already under way are left out.

        `answered`: of which of these keys there is a verdict by now. It is asked after each look at
        the ledger: what is neither there nor under way then, nobody else has begun since.
        """
        result = Submitted()
        left = list(asks)
        for _ in range(_MOST_LOOKS):
            if self._sender is None:
                result.why = "this endpoint has no batches"
                return result
            look = self._ledger.look()
            result.keys |= look.keys.intersection(ask.item.key for ask in left)
            left = [ask for ask in left if ask.item.key not in result.keys]
            if left:
                result.answered |= set(answered([ask.item.key for ask in left]))
                left = [ask for ask in left if ask.item.key not in result.answered]
            if not left:
                return result
            chunk = next(self._sender.chunks(left))
            try:
                self._submit(self._sender, chunk, look, result)
            except OvertakenError:
                continue
            left = left[len(chunk) :]
        if left:
            result.why = "other processes have been submitting batches all the time"
        return result

    def _submit(self, sender: BatchSender, chunk: Sequence[BatchAsk], look: LedgerLook, result: Submitted) -> None:
        """One batch. Raises OvertakenError when another one was begun since `look`."""
        affordable = [ask for ask in chunk if self.budget.reserve(ask.usd, wait=False)]
        if len(affordable) < len(chunk):
            result.why = "MAX_USD_PER_HOUR is spent for this hour"
        if not affordable:
            return
        usd, sent = sum(ask.usd for ask in affordable), 0.0
        try:
            systems = {ask.item.system: ask.prompt.system for ask in affordable}
            sender.send([ask.item for ask in affordable], systems, usd, instead_of=look)
            sent = usd
            result.keys |= {ask.item.key for ask in affordable}
        except OvertakenError:
            raise
        except NotFoundError as error:
            _log.warning("⚠️ Asked one by one instead: %s", error)
            self._client = self._sender = None  # for this process; another one finds out anew
        except CiMetricsError as error:
            result.why = f"the batch could not be submitted: {error}"
            _log.warning("⚠️ %s", result.why)
        finally:
            self.budget.settle(usd, sent, noted=True)

    def collect(self) -> Collected:
        """Look at every open batch; keep the verdicts of those that ended; send again what expired.

        Safe to call at any time and again after a crash in the middle: a verdict written
        twice is the same verdict.
        """
        result = Collected()
        if self._client is None or self._sender is None:
            return result
        self._collect_all(self._client, self._sender, result)
        under_way = self.waiting()
        for partition, keys in self._ledger.waiting_partitions().items():
            if any(key not in under_way for key in keys):
                result.partitions.add(partition)
        return result

    def _collect_all(self, client: BatchClient, sender: BatchSender, result: Collected) -> None:
        records = self._ledger.look().records
        states: dict[str, BatchState] = {}
        if len(records) > 2:  # one request tells of a hundred
            try:
                states = {state.id: state for state in client.recent_batches()}
            except CiMetricsError as error:
                _log.warning("⚠️ The endpoint does not list its batches: %s", error)
        for record in records:
            try:
                self._collect_one(client, sender, record, states, result)
            except OvertakenError:
                result.still_open += 1  # another process collects it
            except CiMetricsError as error:
                result.still_open += 1
                _log.warning("⚠️ The batch %s could not be collected: %s", record.remote_id or record.id, error)

    def _collect_one(
        self,
        client: BatchClient,
        sender: BatchSender,
        record: BatchRecord,
        states: Mapping[str, BatchState],
        result: Collected,
    ) -> None:
        contents = None
        if record.collected_until > self._clock().timestamp():
            result.still_open += 1
            return
        if record.state == "submitting":
            if sender.may_be_under_way(record):
                result.still_open += 1
                return
            contents = self._ledger.contents(record)
            record = sender.found_again(record, contents)
        try:
            state = states.get(record.remote_id) or client.batch_state(record.remote_id)
        except NotFoundError:
            contents = contents or self._ledger.contents(record)
            self._again(
                sender, record, contents, contents.items, result, "the endpoint does not know the batch any more"
            )
            return
        if not state.ended:
            result.still_open += 1
            return
        contents = contents or self._ledger.contents(record)
        until = self._clock().timestamp() + _COLLECTING_SECONDS
        record = self._ledger.change(record, replace(record, collected_until=until))
        try:
            retry = self._read(client, record, contents, result)
        except BaseException:
            with contextlib.suppress(CiMetricsError):
                self._ledger.change(record, replace(record, collected_until=0.0))
            raise
        self._again(sender, record, contents, retry, result, "expired, or failed at the endpoint, too often")

    def _read(
        self, client: BatchClient, record: BatchRecord, contents: BatchContents, result: Collected
    ) -> list[BatchItem]:
        """Keep a batch's answers; the questions that are to be sent again."""
        items = {item.custom_id: item for item in contents.items}
        retry: list[BatchItem] = []
        for outcome in client.batch_results(record.remote_id):
            item = items.pop(outcome.custom_id, None)
            if item is None:
                continue
            result.partitions.update(item.partitions)
            if outcome.reply is not None:
                self._keep(item, outcome.reply, result)
            elif outcome.retry:
                retry.append(item)
            else:
                result.failed[item.key] = outcome.detail or outcome.outcome
        return [*retry, *items.values()]  # those too that the results do not mention

    def _keep(self, item: BatchItem, reply: ModelReply, result: Collected) -> None:
        result.usage = result.usage + reply.usage
        kept, useful = kept_verdict(
            item,
            reply,
            stored=self._store.get([item.key]).get(item.key),
            taxonomy=self._taxonomy,
            settings=self._settings,
            now=self._clock(),
        )
        self._store.put([kept])
        result.unproven += not useful
        result.verdicts += kept.verdict.state != "llm_failed"

    def _again(
        self,
        sender: BatchSender,
        record: BatchRecord,
        contents: BatchContents,
        items: Sequence[BatchItem],
        result: Collected,
        why: str,
    ) -> None:
        """Send items anew, those tried too often not; then the old record is done."""
        again = []
        for item in items:
            if item.tries >= _MOST_TRIES:
                result.failed[item.key] = why
                result.partitions.update(item.partitions)
            else:
                again.append(replace(item, tries=item.tries + 1))
        if again:
            usd = record.estimated_usd * len(again) / len(contents.items)
            sender.send(again, contents.systems, usd, instead_of=record)
            result.resubmitted += len(again)
            result.still_open += 1
        else:
            self._ledger.change(record, replace(record, state="done"))
