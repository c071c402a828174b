"""Repositories that cannot be fetched: gone, renamed, or access withdrawn.

What belongs here: how often in a row each failed, and when it is asked again. Does not: what else
of an hour could not be done (`hours.py`).

    <root>/failing.json

One that failed `MOST_FAILURES` times in a row is set aside: no hour waits for it, and it is asked
once a day, by the newest hour alone. When it answers, its parts of the hours missed are due.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import TypeAdapter, ValidationError
from upath import UPath

from ci_metrics.errors import AuthenticationError, CiMetricsError, TransientError
from ci_metrics.orchestration.storage.atomic_files import change, fetch

#: So many failures in a row set a repository aside.
MOST_FAILURES = 3
#: One that is set aside is asked again after this.
RARELY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """How it stands with one repository."""

    why: str
    tries: int
    seen: datetime  # when it was last asked

    @property
    def is_set_aside(self) -> bool:
        """Whether it is asked rarely."""
        return self.tries >= MOST_FAILURES

    def rests(self, now: datetime) -> bool:
        """Whether it is not to be asked now."""
        return self.is_set_aside and abs(now - self.seen) < RARELY


_FILE = TypeAdapter(dict[str, Failing])


class FailingRepositories:
    """The file below one root (that of the hours)."""

    def __init__(self, root: UPath) -> None:
        """`root` need not exist yet."""
        self._path, self._lock = root / "failing.json", root / "state" / ".failing.lock"

    def read(self) -> dict[str, Failing]:
        """All that failed when they were last asked, by name."""
        try:
            return _parsed(fetch(self._path))
        except FileNotFoundError:
            return {}

    def note(
        self,
        answers: Mapping[str, CiMetricsError | None],
        now: datetime,
        before: Mapping[str, Failing] | None = None,
    ) -> None:
        """What came of asking: None where it answered. `before`: what was read before asking.

        What is no single repository's failure does not count: a limit, a server's bad hour, a token
        that is refused for all.
        """
        counts = {repo: error for repo, error in answers.items() if not _is_elsewhere(error)}
        before = self.read() if before is None else before
        if not any(error or repo in before for repo, error in counts.items()):
            return

        def noted(data: bytes | None) -> bytes:
            failing = _parsed(data or b"")
            for repo, error in counts.items():
                known = failing.pop(repo, None)
                if error is not None:
                    failing[repo] = Failing(why=str(error), tries=known.tries + 1 if known else 1, seen=now)
            return _FILE.dump_json(failing, indent=1)

        change(self._path, self._lock, noted)


def _parsed(data: bytes) -> dict[str, Failing]:
    try:
        return _FILE.validate_json(data)
    except ValidationError:
        return {}


def _is_elsewhere(error: CiMetricsError | None) -> bool:
    return isinstance(error, TransientError) or (isinstance(error, AuthenticationError) and error.everywhere)
