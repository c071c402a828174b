"""Hyperscan databases that are compiled once a machine, not once a process.

What belongs here: compiling a set of expressions, remembering the result on disk, scanning from any
thread. Does not: any expression.

Compiling a few hundred expressions takes seconds, loading the compiled form milliseconds; commands
and Dagster's step processes start often. The file's name carries a hash of everything that goes in
(expressions, flags, the engine's version, what it needs of the processor), the file itself is
checked by its own hash, and it is replaced atomically; a cache that cannot be read or written costs
time, never a result.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import hyperscan
import platformdirs

from ci_metrics.expressions.partial_database import OnMatch, PartialDatabase

_LOG = logging.getLogger(__name__)
_DIGEST = 32  # bytes of the hash in front of the stored database
#: Expressions, the number that the engine reports for each, its flags.
Expressions = tuple[Sequence[bytes], Sequence[int], Sequence[int]]
_PARTS = ContextVar("parts", default=False)


def compiled(
    expressions: Sequence[bytes], ids: Sequence[int], flags: Sequence[int], *, folder: Path | None = None
) -> Any:
    """A block-mode database over `expressions`; `folder` is where it is remembered (default:
    the user's cache folder).

    Raises hyperscan.error when the engine refuses an expression.
    """
    given = (expressions, ids, flags)

    def parts(whole: Callable[[], Any]) -> PartialDatabase:
        return PartialDatabase(*given, expression=expressions.__getitem__, whole=whole)

    return compiled_as(_told(*given), lambda: given, parts, folder=folder)


@contextmanager
def only_what_may_match() -> Iterator[None]:
    """Within, databases that this machine does not remember are compiled in parts: for a command
    that reads little, once.
    """
    token = _PARTS.set(True)
    try:
        yield
    finally:
        _PARTS.reset(token)


def default_folder() -> Path:
    """Where compiled expressions are remembered: the user's cache folder."""
    return platformdirs.user_cache_path("ci-metrics")


def compiled_as(
    name: str,
    made: Callable[[], Expressions],
    parts: Callable[[Callable[[], Any]], PartialDatabase] | None = None,
    *,
    folder: Path | None = None,
) -> Any:
    """The same for what `made` makes: asked only where no database of this name is remembered.

    `name` must be another one whenever `made` could make something else: a hash of all that goes
    into it. `parts` makes the partial database, of what makes the whole one.
    """
    path = (folder or default_folder()) / f"patterns-{_key(name)}.hsdb"

    def whole() -> Any:
        expressions, ids, flags = made()
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        database.compile(expressions=list(expressions), ids=list(ids), elements=len(expressions), flags=list(flags))
        _store(path, database)
        return database

    database = _load(path)
    if database is None:
        database = parts(whole) if parts and _PARTS.get() else whole()
    return database


class _Scratches(threading.local):
    """Working memory by database, for each thread."""

    def __init__(self) -> None:
        self.known: dict[Any, Any] = {}


_SCRATCHES = _Scratches()


def scan(database: Any, data: bytes, on_match: OnMatch) -> None:
    """Scan `data` in working memory of this thread's own: the engine refuses two
    scans at a time in the same.
    """
    if isinstance(database, PartialDatabase):
        database.scan(data, on_match)
        return
    known = _SCRATCHES.known
    scratch = known.get(database)
    if scratch is None:
        scratch = known[database] = hyperscan.Scratch(database)
    database.scan(data, match_event_handler=on_match, scratch=scratch)


def _key(name: str) -> str:
    return hashlib.sha256(f"{version('hyperscan')} {platform.machine()} {_engine()} {name}".encode()).hexdigest()[:24]


@cache
def _engine() -> str:
    """What the engine says of the databases that it makes here: its version, and the processor's
    features that they need. One that says the same runs here, wherever it was compiled; the engine
    itself refuses others when they are loaded.
    """
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=[b"a"], ids=[0], elements=1, flags=[0])
    return str(database.info())


def _told(expressions: Sequence[bytes], ids: Sequence[int], flags: Sequence[int]) -> str:
    digest = hashlib.sha256()
    for expression, number, flag in zip(expressions, ids, flags, strict=True):
        digest.update(b"%d %d %d " % (number, flag, len(expression)) + expression)
    return digest.hexdigest()


def _load(path: Path) -> Any | None:
    try:
        stored = path.read_bytes()
    except OSError:
        return None
    digest, body = stored[:_DIGEST], stored[_DIGEST:]
    if hashlib.sha256(body).digest() != digest:
        _LOG.debug("%s is damaged and is compiled anew", path)
        return None
    try:
        database = hyperscan.loadb(body, mode=hyperscan.HS_MODE_BLOCK)
        database.scratch = hyperscan.Scratch(database)  # a loaded database comes without one
        return database
    except hyperscan.error as error:
        _LOG.debug("%s does not load (%s) and is compiled anew", path, error)
        return None


def _store(path: Path, database: Any) -> None:
    body = hyperscan.dumpb(database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(body).digest() + body)
        Path(name).replace(path)
    except OSError as error:
        _LOG.debug("%s cannot be written (%s); the expressions are compiled in every process", path, error)
