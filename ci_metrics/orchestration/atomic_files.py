"""Files that appear whole or not at all, on a file system as in an object store.

What belongs here: writing beside the target and moving into place, one writer at a time. Does not:
which files there are.
"""

from __future__ import annotations

import contextlib
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


def put(target: UPath, data: bytes) -> None:
    """Write `data` as `target`, replacing what was there.

    An object appears whole, so it is written where it belongs.
    """
    if not is_local(target):
        target.write_bytes(data)
        return
    with beside(target) as partial:
        partial.write_bytes(data)


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
    """A path beside `target` to write to; it takes its place at the end, and goes on an error.

    `private`: nobody but the owner may read it, where files have modes.
    """
    if is_local(target):
        make_folder(Path(str(target.parent)))
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        if private and is_local(target):
            make_file(Path(str(partial)))
        yield partial
        _rename(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _rename(partial: UPath, target: UPath) -> None:
    if is_local(partial):
        Path(str(partial)).replace(str(target))
    else:  # an object store has no rename; its objects appear whole
        target.fs.mv(partial.path, target.path)
