"""Gzip, unpacked up to a limit: a few kilobytes can unpack to any number of gigabytes.

What belongs here: reading packed bytes as a stream. Does not: whose they are, what is in them.
"""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING, BinaryIO, cast

from ci_metrics.errors import ContractError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: What packed bytes begin with (RFC 1952).
GZIP_MARK = b"\x1f\x8b"


def unpacked(packed: BinaryIO, name: str, most: int) -> io.BufferedReader:
    """What `packed` unpacks to, as a stream. Reading it raises ContractError beyond `most` bytes;
    EOFError, OSError or zlib.error where it is damaged.
    """
    return io.BufferedReader(cast(io.RawIOBase, _Bounded(gzip.GzipFile(fileobj=packed), name, most)))


class _Bounded(io.RawIOBase):
    def __init__(self, source: gzip.GzipFile, name: str, most: int) -> None:
        self._source, self._name, self._most, self._read = source, name, most, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        read = self._source.readinto(buffer)
        self._read += read
        if self._read > self._most:
            raise ContractError(
                f"{self._name}: unpacks to more than the {self._most // 1_000_000} MB that MAX_LOG_MB allows. "
                "Set it higher if this is a log indeed"
            )
        return read
