"""The embedded index's tables, views and conditions, as SQL made from the table of fields.

What belongs here: SQL text and its parameters. Does not: running it, bringing a file up to
date (`embedded_schema.py`).

Each kind has a table `<kind>_rows(id, ..., body)` with a column for each field that an index is
made of, and a view `<kind>` with one column a field, named as in the documents (only `@timestamp`
loses its @). `job_errors` has a row per entry of `errors`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic_core import to_json

from ci_metrics.index.document_index import Body, Kind, Where
from ci_metrics.index.field_table import (
    ERROR_FIELDS,
    IGNORE_ABOVE,
    KINDS,
    Field,
    countable_field,
    exact_field,
    fields_of,
    known_field,
    tallied_field,
    text_fields,
)
from ci_metrics.index.mappings import analyzed_words
from ci_metrics.index.times import bound

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

#: Up to so many fields SQLite takes out of a body faster than Python reads the whole: of 900
#: characters nine take half the time.
FEW_FIELDS = 16

#: Combinations of values that are looked for one by one.
FEW_TOGETHER = 200

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


@dataclass(frozen=True, slots=True)
class Selected:
    """What to select besides the id: `columns` in their order, then, where there are `others`, a
    JSON array of their values, null where the document has none; without either the body.
    """

    columns: tuple[Field, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def sql(self) -> str:
        """For a SELECT."""
        found = [_faithful(field) for field in self.columns]
        if self.others:
            paths = [f"""'$."{name}"'""" for name in (*self.others, self.others[0])]  # with one alone it is no array
            found.append(f"json_extract(body, {', '.join(paths)})")
        return ", ".join(found) or "body"


def selected(kind: Kind, fields: Sequence[str]) -> Selected:
    """How a few fields are read; of many the whole body is faster."""
    columns = tuple(fields_of(kind)[name] for name in fields if name in column_names(kind))
    others = tuple(name for name in fields if name not in column_names(kind))
    return Selected(columns, others) if fields and len(others) <= FEW_FIELDS else Selected()


def _faithful(field: Field) -> str:
    """A column, but what the body says where the column leaves a long keyword out."""
    name = column(field.name)
    if field.type != "keyword" or field.many:
        return name
    return f"""coalesce({name}, json_extract(body, '$."{field.name}"'))"""


def condition(kind: Kind, where: Where | None) -> tuple[str, list[Any]]:
    """A WHERE clause ("" when everything matches) and its parameters. Raises ContractError on a
    field that cannot be asked for.
    """
    return _joined([*_in_columns(kind, where), *_in_bodies(kind, where)])


def present_sql(kind: Kind, name: str) -> str:
    """Whether a document has the field. Raises ContractError when no
    document of the kind can have it.
    """
    field = known_field(kind, name)
    if field.many:
        return f"EXISTS (SELECT 1 FROM {_each(field)} WHERE length(value) <= {IGNORE_ABOVE})"
    return f"{_value(kind, field)} IS NOT NULL"


def counting_sql(kind: Kind, by: str, where: Where | None) -> tuple[str, list[Any]]:
    """(value, count) rows of a field's values. Raises ContractError on a field
    that cannot be counted by.
    """
    field = countable_field(kind, by)
    clause, parameters = condition(kind, where)
    if field.many:
        values = f"SELECT DISTINCT document.id, element.value FROM {table_name(kind)} AS document, {_each(field)} AS element{clause}"
        return f"SELECT value, count(*) FROM ({values}) WHERE value IS NOT NULL GROUP BY value", parameters
    values = f"SELECT {_value(kind, field)} AS value FROM {table_name(kind)}{clause}"
    return f"SELECT value, count(*) FROM ({values}) WHERE value IS NOT NULL GROUP BY value", parameters


def tally_sql(kind: Kind, by: Sequence[str], where: Where | None, sums: Sequence[str]) -> tuple[str, list[Any]]:
    """Rows of values, a count, sums, and how many documents each sum is of. Raises ContractError on
    fields that documents are not told apart by.
    """
    clause, parameters = condition(kind, where)
    values = [_told_apart(kind, tallied_field(kind, name)) for name in by]
    added = [f"{what}({_value(kind, exact_field(kind, name))})" for what in ("total", "count") for name in sums]
    groups = ", ".join(str(number) for number in range(1, len(values) + 1))
    return (
        f"SELECT {', '.join([*values, 'count(*)', *added])} FROM {table_name(kind)}{clause} GROUP BY {groups}",
        parameters,
    )


def first_sql(
    kind: Kind, by: Sequence[str], order: Sequence[str], most: int, where: Where | None, what: Selected
) -> tuple[str, list[Any]]:
    """Ids and what is `selected` of the first documents of each combination of values. Raises
    ContractError as `tally_sql` does.
    """
    clause, parameters = condition(kind, where)
    values = ", ".join(_told_apart(kind, tallied_field(kind, name)) for name in by)
    ordered = ", ".join(_ordered(kind, name) for name in order)
    places = (
        f"SELECT rowid AS number, row_number() OVER (PARTITION BY {values} ORDER BY {ordered}) AS place "
        f"FROM {table_name(kind)}{clause}"
    )
    sql = (
        f"SELECT id, {what.sql} FROM ({places}) AS found JOIN {table_name(kind)} AS document ON document.rowid = number"
    )
    return f"{sql} WHERE place <= ?", [*parameters, most]


def earliest_sql(kind: Kind, by: str, values: Sequence[str], of: str) -> tuple[str, list[Any]]:
    """(value, the smallest of `of`) rows for those values of `by`. Raises ContractError on
    fields that cannot be compared.
    """
    clause, parameters = condition(kind, Where(equals={by: values}))
    value, smallest = _value(kind, exact_field(kind, by)), _value(kind, exact_field(kind, of))
    sql = f"SELECT {value} AS value, min({smallest}) AS first FROM {table_name(kind)}{clause} GROUP BY value"
    return f"SELECT value, first FROM ({sql}) WHERE first IS NOT NULL", parameters


def ordering_sql(kind: Kind, sort: str) -> str:
    """An ORDER BY: documents without the field last either way.

    Nothing more, not even for ties: with it SQLite reads and sorts a million
    documents for the newest one.
    """
    return f" ORDER BY {_ordered(kind, sort)}"


def sorted_sql(kind: Kind, where: Where | None, sort: str, limit: int, what: Selected) -> tuple[str, list[Any]]:
    """Ids and what is `selected` in the order of a field that has a column; `limit`: -1 for all.

    First which rows, in order, as the columns say; then their bodies one after the other, until
    there are enough that fit. SQLite would carry the bodies through the sort, and look at all of
    them. It keeps the order of an inner query that has a LIMIT.
    """
    chosen, parameters = _joined(_in_columns(kind, where))
    rest, conditions = _joined(_in_bodies(kind, where))
    rows = f"SELECT rowid AS number FROM {table_name(kind)}{chosen}{ordering_sql(kind, sort)} LIMIT ?"
    sql = f"SELECT id, {what.sql} FROM ({rows}) AS found CROSS JOIN {table_name(kind)} AS document ON document.rowid = number{rest} LIMIT ?"
    return sql, [*parameters, -1 if rest else limit, *conditions, limit]


def sorts_by_column(kind: Kind, sort: str) -> bool:
    """Whether the field of a sort has a column."""
    return sort.removeprefix("-") in column_names(kind)


def _in_columns(kind: Kind, where: Where | None) -> list[tuple[str, list[Any]]]:
    return [(sql, values) for name, sql, values in _clauses(kind, where or Where()) if name in column_names(kind)]


def _in_bodies(kind: Kind, where: Where | None) -> list[tuple[str, list[Any]]]:
    found = [(sql, values) for name, sql, values in _clauses(kind, where or Where()) if name not in column_names(kind)]
    if where is not None and where.text:
        # First whether a word stands anywhere: reading texts out of JSON and into words
        # costs ten times as much.
        found += [("body LIKE ?", [f"%{word}%"]) for word in _findable(where.text)]
        texts = ", ".join(_value(kind, fields_of(kind)[name]) for name in text_fields(kind))
        found.append((f"has_words(?, {texts})", [where.text]))
    return found


def _clauses(kind: Kind, where: Where) -> Iterator[tuple[str, str, list[Any]]]:
    """Field, condition, its parameters."""
    for name, wanted in where.equals.items():
        field = exact_field(kind, name)
        values = [wanted] if isinstance(wanted, (str, int, float, bool)) else list(wanted)
        # A plus keeps SQLite from beginning with an index of it: most documents have one status.
        begins = "+" if where.together and name == "s_status" else ""
        yield name, begins + _one_of(kind, field, len(values)), [_comparable(field, value) for value in values]
    for name, (low, high) in where.ranges.items():
        field = exact_field(kind, name)
        for operator, end in ((">=", low), ("<", high)):
            if end is not None:
                yield name, f"{_value(kind, field)} {operator} ?", [_comparable(field, end)]
    for names, combinations in where.together.items():
        columns = [_value(kind, exact_field(kind, name)) for name in names]
        parameters = [value for combination in combinations for value in combination]
        sql = _any_together(columns, len(combinations))
        yield names[0] if set(names) <= set(column_names(kind)) else "", sql, parameters
    for name in where.exists:
        yield name, present_sql(kind, name), []
    for name in where.missing:
        yield name, f"NOT ({present_sql(kind, name)})", []


def _any_together(columns: Sequence[str], count: int) -> str:
    """Any of so many combinations of values. SQLite looks for each of a few by itself; many are
    compared with what the other conditions leave.
    """
    if not count:
        return "0"
    if count <= FEW_TOGETHER:
        each = f"({' AND '.join(f'{column} = ?' for column in columns)})"
        return f"({' OR '.join([each] * count)})"
    row = f"({', '.join('?' * len(columns))})"
    return f"({', '.join(columns)}) IN (VALUES {', '.join([row] * count)})"


def _joined(clauses: Sequence[tuple[str, list[Any]]]) -> tuple[str, list[Any]]:
    if not clauses:
        return "", []
    parameters = [value for _, values in clauses for value in values]
    return f" WHERE {' AND '.join(sql for sql, _ in clauses)}", parameters


def _findable(text: str) -> list[str]:
    """The words that LIKE finds whatever their case: it knows that of ASCII only. A Kelvin
    sign is a k in lower case.
    """
    return sorted(word.replace("k", "_") for word in analyzed_words(text) if word.isascii())


def _value(kind: Kind, field: Field) -> str:
    return column(field.name) if field.name in column_names(kind) else value_in_body(field)


def _told_apart(kind: Kind, field: Field) -> str:
    """What documents are told apart by: of a time its hour."""
    value = _value(kind, field)
    return f"substr({value}, 1, 13)" if field.type == "date" else value


def _ordered(kind: Kind, sort: str) -> str:
    value = _value(kind, exact_field(kind, sort.removeprefix("-")))
    return f"{value} DESC" if sort.startswith("-") else f"{value} NULLS LAST"


def _one_of(kind: Kind, field: Field, count: int) -> str:
    marks = ", ".join("?" * count)
    if field.many:
        return f"EXISTS (SELECT 1 FROM {_each(field)} WHERE value IN ({marks}))"
    return f"{_value(kind, field)} IN ({marks})"


def _each(field: Field) -> str:
    return f"json_each(body, '$.\"{field.name}\"')"


def _comparable(field: Field, value: object) -> object:
    if field.type == "date":
        return bound(value)
    if field.type == "keyword":
        return str(value)
    return value


def _view_column(source: str, field: Field) -> str:
    return f"json_extract({source}, '$.\"{field.name}\"') AS {column(field.name)}"
