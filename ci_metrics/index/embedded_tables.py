"""The embedded index's tables, columns, indexes and views, as SQL made from the table of fields.

What belongs here: which fields have a column or an index, and the statements that make and fill a
table. Does not: questions (`embedded_sql.py`), bringing a file up to date (`embedded_schema.py`).

Each kind has a table `<kind>_rows(id, ..., body)` with a column for each field that an index is
made of, and a view `<kind>` with one column a field, named as in the documents (only `@timestamp`
loses its @). `job_errors` has a row per entry of `errors`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic_core import to_json

from ci_metrics.index.document_index import Body, Kind
from ci_metrics.index.field_table import (
    ERROR_FIELDS,
    IGNORE_ABOVE,
    KINDS,
    Field,
    fields_of,
)

#: The indexes of each kind, each with the question that it answers. Each one costs an upsert some
#: 1.3 us of its 50, so a field that is asked for once a day has none.
INDEXES: Mapping[Kind, tuple[tuple[str, ...], ...]] = {
    "workflows": (
        ("@timestamp",),
        ("s_partition",),  # an hour, and what is missing of it
        ("s_workflow_id",),
        ("s_repo", "s_github_event", "s_branch"),  # the branches on which scheduled runs ran
    ),
    "jobs": (
        ("@timestamp",),  # the newest and the oldest document, a stretch of time
        ("s_status", "@timestamp"),  # failures, newest first
        ("s_repo", "@timestamp"),
        ("s_partition", "s_status"),
        ("s_workflow_id", "l_run_attempt"),  # re-runs
        ("s_job_id",),
        ("s_repo", "s_branch", "s_job_name", "s_partition"),  # a job's runs on a branch, in order
        ("s_error_group", "@timestamp"),  # when a group was seen first
        ("s_error_fingerprint", "b_flaky_suspected", "s_branch"),  # the flagged ones, those of base branches
        ("s_error_type", "@timestamp"),
        ("s_error_base_type", "s_error_type"),  # a team's own kinds of the ten categories
    ),
    "steps": (
        ("@timestamp",),
        ("s_status", "@timestamp"),
        ("s_partition",),
        ("s_job_id",),
        ("s_error_type", "@timestamp"),
        ("s_error_base_type", "s_error_type"),
    ),
    "verdicts": (
        ("@timestamp",),
        ("s_error_fingerprint",),
        ("s_error_source",),  # people's
    ),
}

#: Further fields that have a column: what is counted of every job of a stretch, and what is read of
#: those that passed. A column costs an upsert a tenth of what an index costs, and reading it
#: a tenth of reading the body.
STORED: Mapping[Kind, tuple[str, ...]] = {
    "jobs": (
        "s_workflow_name",
        "s_branch_kind",
        "s_github_event",
        "s_pr_id",
        "s_commit_sha",
        "l_queue_time_sec",
        "l_duration_sec",
        "s_runner_labels",
        "s_runner_prefix",
        "l_runner_minutes",
        "f_runner_cost_usd",
    ),
}

#: Fields that most documents lack: an index that begins with one leaves those documents out.
_SELDOM = ("s_error_",)


def table_name(kind: Kind) -> str:
    """The table that holds a kind's documents."""
    return f"{kind}_rows"


@cache
def column_fields(kind: Kind) -> tuple[Field, ...]:
    """The fields of a kind that have a column of their own."""
    named = dict.fromkeys([*(name for index in INDEXES[kind] for name in index), *STORED.get(kind, ())])
    return tuple(fields_of(kind)[name] for name in named)


@cache
def column_names(kind: Kind) -> tuple[str, ...]:
    """The names of `column_fields`, as documents have them."""
    return tuple(field.name for field in column_fields(kind))


def column(name: str) -> str:
    """The column of a field, in tables and views."""
    return name.removeprefix("@")


def columns_of(kind: Kind, body: Body) -> list[Any]:
    """What the columns of a kind hold: a keyword too long to be searched counts as absent, as in
    OpenSearch; a list is JSON.
    """
    get = body.get
    values = [
        None if value.__class__ is str and len(value) > IGNORE_ABOVE else value
        for value in map(get, column_names(kind))
    ]
    for place in _lists(kind):
        if values[place].__class__ is list:
            values[place] = to_json(values[place]).decode()
    return values


@cache
def _lists(kind: Kind) -> tuple[int, ...]:
    """Which of the columns hold lists."""
    return tuple(place for place, field in enumerate(column_fields(kind)) if field.many)


def value_in_body(field: Field, body: str = "body") -> str:
    """The expression for what `columns_of` says, from the body's JSON."""
    raw = f"json_extract({body}, '$.\"{field.name}\"')"
    return f"iif(length({raw}) <= {IGNORE_ABOVE}, {raw}, NULL)" if field.type == "keyword" and not field.many else raw


@cache
def upsert_sql(kind: Kind, *, replacing: bool = True) -> str:
    """Write one document: its id, the values of `column_fields`, its body. `replacing`: also
    one that is there already.
    """
    columns = ["id", *(column(field.name) for field in column_fields(kind)), "body"]
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
    return (
        f"INSERT INTO {table_name(kind)} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
        f"ON CONFLICT (id) DO {f'UPDATE SET {changes}' if replacing else 'NOTHING'}"
    )


def views() -> dict[str, str]:
    """The views by name, each as the statement that makes it."""
    made: dict[str, str] = {}
    for kind in KINDS:
        columns = [
            column(field.name) if field.name in column_names(kind) else _view_column("body", field)
            for field in fields_of(kind).values()
            if field.type != "nested"
        ]
        made[kind] = f"CREATE VIEW {kind} AS SELECT id, {', '.join(columns)} FROM {table_name(kind)}"
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
    made["job_errors"] = (
        f"CREATE VIEW job_errors AS SELECT document.id, error.key + 1 AS rank, {', '.join([*outer, *inner])} "
        f"FROM {table_name('jobs')} AS document, json_each(body, '$.errors') AS error"
    )
    return made


def indexes(kind: Kind) -> dict[str, str]:
    """The indexes by name, each as the statement that makes it."""
    made: dict[str, str] = {}
    for fields in INDEXES[kind]:
        columns = [column(name) for name in fields]
        name = f"{kind}_on_{'_and_'.join(columns)}"
        most = f" WHERE {columns[0]} IS NOT NULL" if fields[0].startswith(_SELDOM) else ""
        made[name] = f"CREATE INDEX {name} ON {table_name(kind)} ({', '.join(columns)}){most}"
    return made


def _view_column(source: str, field: Field) -> str:
    return f"json_extract({source}, '$.\"{field.name}\"') AS {column(field.name)}"
