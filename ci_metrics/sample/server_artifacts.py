"""Artifacts of the sample GitHub's runs: what they are, and GitHub's JSON of one.

What belongs here: the record and its JSON. Does not: addresses (`server_routes.py`), the storage
(`server_logs.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ci_metrics.sample.payloads import api_time
from ci_metrics.sample.payloads_repo import Json, node_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactSpec:
    """One artifact of a run; `archive` is its zip file."""

    artifact_id: int  # no job's id: both name what the storage holds
    name: str
    created_at: datetime
    archive: bytes
    expired: bool = False


def artifact_json(base: str, repo: str, spec: ArtifactSpec) -> Json:
    """GitHub's `artifact`."""
    url = f"{base}/repos/{repo}/actions/artifacts/{spec.artifact_id}"
    return {
        "id": spec.artifact_id,
        "node_id": node_id("AR", spec.artifact_id),
        "name": spec.name,
        "size_in_bytes": len(spec.archive),
        "url": url,
        "archive_download_url": f"{url}/zip",
        "expired": spec.expired,
        "created_at": api_time(spec.created_at),
        "updated_at": api_time(spec.created_at),
        "expires_at": api_time(spec.created_at + timedelta(days=90)),
    }
