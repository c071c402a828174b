"""What an answer of GitHub's means: fine, wait so long, ask again later, or never.

What belongs here: from status, headers and body to one of this project's errors, with
advice. Does not: sending, waiting. Facts: GitHub's "Rate limits for the REST API" and "Best
practices for using the REST API".
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx

from ci_metrics.errors import AuthenticationError, CiMetricsError, NotFoundError, PermanentError, TransientError
from ci_metrics.github.text import name, shown
from ci_metrics.retrying import seconds_to_wait, unix_seconds

#: Seconds after which a quota is full again, whatever else a header says: it is one of an hour.
_QUOTA_SECONDS = 3600.0

#: Times that a quota is waited for that is full again by what GitHub says: 15 seconds in all.
_MOST_OVER = 4


@dataclass(frozen=True, slots=True)
class TokenAdvice:
    """What to do about a token, for messages."""

    wrong: str  # 401
    lacking: str  # 403: it may not do this


READING = TokenAdvice(
    wrong="The token is wrong, expired or revoked: set a valid GITHUB_TOKEN, or check GITHUB_APP_ID, GITHUB_APP_PRIVATE_KEY and "
    "GITHUB_APP_INSTALLATION_ID",
    lacking="The token lacks a permission: it needs to read Actions, Checks, Pull requests and Metadata of the repository (classic "
    "tokens: scope “repo”)",
)


def _parts(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # a bracket left open: an address from a header may be anything
        return urlsplit("")


def shown_address(url: str) -> str:
    """An address as messages show it: no query, because log addresses carry a signature there."""
    return f"{_parts(url).hostname}{name(_parts(url).path)}"


def wait_asked_for(response: httpx.Response, repeated: int = 0) -> float | None:
    """Seconds to wait before any further request, when this answer is about a rate
    limit; None when it is not.

    `repeated`: how many such answers this request got before. A secondary limit that names no time:
    at least a minute, doubled each time. A quota that is still used up after `_MOST_OVER` answers
    and is said to be full again, or to be so at once (its end is one of 1970, or somebody's clock
    is years ahead): an hour.
    """
    if response.status_code not in (403, 429):
        return None
    seconds = seconds_to_wait(response.headers.get("retry-after"))
    if seconds is not None:
        return seconds
    if response.headers.get("x-ratelimit-resource") == "graphql":
        return None  # of another quota: nothing else has to wait for it
    if response.headers.get("x-ratelimit-remaining") == "0":
        reset = until_reset(response)
        if reset is not None:
            return reset if repeated < _MOST_OVER or reset > 2.0**repeated else _QUOTA_SECONDS
    about_limits = "rate limit" in message_of(response).lower() or "abuse" in message_of(response).lower()
    return 60.0 * 2**repeated if about_limits or response.status_code == 429 else None


def until_reset(response: httpx.Response) -> float | None:
    """Seconds until the quota is full again, measured on GitHub's own clock, at most an hour and
    a second; None when the answer does not say.
    """
    reset = whole_number(response.headers.get("x-ratelimit-reset", ""))
    if reset is None:
        return None
    seconds = reset - (unix_seconds(response.headers.get("date", "")) or time.time())
    return min(max(seconds, 0.0), _QUOTA_SECONDS) + 1.0


def whole_number(text: str) -> int | None:
    """A header's number of at most 15 digits; None when it is something else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 15 else None


def message_of(response: httpx.Response) -> str:
    """GitHub's own words for what was wrong, their secrets masked; empty when
    the body is not its JSON.
    """
    try:
        value = parsed_json(response.content)
    except ValueError:
        return ""
    message = value.get("message") if isinstance(value, Mapping) else None
    return name(message) if isinstance(message, str) else ""


def error_of(response: httpx.Response, url: str, advice: TokenAdvice = READING) -> CiMetricsError:
    """The error for an answer that is neither good nor about a rate limit;
    `advice`: about the token.
    """
    status, said = response.status_code, message_of(response)
    what = f"GitHub answered {status}{f' “{said}”' if said else ''} to {shown_address(url)}"
    if status == 401:
        return AuthenticationError(f"{what}. {advice.wrong}", everywhere=True)
    if status == 403 and "x-github-sso" in response.headers:
        return AuthenticationError(f"{what}. Authorise the token for the organisation's single sign-on")
    if status == 403:
        return AuthenticationError(f"{what}. {advice.lacking}")
    if status in (404, 410):
        missing = "It does not exist, or the token may not see it: check REPO and the token"
        return NotFoundError(f"{what}. {'It is gone' if status == 410 else missing}", status=status)
    if status >= 500 or status == 408:
        return TransientError(f"{what}. GitHub has trouble; what is missing is fetched later")
    return PermanentError(what)


def json_of(response: httpx.Response, url: str) -> object:
    """The JSON of a good answer. Raises TransientError when it is something else: a proxy's
    page is not an empty list.
    """
    kind = response.headers.get("content-type", "no content type")
    try:
        if "json" not in kind:
            raise ValueError(kind)
        return parsed_json(response.content)
    except ValueError:
        raise TransientError(
            f"{shown_address(url)} answered {response.status_code} with {name(kind)} where JSON was expected: “{shown(response.content)}”. "
            "Is there a proxy or a sign-in page between here and GitHub, or is GITHUB_API_URL wrong?"
        ) from None


def parsed_json(body: bytes) -> object:
    """The value of a JSON text. ValueError when it is none, or nested without end; a number
    of any length is a number.
    """
    try:
        return json.loads(body, parse_int=lambda digits: int(digits[:25]))  # Python refuses those of 4,300 digits
    except RecursionError:
        raise ValueError("nested without end") from None


def next_of(link: str) -> str | None:
    """The address of the next page in a `Link` header."""
    return _related(link, "next")


def last_of(link: str) -> str | None:
    """The address of the last page in a `Link` header; none stands on the last page itself."""
    return _related(link, "last")


def _related(link: str, relation: str) -> str | None:
    found = re.search(rf'<([^<>]*)>\s*;[^,<]*\brel="?{relation}"?', link)
    return found.group(1) if found else None


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: a token goes to one origin only."""
    parts = _parts(url)
    try:
        return parts.scheme, parts.hostname, parts.port
    except ValueError:  # a port that is no number
        return parts.scheme, parts.hostname, None


def joined(url: str, target: str) -> str:
    """Where a `Location` seen at `url` leads; "" for one that is no address."""
    try:
        return urljoin(url, target)
    except ValueError:
        return ""


def no_answer(error: httpx.RequestError | httpx.InvalidURL, url: str) -> CiMetricsError:
    """The error for a request that got no (whole) answer."""
    said = name(str(error)) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return PermanentError(
            f"{shown_address(url)}: its certificate is not trusted here ({said}). Behind a company's proxy, point SSL_CERT_FILE to its "
            "certificate"
        )
    return TransientError(f"No whole answer from {shown_address(url)}: {said}")
