"""A cap on one log's size that keeps the beginning and the end: the cause of a
failure mostly stands late.

What belongs here: which bytes go on, and the mark where some do not. Does not: where
they come from and go to.
"""

from __future__ import annotations

from collections.abc import Callable

#: Of the cap, the share that the log's beginning gets: the job's set-up. The rest is for its end.
_HEAD_SHARE = 0.25

#: The end that is kept in memory when the log's length is not known beforehand, in bytes.
_TAIL_IN_MEMORY = 8 * 1024 * 1024


class CappedLog:
    """Passes a log on to `write`; of one longer than `max_bytes`, its beginning, a
    marking line and its end.
    """

    def __init__(self, write: Callable[[bytes], None], max_bytes: int) -> None:
        """`max_bytes` of log are passed on; the marking line comes on top. Raises
        ValueError when it is less than 1.
        """
        if max_bytes < 1:
            raise ValueError(f"a log's cap is at least 1 byte, not {max_bytes}")
        self._write, self._max = write, max_bytes
        self._head = max_bytes
        self._tail_from: int | None = None  # where the end begins that is passed on; None: not known
        self._tail = bytearray()
        self._dropped = self._dropped_lines = 0
        self._marked = False
        self.received = 0  # bytes of the log so far

    @property
    def truncated(self) -> bool:
        """Whether something was left out."""
        return self._dropped > 0

    def expect(self, total: int) -> None:
        """The whole log will have `total` bytes. Without effect once more than
        that is passed on already.
        """
        if self._tail_from is None and total > self._max and self.received == 0:
            self._head = int(self._max * _HEAD_SHARE)
            self._tail_from = total - (self._max - self._head)

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the log."""
        start, self.received = self.received, self.received + len(chunk)
        if start < self._head:
            self._write(chunk[: self._head - start])
            chunk, start = chunk[self._head - start :], self._head
        if not chunk:
            return
        if self._tail_from is None:
            self._tail += chunk
            excess = len(self._tail) - min(_TAIL_IN_MEMORY, self._max)
            if excess > _TAIL_IN_MEMORY // 8:  # not at every chunk: moving the rest costs
                self._drop(bytes(self._tail[:excess]))
                del self._tail[:excess]
            return
        middle = self._tail_from - start
        if middle > 0:
            self._drop(chunk[:middle])
            chunk = chunk[middle:]
        if chunk:
            self._pass_on(chunk)

    def finish(self) -> None:
        """The log is over: what was held back goes on."""
        if not self._tail:
            return
        excess = len(self._tail) - min(_TAIL_IN_MEMORY, self._max)
        if excess > 0:
            self._drop(bytes(self._tail[:excess]))
        rest = bytes(self._tail[max(excess, 0) :])
        self._tail.clear()
        if self._dropped:
            self._pass_on(rest)
        else:
            self._write(rest)

    def _drop(self, part: bytes) -> None:
        self._dropped += len(part)
        self._dropped_lines += part.count(b"\n")

    def _pass_on(self, part: bytes) -> None:
        """The end of the log, from its first whole line on, after the mark."""
        if not self._marked:
            cut = part.find(b"\n") + 1
            self._drop(part[:cut])
            part = part[cut:]
            if not part:
                return
            self._marked = True
            mark = (
                f"\n[ci-metrics] {self._dropped} bytes ({self._dropped_lines} lines) of this log were left out here: "
                f"it is longer than the {self._max} bytes that MAX_LOG_MB allows\n"
            )
            self._write(mark.encode())
        self._write(part)
