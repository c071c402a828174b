"""The exception tree of the project. Nothing else belongs here.

    CiMetricsError
    ├── SettingsError          a setting is wrong, missing or half-set: names the variable, what
    │                          was seen, what to do
    ├── ContractError          data that breaks the contract (documents, taxonomy files, stored
    │                          files of a foreign schema)
    │   ├── ShapeError         stored rows of another version that cannot be read as this one's:
    │   │                      never "nothing stored"
    │   └── DamagedFileError   a stored file that cannot be read at all
    ├── PermanentError         asking again cannot help (401, 404, refused mapping, exhausted
    │                          retries)
    │   ├── NotFoundError      404 or 410: often a state, not an error; the caller decides
    │   ├── AuthenticationError
    │   └── IndexWriteError    a document was refused: names it and the reason
    └── TransientError         asking again later may help (5xx, broken connection, timeouts)
        ├── IncompleteError    a listing is shorter than it claims, or holds what cannot be read:
        │                      carries the rest
        ├── RateLimitedError   carries when to come back
        └── OvertakenError     another run has written meanwhile what this work was made of: the
                               work is done again

A PermanentError is never retried; a TransientError is, within bounds, and what remains is said in
the metadata of the hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class CiMetricsError(Exception):
    """Base of every error this project raises on purpose. Its text says what was wrong,
    what was seen, what to do.
    """


class SettingsError(CiMetricsError):
    """A setting is wrong, missing or half-set."""

    def __init__(self, variable: str, seen: str, advice: str) -> None:
        """Keep the three parts: `variable`, what was `seen` (secrets already masked)
        and what to do (`advice`).
        """
        super().__init__(f"{variable}: {seen}. {advice}")
        self.variable, self.seen, self.advice = variable, seen, advice


class ContractError(CiMetricsError):
    """Data does not have the promised shape."""


class ShapeError(ContractError):
    """Stored rows are of another shape: their text names the record, the
    field and what was found.
    """


class DamagedFileError(ContractError):
    """A stored file is damaged: what it held has to be made again."""


class PermanentError(CiMetricsError):
    """Asking again cannot help."""


class NotFoundError(PermanentError):
    """The thing asked for is not there (HTTP 404 or 410)."""

    def __init__(self, message: str, *, status: int = 404) -> None:
        """`status` is the HTTP status that said so: 404 (missing) or 410 (gone)."""
        super().__init__(message)
        self.status = status


class AuthenticationError(PermanentError):
    """The token, key or password was refused."""

    def __init__(self, message: str, *, everywhere: bool = False) -> None:
        """`everywhere`: whatever is asked for, and not what was asked for now."""
        super().__init__(message)
        self.everywhere = everywhere


class IndexWriteError(PermanentError):
    """At least one document was refused by the index; the others were written."""

    def __init__(
        self, message: str, *, refused: Sequence[tuple[str, str]] = (), created: int = 0, updated: int = 0
    ) -> None:
        """`refused`: the id of each refused document, and why. `created`, `updated`: how
        many others were written.
        """
        super().__init__(message)
        self.refused, self.created, self.updated = tuple(refused), created, updated


class TransientError(CiMetricsError):
    """Asking again later may help."""


class IncompleteError(TransientError):
    """Not everything came that should be there. What came is good and
    may be kept, but is not all.
    """

    def __init__(self, message: str, *, found: Any, lacking: bool = False) -> None:
        """`message` names what is missing and how much; `found`: what the call would have
        given back, as far as it came; `lacking`: all came that was counted, without what belongs
        in it, which may never come.
        """
        super().__init__(message)
        self.found, self.lacking = found, lacking


class RateLimitedError(TransientError):
    """A limit was met and waiting it out would take longer than we may wait now."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        """`retry_after`: seconds until the limit is lifted, as the server said."""
        super().__init__(message)
        self.retry_after = retry_after


class OvertakenError(TransientError):
    """Another run has committed meanwhile what this work was made of."""
