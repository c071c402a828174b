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


class AppCredentials:
    """A GitHub App, installed on one account."""

    def __init__(
        self,
        app_id: str,
        private_key: str,
        installation_id: int,
        *,
        trade: Callable[[int, str], tuple[str, datetime]],
        now: Callable[[], float] = time.time,
    ) -> None:
        """`trade`: (installation id, header with the JWT) -> (installation token, when
        it expires), one request.
        """
        self._app_id, self._installation_id = app_id, installation_id
        # A key in an environment variable or .env often has its line breaks written as \\n.
        self._key = private_key.replace("\\n", "\n") if "\n" not in private_key.strip() else private_key
        self._trade, self._now = trade, now
        self._lock = threading.Lock()
        self._token: str | None = None
        self._good_until = 0.0
        self.scope = f"app-{app_id}-{installation_id}"

    def authorization(self) -> str:
        """The installation token, traded anew when it is about to expire. Raises
        SettingsError, AuthenticationError.
        """
        with self._lock:
            if self._token is None or self._now() > self._good_until - _RENEW_BEFORE:
                token, expires = self._trade(self._installation_id, f"Bearer {self._jwt()}")
                self._token, self._good_until = token, expires.timestamp()
            return f"Bearer {self._token}"

    def renew(self) -> bool:
        """Forget the token: it was revoked, or the clocks differ too much."""
        with self._lock:
            had, self._token = self._token is not None, None
            return had

    def _jwt(self) -> str:
        import jwt  # brings cryptography, which takes a tenth of a second, and only an App needs it

        now = int(self._now())
        claims = {"iat": now - _JWT_BACKDATED, "exp": now + _JWT_SECONDS, "iss": self._app_id}
        try:
            return jwt.encode(claims, self._key, algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError):
            raise SettingsError(
                "GITHUB_APP_PRIVATE_KEY",
                "**** is not an RSA private key in PEM form",
                "Set the whole text of the .pem file that GitHub gave you, line breaks as they are or as \\n",
            ) from None

    def __repr__(self) -> str:
        return f"AppCredentials({self.scope})"


def credentials_of(settings: Settings, trade: Callable[[int, str], tuple[str, datetime]]) -> Credentials:
    """The credentials that the settings name: the App's when it is set, else the
    token. Raises SettingsError.
    """
    if settings.github_app_id and settings.github_app_private_key and settings.github_app_installation_id:
        key = settings.github_app_private_key.get_secret_value()
        return AppCredentials(settings.github_app_id, key, settings.github_app_installation_id, trade=trade)
    if settings.github_token is None:
        raise SettingsError("GITHUB_TOKEN", "not set", "Set GITHUB_TOKEN or the GITHUB_APP_ settings")
    return TokenCredentials(settings.github_token.get_secret_value().strip())
