"""Comments on pull requests: the only thing clients of the sample GitHub can write.

What belongs here: keeping them in memory, safe for many threads. Does not: routing, fields.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, replace
from datetime import datetime

from ci_metrics.sample import payloads_repo


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredComment:
    """One comment on one issue or pull request."""

    comment_id: int
    repo: str
    issue: int
    body: str
    login: str
    created_at: datetime
    updated_at: datetime

    def as_json(self, base: str) -> payloads_repo.Json:
        """The comment as GitHub's `issue-comment`."""
        form = "%Y-%m-%dT%H:%M:%SZ"
        times = (self.created_at.strftime(form), self.updated_at.strftime(form))
        return payloads_repo.comment(base, self.repo, self.issue, self.comment_id, self.body, self.login, times)


class Comments:
    """All comments, oldest first."""

    def __init__(self) -> None:
        """Start with none."""
        self._lock = threading.Lock()
        self._ids = itertools.count(7_000_001)
        self._all: dict[int, StoredComment] = {}

    def of(self, repo: str, issue: int) -> list[StoredComment]:
        """The comments on one pull request."""
        with self._lock:
            return [c for c in self._all.values() if (c.repo, c.issue) == (repo, issue)]

    def get(self, repo: str, comment_id: int) -> StoredComment | None:
        """One comment of a repository."""
        with self._lock:
            found = self._all.get(comment_id)
            return found if found is not None and found.repo == repo else None

    def add(self, repo: str, issue: int, body: str, login: str, now: datetime) -> StoredComment:
        """Write a comment."""
        with self._lock:
            number = next(self._ids)
            self._all[number] = StoredComment(
                comment_id=number, repo=repo, issue=issue, body=body, login=login, created_at=now, updated_at=now
            )
            return self._all[number]

    def edit(self, comment_id: int, body: str, now: datetime) -> StoredComment:
        """Replace a comment's text; KeyError when there is no such comment."""
        with self._lock:
            self._all[comment_id] = replace(self._all[comment_id], body=body, updated_at=now)
            return self._all[comment_id]
