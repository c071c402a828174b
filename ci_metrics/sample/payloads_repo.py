"""Repositories, users, pull requests and comments as GitHub's JSON.

What belongs here: what is the same for every run of a repository. Does not: runs, jobs and
check runs (`payloads.py`).
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any
from zlib import crc32

from ci_metrics.sample.world import PullSpec

Json = dict[str, Any]  # a JSON object on its way out; nothing reads it here

#: Where addresses for people point: a host that cannot exist (RFC 2606).
HTML = "https://github.example"

_LONG_AGO = "2024-01-15T08:00:00Z"

#: GitHub's template addresses of a repository: field -> path below it.
_REPO_URLS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}
_USER_URLS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}


def number_of(name: str) -> int:
    """A stable id for a name."""
    return crc32(name.encode())


def node_id(prefix: str, number: int) -> str:
    """An opaque id as GitHub's GraphQL side has them."""
    return f"{prefix}_{number:x}"


@lru_cache(maxsize=4096)
def user(base: str, login: str) -> Json:
    """A user or bot (`simple-user`)."""
    url = f"{base}/users/{login}"
    return {
        "login": login,
        "id": number_of(login),
        "node_id": node_id("U", number_of(login)),
        "avatar_url": f"{HTML}/avatars/{number_of(login)}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{HTML}/{login}",
        **{field: url + path for field, path in _USER_URLS.items()},
        "type": "Bot" if login.endswith("[bot]") else "User",
        "user_view_type": "public",
        "site_admin": False,
    }


@lru_cache(maxsize=4096)
def repository(base: str, name: str, *, fork: bool = False) -> Json:
    """A repository as it stands inside other answers (`minimal-repository`)."""
    owner, _, short = name.partition("/")
    url = f"{base}/repos/{name}"
    return {
        "id": number_of(name),
        "node_id": node_id("R", number_of(name)),
        "name": short,
        "full_name": name,
        "private": False,
        "owner": user(base, owner),
        "html_url": f"{HTML}/{name}",
        "description": None,
        "fork": fork,
        "url": url,
        **{field: url + path for field, path in _REPO_URLS.items()},
    }


@lru_cache(maxsize=4096)
def installation(base: str, owner: str, number: int) -> Json:
    """Where an App is installed (the fields of `installation` that say who and whether)."""
    return {"id": number, "account": user(base, owner), "repository_selection": "all", "suspended_at": None}


def full_repository(base: str, name: str, *, fork: bool = False, archived: bool = False) -> Json:
    """A repository on its own (`full-repository`, also `repository` inside pull requests)."""
    host = HTML.removeprefix("https://")
    flags = ("has_issues", "has_projects", "has_downloads", "has_wiki", "has_discussions")
    counts = ("forks", "forks_count", "open_issues", "open_issues_count", "stargazers_count", "watchers")
    return {
        **repository(base, name, fork=fork),
        **dict.fromkeys(flags, True),
        **dict.fromkeys(counts, 0),
        "watchers_count": 0,
        "network_count": 0,
        "subscribers_count": 0,
        "has_pages": False,
        "archived": archived,
        "disabled": False,
        "clone_url": f"{HTML}/{name}.git",
        "git_url": f"git://{host}/{name}.git",
        "ssh_url": f"git@{host}:{name}.git",
        "svn_url": f"{HTML}/{name}",
        "mirror_url": None,
        "homepage": None,
        "language": "Python",
        "license": None,
        "default_branch": "main",
        "size": 108,
        "visibility": "public",
        "permissions": {"admin": False, "maintain": False, "push": False, "triage": False, "pull": True},
        "pushed_at": _LONG_AGO,
        "created_at": _LONG_AGO,
        "updated_at": _LONG_AGO,
    }


def pull(base: str, spec: PullSpec, now: datetime, comments: int) -> Json:
    """A pull request (`pull-request`)."""
    url = f"{base}/repos/{spec.repo}/pulls/{spec.number}"
    html = f"{HTML}/{spec.repo}/pull/{spec.number}"
    issue = f"{base}/repos/{spec.repo}/issues/{spec.number}"
    closed = spec.closed_at if spec.closed_at is not None and spec.closed_at <= now else None
    merged = spec.merged and closed is not None
    when = spec.created_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    end = closed.strftime("%Y-%m-%dT%H:%M:%SZ") if closed else None
    statuses = f"{base}/repos/{spec.repo}/statuses/{spec.head_sha}"
    links = {
        "self": url,
        "html": html,
        "issue": issue,
        "comments": f"{issue}/comments",
        "commits": f"{url}/commits",
        "statuses": statuses,
        "review_comments": f"{url}/comments",
        "review_comment": f"{base}/repos/{spec.repo}/pulls/comments{{/number}}",
    }

    def side(name: str, ref: str, sha: str) -> Json:
        owner = name.partition("/")[0]
        repo = full_repository(base, name, fork=name != spec.repo)
        return {"label": f"{owner}:{ref}", "ref": ref, "sha": sha, "user": user(base, owner), "repo": repo}

    return {
        "id": number_of(f"{spec.repo}#{spec.number}"),
        "node_id": node_id("PR", number_of(f"{spec.repo}#{spec.number}")),
        "url": url,
        "html_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        "issue_url": issue,
        "commits_url": links["commits"],
        "review_comments_url": links["review_comments"],
        "review_comment_url": links["review_comment"],
        "comments_url": links["comments"],
        "statuses_url": statuses,
        "number": spec.number,
        "state": "closed" if closed else "open",
        "locked": False,
        "title": spec.title,
        "user": user(base, spec.author),
        "body": None,
        "labels": [],
        "milestone": None,
        "assignee": None,
        "created_at": when,
        "updated_at": end or when,
        "closed_at": end,
        "merged_at": end if merged else None,
        "merge_commit_sha": (spec.merge_commit_sha or spec.head_sha[::-1]) if merged else None,
        "head": side(spec.head_repo, spec.head_branch, spec.head_sha),
        "base": side(spec.repo, spec.base_branch, spec.head_sha[::-1]),
        "_links": {name: {"href": address} for name, address in links.items()},
        "author_association": "CONTRIBUTOR",
        "auto_merge": None,
        "draft": False,
        "merged": merged,
        "mergeable": None,
        "mergeable_state": "unknown",
        "merged_by": user(base, "maintainer") if merged else None,
        "maintainer_can_modify": True,
        "comments": comments,
        "review_comments": 0,
        "commits": 1,
        "additions": 12,
        "deletions": 3,
        "changed_files": 2,
    }


def comment(base: str, repo: str, issue: int, comment_id: int, body: str, login: str, times: tuple[str, str]) -> Json:
    """A comment on an issue or pull request (`issue-comment`); `times`: created, updated."""
    return {
        "id": comment_id,
        "node_id": node_id("IC", comment_id),
        "url": f"{base}/repos/{repo}/issues/comments/{comment_id}",
        "html_url": f"{HTML}/{repo}/pull/{issue}#issuecomment-{comment_id}",
        "issue_url": f"{base}/repos/{repo}/issues/{issue}",
        "body": body,
        "user": user(base, login),
        "created_at": times[0],
        "updated_at": times[1],
        "author_association": "NONE",
        "performed_via_github_app": None,
    }
