"""The embedded index's tables, views and conditions, as SQL made from the table of fields.

What belongs here: SQL text and its parameters. Does not: running it.

Each kind has a table `<kind>_documents(id, body)` with indexes on the fields that are asked for most, and a view `<kind>` with one
column a field, named as in the documents (only `@timestamp` loses its @). `job_errors` has a row per entry of `errors`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from ci_metrics.index.base import Kind, Where
from ci_metrics.index.fields import (
    ERROR_FIELDS,
    IGNORE_ABOVE,
    KINDS,
    Field,
    countable_field,
    exact_field,
    fields_of,
    known_field,
    text_fields,
)
from ci_metrics.index.times import bound

#: Of the file: raised when what earlier versions wrote into the tables needs a step of its own to be read. 0: version
#: 0.1's, which said none; its tables are the same. Indexes and views are derived, and made anew where they differ.
FORMAT = 1

#: Fields with an index of their own, where a kind has them.
INDEXED = (
    "@timestamp",
    "s_repo",
    "s_workflow_id",
    "s_status",
    "s_partition",
    "s_job_id",
    "s_commit_sha",
    "s_error_type",
    "s_error_state",
    "s_error_fingerprint",
    "s_error_group",
)


def table_name(kind: Kind) -> str:
    """The table that holds a kind's documents."""
    return f"{kind}_documents"


def schema_statements() -> list[str]:
    """What makes the schema; each may run again on a database that has it."""
    return [*_tables(), *_views()]


def schema_version() -> int:
    """For SQLite's `user_version`: the format, and 24 bits that change with the tables' indexes and views."""
    text = "\n".join(schema_statements())
    return FORMAT << 24 | int.from_bytes(hashlib.blake2b(text.encode(), digest_size=3).digest())


def value_sql(field: Field) -> str:
    """The expression for a field's value; a keyword too long to be searched counts as absent, as in OpenSearch."""
    raw = f"json_extract(body, '$.\"{field.name}\"')"
    return f"iif(length({raw}) <= {IGNORE_ABOVE}, {raw}, NULL)" if field.type == "keyword" and not field.many else raw


def condition(kind: Kind, where: Where | None) -> tuple[str, list[Any]]:
    """A WHERE clause ("" when everything matches) and its parameters. Raises ContractError on a field that cannot be asked for."""
    if where is None:
        return "", []
    clauses: list[str] = []
    parameters: list[Any] = []
    for name, wanted in where.equals.items():
        field = exact_field(kind, name)
        values = [wanted] if isinstance(wanted, (str, int, float, bool)) else list(wanted)
        clauses.append(_one_of(field, len(values)))
        parameters += [_comparable(field, value) for value in values]
    for name, (low, high) in where.ranges.items():
        field = exact_field(kind, name)
        for operator, end in ((">=", low), ("<", high)):
            if end is not None:
                clauses.append(f"{value_sql(field)} {operator} ?")
                parameters.append(_comparable(field, end))
    clauses += [present_sql(kind, name) for name in where.exists]
    clauses += [f"NOT ({present_sql(kind, name)})" for name in where.missing]
    if where.text:
        clauses.append(f"has_words(?, {', '.join(value_sql(fields_of(kind)[name]) for name in text_fields(kind))})")
        parameters.append(where.text)
    return (f" WHERE {' AND '.join(clauses)}" if clauses else ""), parameters


def present_sql(kind: Kind, name: str) -> str:
    """Whether a document has the field. Raises ContractError when no document of the kind can have it."""
    field = known_field(kind, name)
    if field.many:
        return f"EXISTS (SELECT 1 FROM {_each(field)} WHERE length(value) <= {IGNORE_ABOVE})"
    return f"{value_sql(field)} IS NOT NULL"


def counting_sql(kind: Kind, by: str, where: Where | None) -> tuple[str, list[Any]]:
    """(value, count) rows of a field's values. Raises ContractError on a field that cannot be counted by."""
    field = countable_field(kind, by)
    clause, parameters = condition(kind, where)
    if field.many:
        values = f"SELECT DISTINCT document.id, element.value FROM {table_name(kind)} AS document, {_each(field)} AS element{clause}"
        return f"SELECT value, count(*) FROM ({values}) WHERE value IS NOT NULL GROUP BY value", parameters
    values = f"SELECT {value_sql(field)} AS value FROM {table_name(kind)}{clause}"
    return f"SELECT value, count(*) FROM ({values}) WHERE value IS NOT NULL GROUP BY value", parameters


def ordering_sql(kind: Kind, sort: str) -> str:
    """An ORDER BY: documents without the field last either way, ties by id."""
    if not sort:
        return " ORDER BY id"
    value = value_sql(exact_field(kind, sort.removeprefix("-")))
    return f" ORDER BY {value} IS NULL, {value}{' DESC' if sort.startswith('-') else ''}, id"


def _one_of(field: Field, count: int) -> str:
    marks = ", ".join("?" * count)
    if field.many:
        return f"EXISTS (SELECT 1 FROM {_each(field)} WHERE value IN ({marks}))"
    return f"{value_sql(field)} IN ({marks})"


def _each(field: Field) -> str:
    return f"json_each(body, '$.\"{field.name}\"')"


def _comparable(field: Field, value: object) -> object:
    if field.type == "date":
        return bound(value)
    if field.type == "keyword":
        return str(value)
    return value


def _tables() -> Iterator[str]:
    for kind in KINDS:
        yield f"CREATE TABLE IF NOT EXISTS {table_name(kind)} (id TEXT PRIMARY KEY NOT NULL, body TEXT NOT NULL)"
        for name, field in fields_of(kind).items():
            if name in INDEXED:
                column = _column(name)
                yield f"DROP INDEX IF EXISTS {kind}_by_{column}"
                yield f"CREATE INDEX {kind}_by_{column} ON {table_name(kind)} ({value_sql(field)})"


def _views() -> Iterator[str]:
    for kind in KINDS:
        columns = [_view_column("body", field) for field in fields_of(kind).values() if field.type != "nested"]
        yield f"DROP VIEW IF EXISTS {kind}"
        yield f"CREATE VIEW {kind} AS SELECT id, {', '.join(columns)} FROM {table_name(kind)}"
    shared: Sequence[str] = (
        "@timestamp",
        "s_repo",
        "s_workflow_id",
        "s_workflow_name",
        "s_branch",
        "s_job_id",
        "s_job_name",
    )
    outer = [_view_column("body", fields_of("jobs")[name]) for name in shared]
    inner = [_view_column("error.value", field) for field in ERROR_FIELDS.values()]
    yield "DROP VIEW IF EXISTS job_errors"
    yield (
        f"CREATE VIEW job_errors AS SELECT document.id, error.key + 1 AS rank, {', '.join([*outer, *inner])} "
        f"FROM {table_name('jobs')} AS document, json_each(body, '$.errors') AS error"
    )


def _view_column(source: str, field: Field) -> str:
    return f"json_extract({source}, '$.\"{field.name}\"') AS {_column(field.name)}"


def _column(name: str) -> str:
    return name.removeprefix("@")
