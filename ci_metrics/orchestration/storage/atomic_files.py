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
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import fsspec.asyn
from upath import UPath

from ci_metrics.errors import OvertakenError
from ci_metrics.private_files import make_file, make_folder

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_THREADS = threading.Lock()

#: How often a file is changed anew because another process has changed it meanwhile.
_MOST_CHANGES = 20

#: How often an object is tried for that another process writes at the same moment.
_TRIES = 5


def fetch(path: UPath) -> bytes:
    """A whole file's bytes, by one request. Raises FileNotFoundError when there is none."""
    if is_local(path):
        return Path(str(path)).read_bytes()
    return bytes(path.fs.cat_file(path.path, **_at_once(path)))


def fetch_all(folder: UPath, paths: Sequence[str]) -> Mapping[str, bytes | Exception]:
    """Many files of a folder's file system by their paths, at once where it can; in place of one
    that cannot be read, why.
    """
    return dict(folder.fs.cat(list(paths), on_error="return", **_at_once(folder))) if paths else {}


def _at_once(path: UPath) -> Mapping[str, int]:
    """s3fs asks for an object's size before it reads it, unless it may not read it in parts."""
    return {"max_concurrency": 1} if is_s3(path) else {}


def fetch_tagged(path: UPath) -> tuple[bytes, str]:
    """A whole file's bytes, and what names this version of it to `replace`; "" where nothing does.

    Raises FileNotFoundError when there is none.
    """
    if not is_s3(path):
        return fetch(path), ""
    data, tag = fsspec.asyn.sync(path.fs.loop, _object, path.fs, *path.fs.split_path(path.path)[:2])
    return bytes(data), str(tag)


async def _object(fs: Any, bucket: str, key: str) -> tuple[bytes, str]:
    answer = await fs._call_s3("get_object", Bucket=bucket, Key=key)
    async with answer["Body"] as body:
        return await body.read(), answer["ETag"]


def replace(path: UPath, data: bytes, tag: str | None) -> str | None:
    """Write an object in place of the version that `tag` names; None: there must be none yet.

    Gives the new one's tag; None, with nothing written, when another process was faster. Where no
    version has a name (""), it is written whatever is there.
    """
    if not is_s3(path) or tag == "":
        put(path, data)
        return ""
    try:
        condition = {"IfMatch": tag} if tag is not None else {"IfNoneMatch": "*"}
        return str(path.fs.pipe_file(path.path, data, **condition)["ETag"])
    except OSError as error:
        if isinstance(error, FileNotFoundError) and tag is None:
            raise  # there is no such bucket
        # 404: it is gone. 409: another one writes it at this moment. 412: it is another version.
        if isinstance(error, (FileExistsError, FileNotFoundError)) or error.errno in (errno.EBUSY, errno.EINVAL):
            return None
        raise


def change(path: UPath, lock: UPath, changed: Callable[[bytes | None], bytes]) -> None:
    """Put what `changed` makes of a file's bytes (None: there is none) in their place, so that of
    several processes none forgets what another has written.

    By the lock on the file `lock` where there are files; in S3 `changed` is called again where
    another process was faster.
    """
    with alone(lock):
        for _ in range(_MOST_CHANGES):
            try:
                data, tag = fetch_tagged(path)
            except FileNotFoundError:
                written = replace(path, changed(None), None)
            else:
                written = replace(path, changed(data), tag)
            if written is not None:
                return
    raise OvertakenError(f"other processes changed {path.name} each of {_MOST_CHANGES} times")


def put(target: UPath, data: bytes) -> None:
    """Write `data` as `target`, replacing what was there.

    An object appears whole, so it is written where it belongs.
    """
    if not is_local(target):
        target.fs.pipe_file(target.path, data)
        return
    with written_whole(target) as partial:
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
            with written_whole(target, private=True) as partial, partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        return True
    if not is_s3(target):
        try:
            target.fs.pipe_file(target.path, data, mode="create")
        except FileExistsError:
            return False
        return True
    for _ in range(_TRIES):
        if replace(target, data, None) is not None:
            return True
        with contextlib.suppress(FileNotFoundError):  # another one was writing it, and has failed
            fetch(target)
            return False
    return False


def keeps_conditions(folder: UPath) -> bool:
    """Whether an object store refuses to write over what is there when it is told to: what several
    processes share needs that. Writes an object and removes it; raises what the store raises.
    """
    path = folder / f".probe-{uuid.uuid4().hex}"
    try:
        return create(path, b"") and not create(path, b"")
    finally:
        path.fs.rm_file(path.path)


def is_local(path: UPath) -> bool:
    """Whether it is a file system's, with renames and locks, or an object store's."""
    return path.protocol in ("", "file")


def is_s3(path: UPath) -> bool:
    """Whether it is S3's, or of a server that speaks its language."""
    return path.protocol in ("s3", "s3a")


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
def written_whole(target: UPath, *, private: bool = False) -> Iterator[UPath]:
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
