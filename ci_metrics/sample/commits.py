"""The commits of a world: what each run was of, in the order of the branches.

What belongs here: from runs and pull requests to commits with parent, author, message and files.
Does not: GitHub's JSON for them (`payloads_commits.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from ci_metrics.sample.world import Moment, PullSpec, RunSpec, World

#: How long before its first run a commit was made.
_BEFORE = timedelta(seconds=40)
_EVENTS_OF_PULLS = ("pull_request", "pull_request_target")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitSpec:
    """One commit. On the default branch its parent is the commit before it there."""

    repo: str
    sha: str
    parent: str | None  # None: the world does not reach further back
    author: str  # login
    message: str
    committed_at: datetime
    files: tuple[str, ...]  # paths that it changed
    pulls: tuple[int, ...]  # of its branch, or the one whose merge it is


@lru_cache(maxsize=8)
def commits_of(world: World, repo: str) -> Mapping[str, CommitSpec]:
    """The commits of `repo` by SHA, oldest first."""
    made: dict[str, CommitSpec] = {}
    tips: dict[tuple[str | None, str], str] = {}  # (head repository, branch) -> its newest commit
    merges = {pull.merge_commit_sha: pull for pull in world.pulls if pull.repo == repo and pull.merge_commit_sha}
    for run in sorted((run for run in world.runs if run.repo == repo), key=lambda run: (run.created_at, run.run_id)):
        if run.head_sha in made:
            continue
        branch = (run.head_repo, run.head_branch)
        merged = merges.get(run.head_sha)
        made[run.head_sha] = CommitSpec(
            repo=repo,
            sha=run.head_sha,
            parent=tips.get(branch) or tips.get((repo, "main")),
            author=merged.author if merged else run.attempts[0].actor,
            message=run.display_title,
            committed_at=run.created_at - _BEFORE,
            files=world.changed.get(run.head_sha, ()),
            pulls=(merged.number,) if merged else tuple(_pulls(world, run)),
        )
        tips[branch] = run.head_sha
    return made


def _pulls(world: World, run: RunSpec) -> Iterator[int]:
    if run.event in _EVENTS_OF_PULLS:
        yield from (p.number for p in world.pulls if _is_head(p, run))


def _is_head(pull: PullSpec, run: RunSpec) -> bool:
    return (pull.repo, pull.head_repo, pull.head_branch) == (run.repo, run.head_repo, run.head_branch)


def commit_at(moment: Moment, repo: str, ref: str) -> CommitSpec | None:
    """The commit that `ref` (a SHA or its beginning, or a branch) names, if it exists already."""
    here = {sha: one for sha, one in commits_of(moment.world, repo).items() if one.committed_at <= moment.now}
    if ref in here:
        return here[ref]
    on_branch = [run.head_sha for run in moment.runs(repo) if run.head_branch == ref and not run.fork]
    found = on_branch[-1:] or [sha for sha in here if len(ref) >= 7 and sha.startswith(ref)]
    return here[found[0]] if len(found) == 1 else None


def commits_between(moment: Moment, base: CommitSpec, head: CommitSpec) -> list[CommitSpec] | None:
    """The commits that lead from `base` (not counted) to `head`, oldest first; None when they do
    not.
    """
    known, path, at = commits_of(moment.world, head.repo), [], head
    while at.sha != base.sha:
        path.append(at)
        if at.parent is None or at.parent not in known:
            return None
        at = known[at.parent]
    return path[::-1]
