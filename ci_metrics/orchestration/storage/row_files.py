"""The rows of one asset and hour as a Parquet file: rows and notes to bytes, and back.

What belongs here: packing, reading the columns that are asked for, what is said of a damaged file.
Does not: where files live and when they are committed (`store.py`), records (`arrow_tables.py`).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from ci_metrics.errors import DamagedFileError
from ci_metrics.orchestration.storage.arrow_tables import BATCH, rows_with, schema_of
from ci_metrics.orchestration.storage.hours import FORMAT, refuse_later

_NOTES = b"ci_metrics"
_FORMAT = b"ci_metrics.format"

#: How a file of few rows (`BATCH`) is packed. zstd begins anew for each column: of 14 verdicts, in
#: 44 columns, it took 4 ms of 6 to write, and 2 of 4 to read, for 5 % less.
SMALL_PACKING: Literal["snappy"] = "snappy"


@dataclass(slots=True)
class RowFile:
    """One file as it was read or written last, and its rows once they have been asked for."""

    commit: str
    data: bytes
    size: int  # bytes, of the file or, where its rows are kept, of their table
    rows: tuple[type, Sequence[Any]] | None = None
    opened: pq.ParquetFile | None = None  # until its rows are kept


def file_bytes(table: pa.Table, notes: Mapping[str, Any]) -> bytes:
    """A table as the bytes of a file."""
    sink = io.BytesIO()
    kept = {_NOTES: json.dumps(dict(notes), sort_keys=True).encode(), _FORMAT: str(FORMAT).encode()}
    is_small = table.num_rows <= BATCH
    pq.write_table(table.replace_schema_metadata(kept), sink, compression=SMALL_PACKING if is_small else "zstd")
    return sink.getvalue()


def digest_of(data: bytes) -> str:
    """Names the rows and notes of a file."""
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def opened(asset: str, hour: str, file: RowFile) -> pq.ParquetFile:
    """A file, read as far as its schema. Raises DamagedFileError."""
    if file.opened is None:
        with damage_told(asset, hour):
            parquet = pq.ParquetFile(io.BytesIO(file.data), pre_buffer=False)
            refuse_later((parquet.schema_arrow.metadata or {}).get(_FORMAT, b"1"), f"the file of {asset}, hour {hour},")
        file.opened = parquet
    return file.opened


def row_batches(
    file: pq.ParquetFile,
    asset: str,
    hour: str,
    kind: type,
    without: Collection[str],
    wanted: Mapping[str, Collection[str]] | None = None,
) -> Iterator[pa.RecordBatch]:
    """The rows of a file, or those with `wanted` values, some at a time."""
    with damage_told(asset, hour):
        # No threads: an hour is small, and Arrow's pools have been seen to abort the process when
        # it ends.
        columns = _columns(file, schema_of(kind), without)
        for batch in file.iter_batches(batch_size=BATCH, columns=columns, use_threads=False):
            yield rows_with(batch, wanted) if wanted else batch


def _columns(file: pq.ParquetFile, expected: pa.Schema, without: Collection[str]) -> list[str] | None:
    """The columns of a file that records of the `expected` schema have; None for all of them, also
    where they have none, which is told then.
    """
    stored = file.schema_arrow
    if not without and stored.equals(expected):
        return None
    wanted = pa.struct([field for field in expected if field.name not in without])
    leaves = enumerate(_kept_leaves(pa.struct(list(stored)), wanted))
    return [file.schema.column(number).path for number, kept in leaves if kept] or None


def _kept_leaves(stored: Any, wanted: Any) -> Iterator[bool]:
    """Of each leaf of a stored type, whether it is of the `wanted` type, too; None: nothing of it
    is. What is stored as another type is read, so that it is told.
    """
    while pa.types.is_list(stored):
        stored = stored.value_type
        wanted = wanted.value_type if wanted is not None and pa.types.is_list(wanted) else wanted
    if not pa.types.is_struct(stored):
        yield wanted is not None
        return
    if wanted is not None and not pa.types.is_struct(wanted):
        wanted = stored
    for part in stored:
        number = wanted.get_field_index(part.name) if wanted is not None else -1
        yield from _kept_leaves(part.type, wanted.field(number).type if number >= 0 else None)


@contextlib.contextmanager
def damage_told(asset: str, hour: str) -> Iterator[None]:
    """What is no Parquet is a DamagedFileError that says what to do."""
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise damaged(asset, hour, "damaged") from error


def damaged(asset: str, hour: str, how: str) -> DamagedFileError:
    """The error of a file that is to be made again."""
    return DamagedFileError(f"the file of {asset}, hour {hour}, is {how}. Materialize {asset} for it again")


def notes_of(data: bytes) -> dict[str, Any]:
    """What was noted with the rows."""
    return dict(json.loads((pq.read_schema(io.BytesIO(data)).metadata or {}).get(_NOTES, b"{}")))
