"""Files that appear whole or not at all, on a file system as in an object store.

What belongs here: writing beside the target and moving into place, one writer at a time. Does not:
which files there are.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

from upath import UPath

from ci_metrics.private_files import make_file, make_folder

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_THREADS = threading.Lock()

#: How often an object is tried for that another process writes at the same moment.
_TRIES = 5


def put(target: UPath, data: bytes) -> None:
    """Write `data` as `target`, replacing what was there.

    An object appears whole, so it is written where it belongs.
    """
    if not is_local(target):
        target.write_bytes(data)
        return
    with beside(target) as partial:
        partial.write_bytes(data)


def create(target: UPath, data: bytes) -> bool:
    """Write `data` as `target` where nothing is yet, for its owner alone; False where something is.

    Of several that try at once one comes through: by a lock where there are files, by the store's
    own condition where there are objects (S3: `If-None-Match: *`, since 2024).
    """
    if is_local(target):
        with alone(target.parent / ".lock"):
            if target.exists():
                return False
            with beside(target, private=True) as partial, partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        return True
    for _ in range(_TRIES):
        try:
            target.fs.pipe_file(target.path, data, mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno != errno.EBUSY:  # S3's 409: another one writes it at this moment, and may fail
                raise
            continue
        return True
    return False


def is_local(path: UPath) -> bool:
    """Whether it is a file system's, with renames and locks, or an object store's."""
    return path.protocol in ("", "file")


@contextlib.contextmanager
def alone(lock: UPath) -> Iterator[None]:
    """One process and thread at a time in the block: by a lock on the file `lock`.

    Object stores have no locks: there, and where the system has no `fcntl`, only this process's
    threads wait for each other.
    """
    with _THREADS:
        if fcntl is None or not is_local(lock):
            yield
            return
        make_folder(Path(str(lock.parent)))
        with Path(str(lock)).open("ab") as held:
            fcntl.flock(held, fcntl.LOCK_EX)  # given back when the file is closed, by whatever end of the process
            yield


@contextlib.contextmanager
def beside(target: UPath, *, private: bool = False) -> Iterator[UPath]:
    """A path to write to; what is there takes the place of `target` at the end, and goes on an
    error.

    `private`: nobody but the owner may read it, where files have modes. An object store has no
    rename and its objects appear whole: what goes there is written on this machine first.
    """
    if not is_local(target):
        with tempfile.TemporaryDirectory() as folder:
            partial = UPath(folder) / "object"
            yield partial
            target.fs.put_file(str(partial), target.path)
        return
    make_folder(Path(str(target.parent)))
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        if private:
            make_file(Path(str(partial)))
        yield partial
        Path(str(partial)).replace(str(target))
    finally:
        partial.unlink(missing_ok=True)
