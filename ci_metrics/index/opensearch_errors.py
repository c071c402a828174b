"""opensearch-py's exceptions -> this project's, each with what to do."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opensearchpy import Transport
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


#: Statuses by which a server that is no OpenSearch refuses its requests.
_REFUSED = frozenset({400, 404, 405, 406, 415, 501})

_NOT_THERE = "It is made at the first upload; check the index name"


class JsonTransport(Transport):
    """Takes nothing but JSON for an answer: a proxy's page or another server's is no empty one."""

    def perform_request(self, method: str, url: str, *args: Any, **given: Any) -> Any:
        """As opensearch-py's. Raises SerializationError when the answer is a text."""
        answer = super().perform_request(method, url, *args, **given)
        if isinstance(answer, str):
            raise SerializationError(f"“{' '.join(answer.split())[:100]}”")
        return answer


@contextmanager
def explained(where: str, *, leaving: Collection[int] = ()) -> Iterator[None]:
    """Turn what opensearch-py raises inside into our exceptions; `where`
    names the index for people.

    `leaving`: HTTP statuses that the caller has an answer to.
    """
    try:
        yield
    except OpenSearchException as error:
        if isinstance(error, TransportError) and error.status_code in leaving:
            raise
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
        case SerializationError():
            return _something_else(where, str(error))
        case TransportError() if error.status_code in _REFUSED and not isinstance(error.info, Mapping):
            return _something_else(where, f"HTTP {error.status_code}, and no JSON")
        case NotFoundError():
            return errors.NotFoundError(f"{where}: {_text(error)}. {_NOT_THERE}")
        case TransportError() if error.status_code in RETRYABLE:
            return errors.TransientError(f"{where}: HTTP {error.status_code} ({_text(error)})")
        case TransportError():
            return errors.PermanentError(f"{where}: HTTP {error.status_code} ({_text(error)})")
        case _:
            return errors.PermanentError(f"{where}: {error}")


def _something_else(where: str, seen: str) -> errors.PermanentError:
    return errors.PermanentError(
        f"{where}: something else than OpenSearch answers there ({seen[:200]}). Check the index address: its host, port and path"
    )


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
