"""Commits, comparisons of two of them and files as GitHub's JSON.

What belongs here: which field carries what. Does not: which commits there are (`commits.py`).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from ci_metrics.sample.commits import CommitSpec
from ci_metrics.sample.payloads_repo import HTML, Json, node_id, number_of, user

_ADDED, _DELETED = 6, 2  # lines, of each changed file


def commit(base: str, spec: CommitSpec, *, files: bool = True) -> Json:
    """One commit (`commit`); without `files` as it stands in lists."""
    url = f"{base}/repos/{spec.repo}/commits/{spec.sha}"
    git = f"{base}/repos/{spec.repo}/git"
    when = spec.committed_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    mail = "users.noreply.github.example"
    changed = len(spec.files)
    detail: Json = {
        "stats": {
            "additions": _ADDED * changed,
            "deletions": _DELETED * changed,
            "total": (_ADDED + _DELETED) * changed,
        },
        "files": [_file(base, spec, path) for path in spec.files],
    }
    return {
        "url": url,
        "sha": spec.sha,
        "node_id": node_id("C", number_of(spec.sha)),
        "html_url": f"{HTML}/{spec.repo}/commit/{spec.sha}",
        "comments_url": f"{url}/comments",
        "commit": {
            "url": f"{git}/commits/{spec.sha}",
            "author": {"name": spec.author, "email": f"{spec.author}@{mail}", "date": when},
            "committer": {"name": "GitHub", "email": f"noreply@{mail}", "date": when},
            "message": spec.message,
            "comment_count": 0,
            "tree": {"sha": spec.sha[::-1], "url": f"{git}/trees/{spec.sha[::-1]}"},
            "verification": {
                "verified": False,
                "reason": "unsigned",
                "signature": None,
                "payload": None,
                "verified_at": None,
            },
        },
        "author": user(base, spec.author),
        "committer": user(base, "web-flow"),
        "parents": [_parent(base, spec.repo, spec.parent)] if spec.parent else [],
        **(detail if files else {}),
    }


def _parent(base: str, repo: str, sha: str) -> Json:
    return {"sha": sha, "url": f"{base}/repos/{repo}/commits/{sha}", "html_url": f"{HTML}/{repo}/commit/{sha}"}


def _file(base: str, spec: CommitSpec, path: str) -> Json:
    return {
        "sha": hashlib.sha1(f"{spec.sha} {path}".encode(), usedforsecurity=False).hexdigest(),
        "filename": path,
        "status": "modified",
        "additions": _ADDED,
        "deletions": _DELETED,
        "changes": _ADDED + _DELETED,
        "blob_url": f"{HTML}/{spec.repo}/blob/{spec.sha}/{path}",
        "raw_url": f"{HTML}/{spec.repo}/raw/{spec.sha}/{path}",
        "contents_url": f"{base}/repos/{spec.repo}/contents/{path}?ref={spec.sha}",
    }


def comparison(base: str, first: CommitSpec, last: CommitSpec, between: Sequence[CommitSpec]) -> Json:
    """Two commits compared (`commit-comparison`); `between`: from `first` (not counted) on."""
    name = f"{first.sha}...{last.sha}"
    html = f"{HTML}/{last.repo}/compare/{name}"
    paths = dict.fromkeys(path for one in between for path in one.files)
    return {
        "url": f"{base}/repos/{last.repo}/compare/{name}",
        "html_url": html,
        "permalink_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        "base_commit": commit(base, first, files=False),
        "merge_base_commit": commit(base, first, files=False),
        "status": "ahead" if between else "identical",
        "ahead_by": len(between),
        "behind_by": 0,
        "total_commits": len(between),
        "commits": [commit(base, one, files=False) for one in between],
        "files": [_file(base, last, path) for path in paths],
    }


def content(base: str, repo: str, path: str, text: str, ref: str) -> Json:
    """A file (`content-file`)."""
    raw = text.encode()
    sha = hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()
    url, html = f"{base}/repos/{repo}/contents/{path}?ref={ref}", f"{HTML}/{repo}/blob/{ref}/{path}"
    git = f"{base}/repos/{repo}/git/blobs/{sha}"
    return {
        "type": "file",
        "encoding": "base64",
        "size": len(raw),
        "name": path.rpartition("/")[2],
        "path": path,
        "content": base64.encodebytes(raw).decode(),
        "sha": sha,
        "url": url,
        "git_url": git,
        "html_url": html,
        "download_url": f"{HTML}/{repo}/raw/{ref}/{path}",
        "_links": {"git": git, "self": url, "html": html},
    }
