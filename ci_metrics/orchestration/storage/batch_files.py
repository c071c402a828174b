"""The ledger of message batches as files, in a folder or an object store that all processes see.

What belongs here: these files. Does not: the records (`llm/batch_ledger.py`), what is done with
batches (`verdicts/batches.py`).

    <folder>/00000007.json              a batch as it was begun
    <folder>/00000007.1.json            the same, changed once; the last one is in force
    <folder>/00000007.3f2a9c01.zst      its questions
    <folder>/waiting/2026-03-02T05.json the verdicts for which an hour waits

A file is made only where there is none, in one step, which an object store can do as well as a file
system; none is ever written over. So a number can be taken by one process alone, and a state be
followed by one other alone. No clock and no lock decides that, and a process that dies leaves
nothing to be freed.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import zstandard
from pydantic import TypeAdapter
from upath import UPath

from ci_metrics.errors import ContractError, OvertakenError
from ci_metrics.llm.batch_ledger import BatchContents, BatchRecord, LedgerLook
from ci_metrics.orchestration.storage.atomic_files import create, fetch, put
from ci_metrics.orchestration.storage.hour_states import listing

#: A done batch's estimate counts in the hour in which it was sent; a day is more than enough.
_KEEP_DONE_SECONDS = 86_400.0

_NAME = re.compile(r"([^.]+)(?:\.(\d+))?\.json")

_RECORD, _CONTENTS = TypeAdapter(BatchRecord), TypeAdapter(BatchContents)
_KEYS = TypeAdapter(tuple[str, ...])


class FileBatchLedger:
    """A `BatchLedger` below one folder, which is made when it is first written to.

    Hours that wait have a file each in `waiting/`: an hour that meets an error which another one
    has put into a batch waits for it too, and is known after a crash.
    """

    def __init__(self, folder: UPath) -> None:
        """`folder` need not exist yet."""
        self._folder = folder
        self._read: dict[str, BatchRecord] = {}  # by its file's name: none is ever written over

    def look(self) -> LedgerLook:
        """See BatchLedger. Raises ContractError naming a file that cannot be read."""
        records = self._all()
        numbers = [int(record.id) for record in records if record.id.isdecimal()]
        return LedgerLook(
            records=tuple(
                sorted((r for r in records if r.state != "done"), key=lambda record: (record.created_at, record.id))
            ),
            next_number=max(numbers, default=0) + 1,
        )

    def contents(self, record: BatchRecord) -> BatchContents:
        """See BatchLedger. Raises ContractError naming a file that cannot be read."""
        path = self._folder / record.contents
        try:
            return _CONTENTS.validate_json(zstandard.decompress(fetch(path)))
        except (OSError, ValueError, zstandard.ZstdError) as error:
            raise ContractError(
                f"{path}: not a batch's questions ({error}). Remove the files {record.id}.* to drop it."
            ) from None

    def begin(self, record: BatchRecord, contents: BatchContents, seen: LedgerLook) -> BatchRecord:
        """See BatchLedger."""
        return self._write(replace(record, id=f"{seen.next_number:08d}", changes=0), contents)

    def change(self, before: BatchRecord, after: BatchRecord, contents: BatchContents | None = None) -> BatchRecord:
        """See BatchLedger. Questions of which no record tells any more are removed."""
        after = replace(after, id=before.id, changes=before.changes + 1)
        written = self._write(replace(after, contents="", keys=()) if after.state == "done" else after, contents)
        if before.contents and before.contents != written.contents:
            (self._folder / before.contents).unlink(missing_ok=True)
        return written

    def spent_since(self, since: datetime) -> float:
        """See BatchLedger."""
        return sum(r.estimated_usd for r in self._all() if r.created_at >= since.timestamp())

    def note_waiting(self, partition: str, keys: Collection[str]) -> None:
        """See BatchLedger."""
        path = self._folder / "waiting" / f"{partition}.json"
        if keys:
            put(path, _KEYS.dump_json(tuple(sorted(keys))))
        else:
            path.unlink(missing_ok=True)

    def waiting_partitions(self) -> Mapping[str, Sequence[str]]:
        """See BatchLedger. Raises ContractError naming a file that cannot be read."""
        found: dict[str, Sequence[str]] = {}
        for name in sorted(listing(self._folder / "waiting")):
            path = self._folder / "waiting" / name
            try:
                found[name.removesuffix(".json")] = _KEYS.validate_json(fetch(path))
            except FileNotFoundError:
                continue  # it waits no more
            except ValueError as error:
                raise ContractError(f"{path}: not what an hour waits for ({error}). Remove it.") from None
        return found

    # Inside

    def _write(self, record: BatchRecord, contents: BatchContents | None) -> BatchRecord:
        if contents is not None:
            name = f"{record.id}.{uuid.uuid4().hex[:8]}.zst"
            create(self._folder / name, zstandard.compress(_CONTENTS.dump_json(contents)))
            record = replace(record, contents=name)
        if create(self._folder / _file_name(record.id, record.changes), _RECORD.dump_json(record)):
            return record
        if contents is not None:
            (self._folder / record.contents).unlink(missing_ok=True)
        raise OvertakenError(f"another process has begun or changed the batch {record.id} meanwhile")

    def _all(self) -> list[BatchRecord]:
        names = listing(self._folder)
        changes: dict[str, int] = {}
        for name in names:
            if match := _NAME.fullmatch(name):
                changes[match[1]] = max(changes.get(match[1], 0), int(match[2] or 0))
        # The newest is kept, done or not: its number is given once, as others remember its files.
        newest = max((batch for batch in changes if batch.isdecimal()), key=int, default="")
        found = []
        for batch, number in changes.items():
            record = self._record(_file_name(batch, number))
            if record is None:
                continue
            if batch != newest and record.state == "done" and time.time() - record.created_at > _KEEP_DONE_SECONDS:
                self._forget(batch, number, names)
            else:
                found.append(record)
        return found

    def _record(self, name: str) -> BatchRecord | None:
        if name not in self._read:
            try:
                self._read[name] = _RECORD.validate_json(fetch(self._folder / name))
            except FileNotFoundError:  # forgotten meanwhile
                return None
            except ValueError as error:
                raise ContractError(
                    f"{self._folder / name}: not a batch record of this version ({error}). Move it away to go on without it."
                ) from None
        return self._read[name]

    def _forget(self, batch: str, changes: int, names: Collection[str]) -> None:
        """The last state goes last: else an earlier one would be in force again."""
        last = _file_name(batch, changes)
        for name in sorted(names, key=lambda name: name == last):
            if name.partition(".")[0] == batch:
                (self._folder / name).unlink(missing_ok=True)


def _file_name(batch: str, changes: int) -> str:
    return f"{batch}.{changes}.json" if changes else f"{batch}.json"
