"""Files that appear whole or not at all, on a file system as in an object store.

What belongs here: writing beside the target and moving into place. Does not: which files there are (`store.py`).
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

from upath import UPath


def put(target: UPath, data: bytes) -> None:
    """Write `data` as `target`, replacing what was there."""
    with beside(target) as partial:
        partial.write_bytes(data)


@contextlib.contextmanager
def beside(target: UPath) -> Iterator[UPath]:
    """A path beside `target` to write to; it takes the target's place at the end, and goes when the block raises."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        yield partial
        _rename(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _rename(partial: UPath, target: UPath) -> None:
    if partial.protocol in ("", "file"):
        Path(str(partial)).replace(str(target))
    else:  # an object store has no rename; its objects appear whole
        target.fs.mv(partial.path, target.path)
