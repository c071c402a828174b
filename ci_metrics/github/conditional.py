"""Answers kept with their ETag, so that "has this changed?" is a 304 that costs no quota.

What belongs here: keeping and finding answers, bounded in size. Does not: asking
(`transport.py`), what is kept of an answer: only what was read of it, cleaned and masked
(`pages.py`). The file is its owner's alone.

Why not a general HTTP cache such as hishel: GitHub sends `cache-control: private, max-age=60` and
`vary: Authorization`. A cache that follows them would not ask for a minute where we must, and would
forget everything whenever an App's hourly token changes; here an answer belongs to an identity,
every use is asked about, and only the count of bytes is a limit.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import zstandard

from ci_metrics.private_files import make_file, make_folder

_log = logging.getLogger(__name__)

#: The file's `user_version`. Files of 0 hold answers as GitHub sent them, whose annotations may
#: quote secrets: they are emptied.
_VERSION = 1


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A good answer: its ETag, what is kept of its body, and its `Link` header."""

    etag: str
    body: bytes
    link: str = ""


class ConditionalCache(Protocol):
    """Where answers are kept. Safe for many threads. Losing an entry costs
    one request, nothing else.
    """

    def get(self, scope: str, url: str) -> KeptAnswer | None:
        """The answer that `scope` (an identity) got from `url` last time, if it is still there."""
        ...

    def put(self, scope: str, url: str, answer: KeptAnswer) -> None:
        """Keep an answer in place of the one before."""
        ...


class SQLiteConditionalCache:
    """Answers in one SQLite file, compressed, the longest unused dropped first.
    Several processes may share it.
    """

    def __init__(self, path: Path, *, max_bytes: int = 512 * 1024 * 1024) -> None:
        """Open or make the file at `path`; `max_bytes`: of compressed bodies, 0 or more.

        A file that is no database (a machine that lost power) is replaced by an
        empty one: it is only a cache.
        """
        self._path, self._max_bytes = path, max_bytes
        self._lock = threading.Lock()
        make_folder(path.parent)
        try:
            self._db = self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            _log.warning("⚠️ %s is damaged (%s): starting an empty one; the next requests cost quota again", path, error)
            for name in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
                name.unlink(missing_ok=True)
            self._db = self._open()
        self._since_count = 0

    def _open(self) -> sqlite3.Connection:
        make_file(self._path)
        db = sqlite3.connect(self._path, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten, also where this process dies now
            db.execute(
                "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, etag TEXT NOT NULL, link TEXT NOT NULL, "
                "body BLOB NOT NULL, size INTEGER NOT NULL, used_at INTEGER NOT NULL) WITHOUT ROWID"
            )
            db.execute("CREATE INDEX IF NOT EXISTS by_use ON answers (used_at)")
            # In one transaction: what another process has kept since it looked must not be deleted.
            db.execute("BEGIN IMMEDIATE")
            deleted = 0
            if db.execute("PRAGMA user_version").fetchone()[0] < _VERSION:
                deleted = db.execute("DELETE FROM answers").rowcount
                db.execute(f"PRAGMA user_version = {_VERSION}")
            db.execute("COMMIT")
            if deleted:
                db.execute("VACUUM")  # what was deleted is overwritten, the write-ahead log too at the checkpoint
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error:
            db.close()
            raise
        return db

    def get(self, scope: str, url: str) -> KeptAnswer | None:
        """See `ConditionalCache.get`."""
        key, now = _key(scope, url), int(time.time())
        with self._lock:
            row = self._db.execute("SELECT etag, body, link, used_at FROM answers WHERE key = ?", (key,)).fetchone()
            if row is not None and row[3] < now - 86_400:  # not at every use: reading should not cost a write
                self._db.execute("UPDATE answers SET used_at = ? WHERE key = ?", (now, key))
        if row is None:
            return None
        try:
            return KeptAnswer(row[0], zstandard.decompress(row[1]), row[2])
        except zstandard.ZstdError:
            return None

    def put(self, scope: str, url: str, answer: KeptAnswer) -> None:
        """See `ConditionalCache.put`."""
        body = zstandard.compress(answer.body, 3)
        row = (_key(scope, url), answer.etag, answer.link, body, len(body), int(time.time()))
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)", row)
            self._since_count += len(body)
            if self._since_count * 10 >= self._max_bytes:  # look at the sum now and then, not at every answer
                self._since_count = 0
                self._shrink()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._shrink()
            self._db.close()

    def __enter__(self) -> SQLiteConditionalCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _shrink(self) -> None:
        """Drop the longest unused until nine tenths of the limit are left."""
        total = int(self._db.execute("SELECT coalesce(sum(size), 0) FROM answers").fetchone()[0])
        if total <= self._max_bytes:
            return
        excess = total - self._max_bytes * 9 // 10
        doomed: list[tuple[bytes]] = []
        for key, size in self._db.execute("SELECT key, size FROM answers ORDER BY used_at"):
            doomed.append((key,))
            excess -= size
            if excess <= 0:
                break
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("DELETE FROM answers WHERE key = ?", doomed)
        self._db.execute("COMMIT")


def _key(scope: str, url: str) -> bytes:
    return hashlib.blake2b(f"{scope}\n{url}".encode(), digest_size=16).digest()
