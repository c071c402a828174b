"""`EmbeddedIndex`: the documents in one SQLite file, for a laptop, for tests and for teams without OpenSearch.

What belongs here: running SQL safely from several threads and processes. Does not: the SQL (`embedded_sql.py`), what a
valid body is (`validation.py`).

Writes take the lock at once (`BEGIN IMMEDIATE`) and wait for their turn: deferred transactions that upgrade later are
refused, not queued, and lose writes. WAL lets readers go on while somebody writes.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

from ci_metrics.errors import ContractError, PermanentError, TransientError
from ci_metrics.index.analyzer import analyzed_words, has_all
from ci_metrics.index.base import Body, Document, Kind, Where, Written
from ci_metrics.index.embedded_sql import (
    FORMAT,
    condition,
    counting_sql,
    ordering_sql,
    schema_statements,
    schema_version,
    table_name,
)
from ci_metrics.index.fields import exact_field
from ci_metrics.index.validation import problem_of, write_error
from ci_metrics.private_files import make_folder

#: Seconds a writer waits for its turn.
BUSY_SECONDS = 60.0

#: Documents per transaction: long enough to be fast, short enough for others to get their turn.
BATCH = 1_000

#: Ids per query, below SQLite's limit of parameters.
IDS = 500


class EmbeddedIndex:
    """A `DocumentIndex` in one SQLite file; any number of threads and processes may use it at once."""

    def __init__(self, path: Path) -> None:
        """The file and its folder are made at the first use."""
        self._path = Path(path)
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None

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
        created = updated = 0
        failures: list[tuple[str, str]] = []
        stream = iter(documents)
        while batch := list(islice(stream, BATCH)):
            good: list[tuple[Document, str]] = []
            for document in batch:
                problem = problem_of(document.kind, document.body)
                if problem is None:
                    good.append((document, _dumped(document.body)))
                else:
                    failures.append((document.id, problem))
            with self._writing() as connection:
                known = {kind: self._known(connection, kind, good) for kind in {d.kind for d, _ in good}}
                for document, text in good:
                    connection.execute(
                        f"INSERT INTO {table_name(document.kind)} (id, body) VALUES (?, ?) "
                        "ON CONFLICT (id) DO UPDATE SET body = excluded.body",
                        (document.id, text),
                    )
                    updated += document.id in known[document.kind]
                    created += document.id not in known[document.kind]
                    known[document.kind].add(document.id)
        if failures:
            raise write_error(self.location, failures)
        return Written(created, updated)

    def create(self, document: Document) -> bool:
        """As the protocol says."""
        problem = problem_of(document.kind, document.body)
        if problem is not None:
            raise write_error(self.location, [(document.id, problem)])
        with self._writing() as connection:
            cursor = connection.execute(
                f"INSERT INTO {table_name(document.kind)} (id, body) VALUES (?, ?) ON CONFLICT (id) DO NOTHING",
                (document.id, _dumped(document.body)),
            )
            return cursor.rowcount == 1

    def update(self, kind: Kind, changes: Mapping[str, Body]) -> int:
        """As the protocol says."""
        failures: list[tuple[str, str]] = []
        done = 0
        stream = iter(changes.items())
        while batch := dict(islice(stream, BATCH)):
            with self._writing() as connection:
                for id_, body in self._bodies(connection, kind, list(batch)):
                    merged = {name: value for name, value in {**body, **batch[id_]}.items() if value is not None}
                    problem = problem_of(kind, merged)
                    if problem is not None:
                        failures.append((id_, problem))
                        continue
                    connection.execute(f"UPDATE {table_name(kind)} SET body = ? WHERE id = ?", (_dumped(merged), id_))
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
        clause, parameters = condition(kind, where)
        sql = f"SELECT id, body FROM {table_name(kind)}{clause}{ordering_sql(kind, sort)}"
        if limit is not None:
            sql, parameters = f"{sql} LIMIT ?", [*parameters, limit]
        return self._scan(kind, sql, parameters, frozenset(fields))

    def count_by(self, kind: Kind, by: str, where: Where | None = None) -> dict[str, int]:
        """As the protocol says; the most frequent value first."""
        sql, parameters = counting_sql(kind, by, where)
        boolean = exact_field(kind, by).type == "boolean"
        with self._connected() as connection:
            rows = connection.execute(sql, parameters).fetchall()
        named = [(("true" if value else "false") if boolean else str(value), count) for value, count in rows]
        return dict(sorted(named, key=lambda row: (-row[1], row[0])))

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

    def _scan(self, kind: Kind, sql: str, parameters: Sequence[object], fields: frozenset[str]) -> Iterator[Document]:
        self.ensure()
        # A connection of its own: its snapshot stands still while this thread or another writes.
        with self._explained(), closing(self._open()) as connection:
            for id_, text in connection.execute(sql, list(parameters)):
                body = json.loads(text)
                yield Document(kind, id_, {n: v for n, v in body.items() if n in fields} if fields else body)

    @staticmethod
    def _known(connection: sqlite3.Connection, kind: Kind, documents: Sequence[tuple[Document, str]]) -> set[str]:
        ids = [document.id for document, _ in documents if document.kind == kind]
        known: set[str] = set()
        for some in _chunks(ids):
            marks = ", ".join("?" * len(some))
            known.update(
                id_ for (id_,) in connection.execute(f"SELECT id FROM {table_name(kind)} WHERE id IN ({marks})", some)
            )
        return known

    @staticmethod
    def _bodies(connection: sqlite3.Connection, kind: Kind, ids: Sequence[str]) -> list[tuple[str, Body]]:
        found: list[tuple[str, Body]] = []
        for some in _chunks(ids):
            sql = f"SELECT id, body FROM {table_name(kind)} WHERE id IN ({', '.join('?' * len(some))})"
            found += [(id_, json.loads(text)) for id_, text in connection.execute(sql, some)]
        return found

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explained():
            if self._connection is None:
                self._connection = self._prepared()
            yield self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._connected() as connection, _transaction(connection):
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

    def _prepared(self) -> sqlite3.Connection:
        make_folder(self._path.parent)
        connection = self._open()
        try:
            _use_wal(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            if format_of(connection, self.location) != schema_version():
                with _transaction(connection):
                    format_of(connection, self.location)  # a later version may have been there meanwhile
                    for statement in schema_statements():
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {schema_version()}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.create_function("has_words", -1, _has_words, deterministic=True)
        return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def format_of(connection: sqlite3.Connection, name: str) -> int:
    """The version that a file says it has. Raises ContractError when that is a later one than this version knows."""
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found >> 24 > FORMAT:
        raise ContractError(
            f"{name} was written by a later version (format {found >> 24}, known up to {FORMAT}). Use that one"
        )
    return found


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


def _dumped(body: Body) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), IDS):
        yield ids[start : start + IDS]
