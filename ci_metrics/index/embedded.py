"""`EmbeddedIndex`: the documents in one SQLite file, for a laptop, for tests and for
teams without OpenSearch.

What belongs here: running SQL safely from several threads and processes. Does not:
the SQL (`embedded_sql.py`), changing the schema (`embedded_schema.py`), what a valid
body is (`validation.py`).

Writes take the lock at once (`BEGIN IMMEDIATE`) and wait for their turn: deferred
transactions that upgrade later are refused, not queued, and lose writes. WAL lets readers go
on while somebody writes.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

from ci_metrics.errors import PermanentError, TransientError
from ci_metrics.index.document_index import Body, Document, Kind, Tally, Where, Written
from ci_metrics.index.embedded_schema import (
    PAGE_BYTES,
    bring_up_to_date,
    check_schema,
    keep_statistics,
    last_row,
    transaction,
)
from ci_metrics.index.embedded_sql import (
    Selected,
    condition,
    counting_sql,
    earliest_sql,
    first_sql,
    ordering_sql,
    selected,
    sorted_sql,
    sorts_by_column,
    tally_sql,
)
from ci_metrics.index.embedded_tables import columns_of, table_name, upsert_sql
from ci_metrics.index.field_table import Field, exact_field, fields_of
from ci_metrics.index.mappings import analyzed_words, has_all
from ci_metrics.index.validation import problem_of, write_error
from ci_metrics.private_files import make_folder

#: Seconds a writer waits for its turn.
BUSY_SECONDS = 60.0

#: Documents per transaction: long enough to be fast, short enough for others to get their turn.
_BATCH = 1_000

#: Pages that the log beside the file may grow to before they are moved into it: moving them twice
#: as seldom saves a tenth.
LOG_PAGES = 4_000

#: What of a file may be read as memory: all that SQLite as it is mostly built allows, 2 GB.
MAPPED_BYTES = 1 << 31

#: Connections that are kept to read with.
READERS = 4

#: Ids per query, below SQLite's limit of parameters.
_IDS = 500


class EmbeddedIndex:
    """A `DocumentIndex` in one SQLite file; any number of threads and
    processes may use it at once.
    """

    def __init__(self, path: Path, *, mapped: bool = False) -> None:
        """The file and its folder are made at the first use. `mapped`: it is read as memory, for
        commands: that saves a quarter of the time of large questions, and a process that reads for
        hours would seem to need all the memory that the file has.
        """
        self._path = Path(path)
        self._mapped_bytes = MAPPED_BYTES if mapped else 0
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._readers: list[sqlite3.Connection] = []  # that nobody reads with now

    @property
    def location(self) -> str:
        """The file's path."""
        return str(self._path)

    def ensure(self) -> None:
        """Create or bring up to date the file, its tables and its views."""
        with self._connected():
            pass

    def upsert(self, documents: Iterable[Document]) -> Written:
        """As the protocol says. What is not refused is written, as OpenSearch does it."""
        created = written = 0
        failures: list[tuple[str, str]] = []
        stream = iter(documents)
        while batch := list(islice(stream, _BATCH)):
            rows: dict[Kind, list[tuple[object, ...]]] = {}
            for document in batch:
                row = self._row(document, failures)
                if row is not None:
                    rows.setdefault(document.kind, []).append(row)
            with self._writing() as connection:
                for kind, values in rows.items():
                    before = last_row(connection, kind)
                    connection.executemany(upsert_sql(kind), values)
                    created += last_row(connection, kind) - before
                    written += len(values)
            with self._connected() as connection:
                for kind in rows:
                    keep_statistics(connection, kind)
        if failures:
            raise write_error(self.location, failures, Written(created, written - created))
        return Written(created, written - created)

    def create(self, document: Document) -> bool:
        """As the protocol says."""
        failures: list[tuple[str, str]] = []
        row = self._row(document, failures)
        if row is None:
            raise write_error(self.location, failures)
        with self._writing() as connection:
            return connection.execute(upsert_sql(document.kind, replacing=False), row).rowcount == 1

    def update(self, kind: Kind, changes: Mapping[str, Body]) -> int:
        """As the protocol says."""
        failures: list[tuple[str, str]] = []
        done = 0
        stream = iter(changes.items())
        while batch := dict(islice(stream, _BATCH)):
            with self._writing() as connection:
                for id_, body in self._bodies(connection, kind, list(batch)):
                    merged = {name: value for name, value in {**body, **batch[id_]}.items() if value is not None}
                    row = self._row(Document(kind, id_, merged), failures)
                    if row is not None:
                        connection.execute(upsert_sql(kind), row)
                        done += 1
        if failures:
            raise write_error(self.location, failures)
        return done

    def get(self, kind: Kind, ids: Sequence[str]) -> dict[str, Body]:
        """As the protocol says."""
        with self._connected() as connection:
            return dict(self._bodies(connection, kind, ids))

    def scan(
        self,
        kind: Kind,
        where: Where | None = None,
        *,
        fields: Sequence[str] = (),
        sort: str = "",
        limit: int | None = None,
    ) -> Iterator[Document]:
        """As the protocol says; what is written meanwhile is not seen."""
        at_most, what = -1 if limit is None else limit, selected(kind, fields)
        if sort and sorts_by_column(kind, sort):
            return self._scan(kind, *sorted_sql(kind, where, sort, at_most, what), what, fields)
        clause, parameters = condition(kind, where)
        sql = f"SELECT id, {what.sql} FROM {table_name(kind)}{clause}{ordering_sql(kind, sort) if sort else ''} LIMIT ?"
        return self._scan(kind, sql, [*parameters, at_most], what, fields)

    def count_by(self, kind: Kind, by: str, where: Where | None = None) -> dict[str, int]:
        """As the protocol says; the most frequent value first."""
        sql, parameters = counting_sql(kind, by, where)
        boolean = exact_field(kind, by).type == "boolean"
        with self._connected() as connection:
            rows = connection.execute(sql, parameters).fetchall()
        named = [(("true" if value else "false") if boolean else str(value), count) for value, count in rows]
        return dict(sorted(named, key=lambda row: (-row[1], row[0])))

    def tally(
        self, kind: Kind, by: Sequence[str], where: Where | None = None, *, sums: Sequence[str] = ()
    ) -> list[Tally]:
        """As the protocol says."""
        sql, parameters = tally_sql(kind, by, where, sums)
        read = [_hashable(_reader(fields_of(kind)[name])) for name in by]
        with self._connected() as connection:
            rows = connection.execute(sql, parameters).fetchall()
        return [
            Tally(
                tuple(
                    value if value is None or each is None else each(value)
                    for each, value in zip(read, row, strict=False)
                ),
                row[len(by)],
                row[len(by) + 1 : len(by) + 1 + len(sums)],
                row[len(by) + 1 + len(sums) :],
            )
            for row in rows
        ]

    def first_of_each(
        self,
        kind: Kind,
        by: Sequence[str],
        order: Sequence[str],
        most: int,
        where: Where | None = None,
        *,
        fields: Sequence[str],
    ) -> list[Document]:
        """As the protocol says."""
        what = selected(kind, fields)
        return list(self._scan(kind, *first_sql(kind, by, order, most, where, what), what, fields))

    def earliest(self, kind: Kind, by: str, values: Sequence[str], of: str = "@timestamp") -> dict[str, str]:
        """As the protocol says."""
        found: dict[str, str] = {}
        with self._connected() as connection:
            for some in _chunks(values):
                found.update(connection.execute(*earliest_sql(kind, by, some, of)).fetchall())
        return found

    def delete(self, kind: Kind, ids: Sequence[str]) -> int:
        """As the protocol says."""
        done = 0
        with self._writing() as connection:
            for some in _chunks(ids):
                marks = ", ".join("?" * len(some))
                cursor = connection.execute(f"DELETE FROM {table_name(kind)} WHERE id IN ({marks})", some)
                done += cursor.rowcount
        return done

    def refresh(self) -> None:
        """Nothing to do: a committed document is visible."""

    def close(self) -> None:
        """Close the file. It opens again at the next use."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            while self._readers:
                self._readers.pop().close()

    def _scan(
        self, kind: Kind, sql: str, parameters: Sequence[object], what: Selected, fields: Sequence[str]
    ) -> Iterator[Document]:
        self.ensure()
        read = _reading(what, fields)
        # A connection of its own: what it sees stands still while this thread or another writes.
        with self._explained(), self._reader() as connection, closing(connection.execute(sql, parameters)) as rows:
            for row in rows:
                yield Document(kind, row[0], read(row))

    @staticmethod
    def _row(document: Document, failures: list[tuple[str, str]]) -> tuple[object, ...] | None:
        """What `upsert_sql` wants; None, and why, when the document is refused."""
        body = document.body
        problem = problem_of(document.kind, body)
        if problem is None:
            try:
                return (document.id, *columns_of(document.kind, body), to_json(body).decode())
            except ValueError:
                problem = "half a surrogate pair in its text"
        failures.append((document.id, problem))
        return None

    @staticmethod
    def _bodies(connection: sqlite3.Connection, kind: Kind, ids: Sequence[str]) -> list[tuple[str, Body]]:
        found: list[tuple[str, Body]] = []
        for some in _chunks(ids):
            sql = f"SELECT id, body FROM {table_name(kind)} WHERE id IN ({', '.join('?' * len(some))})"
            found += [(id_, _read_json(text)) for id_, text in connection.execute(sql, some)]
        return found

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explained():
            if self._connection is None:
                self._connection = self._prepared()
            yield self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._connected() as connection, transaction(connection):
            check_schema(connection, self.location)
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise TransientError(
                    f"{self.location}: another process has been writing for over {BUSY_SECONDS:.0f} s. Try again later"
                ) from error
            raise PermanentError(
                f"{self.location}: {error}. Check the path, the disk space and the permissions"
            ) from error
        except sqlite3.DatabaseError as error:
            raise PermanentError(f"{self.location}: {error}. Move the file away to begin a new one") from error
        except OSError as error:
            raise PermanentError(f"{self.location}: {error.strerror}. Check CI_METRICS_HOME") from error

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """A connection that nobody else uses meanwhile; kept for the next, since a new one reads
        all tables' and indexes' definitions first.
        """
        with self._lock:
            connection = self._readers.pop() if self._readers else self._open()
        try:
            yield connection
        finally:
            with self._lock:
                if self._connection is not None and len(self._readers) < READERS:
                    self._readers.append(connection)
                else:
                    connection.close()

    def _prepared(self) -> sqlite3.Connection:
        make_folder(self._path.parent)
        connection = self._open()
        try:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # of a new file
            _use_wal(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
            bring_up_to_date(connection, self.location)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA mmap_size = {self._mapped_bytes}")
        connection.create_function("has_words", -1, _has_words, deterministic=True)
        return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """The first switch of a new file to WAL does not wait for its turn by itself."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _has_words(text: str, *values: str | None) -> bool:
    return has_all(analyzed_words(text), [value for value in values if value is not None])


def _read_json(text: str) -> Any:
    try:
        return from_json(text)
    except ValueError:  # half a surrogate pair, as 0.1 wrote it
        return json.loads(text)


def _reading(what: Selected, fields: Sequence[str]) -> Callable[[Sequence[Any]], Body]:
    """How to read what is `selected` of a document with these fields; a row begins with its id."""
    if not what.columns and not what.others:
        if not fields:
            return lambda row: _read_json(row[1])
        wanted = frozenset(fields)
        return lambda row: {name: value for name, value in _read_json(row[1]).items() if name in wanted}
    names = [field.name for field in what.columns]
    special = [(place, reader) for place, field in enumerate(what.columns) if (reader := _reader(field))]

    def read(row: Sequence[Any]) -> Body:
        body = {name: value for name, value in zip(names, row[1:], strict=False) if value is not None}
        for place, reader in special:
            if names[place] in body:
                body[names[place]] = reader(row[place + 1])
        if what.others:
            found = zip(what.others, _read_json(row[-1]), strict=False)
            body.update((name, value) for name, value in found if value is not None)
        return body

    return read


def _reader(field: Field) -> Callable[[Any], Any] | None:
    """How to read a value of a column; None where it is as it stands."""
    if field.type == "boolean":
        return bool
    return _read_list if field.many else None


def _hashable(reader: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    """The same for values that documents are told apart by."""
    return _read_tuple if reader is _read_list else reader


def _read_tuple(text: Any) -> Any:
    found = _read_list(text)
    return tuple(found) if found.__class__ is list else found


def _read_list(text: Any) -> Any:
    return _read_json(text) if text.__class__ is str and text.startswith("[") else text


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _IDS):
        yield ids[start : start + _IDS]
