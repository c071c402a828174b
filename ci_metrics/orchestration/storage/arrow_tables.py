"""Frozen records <-> Arrow tables, with the schema taken from the record's own type hints.

What belongs here: the mapping of types and the two conversions. Does not: where tables are stored.
A record's nested records become structs, its tuples lists; times are microseconds UTC.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, chain, islice
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from ci_metrics.errors import ContractError, ShapeError

_T = TypeVar("_T")

_SCALARS: dict[Any, pa.DataType] = {
    str: pa.string(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    datetime: pa.timestamp("us", tz="UTC"),
}


#: Rows of a part: what lies between a table and its records is then small.
BATCH = 500

#: Values of a column from which on each different one is made once: of fewer, telling them apart
#: takes longer (an hour's 14 verdicts: 2.4 ms, and 1.0 without).
MANY_VALUES = 300

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@functools.cache
def schema_of(kind: Any) -> pa.Schema:
    """The Arrow schema of a dataclass.

    Raises TypeError for a field whose type has no place in a table.
    """
    return pa.schema(_fields(kind))


def arrow_table(records: Sequence[Any], kind: type) -> pa.Table:
    """One row a record, in order.

    Raises ContractError that names the record and field which no table can hold.
    """
    try:
        schema = schema_of(cast(Any, kind))
        columns = [_column([getattr(record, field.name) for record in records], field.type) for field in schema]
        return pa.Table.from_arrays(columns, schema=schema)
    except (pa.ArrowException, OverflowError, UnicodeError, TypeError) as error:
        named = next(filter(None, map(misfit, records)), str(error))
        raise ContractError(f"a {kind.__name__} cannot be stored: {named}") from error


class PackedRows:
    """Rows that are kept as tables as they come: a fraction of what they take as records.

    How they are cut follows from their number alone, so that equal rows make equal files.
    """

    def __init__(self, kind: type, records: Sequence[Any] = ()) -> None:
        """`kind` of records; the first of them."""
        self._kind = kind
        self._parts: list[pa.Table] = []
        self._last: list[Any] = []
        self.add(records)

    def __len__(self) -> int:
        """How many rows there are."""
        return sum(part.num_rows for part in self._parts) + len(self._last)

    @property
    def few(self) -> list[Any] | None:
        """The rows as records, where there are so few that they are kept as such."""
        return None if self._parts else list(self._last)

    def add(self, records: Iterable[Any]) -> None:
        """Further rows. Raises as `arrow_table` does."""
        stream = chain(self._last, records)
        while len(batch := list(islice(stream, BATCH))) == BATCH:
            self._parts.append(arrow_table(batch, self._kind))
        self._last = batch

    def arrange(self, places: Sequence[int]) -> None:
        """Only the rows at these places (counted as they came, from 0), in this order."""
        table, order = self.table(), _column(places, pa.int64())
        self._parts, self._last = [], []
        columns: list[Any] = []
        for _ in table.schema:  # one after the other: a large table is there once, not three times
            columns.append(table.column(0).combine_chunks().take(order))
            table = table.remove_column(0)
        self._parts = [pa.Table.from_arrays(columns, schema=schema_of(cast(Any, self._kind)))]

    def __iter__(self) -> Iterator[Any]:
        """The rows as records, some at a time."""
        for batch in self.table().to_batches(max_chunksize=BATCH):
            yield from records_of(batch, self._kind)

    def table(self) -> pa.Table:
        """All rows, in order."""
        return pa.concat_tables([*self._parts, arrow_table(self._last, self._kind)])


def records_of(batch: pa.RecordBatch, kind: type[_T]) -> list[_T]:
    """The records of a part of a table that this or an earlier version made of them.

    Fields that were not stored have their defaults; None where they have none and may be None.
    Raises ShapeError, which names the field, where the stored rows cannot be read as such records.
    """
    found = _other_type(batch.schema, schema_of(cast(Any, kind)))
    if found:
        raise _shape_error(kind, found)
    rows = cast("list[dict[str, Any]]", _values(batch.to_struct_array()))
    try:
        return _validated(rows, kind)
    except ValidationError as error:
        reasons = error.errors()
        if any(reason["type"] != "missing" for reason in reasons):
            raise _shape_error(kind, _told(reasons[0])) from error
        for reason in reasons:
            *path, name = reason["loc"]
            functools.reduce(lambda part, key: part[key], path, cast(Any, rows))[name] = None
        try:
            return _validated(rows, kind)
        except ValidationError:
            raise _shape_error(kind, _told(reasons[0])) from error


def rows_with(batch: pa.RecordBatch, wanted: Mapping[str, Collection[str]]) -> pa.RecordBatch:
    """The rows of a part of a table that have one of these values in each of these columns."""
    import pyarrow.compute as pc  # 40 ms, which whoever reads rows pays anyway, others need not

    for name, values in wanted.items():
        batch = batch.filter(pc.is_in(batch.column(name), value_set=_column(list(values), pa.string())))
    return batch


def misfit(record: Any, path: str = "") -> str | None:
    """In words, the first value of a record that no table can hold; None when all can be."""
    if isinstance(record, int) and not -(2**63) <= record < 2**63:
        return f"{path} is {record}, beyond 64 bits"
    if isinstance(record, str) and not record.isascii() and any("\ud800" <= char <= "\udfff" for char in record):
        return f"{path} holds half a character: {record[:60]!r}"
    if isinstance(record, tuple):
        return next(filter(None, (misfit(item, f"{path}[{n}]") for n, item in enumerate(record))), None)
    names = _names(cast(Any, type(record))) or ()
    parts = (misfit(getattr(record, name), f"{path}.{name}" if path else name) for name in names)
    return next(filter(None, parts), None)


def _validated(rows: list[dict[str, Any]], kind: type[_T]) -> list[_T]:
    found: list[_T] = _adapter(cast(Any, kind)).validate_python(rows)
    return found


def _told(reason: Any) -> str:
    return f"{'.'.join(str(part) for part in reason['loc'])}: {reason['msg']}"


def _shape_error(kind: type, found: str) -> ShapeError:
    return ShapeError(
        f"stored {kind.__name__} rows have another shape ({found}): another version has written them, or "
        "they are rows of something else. "
        "They are left as they are. Use that version, or move the file away and Materialize the hour again"
    )


def _other_type(stored: Any, expected: Any, path: str = "") -> str | None:
    """In words, the first field that is stored as another type than expected; None if none is."""
    for field in expected:
        index = stored.get_field_index(field.name)
        if index < 0:
            continue
        found, wanted, name = stored.field(index).type, field.type, f"{path}{field.name}"
        while pa.types.is_list(found) and pa.types.is_list(wanted):
            found, wanted = found.value_type, wanted.value_type
        if pa.types.is_struct(found) and pa.types.is_struct(wanted):
            inner = _other_type(found, wanted, f"{name}.")
            if inner:
                return inner
        elif not found.equals(wanted):
            return f"{name}: stored as {found}, read as {wanted}"
    return None


def _column(values: Sequence[Any], type_: pa.DataType) -> pa.Array[Any]:
    """A column of values, of which None is null, laid out as Arrow's columnar format says.

    `pa.array` would do, but loads pandas where that is installed: 48 MB and a third of a second.
    """
    known = [value is not None for value in values]
    nulls = len(known) - sum(known)
    valid = _bits(known) if nulls else None
    kept = [value for value in values if value is not None] if nulls else values
    if pa.types.is_struct(type_):
        children = [_column([None if v is None else getattr(v, f.name) for v in values], f.type) for f in type_]
        return pa.Array.from_buffers(type_, len(values), [valid], nulls, children=children)
    if pa.types.is_list(type_):
        lengths = [len(value) if value is not None else 0 for value in values]
        items = _column([item for value in kept for item in value], type_.value_type)
        return pa.Array.from_buffers(type_, len(values), [valid, _offsets(lengths)], nulls, children=[items])
    if pa.types.is_string(type_):
        texts = [str.encode(value) if value is not None else b"" for value in values]
        buffers = [valid, _offsets(map(len, texts)), pa.py_buffer(b"".join(texts))]
    elif pa.types.is_boolean(type_):
        buffers = [valid, _bits([value is True for value in values])]
    else:
        numbers = [_number(value, type_) if value is not None else 0 for value in values]
        code = "d" if pa.types.is_floating(type_) else "q"
        buffers = [valid, pa.py_buffer(array(code, numbers))]
    return pa.Array.from_buffers(type_, len(values), buffers, nulls)


def _values(column: pa.Array[Any]) -> list[Any]:
    """What `to_pylist` gives, without pandas, which that loads for times. Equal values of many are
    one object.
    """
    if isinstance(column, pa.StructArray):
        names = [field.name for field in column.type]
        rows = zip(*map(_values, column.flatten()), strict=True)
        if not column.null_count:
            return [dict(zip(names, row, strict=True)) for row in rows]
        known = column.is_valid().to_pylist()
        return [dict(zip(names, row, strict=True)) if there else None for there, row in zip(known, rows, strict=True)]
    if isinstance(column, pa.ListArray):
        items = iter(_values(column.flatten()))
        lengths = column.value_lengths().to_pylist()
        return [list(islice(items, length)) if length is not None else None for length in lengths]
    is_time = pa.types.is_timestamp(column.type)
    column = column.view(pa.int64()) if is_time else column
    if len(column) < MANY_VALUES:
        few: list[Any] = column.to_pylist()
        return [_EPOCH + n * _MICROSECOND if n is not None else None for n in few] if is_time else few
    encoded = column.dictionary_encode()
    different: list[Any] = encoded.dictionary.to_pylist()
    if is_time:
        different = [_EPOCH + number * _MICROSECOND for number in different]
    return [different[index] if index is not None else None for index in encoded.indices.to_pylist()]


def _number(value: Any, type_: pa.DataType) -> Any:
    """What a fixed-width column holds: times as microseconds since 1970."""
    return (value - _EPOCH) // _MICROSECOND if pa.types.is_timestamp(type_) else value


def _offsets(lengths: Iterable[int]) -> pa.Buffer:
    return pa.py_buffer(array("i", accumulate(lengths, initial=0)))


def _bits(flags: Sequence[bool]) -> pa.Buffer:
    """One bit a flag, the first the lowest."""
    digits = "".join("1" if flag else "0" for flag in reversed(flags))
    return pa.py_buffer(int(digits or "0", 2).to_bytes((len(flags) + 7) // 8, "little"))


@functools.cache
def _names(kind: Any) -> tuple[str, ...] | None:
    return tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else None


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(list[kind])


def _fields(kind: type) -> list[pa.Field[Any]]:
    hints = get_type_hints(kind)
    return [pa.field(field.name, _arrow(hints[field.name])) for field in dataclasses.fields(kind)]


def _arrow(hint: Any) -> pa.DataType:
    if hint in _SCALARS:
        return _SCALARS[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _arrow(next(arg for arg in args if arg is not type(None)))
    if origin is Literal:
        return pa.string()
    if origin is tuple:
        return pa.list_(_arrow(args[0]))
    if dataclasses.is_dataclass(hint):
        return pa.struct(_fields(hint if isinstance(hint, type) else type(hint)))
    raise TypeError(f"{hint!r} has no Arrow type here")
