"""Frozen records <-> Arrow tables, with the schema taken from the record's own type hints.

What belongs here: the mapping of types and the two conversions. Does not: where tables are stored.
A record's nested records become structs, its tuples lists; times are microseconds UTC.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from ci_metrics.errors import ContractError

T = TypeVar("T")

_SCALARS: dict[Any, pa.DataType] = {
    str: pa.string(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    datetime: pa.timestamp("us", tz="UTC"),
}


@functools.cache
def schema_of(kind: Any) -> pa.Schema:
    """The Arrow schema of a dataclass. Raises TypeError for a field whose type has no place in a table."""
    return pa.schema(_fields(kind))


def table_of(records: Sequence[Any], kind: type) -> pa.Table:
    """One row a record, in order."""
    return pa.Table.from_pylist([_plain(record) for record in records], schema=schema_of(kind))


def records_of(table: pa.Table, kind: type[T]) -> list[T]:
    """The records of a table that `table_of` made. Raises ContractError when its rows do not fit the record any more."""
    try:
        rows: list[T] = _adapter(cast(Any, kind)).validate_python(table.to_pylist())
        return rows
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ContractError(
            f"stored {kind.__name__} rows have another shape ({where}: {first['msg']}). Materialize the hour again"
        ) from error


def _plain(value: Any) -> Any:
    """What `dataclasses.asdict` gives, without its deep copies: records are frozen, so nothing can change under us."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    names = _names(cast(Any, type(value)))
    return {name: _plain(getattr(value, name)) for name in names} if names is not None else value


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
