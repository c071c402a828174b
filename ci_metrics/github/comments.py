"""Pull requests and their comments at GitHub, with a token of their own.

What belongs here: the few requests that a comment needs. Does not: what it says
(`report/pr_comment.py`), sending (`transport.py`), the pipeline's client (`client.py`), whose token
can only read.

The token needs no more than "Pull requests: read and write" on the repositories (a fine-grained
token or a GitHub App); in GitHub Actions `permissions: pull-requests: write`.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

from ci_metrics.errors import AuthenticationError, ContractError, IncompleteError, NotFoundError
from ci_metrics.github.answers import TokenAdvice
from ci_metrics.github.auth import TokenCredentials
from ci_metrics.github.json_fields import read
from ci_metrics.github.pages import Shape
from ci_metrics.github.rate_limits import Patience, shared_limiter
from ci_metrics.github.request_counts import RequestCounts
from ci_metrics.github.schemas import Account, IssueComment, Pull
from ci_metrics.github.transport import Transport
from ci_metrics.urls import is_loopback

_ADVICE = TokenAdvice(
    wrong="PR_COMMENT_TOKEN is wrong, expired or revoked. It needs “Pull requests: read and write” on this repository",
    lacking="PR_COMMENT_TOKEN needs “Pull requests: read and write” on this repository",
)

#: A limit is waited out by whoever calls: an hour is too long to sit here.
_PATIENCE = Patience(request=0.0, total=1.0, retry=5.0)


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
    """Reads a pull request and writes one comment on it. A context manager. Raises what
    `Transport.get` raises.
    """

    def __init__(self, api_url: str, token: str) -> None:
        """`api_url` as GITHUB_API_URL."""
        credentials = TokenCredentials(token)
        self._transport = Transport(
            api_url,
            credentials=credentials,
            limiter=shared_limiter(api_url, credentials.scope, local=is_loopback(api_url)),
            counts=RequestCounts(),
            patience=_PATIENCE,
            advice=_ADVICE,
        )

    def __enter__(self) -> PullRequestClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    def pull(self, repo: str, number: int) -> PullHead:
        """One pull request. Raises NotFoundError when there is none (or
        the token may not see it).
        """
        found = self._transport.one("pull", f"/repos/{repo}/pulls/{number}", Shape(Pull, repo))
        if found.number != number or not found.head.sha or not found.base.ref:
            raise ContractError(
                f"GitHub's answer for pull request {number} of {repo} names no head commit and base branch"
            )
        return PullHead(found.head.sha, found.base.ref, found.state == "open")

    def find(self, repo: str, number: int, marker: str) -> Comment | None:
        """Our comment: the oldest one that begins with the marker, by our own account where GitHub
        names it.

        Raises IncompleteError when it is not among those that came, and more should have come: a
        second one would be written.
        """
        login = self._own_login()
        path, shape = f"/repos/{repo}/issues/{number}/comments", Shape(IssueComment, f"{repo}#{number}", "")
        lacking = False
        for page in self._transport.pages("comments", path, shape):
            for comment in page.items:
                if comment.body.startswith(marker) and login in (None, comment.user.login):
                    return Comment(comment.id, comment.body, comment.html_url)
            lacking = lacking or page.short or bool(page.refused)
        if lacking:
            raise IncompleteError(f"{repo}#{number}: not all of its comments came. Try again later", found=None)
        return None

    def create(self, repo: str, number: int, body: str) -> str:
        """Write the comment; its address. Not tried twice: the answer may be lost when the comment
        is not.
        """
        path = f"/repos/{repo}/issues/{number}/comments"
        return self._written("POST", path, body, repeatable=False)

    def replace(self, repo: str, comment_id: int, body: str) -> str:
        """Replace the comment's text; its address."""
        return self._written("PATCH", f"/repos/{repo}/issues/comments/{comment_id}", body, repeatable=True)

    def _written(self, method: str, path: str, body: str, *, repeatable: bool) -> str:
        answer = self._transport.write("comment", method, path, {"body": body}, repeatable=repeatable)
        return read(IssueComment, answer, path).html_url

    def _own_login(self) -> str | None:
        """Whose token it is; None for an App's or Actions' token, which GitHub does not tell (403).

        A token that is refused altogether is refused at the next request too.
        """
        try:
            return self._transport.one("user", "/user", Shape(Account, "this token")).login or None
        except (AuthenticationError, NotFoundError):
            return None
