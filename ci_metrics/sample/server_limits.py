"""Who may ask the sample GitHub, and how often: tokens, the App's installation tokens,
the hourly quota, counters.

What belongs here: what the server remembers of its clients. Does not: answering. Time is
the machine's (or the test's `wall`), in Unix seconds, because clients measure limits and
tokens with their own clock.
"""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import jwt


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleApp:
    """A GitHub App that the server knows: who may trade a signed JWT for an installation token."""

    app_id: str
    public_key: str  # PEM
    installation_id: int | None = None  # one that sees all there is
    owners: Mapping[str, int] = field(default_factory=dict)  # account -> its installation, which sees that account's
    token_seconds: int = 3600

    def owner_of(self, login: str) -> str:
        """The account whose installation's token it is; "" for any other."""
        return next((owner for owner, number in self.owners.items() if login == self.login(number)), "")

    def login(self, installation_id: int) -> str:
        """As whom an installation asks: each has a quota of its own."""
        return f"app-{self.app_id}-{installation_id}[bot]"

    def problem(self, authorization: str, now: float) -> str:
        """Why a JWT is not good; "" when it is. GitHub wants RS256 and ten minutes at most."""
        try:
            claims = jwt.decode(
                authorization.partition(" ")[2],
                self.public_key,
                algorithms=["RS256"],
                options={"verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            return "A JSON web token could not be decoded"
        if str(claims.get("iss")) != self.app_id:
            return "'Issuer' claim ('iss') must be an Integer"
        if not now < claims.get("exp", 0) <= now + 600 or claims.get("iat", now + 1) > now:
            return (
                "'Expiration time' claim ('exp') must be a numeric value representing the future time within 10 minutes"
            )
        return ""


@dataclass(slots=True)
class Stats:
    """Requests so far, by kind: all, those that counted against the
    quota, and those answered 304.
    """

    total: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    not_modified: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, object]:
        """For the admin endpoint."""
        return {
            "requests": self.total.total(),
            "counted": self.counted.total(),
            "not_modified": self.not_modified.total(),
            "by_kind": dict(self.total),
        }


class Gate:
    """Tokens and quota of one server."""

    def __init__(self, *, tokens: dict[str, str], quota: int, app: SampleApp | None, wall: Callable[[], float]) -> None:
        """`tokens`: token -> login; `quota`: requests an hour for each login."""
        self._lock = threading.Lock()
        self._tokens = dict(tokens)
        self._expires: dict[str, float] = {}
        self._used: dict[str, tuple[float, int]] = {}
        self.quota = quota
        self.app = app
        self.wall = wall
        self.stats = Stats()

    def login(self, authorization: str) -> str | None:
        """Whose token this is; None when it is unknown or has expired."""
        token = authorization.partition(" ")[2].strip()
        with self._lock:
            if self._expires.get(token, float("inf")) <= self.wall():
                return None
            return self._tokens.get(token)

    def installation_token(self, authorization: str, installation_id: int) -> tuple[str, float] | str:
        """A fresh token and when it expires, or why not."""
        app, now = self.app, self.wall()
        if app is None or installation_id not in (app.installation_id, *app.owners.values()):
            return "Integration not found"
        wrong = app.problem(authorization, now)
        if wrong:
            return wrong
        token = f"ghs_{secrets.token_hex(18)}"
        with self._lock:
            self._tokens[token] = app.login(installation_id)
            self._expires[token] = now + app.token_seconds
        return token, now + app.token_seconds

    def rate(self, login: str) -> tuple[int, int]:
        """(requests used in this hour, Unix time when it ends)."""
        with self._lock:
            start, used = self._window(login)
            return used, int(start + 3600)

    def spend(self, login: str) -> bool:
        """Take one request from the quota; False when there is none left."""
        with self._lock:
            start, used = self._window(login)
            if used >= self.quota:
                return False
            self._used[login] = (start, used + 1)
            return True

    def refund(self, login: str) -> None:
        """Give one back: a 304 does not count."""
        with self._lock:
            start, used = self._window(login)
            self._used[login] = (start, max(used - 1, 0))

    def count(self, kind: str, *, counted: bool, not_modified: bool = False) -> None:
        """Count a request in the statistics."""
        with self._lock:
            self.stats.total[kind] += 1
            self.stats.counted[kind] += counted
            self.stats.not_modified[kind] += not_modified

    def _window(self, login: str) -> tuple[float, int]:
        now = self.wall()
        start, used = self._used.get(login, (now, 0))
        return (now, 0) if now >= start + 3600 else (start, used)
