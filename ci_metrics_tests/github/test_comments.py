"""Comments: the same care as the pipeline's requests, with a token of their own, and never a second
one.
"""

from __future__ import annotations

import pytest

from ci_metrics.errors import AuthenticationError, IncompleteError, RateLimitedError, TransientError
from ci_metrics.github.comments import PullRequestClient
from ci_metrics.sample.faults import Fault, FaultKind
from ci_metrics.sample.server import SampleGitHub
from ci_metrics_tests.github.worlds import REPO, START, attempt, pull, run, world

WORLD = world(run(1, [attempt(1, [])]), pulls=[pull(7, "fork/basket", "fix", "a" * 40)])
MARKER = "<!-- ours -->"


def test_ours_is_found_behind_a_hundred_others() -> None:
    with SampleGitHub(WORLD) as server, PullRequestClient(server.api_url, server.token) as github:
        for number in range(130):
            server.comments.add(REPO, 7, f"comment {number}", "somebody", START)
        assert github.find(REPO, 7, MARKER) is None
        url = github.create(REPO, 7, f"{MARKER} first")
        found = github.find(REPO, 7, MARKER)
        assert found is not None
        assert (found.body, found.url) == (f"{MARKER} first", url)
        assert github.replace(REPO, found.id, f"{MARKER} second") == url
        assert github.pull(REPO, 7).commit == "a" * 40


@pytest.mark.parametrize("kind", ["short", "ids"])
def test_while_not_all_comments_come_no_second_one_is_written(kind: FaultKind) -> None:
    with SampleGitHub(WORLD) as server, PullRequestClient(server.api_url, server.token) as github:
        for number in range(100):
            server.comments.add(REPO, 7, f"{MARKER if number == 99 else ''} comment {number}", "sample-user", START)
        server.comments.add(REPO, 7, "the last", "somebody", START)
        server.faults.add(Fault(kind=kind, on="comments", times=None, count=100))
        with pytest.raises(IncompleteError, match=f"{REPO}#7"):
            github.find(REPO, 7, MARKER)
        server.faults.clear()
        assert github.find(REPO, 7, MARKER) is not None


def test_reading_is_repeated_and_writing_a_new_one_is_not() -> None:
    with SampleGitHub(WORLD) as server, PullRequestClient(server.api_url, server.token) as github:
        server.faults.add(Fault(kind="status", status=502, on="pull"))
        assert github.pull(REPO, 7).open
        server.faults.add(Fault(kind="status", status=502, on="comments"))
        with pytest.raises(TransientError, match="502"):
            github.create(REPO, 7, "text")
        assert server.stats.total["comments"] == 1


def test_a_limit_is_not_sat_out_and_a_missing_right_is_named() -> None:
    with SampleGitHub(WORLD) as server, PullRequestClient(server.api_url, server.token) as github:
        server.faults.add(Fault(kind="status", status=403, on="comments"))
        with pytest.raises(AuthenticationError, match="PR_COMMENT_TOKEN needs “Pull requests: read and write”"):
            github.create(REPO, 7, "text")
        server.faults.add(Fault(kind="secondary_limit", seconds=3000, on="pull"))
        with pytest.raises(RateLimitedError) as caught:
            github.pull(REPO, 7)
    assert caught.value.retry_after == 3000
