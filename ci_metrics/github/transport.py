"""Requests to GitHub's API: signed, limited, retried in bounds, asked
conditionally, their answers checked.

What belongs here: one request and what may go wrong with it. Does not: which address gives what
(`client.py`), what an answer means (`llm/answers.py`), logs' bytes (`download.py`).
"""

from __future__ import annotations

import json
import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TypeVar

import httpx

from ci_metrics import __version__
from ci_metrics.deadline import GRACE, Deadline
from ci_metrics.errors import ContractError, PermanentError, RateLimitedError, TransientError
from ci_metrics.github.answers import (
    READING,
    TokenAdvice,
    error_of,
    joined,
    json_of,
    no_answer,
    origin,
    shown_address,
    until_reset,
    wait_asked_for,
)
from ci_metrics.github.auth import Credentials
from ci_metrics.github.conditional import ConditionalCache, KeptAnswer
from ci_metrics.github.json_fields import M
from ci_metrics.github.pages import PAGE, Page, Shape
from ci_metrics.github.rate_limits import Patience
from ci_metrics.github.request_counts import RequestCounts
from ci_metrics.limits import Limiter
from ci_metrics.retrying import retrying
from ci_metrics.urls import is_loopback

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

#: GitHub redirects once, where a repository was renamed.
_MAX_REDIRECTS = 3
#: A search ends at 1,000 entries and a run at some thousands of jobs: more pages are a circle.
_MAX_PAGES = 1000

#: Bytes of one JSON answer, unpacked. A page of a hundred jobs of a hundred steps has 3 MB.
_MAX_ANSWER = 128 * 1024 * 1024


@cache
def certificates() -> ssl.SSLContext:
    """The trusted certificates, read once: that takes longer than many
    requests. SSL_CERT_FILE counts.
    """
    return httpx.create_ssl_context()


class Transport:
    """Sends requests for one identity to one API. Safe for many threads."""

    def __init__(
        self,
        api_url: str,
        *,
        credentials: Credentials,
        limiter: Limiter,
        counts: RequestCounts,
        cache: ConditionalCache | None = None,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
        grace: float = GRACE,
        advice: TokenAdvice = READING,
    ) -> None:
        """`api_url` without a slash at its end; `sleep`: how to wait between repetitions.

        `grace`: seconds that an answer may take however slowly it comes; `advice`: about the token.
        """
        self.api_url, self.grace, self._advice = api_url, grace, advice
        self.credentials = credentials
        self.limiter, self.counts, self.patience, self.sleep = limiter, counts, patience or Patience(), sleep
        self._cache = cache
        self._lock = threading.Lock()
        self._waited = 0.0
        self._client = httpx.Client(
            verify=certificates(),
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
        self,
        kind: str,
        path: str,
        shape: Shape[M],
        params: Mapping[str, str | int] | None = None,
        *,
        fresh: bool = False,
        keep: bool = True,
    ) -> Page[M]:
        """One JSON answer.

        `kind`: what it counts as; `path`: below the API's address, or a whole address of it;
        `fresh`: an answer that was kept does not do; `keep`: it will be asked for again, so that
        an unchanged answer should cost no quota. Raises what `answers.error_of` makes;
        RateLimitedError, TransientError once patience or repetitions are used up.
        """
        url = str(httpx.URL(self._absolute(path), params=dict(params))) if params else self._absolute(path)
        return self._retry(lambda again: self._get(kind, url, shape, again, fresh=fresh, keep=keep))

    def one(self, kind: str, path: str, shape: Shape[M], *, keep: bool = True) -> M:
        """One object; see `get`. Raises ContractError, after another
        look, when it cannot be used.
        """
        page = self.get(kind, path, shape, keep=keep)
        if page.refused:
            page = self.get(kind, path, shape, fresh=True, keep=keep)
        if page.refused:
            raise page.refused[0]
        return page.items[0]

    def pages(
        self,
        kind: str,
        path: str,
        shape: Shape[M],
        params: Mapping[str, str | int] | None = None,
        *,
        fresh: bool = False,
        keep: bool = True,
    ) -> Iterator[Page[M]]:
        """All pages of a listing, a hundred entries each, in order; see `get`."""
        page = self.get(kind, path, shape, {**(params or {}), "per_page": PAGE}, fresh=fresh, keep=keep)
        seen: set[str] = set()
        yield page
        while page.next_url is not None:
            if page.next_url in seen or len(seen) > _MAX_PAGES:
                raise ContractError(f"{shown_address(page.next_url)}: the pages do not end ({len(seen)} so far)")
            seen.add(page.next_url)
            page = self.get(kind, page.next_url, shape, fresh=fresh, keep=keep)
            yield page

    def redirect(self, kind: str, path: str, *, again: bool) -> str:
        """Where a request is sent on to. The address is not followed: the
        token must not travel there.

        Asked once: whoever reads what lies there repeats both, within one policy. `again`: whether
        this is such a repetition.
        """
        url = self._absolute(path)
        response = self._send(kind, "GET", url, again=again, follow=False)
        target = response.headers.get("location", "")
        if not 300 <= response.status_code < 400 or not target:
            raise TransientError(f"{shown_address(url)} answered {response.status_code} where a redirect was expected")
        return joined(url, target)

    def write(
        self,
        kind: str,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        repeatable: bool = True,
        authorization: str | None = None,
    ) -> object:
        """POST or PATCH; the JSON that comes back.

        `repeatable`: doing it twice does no harm, so that it is sent again when the answer is lost;
        `authorization`: another one than the client's (an App's JWT).
        """
        url = self._absolute(path)

        def ask(again: bool) -> object:
            return json_of(self._send(kind, method, url, again=again, authorization=authorization, body=body), url)

        return self._retry(ask) if repeatable else ask(False)

    def _retry(self, ask: Callable[[bool], _T]) -> _T:
        for attempt in retrying(self.patience.policy, sleep=self.sleep):
            with attempt:
                return ask(attempt.retry_state.attempt_number > 1)
        raise AssertionError("tenacity ended without a result or an error")

    def _get(self, kind: str, url: str, shape: Shape[M], again: bool, *, fresh: bool, keep: bool) -> Page[M]:
        scope, cache = f"{self.credentials.scope} {shape.version}", self._cache if keep else None
        kept = cache.get(scope, url) if cache is not None and not fresh else None
        headers = {"If-None-Match": kept.etag} if kept is not None else {}
        response = self._send(kind, "GET", url, again=again, headers=headers)
        moved = "/repositories/" in response.url.path  # where GitHub sends on from a repository's old name
        if response.status_code == 304 and kept is not None:
            try:
                return self._at_home(shape.page(json.loads(kept.body), kept.link, url, moved=moved), url)
            except ValueError:  # kept by a machine that lost power: it costs one request
                return self._get(kind, url, shape, True, fresh=True, keep=keep)
        link, etag = response.headers.get("link", ""), response.headers.get("etag", "")
        page = self._at_home(shape.page(json_of(response, url), link, url, moved=moved), url)
        if cache is not None and etag and etag.isascii() and not page.refused:
            cache.put(scope, url, KeptAnswer(etag, json.dumps(shape.kept(page)).encode(), link))
        return page

    def _at_home(self, page: Page[M], url: str) -> Page[M]:
        """The page, when its next one is at the same host."""
        if page.next_url is not None and origin(page.next_url) != origin(self.api_url):
            raise ContractError(
                f"{shown_address(url)}: the next page is said to be at {shown_address(page.next_url)}, another host: the token is not sent "
                "there. Is GITHUB_API_URL the host's own name?"
            )
        return page

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
        body: Mapping[str, object] | None = None,
    ) -> httpx.Response:
        """One exchange, with the waits that GitHub asks for, one renewal of the token, and
        moves within the same host.
        """
        left, limits, moves, renewed = min(self.patience.request, self._patience_left()), 0, 0, False
        while True:
            response = self._exchange(kind, method, url, left, again, headers or {}, authorization, body)
            wait = wait_asked_for(response, limits)
            if wait is not None:
                wait = max(wait, min(2.0**limits, 60.0))  # "retry after 0" again and again must come to an end too
                left, limits, again = left - wait, limits + 1, True
                self._pause(wait, left, url)
            elif response.status_code == 401 and authorization is None and not renewed and self.credentials.renew():
                renewed = again = True
            elif follow and 300 < response.status_code < 400 and response.status_code != 304:
                target, moves = joined(url, response.headers.get("location", "")), moves + 1
                if origin(target) != origin(self.api_url):
                    raise PermanentError(
                        f"{shown_address(url)} points to {shown_address(target)}: not followed with a token"
                    )
                if moves > _MAX_REDIRECTS:
                    raise TransientError(
                        f"{shown_address(url)}: it keeps pointing elsewhere, at last to {shown_address(target)}"
                    )
                url = target
            elif response.status_code >= 400:
                raise error_of(response, url, self._advice)
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
        body: Mapping[str, object] | None,
    ) -> httpx.Response:
        signed = authorization or self.credentials.authorization()
        with self.limiter.slot(left):
            self.counts.sent(kind, again=again)
            try:
                response = self._whole(method, url, {**headers, "Authorization": signed}, body)
            except (httpx.RequestError, httpx.InvalidURL) as error:
                raise no_answer(error, url) from error
        ours = response.headers.get("x-ratelimit-resource", "core") == "core"  # others are not waited for
        remaining = response.headers.get("x-ratelimit-remaining") if ours else None
        self.counts.answered(kind, response.status_code, remaining)
        if remaining == "0" and response.status_code < 400:
            self.limiter.pause(until_reset(response) or 0)  # the next one would be refused
        return response

    def _whole(
        self, method: str, url: str, headers: Mapping[str, str], body: Mapping[str, object] | None
    ) -> httpx.Response:
        """One answer with its body, in bounds of time and size."""
        deadline = Deadline(self.grace)
        parts: list[bytes] = []
        size = 0
        with self._client.stream(method, url, headers=headers, json=body, extensions=deadline.extensions) as response:
            for chunk in deadline.body(response):
                parts.append(chunk)
                size += len(chunk)
                if size > _MAX_ANSWER:
                    raise TransientError(f"{shown_address(url)} answered with more than {_MAX_ANSWER // 1_000_000} MB")
        unpacked = [(k, v) for k, v in response.headers.items() if k not in ("content-encoding", "content-length")]
        return httpx.Response(response.status_code, headers=unpacked, content=b"".join(parts), request=response.request)

    def _pause(self, seconds: float, left: float, url: str) -> None:
        """All requests wait. Raises RateLimitedError when that is longer than we wait."""
        lengthened = self.limiter.pause(seconds)
        with self._lock:
            self._waited += lengthened
        spent = self._patience_left() <= 0
        if left < 0 or spent:
            why = "the waits add up to too much" if spent else "longer than this program waits"
            raise RateLimitedError(
                f"GitHub's rate limit was met at {shown_address(url)}: wait {seconds:.0f} s, {why}. What is missing is fetched later",
                retry_after=seconds,
            )
        _log.warning("⏳ GitHub's rate limit was met: all requests wait %.0f s", seconds)

    def _patience_left(self) -> float:
        """Seconds that this client may still wait in all."""
        with self._lock:
            return max(self.patience.total - self._waited, 0.0)

    def _absolute(self, path: str) -> str:
        return self.api_url + path if path.startswith("/") else path
