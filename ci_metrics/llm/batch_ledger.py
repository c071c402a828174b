"""What is under way in message batches, kept so that a restart loses and repeats nothing.

What belongs here: the records, the `BatchLedger` protocol. Does not: talking to an endpoint
(`batches.py`), files (`orchestration/storage/batch_files.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from pydantic import ConfigDict, with_config

from ci_metrics.llm.prompt import Prompt
from ci_metrics.models import Verdict


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, kw_only=True)
class BatchItem:
    """One question in a batch, with all that is needed to read its answer, or to ask it again."""

    custom_id: str
    key: str  # of the verdict
    fingerprint: str
    group: str
    partitions: tuple[str, ...]  # the hours that wait for it
    version: str  # the classifier's
    system: str  # a hash of the system prompt, under which the record holds it
    user: str
    schema: dict[str, Any]
    categories: tuple[str, ...]
    lines: dict[int, str]  # that may be quoted
    annotations: tuple[tuple[str, str], ...] = ()  # title, message
    tries: int = 1
    first: Verdict | None = None  # an earlier answer of low confidence
    job_id: str = ""  # whose failure is asked about
    repo: str = ""  # that failure's, in ledgers written before origins were noted
    origin: str = ""  # who could have written its log
    rules: Verdict | None = None  # what the embedded classifier says of it
    addressed: bool = False  # whether its log speaks to a model
    sketch: str = ""  # of its excerpt, where other repositories' failures need it (`reuse.py`)

    def prompt(self, systems: Mapping[str, str]) -> Prompt:
        """The question as it is sent."""
        return Prompt(system=systems[self.system], user=self.user, schema=self.schema, categories=self.categories)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAsk:
    """One question for a batch."""

    item: BatchItem
    prompt: Prompt
    usd: float = 0.0  # about what it costs


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """One batch. `submitting`: it may or may not have reached the endpoint; `open`: it
    did; `done`: all is read.
    """

    id: str  # ours; "" until the ledger gives one
    state: Literal["submitting", "open", "done"]
    model: str
    created_at: float  # seconds since the epoch
    remote_id: str = ""
    estimated_usd: float = 0.0
    keys: tuple[str, ...] = ()  # of the verdicts that it will bring
    contents: str = ""  # where its questions are kept
    changes: int = 0  # how often it has been changed; who changes one names the one that it has read
    collected_until: float = 0.0  # until when (seconds since the epoch) one process alone reads its answers
    format: Literal[1] = 1


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, kw_only=True)
class BatchContents:
    """A batch's questions; `systems`: the system prompts by the hash that items name."""

    systems: dict[str, str]
    items: tuple[BatchItem, ...]


@dataclass(frozen=True, slots=True)
class LedgerLook:
    """What a ledger said when it was looked at."""

    records: tuple[BatchRecord, ...]  # all that are not done, oldest first
    next_number: int  # of the next batch: taken as soon as anybody begins one

    @property
    def keys(self) -> set[str]:
        """Of the verdicts that these batches will bring."""
        return {key for record in self.records for key in record.keys}


class BatchLedger(Protocol):
    """Where batch records are kept, for all processes.

    Of two that begin a batch after the same look, or change the same state of a record, one comes
    through; the other gets an OvertakenError, with nothing changed, and looks again.
    """

    def look(self) -> LedgerLook:
        """What is under way."""

    def contents(self, record: BatchRecord) -> BatchContents:
        """A record's questions."""

    def begin(self, record: BatchRecord, contents: BatchContents, seen: LedgerLook) -> BatchRecord:
        """Note a new batch, unless one was begun since `seen`; as written, with its id."""

    def change(self, before: BatchRecord, after: BatchRecord, contents: BatchContents | None = None) -> BatchRecord:
        """Put `after` in the place of `before`, whole or not at all; `contents` when they are new.
        As written.
        """

    def spent_since(self, since: datetime) -> float:
        """US dollars that batches sent since then are estimated to cost."""

    def note_waiting(self, partition: str, keys: Collection[str]) -> None:
        """Note for which verdicts an hour waits, in place of what it waited for before; none:
        it does not wait any more.
        """

    def waiting_partitions(self) -> Mapping[str, Sequence[str]]:
        """The hours that wait, with the keys of the verdicts for which they do."""
