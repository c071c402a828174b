"""Questions to the embedded index as SQL: conditions, columns, orders, counts.

What belongs here: SQL text and its parameters. Does not: tables (`embedded_tables.py`), running it
(`embedded.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ci_metrics.index.document_index import Kind, Where
from ci_metrics.index.embedded_tables import column, column_names, table_name, value_in_body
from ci_metrics.index.field_table import (
    IGNORE_ABOVE,
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

#: Up to so many fields SQLite takes out of a body faster than Python reads the whole: of 900
#: characters nine take half the time.
FEW_FIELDS = 16

#: Combinations of values that are looked for one by one.
FEW_TOGETHER = 200


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
