"""Where an hour's files live: a Parquet file an asset and hour, logs compressed beside a manifest.

What belongs here: paths, reading and committing rows, what is kept in memory. Does not: a file's
bytes (`row_files.py`), what the rows mean, what an hour's state says (`hours.py`) and where it is
kept (`hour_states.py`).

    <root>/workflow_runs/2026-03-02T05.parquet
    <root>/job_logs/2026-03-02T05.parquet        the manifest
    <root>/job_logs/2026-03-02T05/<job>-<attempt>.log.zst
    <root>/backgrounds/                          of passing logs, for all hours (`backgrounds.py`)
    <root>/state/, <root>/open/                  what later ticks need to know of the hours
                                                 (`hour_states.py`)

Two runs may work on one hour at once (a schedule's and a person's). Who works on it looks at its
state first (`look`) and commits only if nothing that was read has been committed by somebody else
since: else the work is done again, with what is there now (`OvertakenError`). The record is written
before the rows that it names: where a process dies between the two, what is made of the rows that
are there does not fit the record, and the hour counts as broken off.

Paths are fsspec's (through universal-pathlib), so a folder today is an object store tomorrow. On a
file system a file appears by rename; an object store writes whole objects anyway. Readers never see
half a file.
"""

from __future__ import annotations

import contextlib
import io
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import zstandard
from upath import UPath

from ci_metrics.errors import DamagedFileError, NotFoundError, OvertakenError, ShapeError
from ci_metrics.orchestration.storage.arrow_tables import PackedRows, records_of
from ci_metrics.orchestration.storage.atomic_files import fetch, is_local, put, written_whole
from ci_metrics.orchestration.storage.backgrounds import Backgrounds
from ci_metrics.orchestration.storage.hour_states import MOST_SEEN, HourStates
from ci_metrics.orchestration.storage.hours import AssetRecord, HourState, Outcome, SetAside
from ci_metrics.orchestration.storage.row_files import (
    RowFile,
    damaged,
    digest_of,
    file_bytes,
    notes_of,
    opened,
    row_batches,
)

_T = TypeVar("_T")

#: Files that are kept in memory while hours are worked on, in bytes (of tables, where they were
#: read): the assets of one run read them one after the other. As records they take about five times
#: as much.
MOST_KEPT = 16_000_000

#: An hour with more rows is not kept as records by who goes through it once (`HourStore.each`).
FEW_ROWS = 5_000


@dataclass(slots=True)
class _Look:
    """What was seen of an hour that is worked on: its state, the commits of the rows read since."""

    hour: str
    state: HourState
    made_of: tuple[str, ...]
    gathers: bool = False
    read: dict[str, str] = field(default_factory=dict)

    def assets(self, asset: str) -> set[str]:
        """What the work on an asset rests on."""
        return {asset, *self.made_of, *self.read}


class HourStore:
    """Files of hours under one root (a local folder or any fsspec address)."""

    def __init__(self, root: UPath | Path | str) -> None:
        """`root` need not exist yet."""
        self.root = UPath(root)
        self._states = HourStates(self.root)
        self._look: _Look | None = None
        self._seen: OrderedDict[str, HourState] = OrderedDict()
        self._kept: OrderedDict[tuple[str, str], RowFile] = OrderedDict()
        self._kept_bytes = 0
        self.backgrounds = Backgrounds(self.root)
        self._gathered: dict[str, dict[str, AssetRecord]] = {}  # by hour and asset: looks that found nothing new

    # What is known of hours

    def state(self, hour: str) -> HourState:
        """What is known of an hour; of one that was never worked on, nothing (it is false)."""
        return self._states.read(hour)

    def states(self, first: str = "", last: str = "~") -> dict[str, HourState]:
        """What is known of the hours from `first` to `last`, in order, by few requests."""
        return self._states.many(first, last)

    def hours(self) -> list[str]:
        """Every hour that was ever worked on, in order."""
        return self._states.hours()

    def open_hours(self) -> list[str]:
        """The hours of which a verdict may be open, in order; the others are not looked at."""
        return self._states.open_hours()

    # Working on an hour

    def look(self, hour: str, made_of: Sequence[str] = (), *, anew: bool = False, gathers: bool = False) -> HourState:
        """Begin to work on an asset of an hour: the next commit rests on what the hour is now.

        `made_of`: assets that the work rests on though it reads none of their rows. What this store
        has seen of the hour before is believed unless it is to be read `anew`: should it be
        outdated, the commit is refused.

        `gathers`: in an object store, a commit that changes nothing but figures and when the asset
        was worked on last is noted with the next one that does, or by `write_gathered`: seven
        requests an hour would say the same.
        """
        state = None if anew else self._seen.get(hour)
        if state is None:
            state = self._states.read(hour)
            self._remember(hour, state)
        self._look = _Look(hour, state, tuple(made_of), gathers and not is_local(self.root))
        return self._look.state

    def looked_at(self, hour: str) -> HourState:
        """What the work on an hour rests on: the state at its look."""
        look = self._looking(hour)
        return look.state if look is not None else self._states.read(hour)

    def commit(
        self,
        asset: str,
        hour: str,
        rows: Sequence[Any] | PackedRows,
        kind: type,
        *,
        notes: Mapping[str, Any],
        status: Mapping[str, Any],
        now: datetime,
        outcome: Outcome | None = None,
    ) -> None:
        """Write an hour's rows and notes, and the asset's record of them.

        `status`: figures of the whole, among them `version` (of the code that made the rows) and
        `open` (verdicts that are). `outcome`: how it went by repository; None when nothing can be
        left open. Raises OvertakenError, with nothing written, when somebody else has committed
        since `look` what this work rests on; ContractError that names the field when a row cannot
        be stored.
        """
        packed = rows if isinstance(rows, PackedRows) else PackedRows(kind, rows)
        table = packed.table()
        data = file_bytes(table, notes)
        commit = digest_of(data)
        with self._states.alone():
            look, self._look = self._looking(hour), None

            def noted(state: HourState) -> HourState:
                seen = look or _Look(hour, state, ())
                _refuse_overtaken(asset, seen, state)
                before = state.of(asset)
                record = AssetRecord(
                    seen=now,
                    commit=commit,
                    made_of={name: seen.read.get(name) or state.commit(name) for name in seen.assets(asset) - {asset}},
                    version=str(status.get("version", "")),
                    open=int(status.get("open", 0)),
                    said={name: value for name, value in status.items() if name not in ("version", "open")},
                    repos=outcome.records(now, before.repos if before else {}) if outcome else {},
                )
                return state.having(asset, record)

            if look is not None and look.gathers and (record := _only_seen(look.state, noted(look.state), asset)):
                self._gathered.setdefault(hour, {})[asset] = record
                self._remember(hour, look.state.having(asset, record))
            else:
                self._note(hour, noted)
                if look is None or look.read.get(asset) != commit:
                    put(self._file(asset, hour), data)
        few = packed.few
        kept = RowFile(commit, data, table.nbytes, (kind, few)) if few is not None else RowFile(commit, data, len(data))
        self._keep(asset, hour, kept)

    def write_gathered(self) -> None:
        """Note when hours were looked at, where nothing else was to be noted since."""
        for hour in list(self._gathered):
            with self._states.alone():
                self._note(hour, lambda state: state)

    def set_aside(self, asset: str, hour: str, why: str, *, run: str, now: datetime) -> None:
        """Note that an asset could not do an hour, in which Dagster run; its rows stay."""

        def noted(state: HourState) -> HourState:
            record = state.of(asset) or AssetRecord(seen=now)
            failed = SetAside(why=why, tries=record.failed.tries + 1 if record.failed else 1, run=run)
            return state.having(asset, replace(record, seen=now, failed=failed))

        with self._states.alone():
            self._look = None
            self._note(hour, noted)

    # Rows

    def exists(self, asset: str, hour: str) -> bool:
        """Whether the asset has that hour."""
        return bool(self._file(asset, hour).exists())

    def count(self, asset: str, hour: str) -> int:
        """How many rows there are. Raises NotFoundError and DamagedFileError as `read` does."""
        return int(opened(asset, hour, self._load(asset, hour)).metadata.num_rows)

    def read(self, asset: str, hour: str, kind: type[_T], *, without: Collection[str] = ()) -> list[_T]:
        """The hour's rows.

        Raises NotFoundError when the asset has not that hour yet, DamagedFileError when its file
        cannot be read or holds something else than the hour's record names, ShapeError when its
        rows are of another version that cannot be read as this one's.

        Only columns are read that `kind` has: who looks through many hours gives one of few fields,
        which its parts may be, too. `without`: columns that are not read all the same; their fields
        have their defaults.
        """
        return list(self._rows(self._load(asset, hour), asset, hour, kind, without))

    def each(self, asset: str, hour: str, kind: type[_T], *, without: Collection[str] = ()) -> Iterator[_T]:
        """The hour's rows as `read` gives them, some at a time: for those who need few of them, or
        one repository's after the other's. Raises at once what `read` raises, but ShapeError.
        """
        return self._each(self._load(asset, hour), asset, hour, kind, without)

    def read_or_none(self, asset: str, hour: str, kind: type[_T], *, without: Collection[str] = ()) -> list[_T]:
        """The hour's rows; none when it was not made or is damaged: it is simply made again.

        Raises ShapeError as `read` does: what cannot be read is not "nothing", and would be lost
        when it is written anew.
        """
        try:
            return self.read(asset, hour, kind, without=without)
        except (NotFoundError, DamagedFileError):
            return []

    def each_or_none(self, asset: str, hour: str, kind: type[_T], *, without: Collection[str] = ()) -> Iterator[_T]:
        """The same, some at a time."""
        try:
            file = self._load(asset, hour)
            packed = opened(asset, hour, file)
            if packed.metadata.num_rows > FEW_ROWS:  # what is damaged shows now, not when half of it is used
                for _ in row_batches(packed, asset, hour, kind, without):
                    pass
            return self._each(file, asset, hour, kind, without)
        except (NotFoundError, DamagedFileError):
            return iter(())

    def matching(
        self,
        asset: str,
        hour: str,
        kind: type[_T],
        wanted: Mapping[str, Collection[str]],
        *,
        without: Collection[str] = (),
    ) -> list[_T]:
        """Those of the hour's rows that have one of the `wanted` values in each of these columns,
        as `read_or_none` reads them: the others do not become records.
        """
        try:
            file = self._load(asset, hour)
            batches = row_batches(opened(asset, hour, file), asset, hour, kind, without, wanted)
            return [row for batch in batches for row in self._records(asset, hour, file, batch, kind)]
        except (NotFoundError, DamagedFileError):
            return []

    def notes(self, asset: str, hour: str) -> dict[str, Any]:
        """What was noted with the hour's rows; {} when there are none or their file is damaged."""
        try:
            return notes_of(self._load(asset, hour).data)
        except (NotFoundError, pa.ArrowInvalid, OSError):
            return {}

    def write(self, asset: str, hour: str, rows: Sequence[Any], kind: type, notes: Mapping[str, Any]) -> None:
        """Replace an hour's rows and notes outside of any work on it:
        what is made of them is old.
        """
        data = file_bytes(PackedRows(kind, rows).table(), notes)

        def noted(state: HourState) -> HourState:
            record = state.of(asset)
            return state.having(asset, replace(record, commit=digest_of(data))) if record is not None else state

        with self._states.alone():
            if self._states.read(hour).of(asset) is not None:
                self._note(hour, noted)
            put(self._file(asset, hour), data)

    # Logs

    @contextlib.contextmanager
    def log_writer(self, hour: str, name: str) -> Iterator[Callable[[bytes], None]]:
        """A sink that stores a log compressed, as `log_path(name)`; none is kept when it raises."""
        with (
            written_whole(self.root / "job_logs" / hour / log_path(name), private=True) as partial,
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
        try:  # of an object store as a whole: it is packed, and each piece would be a request
            source = target.open("rb") if is_local(target) else io.BytesIO(fetch(target))
        except FileNotFoundError as error:
            raise NotFoundError(f"the stored log {hour}/{path} has been deleted") from error
        reader = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)
        return io.BufferedReader(reader, buffer_size=1 << 20)

    # What is kept no longer

    def stored_logs(self) -> dict[str, int]:
        """Bytes of raw logs by hour."""
        folder = self.root / "job_logs"
        found: dict[str, int] = {}
        for path, size in (folder.fs.du(folder.path, total=False) if folder.is_dir() else {}).items():
            hour = path.rsplit("/", 2)[-2]
            if path.endswith(".log.zst") and not path.rsplit("/", 1)[-1].startswith("."):
                found[hour] = found.get(hour, 0) + size
        return found

    def remove_logs(self, hour: str) -> None:
        """Delete an hour's raw logs; what was read of them stays."""
        folder = self.root / "job_logs" / hour
        if folder.is_dir():
            folder.fs.rm(folder.path, recursive=True)

    def remove(self, hour: str) -> None:
        """Delete an hour: logs, rows and all else that is named by it, then what is known of it, so
        that what is left of it is still listed.
        """
        self.remove_logs(hour)
        with self._states.alone():
            for path in self.root.glob(f"*/{hour}.*"):
                path.unlink(missing_ok=True)
            self._states.remove(hour)
        self._seen.pop(hour, None)

    # Inside

    def _note(self, hour: str, change: Callable[[HourState], HourState]) -> None:
        """Change an hour's state, and what was gathered of it with it."""
        gathered = self._gathered.get(hour, {})

        def all_of_it(state: HourState) -> HourState:
            for asset, record in gathered.items():
                if state.commit(asset) == record.commit:  # else another run has written it anew
                    state = state.having(asset, record)
            return change(state)

        self._remember(hour, self._states.change(hour, all_of_it))
        self._gathered.pop(hour, None)

    def _remember(self, hour: str, state: HourState) -> None:
        self._seen[hour] = state
        self._seen.move_to_end(hour)
        while len(self._seen) > MOST_SEEN:
            self._seen.popitem(last=False)

    def _looking(self, hour: str) -> _Look | None:
        return self._look if self._look is not None and self._look.hour == hour else None

    def _rows(self, file: RowFile, asset: str, hour: str, kind: type[_T], without: Collection[str]) -> Sequence[_T]:
        if file.rows is not None and file.rows[0] is kind:
            return file.rows[1]
        rows: list[_T] = []
        size = 0
        for batch in row_batches(opened(asset, hour, file), asset, hour, kind, without):
            rows += self._records(asset, hour, file, batch, kind)
            size += batch.nbytes
        if not without and size <= MOST_KEPT:
            file.rows, file.opened, file.size, grown = (kind, rows), None, size, size - file.size
            if self._kept.get((asset, hour)) is file:
                self._kept_bytes += grown
        return rows

    def _each(self, file: RowFile, asset: str, hour: str, kind: type[_T], without: Collection[str]) -> Iterator[_T]:
        if file.rows is not None and file.rows[0] is kind:
            return iter(file.rows[1])
        packed = opened(asset, hour, file)
        if packed.metadata.num_rows <= FEW_ROWS:
            return iter(self._rows(file, asset, hour, kind, without))
        return (row for batch in row_batches(packed, asset, hour, kind, without) for row in records_of(batch, kind))

    def _load(self, asset: str, hour: str) -> RowFile:
        """A file; the kept one if it was in force at the look, or when an hour that nobody works on
        was seen last and the files are far away.
        """
        look = self._looking(hour)
        if look is not None:
            state = look.state
        else:
            state = HourState() if is_local(self.root) else self._seen.get(hour, HourState())
        file = self._kept.get((asset, hour))
        if file is None or file.commit != state.commit(asset):
            data = self._bytes(asset, hour)
            file = RowFile(digest_of(data), data, len(data))
        if look is not None:
            self._keep(asset, hour, file)
            look.read.setdefault(asset, file.commit)
        return file

    def _records(self, asset: str, hour: str, file: RowFile, batch: pa.RecordBatch, kind: type[_T]) -> list[_T]:
        """Some of a file's rows. Raises ShapeError; DamagedFileError of what nobody here wrote."""
        try:
            return records_of(batch, kind)
        except ShapeError as error:
            if self.looked_at(hour).commit(asset) in ("", file.commit):
                raise
            raise damaged(asset, hour, f"not the one that was written: {error}") from error

    def _keep(self, asset: str, hour: str, file: RowFile) -> None:
        before = self._kept.pop((asset, hour), None)
        self._kept[asset, hour] = file
        self._kept_bytes += file.size - (before.size if before is not None else 0)
        while self._kept_bytes > MOST_KEPT:
            self._kept_bytes -= self._kept.popitem(last=False)[1].size

    def _file(self, asset: str, hour: str) -> UPath:
        return self.root / asset / f"{hour}.parquet"

    def _bytes(self, asset: str, hour: str) -> bytes:
        try:
            return fetch(self._file(asset, hour))
        except FileNotFoundError as error:
            raise NotFoundError(f"{asset} has no hour {hour} yet. Materialize {asset} for {hour} first") from error


def log_path(name: str) -> str:
    """A stored log's path inside its hour's folder."""
    return f"{name}.log.zst"


def _only_seen(before: HourState, after: HourState, asset: str) -> AssetRecord | None:
    """The asset's record after a look that found no other rows; None when it says more."""
    was, now = before.of(asset), after.of(asset)
    return now if was is not None and now is not None and _timeless(was) == _timeless(now) else None


def _timeless(record: AssetRecord) -> AssetRecord:
    repos = {repo: replace(part, seen=datetime.min) for repo, part in record.repos.items()}
    return replace(record, seen=datetime.min, repos=repos, said={})


def _refuse_overtaken(asset: str, look: _Look, state: HourState) -> None:
    moved = sorted(name for name in look.assets(asset) if state.commit(name) != look.state.commit(name))
    if moved:
        raise OvertakenError(f"another run has written {', '.join(moved)} of hour {look.hour} meanwhile")


def _ignore(_: object) -> None:
    return None
