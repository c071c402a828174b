"""How a log begins and ends: whether it is one, and whether it is whole.

What belongs here: what a log's first and last bytes, and an answer's `Content-Range`, prove. Does
not: fetching it.

The runner's last step, "Complete job", prints "Cleaning up orphan processes", then a line for each
process that it ends and at times warnings: so ended all 202 whole logs that were looked at, 20 of
them with such a line after it. A runner that was lost or killed prints nothing more: then GitHub
says that "Complete job" did not succeed, or lists no such step, and the length has to do.
"""

from __future__ import annotations

import re

from ci_metrics.models import Job

#: Bytes of a log's end that are looked at: a warning behind the last line has some 700.
_LOOKED_AT = 16_384

_TIME = rb"(?:\d{4}-\d\d-\d\dT[\d:.]+Z )?"
_LAST = re.compile(
    rb"(?:^|\n)" + _TIME + rb"Cleaning up orphan processes[^\n]*"
    rb"(?:\n" + _TIME + rb"(?:Terminate orphan process|##\[)[^\n]*)*\s*\Z"
)


class LogEnd:
    """Remembers the last bytes of a log that is fed to it in parts."""

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, part: bytes) -> None:
        """The next bytes."""
        self._tail = part[-_LOOKED_AT:] if len(part) >= _LOOKED_AT else (self._tail + part)[-_LOOKED_AT:]

    @property
    def is_the_runners(self) -> bool:
        """Whether the log ends as the runner ends it."""
        return _LAST.search(self._tail) is not None


def ended(job: Job) -> bool:
    """Whether the runner came to its own end in this job, so that its last line must stand in the
    log.
    """
    return any(step.name == "Complete job" and step.conclusion == "success" for step in job.steps)


def any_step_ended(job: Job) -> bool:
    """Whether a step came to its end, so that the log cannot be empty."""
    return any(step.status == "completed" and step.conclusion in ("success", "failure") for step in job.steps)


def is_a_page(first: bytes) -> bool:
    """Whether this is the beginning of HTML, XML or JSON: a log begins with a time."""
    return first.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"<", b"{")


def content_range(header: str) -> tuple[int | None, int | None]:
    """(first byte, bytes in all) of `bytes 5-9/10` or `bytes */10`; None
    for what it does not say.
    """
    found = re.fullmatch(r"bytes (?:(\d{1,15})-\d{1,15}|\*)/(?:(\d{1,15})|\*)", header.strip())
    first, total = found.groups() if found else (None, None)
    return int(first) if first else None, int(total) if total else None
