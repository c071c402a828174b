"""Where an hour's files live: one Parquet file an asset and hour, logs compressed beside a manifest.

What belongs here: paths, atomic writes, the stored notes (Parquet key-value metadata). Does not: what the rows mean.

    <root>/workflow_runs/2026-03-02T05.parquet
    <root>/job_logs/2026-03-02T05.parquet        the manifest
    <root>/job_logs/2026-03-02T05/<job>-<attempt>.log.zst
    <root>/backgrounds/                          of passing logs, for all hours (`backgrounds.py`)
    <root>/hours/2026-03-02T05/<asset>.json      what later ticks need to know of the asset's part of the hour

Two runs may work on one hour at once (a schedule's and a person's). Each asset's part of the status is a file of its own, so
none is lost; a part that may not describe the rows that are stored says `overtaken`, and the hour is redone.

Paths are fsspec's (through universal-pathlib), so a folder today is an object store tomorrow. On a file system a file
appears by rename; an object store writes whole objects anyway. Readers never see half a file.
"""

from __future__ import annotations

import contextlib
import io
import json
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from upath import UPath

from ci_metrics.errors import ContractError, NotFoundError
from ci_metrics.orchestration.arrow_tables import records_of, table_of
from ci_metrics.orchestration.atomic_files import beside, put

T = TypeVar("T")

_NOTES = b"ci_metrics"
_COMMIT = b"ci_metrics.commit"


class HourStore:
    """Files of hours under one root (a local folder or any fsspec address)."""

    def __init__(self, root: UPath | Path | str) -> None:
        """`root` need not exist yet."""
        self.root = UPath(root)

    def exists(self, asset: str, hour: str) -> bool:
        """Whether the asset has that hour."""
        return bool(self._file(asset, hour).exists())

    def read(self, asset: str, hour: str, kind: type[T], *, without: Collection[str] = ()) -> list[T]:
        """The hour's rows. Raises NotFoundError when the asset has not that hour yet, ContractError when it is foreign or damaged.

        `without`: columns that are not read, for those who look through many hours; their fields have their defaults. So has a field
        that the rows were stored without.
        """
        data = self._bytes(asset, hour)
        try:
            # No threads: an hour is small, and Arrow's pools have been seen to abort the process when it ends.
            file = pq.ParquetFile(io.BytesIO(data), pre_buffer=False)
            columns = [name for name in file.schema_arrow.names if name not in without] if without else None
            table = file.read(columns=columns, use_threads=False)
        except (pa.ArrowInvalid, OSError) as error:
            raise ContractError(
                f"the file of {asset}, hour {hour}, is damaged. Materialize {asset} for it again"
            ) from error
        return records_of(table, kind)

    def read_or_none(self, asset: str, hour: str, kind: type[T], *, without: Collection[str] = ()) -> list[T]:
        """The hour's rows, none when it has not been made, is damaged or is of a version whose rows do not fit: all are simply redone."""
        try:
            return self.read(asset, hour, kind, without=without)
        except (NotFoundError, ContractError):
            return []

    def notes(self, asset: str, hour: str) -> dict[str, Any]:
        """What was noted with the hour's rows; {} when there is no such hour or its file is damaged."""
        return dict(json.loads(self._metadata(asset, hour).get(_NOTES, b"{}")))

    def write(
        self, asset: str, hour: str, rows: Sequence[Any], kind: type, notes: Mapping[str, Any], *, commit: str = ""
    ) -> None:
        """Replace an hour's rows: they and the notes appear together or not at all."""
        table = table_of(rows, kind)
        kept = {_NOTES: json.dumps(dict(notes), sort_keys=True).encode(), _COMMIT: commit.encode()}
        sink = io.BytesIO()
        pq.write_table(table.replace_schema_metadata(kept), sink, compression="zstd")
        put(self._file(asset, hour), sink.getvalue())

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
    ) -> None:
        """Write an hour's rows and notes, then the asset's part of its status.

        Where another run's rows came in between, the part may be wrong about them whichever was written last: it is
        marked `overtaken`, so that the hour counts as unfinished.
        """
        commit = uuid.uuid4().hex
        self.write(asset, hour, rows, kind, notes, commit=commit)
        self.note_status(hour, asset, {**status, "commit": commit}, now)
        if self._metadata(asset, hour).get(_COMMIT, b"").decode() != commit:
            self.note_status(hour, asset, {**status, "commit": commit, "overtaken": True}, now)

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

    def note_status(self, hour: str, part: str, values: Mapping[str, Any], now: datetime) -> None:
        """Note what later ticks need to know of one asset's part of an hour, and when it was seen."""
        noted = {**values, "at": now.isoformat(timespec="seconds")}
        put(self.root / "hours" / hour / f"{part}.json", json.dumps(noted, sort_keys=True).encode())

    def status(self, hour: str) -> dict[str, Any] | None:
        """What was noted of an hour, by asset; None when it was never worked on. A damaged part is one to be redone."""
        folder = self.root / "hours" / hour
        paths = [path for path in folder.iterdir() if path.suffix == ".json"] if folder.is_dir() else []
        if not paths:
            return None
        found = folder.fs.cat([path.path for path in paths], on_error="return")  # at once, where the store can
        parts: dict[str, Any] = {}
        for address, data in found.items():
            if isinstance(data, Exception):
                raise data
            parts[address.rsplit("/", 1)[-1].removesuffix(".json")] = _part(data)
        return parts

    def commits(self, hour: str, assets: Iterable[str]) -> dict[str, str]:
        """Which commit of each asset is in force for the hour: another one when its rows were written anew."""
        status = self.status(hour) or {}
        return {asset: str(status.get(asset, {}).get("commit", "")) for asset in assets}

    def mark_open(self, hour: str, is_open: bool) -> None:
        """Note whether verdicts of the hour are still open: so that such hours are found without looking at all of history."""
        marker = self.root / "open" / hour
        if is_open:
            put(marker, b"")
        else:
            marker.unlink(missing_ok=True)

    def open_hours(self) -> list[str]:
        """The hours marked as open, in order."""
        folder = self.root / "open"
        return sorted(path.name for path in folder.iterdir() if path.name[:1] != ".") if folder.exists() else []

    def hours(self) -> list[str]:
        """Every hour that was ever worked on, in order."""
        folder = self.root / "hours"
        if not folder.exists():
            return []
        return sorted(path.name for path in folder.iterdir() if path.is_dir())

    def _metadata(self, asset: str, hour: str) -> Mapping[bytes, bytes]:
        try:
            return pq.read_schema(io.BytesIO(self._bytes(asset, hour))).metadata or {}
        except (NotFoundError, pa.ArrowInvalid, OSError):
            return {}

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


def _part(data: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(data))
    except ValueError:
        return {"unfinished": 1}


def _ignore(_: object) -> None:
    return None
