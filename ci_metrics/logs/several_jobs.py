"""The logs of several jobs in one file, as `gh run view --log` prints a run's: taken apart.

Belongs here: such a file in, each job's lines out, where they stood. Does not: steps (`steps.py`),
judging.
"""

from __future__ import annotations

import re
from itertools import groupby

#: A line's job, behind which its step and its timestamp stand.
_COLUMNS = re.compile(
    rb"^([^\t\n]{1,200})\t[^\t\n]{1,200}\t(?:\xef\xbb\xbf)?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.MULTILINE
)


def names_jobs(beginning: bytes) -> bool:
    """Whether a file that begins with these bytes names the job on each line."""
    return _COLUMNS.match(beginning.lstrip(b"\r\n")) is not None


def jobs_apart(log: bytes) -> list[tuple[str, bytes]]:
    """Each job's name and log, in the file's order; [] where the file does not hold several.

    Another job's lines are blank in it, so that all lines keep their numbers.
    """
    begins = [(found.start(), found[1]) for found in _COLUMNS.finditer(log)]
    runs = [(name, next(run)[0]) for name, run in groupby(begins, key=lambda each: each[1])]
    if len({name for name, _ in runs}) < 2:
        return []
    runs[0] = (runs[0][0], 0)
    ends = [*(at for _, at in runs[1:]), len(log)]
    logs: dict[bytes, list[bytes]] = {name: [] for name, _ in runs}
    for (name, at), end in zip(runs, ends, strict=True):
        blank = b"\n" * log.count(b"\n", at, end)
        for other, parts in logs.items():
            parts.append(log[at:end] if other == name else blank)
    return [(name.decode("utf-8", "replace"), b"".join(parts).rstrip(b"\n") + b"\n") for name, parts in logs.items()]
