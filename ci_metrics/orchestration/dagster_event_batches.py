"""Many events of Dagster's log in one transaction, where SQLite keeps it.

What belongs here: writing a batch of events with one connection a file. Does not: which events make
a batch (Dagster: the materializations of a step), the instance (`instance.py`).

Dagster's SQLite storage opens two connections and commits twice for each event, and looks each time
anew at which tables there are: 33 ms, so that the 2,352 events of two weeks took longer than all
the work. In batches of 200 an event takes 2 ms.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

#: Dagster's setting: so many events are handed over at once.
BATCH_SIZE = ("DAGSTER_EVENT_BATCH_SIZE", "200")


class BatchingEventLog(SqliteEventLogStorage):
    """Dagster's event log in SQLite: the events of a batch share their connections, and all share
    compiled statements and what was seen of the tables.
    """

    _of_batch = threading.local()

    @contextlib.contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        """A connection to a file, in a transaction; within a batch the batch's own."""
        batch: _Batch | None = getattr(self._of_batch, "batch", None)
        address = self.conn_string_for_shard(shard)
        if batch is not None:
            yield batch.connection(address)
        elif shard not in self._initialized_dbs:  # makes its tables, where they are missing
            with super()._connect(shard) as connection:
                yield connection
        else:
            with self._db_lock, _engine(address).connect() as connection, connection.begin():
                yield connection

    def has_table(self, table_name: str) -> bool:
        """Whether there is such a table."""
        return self._seen(table_name, lambda: super(BatchingEventLog, self).has_table(table_name))

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        found = super()._has_asset_key_col_on_connection
        return self._seen(f"asset_keys.{column_name}", lambda: found(conn, column_name))

    def _store_asset_event(self, conn: Connection, event: dg.EventLogEntry, event_id: int) -> None:
        """What is noted of an asset itself: of a batch's events of one type only the last stays."""
        batch: _Batch | None = getattr(self._of_batch, "batch", None)
        if batch is None or event.dagster_event is None:
            super()._store_asset_event(conn, event, event_id)
        else:
            key = event.dagster_event.asset_key, event.dagster_event_type
            batch.last.pop(key, None)
            batch.last[key] = event, event_id

    def _seen(self, name: str, look: Callable[[], bool]) -> bool:
        """Whether something is there. What was seen does not go, and is not looked for again."""
        seen: set[str] = self.__dict__.setdefault("_seen_tables", set())
        if name not in seen and look():
            seen.add(name)
        return name in seen

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store one event."""
        if getattr(self._of_batch, "batch", None) is None:
            self.store_event_batch([event])
        else:
            super().store_event(event)

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store the events, of one run, all or none."""
        for shard in (events[0].run_id, INDEX_SHARD_NAME):
            if shard not in self._initialized_dbs:
                with self._connect(shard):
                    pass
        with self._db_lock, contextlib.ExitStack() as opened:
            batch = self._of_batch.batch = _Batch(opened)
            try:
                super().store_event_batch(events)
                for event, event_id in batch.last.values():
                    index = batch.connection(self.conn_string_for_shard(INDEX_SHARD_NAME))
                    super()._store_asset_event(index, event, event_id)
            finally:
                self._of_batch.batch = None


class _Batch:
    """The connections of one batch; what they wrote is committed when `opened` is closed."""

    def __init__(self, opened: contextlib.ExitStack) -> None:
        self._opened = opened
        self._connections: dict[str, Connection] = {}
        #: By asset and type, the last event that it has to be noted of, and the event's id.
        self.last: dict[tuple[object, object], tuple[dg.EventLogEntry, int]] = {}

    def connection(self, address: str) -> Connection:
        if address not in self._connections:
            connection = self._opened.enter_context(_engine(address).connect())
            self._opened.enter_context(connection.begin())
            self._connections[address] = connection
        return self._connections[address]


@lru_cache(maxsize=8)
def _engine(address: str) -> Engine:
    """Kept for its compiled statements; it keeps no connection."""
    return create_engine(address, poolclass=NullPool, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})


def write_in_batches(instance: dg.DagsterInstance) -> None:
    """Let this process write the events of `instance` in batches, if they are kept in SQLite."""
    storage = instance.event_log_storage
    if type(storage) is SqliteEventLogStorage:
        storage.__class__ = BatchingEventLog
