"""The embedded index's file as a whole: copied while others use it, checked, put back.

What belongs here: these copies. Does not: documents (`embedded.py`), archives
(`orchestration/backup.py`).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ci_metrics.errors import ContractError, PermanentError
from ci_metrics.index.embedded import BUSY_SECONDS
from ci_metrics.index.embedded_schema import check_schema
from ci_metrics.private_files import make_file, make_folder


def copy_index(source: Path, target: Path) -> None:
    """Copy the file as it is at one moment, whoever writes to it meanwhile. Raises
    PermanentError when it is damaged.
    """
    make_file(target)
    with closing(_opened(source)) as from_, closing(_opened(target)) as to:
        try:
            from_.backup(to)
        except sqlite3.DatabaseError as error:
            raise PermanentError(f"{source}: {error}. Move the file away to begin a new one") from error


def check_index(path: Path, name: str) -> None:
    """Raises ContractError when a file, called `name`, is no embedded index;
    PermanentError when a later version's.
    """
    with closing(_opened(path)) as connection:
        try:
            said = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
            connection.execute("SELECT count(*) FROM jobs_documents").fetchone()
        except sqlite3.DatabaseError as error:
            said = str(error)
        if said != "ok":
            raise ContractError(f"{name} holds no embedded index: {said}")
        check_schema(connection, name)


def put_back(source: Path, target: Path) -> None:
    """Replace what `target` holds by what `source` does, in one transaction; processes that
    have it open go on with that.
    """
    make_folder(target.parent)
    try:
        copy_index(source, target)
    except PermanentError:  # what is there is no index
        for name in (target, target.with_name(f"{target.name}-wal"), target.with_name(f"{target.name}-shm")):
            name.unlink(missing_ok=True)
        copy_index(source, target)


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
