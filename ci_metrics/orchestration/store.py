"""Where an hour's files live: one Parquet file an asset and hour, logs compressed beside a manifest.

What belongs here: paths, atomic writes, the stored notes (Parquet key-value metadata). Does not: what the rows mean.

    <root>/workflow_runs/2026-03-02T05.parquet
    <root>/job_logs/2026-03-02T05.parquet        the manifest
    <root>/job_logs/2026-03-02T05/<job>-<attempt>.log.zst
    <root>/hours/2026-03-02T05.json              what later ticks need to know of the hour

Paths are fsspec's (through universal-pathlib), so a folder today is an object store tomorrow. On a file system a file
appears by rename; an object store writes whole objects anyway. Readers never see half a file.
"""

from __future__ import annotations

import contextlib
import io
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from upath import UPath

from ci_metrics.errors import ContractError, NotFoundError
from ci_metrics.orchestration.codec import records_of, table_of

T = TypeVar("T")

_NOTES = b"ci_metrics"


class HourStore:
    """Files of hours under one root (a local folder or any fsspec address)."""

    def __init__(self, root: UPath | Path | str) -> None:
        """`root` need not exist yet."""
        self.root = UPath(root)

    def exists(self, asset: str, hour: str) -> bool:
        """Whether the asset has that hour."""
        return bool(self._file(asset, hour).exists())

    def read(self, asset: str, hour: str, kind: type[T]) -> list[T]:
        """The hour's rows. Raises NotFoundError when the asset has not that hour yet, ContractError when it is foreign or damaged."""
        data = self._bytes(asset, hour)
        try:
            # No threads: an hour is small, and Arrow's pools have been seen to abort the process when it ends.
            table = pq.ParquetFile(io.BytesIO(data), pre_buffer=False).read(use_threads=False)
        except (pa.ArrowInvalid, OSError) as error:
            raise ContractError(
                f"the file of {asset}, hour {hour}, is damaged. Materialize {asset} for it again"
            ) from error
        return records_of(table, kind)

    def read_or_none(self, asset: str, hour: str, kind: type[T]) -> list[T]:
        """The hour's rows, none when it has not been made, is damaged or is of a version whose rows do not fit: all are simply redone."""
        try:
            return self.read(asset, hour, kind)
        except (NotFoundError, ContractError):
            return []

    def notes(self, asset: str, hour: str) -> dict[str, Any]:
        """What was noted with the hour's rows; {} when there is no such hour or its file is damaged."""
        try:
            found = pq.read_schema(io.BytesIO(self._bytes(asset, hour))).metadata or {}
        except (NotFoundError, pa.ArrowInvalid, OSError):
            return {}
        return dict(json.loads(found.get(_NOTES, b"{}")))

    def write(self, asset: str, hour: str, rows: Sequence[Any], kind: type, notes: Mapping[str, Any]) -> int:
        """Commit an hour: rows and notes appear together or not at all. Returns the file's size in bytes."""
        table = table_of(rows, kind)
        table = table.replace_schema_metadata({_NOTES: json.dumps(dict(notes), sort_keys=True).encode()})
        sink = io.BytesIO()
        pq.write_table(table, sink, compression="zstd")
        return self._put(self._file(asset, hour), sink.getvalue())

    @contextlib.contextmanager
    def log_writer(self, hour: str, name: str) -> Iterator[Callable[[bytes], None]]:
        """A sink that stores one log compressed, streaming, as `log_path(name)`; nothing is kept when the block raises."""
        target = self.root / "job_logs" / hour / log_path(name)
        partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with (
                partial.open("wb") as sink,
                zstandard.ZstdCompressor(level=3).stream_writer(sink, closefd=False) as writer,
            ):
                yield lambda chunk: _ignore(writer.write(chunk))
            _rename(partial, target)
        finally:
            partial.unlink(missing_ok=True)

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
        status = self.status(hour) or {}
        status[part] = {**values, "at": now.isoformat(timespec="seconds")}
        self._put(self.root / "hours" / f"{hour}.json", json.dumps(status, sort_keys=True).encode())

    def status(self, hour: str) -> dict[str, Any] | None:
        """What was noted of an hour; None when it was never worked on, {} (so: to be redone) when the file is damaged."""
        path = self.root / "hours" / f"{hour}.json"
        try:
            return dict(json.loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except ValueError:
            return {}

    def hours(self) -> list[str]:
        """Every hour that was ever worked on, in order."""
        folder = self.root / "hours"
        if not folder.exists():
            return []
        return sorted(path.name.removesuffix(".json") for path in folder.iterdir() if path.name.endswith(".json"))

    def _file(self, asset: str, hour: str) -> UPath:
        return self.root / asset / f"{hour}.parquet"

    def _bytes(self, asset: str, hour: str) -> bytes:
        try:
            return bytes(self._file(asset, hour).read_bytes())
        except FileNotFoundError as error:
            raise NotFoundError(f"{asset} has no hour {hour} yet. Materialize {asset} for {hour} first") from error

    def _put(self, target: UPath, data: bytes) -> int:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        partial.write_bytes(data)
        _rename(partial, target)
        return len(data)


def log_path(name: str) -> str:
    """A stored log's path inside its hour's folder."""
    return f"{name}.log.zst"


def _ignore(_: object) -> None:
    return None


def _rename(partial: UPath, target: UPath) -> None:
    if partial.protocol in ("", "file"):
        Path(str(partial)).replace(str(target))
    else:  # an object store has no rename; its objects appear whole
        target.fs.mv(partial.path, target.path)
