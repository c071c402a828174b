"""What is under way in message batches, kept so that a restart loses and repeats nothing.

What belongs here: the records, the `BatchLedger` protocol, the one over files. Does not: talking to
an endpoint (`batches.py`).
"""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import zstandard
from pydantic import ConfigDict, TypeAdapter, with_config

from ci_metrics.errors import ContractError
from ci_metrics.llm.prompt import Prompt
from ci_metrics.models import Verdict
from ci_metrics.private_files import make_folder

# A done batch's estimate counts in the hour in which it was sent; a day is more than enough.
_KEEP_DONE_SECONDS = 86_400.0


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

    id: str  # ours
    state: Literal["submitting", "open", "done"]
    model: str
    created_at: float  # seconds since the epoch
    remote_id: str = ""
    estimated_usd: float = 0.0
    keys: tuple[str, ...] = ()  # of the verdicts that it will bring
    contents: str = ""  # where its questions are kept
    format: Literal[1] = 1


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, kw_only=True)
class BatchContents:
    """A batch's questions; `systems`: the system prompts by the hash that items name."""

    systems: dict[str, str]
    items: tuple[BatchItem, ...]


class BatchLedger(Protocol):
    """Where batch records are kept."""

    def records(self) -> list[BatchRecord]:
        """All that are not done, oldest first."""

    def contents(self, record: BatchRecord) -> BatchContents:
        """A record's questions."""

    def write(self, record: BatchRecord, contents: BatchContents | None = None) -> BatchRecord:
        """Write a record, replacing the one of its id, whole or not at all; `contents` when
        they are new. As written.
        """

    def spent_since(self, since: datetime) -> float:
        """US dollars that batches sent since then are estimated to cost."""

    def note_waiting(self, partition: str, keys: Collection[str]) -> None:
        """Note for which verdicts an hour waits, in place of what it waited for before; none:
        it does not wait any more.
        """

    def waiting_partitions(self) -> Mapping[str, Sequence[str]]:
        """The hours that wait, with the keys of the verdicts for which they do."""


class FileBatchLedger:
    """A folder: one small JSON file a batch, written by atomic rename, and its
    questions compressed beside it.

    Hours that wait have a file each in `waiting/`: an hour that meets an error which another one
    has put into a batch waits for it too, and is known after a crash.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` is made when the first record is written."""
        self._folder = folder

    def records(self) -> list[BatchRecord]:
        """See BatchLedger. Raises ContractError naming a file that cannot be read."""
        return sorted((r for r in self._all() if r.state != "done"), key=lambda r: (r.created_at, r.id))

    def contents(self, record: BatchRecord) -> BatchContents:
        """See BatchLedger. Raises ContractError naming a file that cannot be read."""
        path = self._folder / record.contents
        try:
            return _CONTENTS.validate_json(zstandard.decompress(path.read_bytes()))
        except (OSError, ValueError, zstandard.ZstdError) as error:
            raise ContractError(
                f"{path}: not a batch's questions ({error}). Remove {record.id}.json to drop it."
            ) from None

    def write(self, record: BatchRecord, contents: BatchContents | None = None) -> BatchRecord:
        """See BatchLedger. The rename of the record is the commit: files of questions that no
        record names are removed.
        """
        make_folder(self._folder)
        if contents is not None:
            name = f"{record.id}.{uuid.uuid4().hex[:8]}.zst"
            self._replace(name, zstandard.compress(_CONTENTS.dump_json(contents)))
            record = replace(record, contents=name)
        if record.state == "done":
            record = replace(record, contents="", keys=())
        self._replace(f"{record.id}.json", _RECORD.dump_json(record))
        for path in self._folder.glob(f"{record.id}.*.zst"):
            if path.name != record.contents:
                path.unlink(missing_ok=True)
        return record

    def spent_since(self, since: datetime) -> float:
        """See BatchLedger."""
        return sum(r.estimated_usd for r in self._all() if r.created_at >= since.timestamp())

    def note_waiting(self, partition: str, keys: Collection[str]) -> None:
        """See BatchLedger."""
        folder = self._folder / "waiting"
        if keys:
            make_folder(folder)
            self._replace(f"waiting/{partition}.json", _KEYS.dump_json(tuple(sorted(keys))))
        else:
            (folder / f"{partition}.json").unlink(missing_ok=True)

    def waiting_partitions(self) -> Mapping[str, Sequence[str]]:
        """See BatchLedger. Raises ContractError naming a file that cannot be read."""
        found = {}
        for path in sorted((self._folder / "waiting").glob("*.json")):
            try:
                found[path.stem] = _KEYS.validate_json(path.read_bytes())
            except FileNotFoundError:
                continue  # it waits no more
            except ValueError as error:
                raise ContractError(f"{path}: not what an hour waits for ({error}). Remove it.") from None
        return found

    def _all(self) -> list[BatchRecord]:
        found = []
        for path in sorted(self._folder.glob("*.json")):
            record = self._read(path)
            if record.state == "done" and time.time() - record.created_at > _KEEP_DONE_SECONDS:
                path.unlink(missing_ok=True)
            else:
                found.append(record)
        return found

    def _replace(self, name: str, data: bytes) -> None:
        handle, part = tempfile.mkstemp(dir=self._folder, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(part).replace(self._folder / name)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise

    def _read(self, path: Path) -> BatchRecord:
        try:
            return _RECORD.validate_json(path.read_bytes())
        except ValueError as error:
            raise ContractError(
                f"{path}: not a batch record of this version ({error}). Move it away to go on without it."
            ) from None


_RECORD, _CONTENTS = TypeAdapter(BatchRecord), TypeAdapter(BatchContents)
_KEYS = TypeAdapter(tuple[str, ...])
