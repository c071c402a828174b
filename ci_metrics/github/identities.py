"""As whom each repository's owner is asked: one token for all, or an App's installation on each
account.

What belongs here: which transport asks about which repository, and opening it. Does not: signing
(`auth.py`), sending (`transport.py`). Each identity has a quota, and so a limiter, of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from ci_metrics.errors import AuthenticationError
from ci_metrics.github.auth import AppItself, Credentials
from ci_metrics.github.listings import read_listing
from ci_metrics.github.pages import Shape
from ci_metrics.github.schemas import Installation
from ci_metrics.github.transport import Transport

#: Opens a transport that asks as an identity.
Open = Callable[[Credentials], Transport]


class Identities:
    """The transports of one client, opened as they are needed. Safe for many threads."""

    def __init__(self, alone: Transport | None, app: AppItself | None, open_: Open, *, is_app: bool) -> None:
        """`alone`: asks about every repository; None: `app` has an installation on each owner.

        `is_app`: what there is to see is what an App was given.
        """
        self.is_app = is_app
        self._alone, self._app, self._open = alone, app, open_
        self._lock = threading.Lock()
        self._found: Mapping[str, int] | None = None
        self._opened: dict[str, Transport] = {}

    def of(self, repo: str) -> Transport:
        """The transport that asks about `repo` (owner/name, or an owner alone).

        Raises AuthenticationError when the App is not installed on its owner; what asking where it
        is installed raises.
        """
        if self._alone is not None:
            return self._alone
        owner = repo.partition("/")[0].lower()
        with self._lock:
            if owner not in self._opened:
                self._opened[owner] = self._open(self._credentials(owner))
            return self._opened[owner]

    def all(self, owners: Sequence[str]) -> list[Transport]:
        """One transport for each identity that asks about these owners."""
        return list({id(each): each for each in map(self.of, owners)}.values())

    def close(self) -> None:
        """Close the connections."""
        for each in (self._alone, *self._opened.values()):
            if each is not None:
                each.close()

    def _credentials(self, owner: str) -> Credentials:
        assert self._app is not None, "without an App there is one transport for all"
        if self._found is None:
            self._found = self._installations(self._app)
        if owner not in self._found:
            where = ", ".join(sorted(self._found)) or "nowhere"
            raise AuthenticationError(
                f"The GitHub App {self._app.app_id} is not installed on {owner} (it is on: {where}). Install it there, or leave "
                "that owner's repositories out of REPO"
            )
        return self._app.installation(self._found[owner])

    def _installations(self, app: AppItself) -> Mapping[str, int]:
        """By owner, in lower case; without those that are suspended."""
        transport = self._open(app)
        try:
            listing = read_listing(
                transport, "installations", "/app/installations", Shape(Installation, "this App", "")
            )
        finally:
            transport.close()
        return {each.account.login.lower(): each.id for each in listing.items if each.suspended_at is None}
