"""Bringing the one comment on a pull request up to date.

What belongs here: the order of reading, deciding and writing. Does not: any of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ci_metrics.github.comments import PullRequestClient
from ci_metrics.history.pull_request import PullRequest, read_pull_request
from ci_metrics.index.document_index import DocumentIndex
from ci_metrics.report.pr_comment import MARKER, comment_body

Posting = Literal["created", "updated", "unchanged", "nothing to say", "closed"]


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of the comment, and its address ("" when there is none)."""

    done: Posting
    url: str = ""


def preview(
    index: DocumentIndex, repo: str, number: int, *, base: str, now: datetime, gaps: Sequence[str]
) -> tuple[PullRequest, str | None]:
    """What would be written, as far as the index knows: nothing is asked of GitHub."""
    pull = read_pull_request(index, repo, number, base=base, now=now, gaps=gaps)
    return pull, comment_body(pull, exists=True)


def post(
    index: DocumentIndex,
    client: PullRequestClient,
    repo: str,
    number: int,
    *,
    base: str = "",
    now: datetime,
    gaps: Sequence[str],
) -> Posted:
    """Create or update the comment of an open pull request; `gaps` says in
    words what the index may lack.
    """
    head = client.pull(repo, number)
    if not head.open:
        return Posted("closed")
    pull = read_pull_request(index, repo, number, base=base or head.base, head=head.commit, now=now, gaps=gaps)
    there = client.find(repo, number, MARKER)
    body = comment_body(pull, exists=there is not None)
    if body is None:
        return Posted("nothing to say")
    if there is None:
        return Posted("created", client.create(repo, number, body))
    # GitHub may give the text back with other line ends.
    if there.body.replace("\r\n", "\n").strip() == body.strip():
        return Posted("unchanged", there.url)
    return Posted("updated", client.replace(repo, there.id, body))
