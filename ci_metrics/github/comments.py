"""Pull requests and their comments at GitHub, with a token of their own.

What belongs here: the few requests that a comment needs. Does not: what it says (`pr_comment.py`), the pipeline's client
(`ci_metrics.github`), whose token can only read.

The token needs no more than "Pull requests: read and write" on the repositories (a fine-grained token or a GitHub App); in GitHub
Actions `permissions: pull-requests: write`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx

from ci_metrics import __version__
from ci_metrics.errors import (
    AuthenticationError,
    CiMetricsError,
    ContractError,
    NotFoundError,
    PermanentError,
    RateLimitedError,
    TransientError,
)
from ci_metrics.retrying import RetryPolicy, retrying, seconds_to_wait

#: Seconds for one request.
TIMEOUT = 20.0

#: For what may be asked again without harm: reading, and replacing a comment's text. A limit is waited out by whoever calls: an hour
#: is too long to sit here.
RETRIES = RetryPolicy(attempts=4, first_wait=0.2, longest_wait=5.0)

_RIGHTS = "PR_COMMENT_TOKEN needs “Pull requests: read and write” on this repository"


@dataclass(frozen=True, slots=True)
class PullHead:
    """A pull request as GitHub names it: head commit, base branch, and whether it is open."""

    commit: str
    base: str
    open: bool


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment that is there."""

    id: int
    body: str
    url: str


class PullRequestClient:
    """Reads a pull request and writes one comment on it. A context manager; it follows no redirect with its token."""

    def __init__(self, api_url: str, token: str) -> None:
        """`api_url` as GITHUB_API_URL."""
        headers = {
            "accept": "application/vnd.github+json",
            "authorization": f"Bearer {token}",
            "user-agent": f"ci-metrics/{__version__}",
            "x-github-api-version": "2022-11-28",
        }
        self._http = httpx.Client(base_url=api_url, headers=headers, timeout=TIMEOUT)

    def __enter__(self) -> PullRequestClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def pull(self, repo: str, number: int) -> PullHead:
        """One pull request. Raises NotFoundError when there is none (or the token may not see it)."""
        found = self._again("GET", f"/repos/{repo}/pulls/{number}")
        try:
            return PullHead(str(found["head"]["sha"]), str(found["base"]["ref"]), found["state"] == "open")
        except (KeyError, TypeError) as error:
            raise ContractError(f"GitHub's answer for pull request {number} of {repo} has no {error}") from error

    def find(self, repo: str, number: int, marker: str) -> Comment | None:
        """Our comment: the oldest one that begins with the marker, by our own account where GitHub names it."""
        login = self._own_login()
        url: str | None = f"/repos/{repo}/issues/{number}/comments?per_page=100"
        while url:
            response = self._response("GET", url)
            for item in _list(response):
                author = str((item.get("user") or {}).get("login", ""))
                if str(item.get("body") or "").startswith(marker) and login in (None, author):
                    return Comment(int(item["id"]), str(item["body"]), str(item.get("html_url", "")))
            url = response.links.get("next", {}).get("url")
            if url and httpx.URL(url).host != self._http.base_url.host:
                raise ContractError(f"GitHub's next page lies on another host: {httpx.URL(url).host}")
        return None

    def create(self, repo: str, number: int, body: str) -> str:
        """Write the comment; its address. Not tried twice: the answer may be lost when the comment is not."""
        made = _dict(_checked(self._send("POST", f"/repos/{repo}/issues/{number}/comments", {"body": body})))
        return str(made.get("html_url", ""))

    def replace(self, repo: str, comment_id: int, body: str) -> str:
        """Replace the comment's text; its address."""
        return str(
            self._again("PATCH", f"/repos/{repo}/issues/comments/{comment_id}", {"body": body}).get("html_url", "")
        )

    def _own_login(self) -> str | None:
        """Whose token it is; None for an App's or Actions' token, which GitHub does not tell (403)."""
        response = self._send("GET", "/user")
        if response.status_code in (403, 404):
            return None
        return str(_dict(_checked(response)).get("login", "")) or None

    def _again(self, method: str, url: str, body: Mapping[str, str] | None = None) -> dict[str, Any]:
        return _dict(self._response(method, url, body))

    def _response(self, method: str, url: str, body: Mapping[str, str] | None = None) -> httpx.Response:
        return retrying(RETRIES)(lambda: _checked(self._send(method, url, body)))

    def _send(self, method: str, url: str, body: Mapping[str, str] | None = None) -> httpx.Response:
        try:
            return self._http.request(method, url, json=body)
        except httpx.TransportError as error:
            raise TransientError(f"GitHub did not answer ({type(error).__name__}). Try again later") from error


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    raise _error(response)


def _error(response: httpx.Response) -> CiMetricsError:
    status, path = response.status_code, response.request.url.path
    limited = response.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in response.headers
    if status == 429 or (status == 403 and limited):
        seconds = seconds_to_wait(response.headers.get("retry-after"))
        seconds = 60.0 if seconds is None else seconds
        return RateLimitedError(f"GitHub's rate limit is reached; come back in {seconds:.0f} s", retry_after=seconds)
    if status in (401, 403):
        return AuthenticationError(f"GitHub refused {path} ({status}). {_RIGHTS}")
    if status in (404, 410):
        return NotFoundError(f"GitHub has no {path}, or the token may not see it. {_RIGHTS}", status=status)
    if status >= 500:
        return TransientError(f"GitHub answered {status} to {path}. Try again later")
    return PermanentError(f"GitHub answered {status} to {path}: {response.text[:200]}")


def _dict(response: httpx.Response) -> dict[str, Any]:
    value = _json(response)
    if not isinstance(value, dict):
        raise ContractError(f"{response.request.url.path} answered {type(value).__name__}, not an object")
    return value


def _list(response: httpx.Response) -> list[dict[str, Any]]:
    value = _json(response)
    if not isinstance(value, list):
        raise ContractError(f"{response.request.url.path} answered {type(value).__name__}, not a list")
    return value


def _json(response: httpx.Response) -> object:
    try:
        return response.json()
    except ValueError as error:
        raise ContractError(f"{response.request.url.path} answered no JSON: {response.text[:80]!r}") from error
