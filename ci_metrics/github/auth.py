"""Who asks: a personal access token, or a GitHub App's installation token,
renewed before it expires.

What belongs here: the `Authorization` header and where it comes from. Does not: sending requests
(an App gets a function for its one). No token, key or JWT ever stands in a repr or a message.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from ci_metrics.errors import SettingsError
from ci_metrics.settings import Settings

#: An installation token lives an hour; one with less than this left (seconds) is
#: renewed before it is used.
_RENEW_BEFORE = 300.0

#: A JWT may live ten minutes; GitHub advises to date it back a minute because clocks differ.
_JWT_SECONDS, _JWT_BACKDATED = 540, 60


class Credentials(Protocol):
    """Something that can sign requests."""

    @property
    def scope(self) -> str:
        """Names the identity without giving it away: answers to one are not shown to another."""
        ...

    def authorization(self) -> str:
        """The header's value, valid now."""
        ...

    def renew(self) -> bool:
        """After a 401: whether there is another header to try."""
        ...


class TokenCredentials:
    """A personal access token (or any token that does not change)."""

    def __init__(self, token: str) -> None:
        """Keep `token`."""
        self._token = token
        self.scope = "token-" + hashlib.sha256(token.encode()).hexdigest()[:16]

    def authorization(self) -> str:
        """Always the same."""
        return f"Bearer {self._token}"

    def renew(self) -> bool:
        """There is no other."""
        return False

    def __repr__(self) -> str:
        return f"TokenCredentials({self.scope})"


#: (installation id, header with the JWT) -> (installation token, when it expires), one request.
Trade = Callable[[int, str], tuple[str, datetime]]


class AppItself:
    """A GitHub App as itself: it may only ask where it is installed."""

    def __init__(self, app_id: str, private_key: str, *, trade: Trade, now: Callable[[], float] = time.time) -> None:
        """`trade` gets an installation's token."""
        self.app_id, self._trade, self._now = app_id, trade, now
        # A key in an environment variable or .env often has its line breaks written as \\n.
        self._key = private_key.replace("\\n", "\n") if "\n" not in private_key.strip() else private_key
        self.scope = f"app-{app_id}"

    def installation(self, installation_id: int) -> AppCredentials:
        """Its identity on one account."""
        return AppCredentials(self, installation_id, trade=self._trade, now=self._now)

    def authorization(self) -> str:
        """A JWT, good for some minutes. Raises SettingsError."""
        import jwt  # brings cryptography, which takes a tenth of a second, and only an App needs it

        now = int(self._now())
        claims = {"iat": now - _JWT_BACKDATED, "exp": now + _JWT_SECONDS, "iss": self.app_id}
        try:
            return f"Bearer {jwt.encode(claims, self._key, algorithm='RS256')}"
        except (ValueError, TypeError, jwt.PyJWTError):
            raise SettingsError(
                "GITHUB_APP_PRIVATE_KEY",
                "**** is not an RSA private key in PEM form",
                "Set the whole text of the .pem file that GitHub gave you, line breaks as they are or as \\n",
            ) from None

    def renew(self) -> bool:
        """There is no other key."""
        return False

    def __repr__(self) -> str:
        return f"AppItself({self.scope})"


class AppCredentials:
    """A GitHub App, installed on one account."""

    def __init__(
        self, app: AppItself, installation_id: int, *, trade: Trade, now: Callable[[], float] = time.time
    ) -> None:
        """`app` signs the request for the token, which `trade` sends."""
        self._app, self._installation_id = app, installation_id
        self._trade, self._now = trade, now
        self._lock = threading.Lock()
        self._token: str | None = None
        self._good_until = 0.0
        self.scope = f"{app.scope}-{installation_id}"

    def authorization(self) -> str:
        """The installation token, traded anew when it is about to expire. Raises
        SettingsError, AuthenticationError.
        """
        with self._lock:
            if self._token is None or self._now() > self._good_until - _RENEW_BEFORE:
                token, expires = self._trade(self._installation_id, self._app.authorization())
                self._token, self._good_until = token, expires.timestamp()
            return f"Bearer {self._token}"

    def renew(self) -> bool:
        """Forget the token: it was revoked, or the clocks differ too much."""
        with self._lock:
            had, self._token = self._token is not None, None
            return had

    def __repr__(self) -> str:
        return f"AppCredentials({self.scope})"


def credentials_of(settings: Settings, trade: Trade) -> Credentials:
    """The credentials that the settings name: the App's when it is set (`AppItself` when it is to
    find out where it is installed), else the token. Raises SettingsError.
    """
    if settings.github_app_id and settings.github_app_private_key:
        app = AppItself(settings.github_app_id, settings.github_app_private_key.get_secret_value(), trade=trade)
        return app.installation(settings.github_app_installation_id) if settings.github_app_installation_id else app
    if settings.github_token is None:
        raise SettingsError("GITHUB_TOKEN", "not set", "Set GITHUB_TOKEN or the GITHUB_APP_ settings")
    return TokenCredentials(settings.github_token.get_secret_value().strip())
