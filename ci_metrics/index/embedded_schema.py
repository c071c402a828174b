"""Bringing the file of the embedded index up to date: tables, indexes, views, statistics.

What belongs here: comparing what a file has with what is wanted, and making the rest. Does not:
what is wanted (`embedded_tables.py`), documents.

`user_version` says what a file has. Each step towards ours is a transaction of its own and may be
done twice: a process that dies goes on with the next one, two that begin at once share the work,
and nobody waits for more than one step.

Up to version 0.1 that number was a hash, and a process made everything again where it was not its
own. What is left for one that still runs is a view in its table's place: it can read, its writes
and its rebuilding are refused, so it and ours never take turns.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ci_metrics.errors import PermanentError
from ci_metrics.index.document_index import Kind
from ci_metrics.index.embedded_tables import STORED, column, column_fields, indexes, table_name, value_in_body, views
from ci_metrics.index.field_table import KINDS, fields_of

#: What a file has, as `user_version`: to be raised with every change of tables, indexes or views.
SCHEMA_VERSION = 4

#: Columns that came with a later schema, of files that had documents by then. The newest come
#: first, and of these one that all documents have: where it is empty, a row has not been filled.
ADDED: Mapping[Kind, tuple[str, ...]] = {"jobs": (*STORED["jobs"], "s_job_name")}  # 4, 3

#: The hashes of 0.1 are larger (all but one in 16,000), and no file has seen so many changes.
MOST_SCHEMAS = 1_000

#: Bytes of a page of a new file: an upsert of 3 KB costs a tenth less CPU time
#: than with SQLite's 4,096.
PAGE_BYTES = 8_192

#: Documents of 0.1 that are moved in one transaction: some 0.3 s.
MOVED = 5_000

#: Entries of each index that are looked at for statistics: all of a million would take
#: seconds and change no plan.
SAMPLED = 1_000

#: Statistics are made when there are this many documents, and again at so many times more.
FIRST_STATISTICS = 1_000
GROWTH = 4


def check_schema(connection: sqlite3.Connection, location: str) -> bool:
    """Whether the file has all that this version needs. Raises PermanentError when a
    newer version has changed it.
    """
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    if SCHEMA_VERSION < number < MOST_SCHEMAS:
        raise PermanentError(
            f"{location}: a newer ci_metrics has brought this file to schema {number}, this one knows {SCHEMA_VERSION}. "
            "Update this installation too, or set CI_METRICS_HOME to another folder"
        )
    return bool(number == SCHEMA_VERSION)


def bring_up_to_date(connection: sqlite3.Connection, location: str) -> None:
    """Make what the file lacks. Raises PermanentError when a newer version has changed it."""
    if check_schema(connection, location):
        return
    filled = dict.fromkeys(KINDS, 0)
    for kind in KINDS:
        with transaction(connection):
            _make_table(connection, kind)
        filled[kind] = _fill_added(connection, kind)
        _move_from_0_1(connection, kind)
        for name, sql in indexes(kind).items():
            with transaction(connection):
                _make(connection, "index", {name: sql})
    with transaction(connection):
        if not check_schema(connection, location):
            for kind in KINDS:  # what an older process wrote meanwhile: from now on it is refused
                _fill(connection, kind, filled[kind])
                connection.execute(f"DROP TRIGGER IF EXISTS {_filling(kind)}")
            _make(connection, "view", {**views(), **{_table_of_0_1(kind): _view_for_0_1(kind) for kind in KINDS}})
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    for kind in KINDS:
        keep_statistics(connection, kind)


def keep_statistics(connection: sqlite3.Connection, kind: Kind) -> None:
    """Look at the documents anew when there are many more than last time: without statistics
    SQLite reads a million for five.
    """
    known = 0
    if "sqlite_stat1" in _made(connection, "table"):
        row = connection.execute("SELECT stat FROM sqlite_stat1 WHERE tbl = ? LIMIT 1", (table_name(kind),)).fetchone()
        known = int(row[0].split()[0]) if row else 0
    if last_row(connection, kind) >= max(FIRST_STATISTICS, GROWTH * known):
        connection.execute(f"PRAGMA analysis_limit = {SAMPLED}")
        connection.execute(f"ANALYZE {table_name(kind)}")


def last_row(connection: sqlite3.Connection, kind: Kind) -> int:
    """The highest row number: each new document gets the next one, one that is
    written again keeps its own.
    """
    (row,) = connection.execute(f"SELECT max(rowid) FROM {table_name(kind)}").fetchone()
    return int(row or 0)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A write: it takes the lock at once, so that it waits for its turn
    and is not refused later.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _make_table(connection: sqlite3.Connection, kind: Kind) -> None:
    """The table, where there is none."""
    columns = [column(field.name) for field in column_fields(kind)]
    # The body last: what comes after 3 KB of text costs another page to read.
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {table_name(kind)} "
        f"(id TEXT PRIMARY KEY NOT NULL, {', '.join(columns)}, body TEXT NOT NULL)"
    )


def _fill_added(connection: sqlite3.Connection, kind: Kind) -> int:
    """Fill the columns that an older table has not, some documents at a time; the last row that was
    filled.
    """
    if kind not in ADDED:
        return 0
    with transaction(connection):
        there = {name for _, name, *_ in connection.execute(f"PRAGMA table_info({table_name(kind)})")}
        for name in ADDED[kind]:
            if column(name) not in there:
                connection.execute(f"ALTER TABLE {table_name(kind)} ADD COLUMN {column(name)}")
        # What an older process, which does not know the columns, writes again meanwhile.
        connection.execute(
            f"CREATE TRIGGER IF NOT EXISTS {_filling(kind)} AFTER UPDATE OF body ON {table_name(kind)} BEGIN "
            f"UPDATE {table_name(kind)} SET {_added_values(kind)} WHERE rowid = new.rowid; END"
        )
    done = 0
    while True:
        with transaction(connection):
            last = _fill(connection, kind, done, MOVED)
        if last == done:
            return done
        done = last


def _fill(connection: sqlite3.Connection, kind: Kind, after: int, most: int = -1) -> int:
    """Fill the added columns of the rows behind `after`, at most so many; the last row."""
    if kind not in ADDED:
        return after
    rows = f"SELECT rowid FROM {table_name(kind)} WHERE rowid > ? ORDER BY rowid LIMIT ?"
    (last,) = connection.execute(f"SELECT max(rowid) FROM ({rows})", (after, most)).fetchone()
    if last is None:
        return after
    connection.execute(
        f"UPDATE {table_name(kind)} SET {_added_values(kind)} WHERE rowid > ? AND rowid <= ? AND {column(ADDED[kind][0])} IS NULL",
        (after, last),
    )
    return int(last)


def _added_values(kind: Kind) -> str:
    return ", ".join(f"{column(name)} = {value_in_body(fields_of(kind)[name])}" for name in ADDED[kind])


def _filling(kind: Kind) -> str:
    return f"{table_name(kind)}_filling"


def _move_from_0_1(connection: sqlite3.Connection, kind: Kind) -> None:
    """The documents of a 0.1 file, some at a time; the pages they leave are used again."""
    old = _table_of_0_1(kind)
    fields = column_fields(kind)
    columns = ", ".join(["id", *(column(field.name) for field in fields), "body"])
    values = ", ".join(["id", *(value_in_body(field) for field in fields), "body"])
    while old in _made(connection, "table"):
        with transaction(connection):
            if old not in _made(connection, "table"):
                return
            for name in _made(connection, "index"):
                if name.startswith(f"{kind}_by_"):
                    connection.execute(f"DROP INDEX {name}")
            (last,) = connection.execute(
                f"SELECT max(rowid) FROM (SELECT rowid FROM {old} ORDER BY rowid LIMIT {MOVED})"
            ).fetchone()
            if last is None:
                connection.execute(f"DROP TABLE {old}")
                _make(connection, "view", {old: _view_for_0_1(kind)})
                return
            connection.execute(
                f"INSERT OR REPLACE INTO {table_name(kind)} ({columns}) SELECT {values} FROM {old} WHERE rowid <= ?",
                (last,),
            )
            connection.execute(f"DELETE FROM {old} WHERE rowid <= ?", (last,))


def _table_of_0_1(kind: Kind) -> str:
    return f"{kind}_documents"


def _view_for_0_1(kind: Kind) -> str:
    return f"CREATE VIEW {_table_of_0_1(kind)} AS SELECT id, body FROM {table_name(kind)}"


def _made(connection: sqlite3.Connection, type_: str) -> dict[str, str]:
    return dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = ?", (type_,)))


def _make(connection: sqlite3.Connection, type_: str, wanted: Mapping[str, str]) -> None:
    made = _made(connection, type_)
    for name, sql in wanted.items():
        if made.get(name) != sql:
            connection.execute(f"DROP {type_} IF EXISTS {name}")
            connection.execute(sql)
