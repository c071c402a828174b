"""Requests to GitHub's API: signed, limited, retried in bounds, asked conditionally, their answers checked.

What belongs here: one request and what may go wrong with it. Does not: which address gives what (`client.py`), what an
answer means (`llm/answers.py`), logs' bytes (`download.py`).
"""

from __future__ import annotations

import ipaddress
import json
import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import httpx

from ci_metrics import __version__
from ci_metrics.errors import ContractError, PermanentError, RateLimitedError, TransientError
from ci_metrics.github.answers import error_of, json_of, next_of, no_answer, origin, place, until_reset, wait_asked_for
from ci_metrics.github.auth import Credentials
from ci_metrics.github.conditional import ConditionalCache, KeptAnswer
from ci_metrics.github.request_counts import Counts
from ci_metrics.github.retry_policy import Patience
from ci_metrics.limits import Limiter
from ci_metrics.retrying import retrying

T = TypeVar("T")
_log = logging.getLogger(__name__)

_MAX_REDIRECTS = 3
_MAX_PAGES = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer: its JSON, a listing's entries and stated total, and the address of the next page."""

    value: object
    items: list[object]
    total: int | None
    next_url: str | None


@cache
def certificates() -> ssl.SSLContext:
    """The trusted certificates, read once: that takes longer than many requests. SSL_CERT_FILE counts."""
    return httpx.create_ssl_context()


def is_loopback(url: str) -> bool:
    """Whether an address is this machine: proxies from the environment do not lead there."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Transport:
    """Sends requests for one identity to one API. Safe for many threads."""

    def __init__(
        self,
        api_url: str,
        *,
        credentials: Credentials,
        limiter: Limiter,
        counts: Counts,
        cache: ConditionalCache | None = None,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`api_url` without a slash at its end; `sleep`: how to wait between repetitions."""
        self.api_url = api_url
        self.credentials = credentials
        self.limiter, self.counts, self.patience, self.sleep = limiter, counts, patience or Patience(), sleep
        self._cache = cache
        self._lock = threading.Lock()
        self._waited = 0.0
        self._client = httpx.Client(
            verify=certificates(),
            timeout=httpx.Timeout(60, connect=15),
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=32),
            trust_env=not is_loopback(api_url),
            headers={
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
                "User-Agent": f"ci-metrics/{__version__}",
            },
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(
        self, kind: str, path: str, params: Mapping[str, str | int] | None = None, *, listing: str | None = None
    ) -> Answer:
        """One JSON answer.

        `kind`: what it counts as; `path`: below the API's address, or a whole address of it; `listing`: the field that holds
        the entries, "" when the answer is the bare list, None when it is one object.
        Raises what `answers.error_of` makes; RateLimitedError, TransientError once patience or repetitions are used up.
        """
        url = str(httpx.URL(self._absolute(path), params=dict(params))) if params else self._absolute(path)
        return self._retry(lambda again: self._get(kind, url, listing, again))

    def pages(
        self, kind: str, path: str, listing: str, params: Mapping[str, str | int] | None = None
    ) -> Iterator[Answer]:
        """All pages of a listing, a hundred entries each, in order; see `get`."""
        answer = self.get(kind, path, {**(params or {}), "per_page": 100}, listing=listing)
        seen: set[str] = set()
        yield answer
        while answer.next_url is not None:
            if answer.next_url in seen or len(seen) > _MAX_PAGES:
                raise ContractError(f"{place(answer.next_url)}: the pages do not end ({len(seen)} so far)")
            seen.add(answer.next_url)
            answer = self.get(kind, answer.next_url, listing=listing)
            yield answer

    def redirect(self, kind: str, path: str, *, again: bool) -> str:
        """Where a request is sent on to. The address is not followed: the token must not travel there.

        Asked once: whoever reads what lies there repeats both, within one policy. `again`: whether this is such a repetition.
        """
        url = self._absolute(path)
        response = self._send(kind, "GET", url, again=again, follow=False)
        target = response.headers.get("location", "")
        if not 300 <= response.status_code < 400 or not target:
            raise TransientError(f"{place(url)} answered {response.status_code} where a redirect was expected")
        return urljoin(url, str(target))

    def post(self, kind: str, path: str, authorization: str) -> object:
        """POST without a body under another `Authorization` (an App's JWT); the JSON that comes back.

        Asked once: the request that needs the token is repeated, and this with it.
        """
        url = self._absolute(path)
        return json_of(self._send(kind, "POST", url, again=False, authorization=authorization), url)

    def _retry(self, ask: Callable[[bool], T]) -> T:
        for attempt in retrying(self.patience.policy, sleep=self.sleep):
            with attempt:
                return ask(attempt.retry_state.attempt_number > 1)
        raise AssertionError("tenacity ended without a result or an error")

    def _get(self, kind: str, url: str, listing: str | None, again: bool) -> Answer:
        scope = self.credentials.scope
        kept = self._cache.get(scope, url) if self._cache is not None else None
        headers = {"If-None-Match": kept.etag} if kept is not None else {}
        response = self._send(kind, "GET", url, again=again, headers=headers)
        if response.status_code == 304 and kept is not None:
            return self._shaped(json.loads(kept.body), kept.link, listing, url)
        answer = self._shaped(json_of(response, url), response.headers.get("link", ""), listing, url)
        etag = response.headers.get("etag")
        if self._cache is not None and etag:
            self._cache.put(scope, url, KeptAnswer(etag, response.content, response.headers.get("link", "")))
        return answer

    def _shaped(self, value: object, link: str, listing: str | None, url: str) -> Answer:
        """The answer in parts. Raises TransientError when it is not what this address gives: that is no empty list."""
        holder = value if isinstance(value, dict) else {}
        items = value if listing == "" else holder.get(listing) if listing is not None else []
        if not isinstance(items, list) or (listing is None and not holder):
            wanted = "a list" if listing == "" else f"“{listing}”" if listing else "an object"
            raise TransientError(f"{place(url)} answered with JSON that has not {wanted} in it: {str(value)[:80]}")
        total = holder.get("total_count")
        next_url = next_of(link)
        if next_url is not None and origin(next_url) != origin(self.api_url):
            raise ContractError(
                f"{place(url)}: the next page is said to be at {place(next_url)}, another host: the token is not sent there. "
                "Is GITHUB_API_URL the host's own name?"
            )
        return Answer(value, items, total if isinstance(total, int) else None, next_url)

    def _send(
        self,
        kind: str,
        method: str,
        url: str,
        *,
        again: bool,
        headers: Mapping[str, str] | None = None,
        authorization: str | None = None,
        follow: bool = True,
    ) -> httpx.Response:
        """One exchange, with the waits that GitHub asks for, one renewal of the token, and moves within the same host."""
        left, limits, moves, renewed = min(self.patience.request, self._patience_left()), 0, 0, False
        while True:
            response = self._exchange(kind, method, url, left, again, headers or {}, authorization)
            wait = wait_asked_for(response, limits)
            if wait is not None:
                wait = max(wait, min(2.0**limits, 60.0))  # "retry after 0" again and again must come to an end too
                left, limits, again = left - wait, limits + 1, True
                self._pause(wait, left, url)
            elif response.status_code == 401 and authorization is None and not renewed and self.credentials.renew():
                renewed = again = True
            elif follow and 300 < response.status_code < 400 and response.status_code != 304:
                target, moves = urljoin(url, response.headers.get("location", "")), moves + 1
                if origin(target) != origin(self.api_url) or moves > _MAX_REDIRECTS:
                    raise PermanentError(f"{place(url)} points to {place(target)}: not followed with a token")
                url = target
            elif response.status_code >= 400:
                raise error_of(response, url)
            else:
                return response

    def _exchange(
        self,
        kind: str,
        method: str,
        url: str,
        left: float,
        again: bool,
        headers: Mapping[str, str],
        authorization: str | None,
    ) -> httpx.Response:
        signed = authorization or self.credentials.authorization()
        with self.limiter.slot(left):
            self.counts.sent(kind, again=again)
            try:
                response = self._client.request(method, url, headers={**headers, "Authorization": signed})
            except httpx.RequestError as error:
                raise no_answer(error, url) from error
        remaining = response.headers.get("x-ratelimit-remaining")
        self.counts.answered(kind, response.status_code, remaining)
        if remaining == "0" and response.status_code < 400:
            self.limiter.pause(until_reset(response) or 0)  # the next one would be refused
        return response

    def _pause(self, seconds: float, left: float, url: str) -> None:
        """All requests wait. Raises RateLimitedError when that is longer than we wait."""
        lengthened = self.limiter.pause(seconds)
        with self._lock:
            self._waited += lengthened
        spent = self._patience_left() <= 0
        if left < 0 or spent:
            why = "the waits add up to too much" if spent else "longer than this program waits"
            raise RateLimitedError(
                f"GitHub's rate limit was met at {place(url)}: wait {seconds:.0f} s, {why}. What is missing is fetched later",
                retry_after=seconds,
            )
        _log.warning("⏳ GitHub's rate limit was met: all requests wait %.0f s", seconds)

    def _patience_left(self) -> float:
        """Seconds that this client may still wait in all."""
        with self._lock:
            return max(self.patience.total - self._waited, 0.0)

    def _absolute(self, path: str) -> str:
        return self.api_url + path if path.startswith("/") else path
