"""opensearch-py's exceptions -> this project's, each with what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opensearchpy.exceptions import (
    AuthenticationException,
    AuthorizationException,
    ConnectionError,
    ConnectionTimeout,
    NotFoundError,
    OpenSearchException,
    SerializationError,
    SSLError,
    TransportError,
)

from ci_metrics import errors

#: HTTP statuses after which the same request may succeed.
RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})


_NOT_THERE = "It is made at the first upload; check the index name"


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn what opensearch-py raises inside into our exceptions; `where` names the index for people."""
    try:
        yield
    except OpenSearchException as error:
        raise explanation(error, where) from error
    except (AttributeError, TypeError, LookupError) as error:  # an answer of another shape
        raise errors.PermanentError(
            f"{where}: what answers there is not OpenSearch ({type(error).__name__}: {error}). Check the index address"
        ) from error


def explanation(error: OpenSearchException, where: str) -> errors.CiMetricsError:
    """Our exception for one of opensearch-py's."""
    match error:
        case SSLError():
            return errors.PermanentError(
                f"{where}: the certificate is not trusted ({_text(error)}). Set SSL_CERT_FILE to your authority's certificate"
            )
        case ConnectionTimeout() | ConnectionError():
            return errors.TransientError(
                f"{where}: no answer ({_text(error)}). Check the address and that the server runs"
            )
        case AuthenticationException() | AuthorizationException():
            return errors.AuthenticationError(
                f"{where}: HTTP {error.status_code} ({_text(error)}). Check the user and password in the index address or "
                "OPENSEARCH_USERNAME and OPENSEARCH_PASSWORD, and what that user may do"
            )
        case NotFoundError():
            return errors.NotFoundError(f"{where}: {_text(error)}. {_NOT_THERE}")
        case SerializationError():
            return errors.PermanentError(
                f"{where}: what answers there is not OpenSearch ({error}). Check the index address"
            )
        case TransportError() if error.status_code in RETRYABLE:
            return errors.TransientError(f"{where}: HTTP {error.status_code} ({_text(error)})")
        case TransportError():
            return errors.PermanentError(f"{where}: HTTP {error.status_code} ({_text(error)})")
        case _:
            return errors.PermanentError(f"{where}: {error}")


def trouble(error: Mapping[str, Any], where: str) -> errors.PermanentError:
    """Our exception for an error that stands inside an answer, in the place of one document."""
    if error.get("type") == "index_not_found_exception":
        return errors.NotFoundError(f"{where}: {reason_of(error)}. {_NOT_THERE}")
    return errors.PermanentError(f"{where}: {reason_of(error)}")


def reason_of(error: object) -> str:
    """OpenSearch's own words for a refused document, with the innermost cause."""
    if not isinstance(error, Mapping):
        return str(error)
    text = f"{error.get('type', 'refused')}: {error.get('reason', '')}"
    cause: Any = error.get("caused_by")
    while isinstance(cause, Mapping):
        if cause.get("reason") and str(cause["reason"]) not in text:
            text += f" ({cause['reason']})"
        cause = cause.get("caused_by")
    return text


def _text(error: TransportError) -> str:
    info = error.info
    if isinstance(info, Mapping) and isinstance(info.get("error"), Mapping):
        return reason_of(info["error"])
    if isinstance(info, Exception):
        return str(info)[:300]
    return str(error.error)[:300]
