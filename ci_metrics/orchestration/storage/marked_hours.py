"""Which repositories' parts of which hours were seen to have changed, and when.

What belongs here: the one file of marks. Does not: who sees a change (`sweeps.py`), what follows
(`due_hours.py`).

    <root>/marked.json

A mark says "look again": it holds until the hour's runs of that repository are asked for after it,
so nobody has to take it away in time. An object store has no locks: of two marks at once one may
be lost there, and the next sweep finds what it spoke of.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from pydantic import TypeAdapter, ValidationError
from upath import UPath

from ci_metrics.orchestration.storage.atomic_files import change, fetch

#: hour -> repository -> when it was seen to have changed
Marks = dict[str, dict[str, datetime]]

_FILE = TypeAdapter(Marks)


class MarkedHours:
    """The file below one root (that of the hours)."""

    def __init__(self, root: UPath) -> None:
        """`root` need not exist yet."""
        self._path, self._lock = root / "marked.json", root / "state" / ".marks.lock"

    def read(self) -> Marks:
        """All marks; none when the file is missing or damaged."""
        try:
            return _parsed(fetch(self._path))
        except FileNotFoundError:
            return {}

    def mark(self, changed: Mapping[str, Collection[str]], at: datetime) -> None:
        """Of these hours, these repositories have changed."""
        if any(changed.values()):
            self._change(lambda marks: _with(marks, changed, at))

    def drop(self, holds: Callable[[str, str, datetime], bool]) -> None:
        """Forget the marks (hour, repository, when) that hold no longer."""
        marks = self.read()
        if any(not holds(hour, repo, at) for hour, repos in marks.items() for repo, at in repos.items()):
            self._change(lambda marks: _that_hold(marks, holds))

    def _change(self, changed: Callable[[Marks], Marks]) -> None:
        change(self._path, self._lock, lambda data: _FILE.dump_json(changed(_parsed(data or b""))))


def _parsed(data: bytes) -> Marks:
    try:
        return _FILE.validate_json(data)
    except ValidationError:
        return {}


def _with(marks: Marks, changed: Mapping[str, Collection[str]], at: datetime) -> Marks:
    for hour, repos in changed.items():
        marks.setdefault(hour, {}).update(dict.fromkeys(repos, at))
    return marks


def _that_hold(marks: Marks, holds: Callable[[str, str, datetime], bool]) -> Marks:
    kept = {hour: {r: at for r, at in repos.items() if holds(hour, r, at)} for hour, repos in marks.items()}
    return {hour: repos for hour, repos in kept.items() if repos}
