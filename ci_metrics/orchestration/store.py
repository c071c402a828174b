"""Where an hour's files live: one Parquet file an asset and hour, logs compressed beside a manifest.

What belongs here: paths, reading and committing rows, their notes (Parquet key-value metadata). Does not: what the rows mean,
what an hour's state says (`hours.py`) and where it is kept (`hour_states.py`).

    <root>/workflow_runs/2026-03-02T05.parquet
    <root>/job_logs/2026-03-02T05.parquet        the manifest
    <root>/job_logs/2026-03-02T05/<job>-<attempt>.log.zst
    <root>/backgrounds/                          of passing logs, for all hours (`backgrounds.py`)
    <root>/state/, <root>/open/                  what later ticks need to know of the hours (`hour_states.py`)

Two runs may work on one hour at once (a schedule's and a person's). Who works on it looks at its state first (`look`) and
commits only if nothing that was read has been committed by somebody else since: else the work is done again, with what is
there now (`OvertakenError`). The record is written before the rows that it names: where a process dies between the two, what is
made of the rows that are there does not fit the record, and the hour counts as broken off.

Paths are fsspec's (through universal-pathlib), so a folder today is an object store tomorrow. On a file system a file
appears by rename; an object store writes whole objects anyway. Readers never see half a file.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from upath import UPath

from ci_metrics.errors import DamagedFileError, NotFoundError, OvertakenError
from ci_metrics.orchestration.arrow_tables import records_of, table_of
from ci_metrics.orchestration.atomic_files import beside, put
from ci_metrics.orchestration.hour_states import HourStates
from ci_metrics.orchestration.hours import AssetRecord, HourState, Outcome, SetAside

T = TypeVar("T")

_NOTES = b"ci_metrics"

#: Rows that are kept in memory while their hour is worked on, in bytes of their tables: the assets of one run read them one
#: after the other. As records they take about five times as much.
MOST_KEPT = 16_000_000


@dataclass(slots=True)
class _Look:
    """What somebody who works on an hour has seen of it: its state, and the commits of the rows that were read since."""

    state: HourState
    made_of: tuple[str, ...]
    read: dict[str, str] = field(default_factory=dict)

    def assets(self, asset: str) -> set[str]:
        """What the work on an asset rests on."""
        return {asset, *self.made_of, *self.read}


@dataclass(slots=True)
class _Kept:
    """The table of one file, as it was read or written last, and the records of it once they are asked for."""

    commit: str
    table: pa.Table
    notes: Mapping[str, Any]
    rows: tuple[type, Sequence[Any]] | None = None


class HourStore:
    """Files of hours under one root (a local folder or any fsspec address)."""

    def __init__(self, root: UPath | Path | str) -> None:
        """`root` need not exist yet."""
        self.root = UPath(root)
        self._states = HourStates(self.root)
        self._looks: dict[str, _Look] = {}
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    # What is known of hours

    def state(self, hour: str) -> HourState:
        """What is known of an hour; of one that was never worked on, nothing (it is false)."""
        return self._states.read(hour)

    def states(self, first: str = "", last: str = "~") -> dict[str, HourState]:
        """What is known of the hours from `first` to `last`, in order; few requests, however many hours."""
        return self._states.many(first, last)

    def hours(self) -> list[str]:
        """Every hour that was ever worked on, in order."""
        return self._states.hours()

    def open_hours(self) -> list[str]:
        """The hours of which a verdict may be open, in order: found without looking at all of history."""
        return self._states.open_hours()

    # Working on an hour

    def look(self, hour: str, made_of: Sequence[str] = ()) -> HourState:
        """Begin to work on an asset of an hour: the next commit rests on what the hour is now.

        `made_of`: assets that the work rests on though it reads none of their rows.
        """
        self._looks[hour] = _Look(self._states.read(hour), tuple(made_of))
        return self._looks[hour].state

    def commit(
        self,
        asset: str,
        hour: str,
        rows: Sequence[Any],
        kind: type,
        *,
        notes: Mapping[str, Any],
        status: Mapping[str, Any],
        now: datetime,
        outcome: Outcome | None = None,
    ) -> None:
        """Write an hour's rows and notes, and the asset's record of them.

        `status`: figures of the whole, among them `version` (of the code that made the rows) and `open` (verdicts that are).
        `outcome`: how it went by repository; None when nothing can be left open. Raises OvertakenError, with nothing
        written, when somebody else has committed since `look` what this work rests on; ContractError that names the field
        when a row cannot be stored.
        """
        table = table_of(rows, kind)
        data = _file_of(table, notes)
        commit = _digest(data)
        with self._states.alone():
            state = self._states.read(hour)
            look = self._looks.pop(hour, None) or _Look(state, ())
            _refuse_overtaken(asset, hour, look, state)
            before = state.of(asset)
            record = AssetRecord(
                seen=now,
                commit=commit,
                made_of={name: look.read.get(name) or state.commit(name) for name in look.assets(asset) - {asset}},
                version=str(status.get("version", "")),
                open=int(status.get("open", 0)),
                said={name: value for name, value in status.items() if name not in ("version", "open")},
                repos=outcome.records(now, before.repos if before else {}) if outcome else {},
            )
            self._states.write(hour, state.having(asset, record))
            if look.read.get(asset) != commit:
                put(self._file(asset, hour), data)
        self._keep(asset, hour, _Kept(commit, table, json.loads(json.dumps(dict(notes)))))

    def set_aside(self, asset: str, hour: str, why: str, *, run: str, now: datetime) -> None:
        """Note that an asset could not do an hour, in which Dagster run: its rows, if there are any, stay as they are."""
        with self._states.alone():
            state = self._states.read(hour)
            self._looks.pop(hour, None)
            record = state.of(asset) or AssetRecord(seen=now)
            tries = record.failed.tries + 1 if record.failed else 1
            failed = SetAside(why=why, tries=tries, run=run)
            self._states.write(hour, state.having(asset, replace(record, seen=now, failed=failed)))

    # Rows

    def exists(self, asset: str, hour: str) -> bool:
        """Whether the asset has that hour."""
        return bool(self._file(asset, hour).exists())

    def read(self, asset: str, hour: str, kind: type[T], *, without: Collection[str] = ()) -> list[T]:
        """The hour's rows.

        Raises NotFoundError when the asset has not that hour yet, DamagedFileError when its file cannot be read, ShapeError
        when its rows are of another version that cannot be read as this one's.

        `without`: columns that are not read, for those who look through many hours; their fields have their defaults.
        """
        kept = self._known(asset, hour)
        if kept is None:
            data = self._bytes(asset, hour)
            kept = _Kept(_digest(data), _table(asset, hour, data, without), _notes_of(data))
            if hour in self._looks:
                self._looks[hour].read.setdefault(asset, kept.commit)
                if not without:
                    self._keep(asset, hour, kept)
        if kept.rows is None or kept.rows[0] is not kind:
            kept.rows = kind, records_of(kept.table, kind)
        return list(kept.rows[1])

    def read_or_none(self, asset: str, hour: str, kind: type[T], *, without: Collection[str] = ()) -> list[T]:
        """The hour's rows, none when it has not been made or its file is damaged: then it is simply made again.

        Raises ShapeError as `read` does: what cannot be read is not "nothing", and would be lost when it is written anew.
        """
        try:
            return self.read(asset, hour, kind, without=without)
        except (NotFoundError, DamagedFileError):
            return []

    def notes(self, asset: str, hour: str) -> dict[str, Any]:
        """What was noted with the hour's rows; {} when there is no such hour or its file is damaged."""
        kept = self._known(asset, hour)
        if kept is not None:
            return dict(kept.notes)
        try:
            return dict(_notes_of(self._bytes(asset, hour)))
        except (NotFoundError, pa.ArrowInvalid, OSError):
            return {}

    def write(self, asset: str, hour: str, rows: Sequence[Any], kind: type, notes: Mapping[str, Any]) -> None:
        """Replace an hour's rows and notes outside of any work on the hour: what was made of the rows before is outdated then."""
        data = _file_of(table_of(rows, kind), notes)
        with self._states.alone():
            state = self._states.read(hour)
            record = state.of(asset)
            if record is not None:
                self._states.write(hour, state.having(asset, replace(record, commit=_digest(data))))
            put(self._file(asset, hour), data)

    # Logs

    @contextlib.contextmanager
    def log_writer(self, hour: str, name: str) -> Iterator[Callable[[bytes], None]]:
        """A sink that stores one log compressed, streaming, as `log_path(name)`; nothing is kept when the block raises."""
        with (
            beside(self.root / "job_logs" / hour / log_path(name)) as partial,
            partial.open("wb") as sink,
            zstandard.ZstdCompressor(level=3).stream_writer(sink, closefd=False) as writer,
        ):
            yield lambda chunk: _ignore(writer.write(chunk))

    def drop_log(self, hour: str, path: str) -> None:
        """Remove a stored log that turned out to be none."""
        (self.root / "job_logs" / hour / path).unlink(missing_ok=True)

    def open_log(self, hour: str, path: str) -> io.BufferedReader:
        """A stored log's raw bytes, streaming. Raises NotFoundError when the file is gone."""
        target = self.root / "job_logs" / hour / path
        if not target.exists():
            raise NotFoundError(f"the stored log {hour}/{path} has been deleted")
        source = target.open("rb")
        reader = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)
        return io.BufferedReader(reader, buffer_size=1 << 20)

    # Inside

    def _known(self, asset: str, hour: str) -> _Kept | None:
        """What is kept of an hour that is worked on, as long as it is what was in force when it was looked at."""
        look, kept = self._looks.get(hour), self._kept.get((asset, hour))
        if look is None or kept is None or kept.commit != look.state.commit(asset):
            return None
        look.read.setdefault(asset, kept.commit)
        return kept

    def _keep(self, asset: str, hour: str, kept: _Kept) -> None:
        self._kept[asset, hour] = kept
        self._kept.move_to_end((asset, hour))
        while self._kept and sum(each.table.nbytes for each in self._kept.values()) > MOST_KEPT:
            self._kept.popitem(last=False)

    def _file(self, asset: str, hour: str) -> UPath:
        return self.root / asset / f"{hour}.parquet"

    def _bytes(self, asset: str, hour: str) -> bytes:
        try:
            return bytes(self._file(asset, hour).read_bytes())
        except FileNotFoundError as error:
            raise NotFoundError(f"{asset} has no hour {hour} yet. Materialize {asset} for {hour} first") from error


def log_path(name: str) -> str:
    """A stored log's path inside its hour's folder."""
    return f"{name}.log.zst"


def _refuse_overtaken(asset: str, hour: str, look: _Look, state: HourState) -> None:
    moved = sorted(name for name in look.assets(asset) if state.commit(name) != look.state.commit(name))
    if moved:
        raise OvertakenError(f"another run has written {', '.join(moved)} of hour {hour} meanwhile")


def _file_of(table: pa.Table, notes: Mapping[str, Any]) -> bytes:
    sink = io.BytesIO()
    kept = {_NOTES: json.dumps(dict(notes), sort_keys=True).encode()}
    pq.write_table(table.replace_schema_metadata(kept), sink, compression="zstd")
    return sink.getvalue()


def _digest(data: bytes) -> str:
    """Names the rows and notes of a file."""
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def _table(asset: str, hour: str, data: bytes, without: Collection[str]) -> pa.Table:
    try:
        # No threads: an hour is small, and Arrow's pools have been seen to abort the process when it ends.
        file = pq.ParquetFile(io.BytesIO(data), pre_buffer=False)
        columns = [name for name in file.schema_arrow.names if name not in without] if without else None
        return file.read(columns=columns, use_threads=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise DamagedFileError(
            f"the file of {asset}, hour {hour}, is damaged. Materialize {asset} for it again"
        ) from error


def _notes_of(data: bytes) -> Mapping[str, Any]:
    return dict(json.loads((pq.read_schema(io.BytesIO(data)).metadata or {}).get(_NOTES, b"{}")))


def _ignore(_: object) -> None:
    return None
