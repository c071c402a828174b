"""Which repositories the accounts have that patterns speak of, as GitHub said last.

What belongs here: the file and bringing it up to date. Does not: which of them are meant
(`repositories.py`), asking (`github/client.py`).

    <root>/repositories.json

A run's first asset asks GitHub; sensors and later assets read the file. What could not be asked
stays as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import TypeAdapter, ValidationError
from upath import UPath

from ci_metrics.errors import CiMetricsError, IncompleteError
from ci_metrics.orchestration.storage.atomic_files import fetch, put

_log = logging.getLogger(__name__)

#: How long an account's list holds: a new repository is found within this.
HOLDS = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Account:
    seen: datetime
    repos: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    accounts: Mapping[str, _Account] = field(default_factory=dict)


_FILE = TypeAdapter(_File)


class RepositoryList:
    """The file below one root (that of the hours)."""

    def __init__(self, root: UPath) -> None:
        """`root` need not exist yet."""
        self._path = root / "repositories.json"

    def known(self) -> list[str]:
        """All that were found, account by account."""
        return [repo for account in self._read().accounts.values() for repo in account.repos]

    def bring_up_to_date(self, owners: Iterable[str], ask: Callable[[str], list[str]], now: datetime) -> None:
        """Ask for the accounts whose list is old, or missing.

        One that cannot be had keeps the list it has. Raises what `ask` raises where there is none.
        """
        accounts = dict(self._read().accounts)
        due = [owner for owner in owners if owner not in accounts or abs(now - accounts[owner].seen) >= HOLDS]
        for owner in due:
            try:
                accounts[owner] = _Account(seen=now, repos=ask(owner))
            except IncompleteError as error:
                before = accounts[owner].repos if owner in accounts else ()
                accounts[owner] = _Account(seen=now, repos=list(dict.fromkeys((*before, *error.found))))
                _log.warning("⚠️ %s", error)
            except CiMetricsError as error:
                if owner not in accounts:
                    raise
                _log.warning("⚠️ %s/*: the repositories found before are taken: %s", owner, error)
        if due:
            put(self._path, _FILE.dump_json(_File(accounts=accounts), indent=1))

    def _read(self) -> _File:
        try:
            return _FILE.validate_json(fetch(self._path))
        except (FileNotFoundError, ValidationError):
            return _File()
