"""A job as somebody describes it in a file: the API's object, or no more of it than its steps.

Belongs here: filling in what such a description may leave out. Does not: reading files, GitHub's own answers (`records.py`).
"""

from __future__ import annotations

from ci_metrics.github.records import job_from_json
from ci_metrics.models import Job


def job_from_object(value: object) -> Job:
    """The job of one of the API's objects, which may hold no more than its steps; ContractError when it is none."""
    repo = "/".join(str(value.get("url", "")).split("/repos/")[-1].split("/")[:2]) if isinstance(value, dict) else ""
    return job_from_json(_completed(value), repo or "unknown/unknown")


def _completed(value: object) -> object:
    """A job cut down to its steps is enough here: what only documents need may be missing."""
    if not isinstance(value, dict):
        return value
    steps = [
        {"number": number, "status": "completed", "conclusion": None, "started_at": None, "completed_at": None, **step}
        for number, step in enumerate(value.get("steps") or [], start=1)
    ]
    needed = {
        "id": 0,
        "run_id": 0,
        "name": "job",
        "workflow_name": "",
        "status": "completed",
        "conclusion": "failure",
        "created_at": None,
        "started_at": None,
        "completed_at": None,
        "runner_id": None,
        "runner_name": None,
        "labels": [],
        "head_branch": "",
        "head_sha": "",
        "html_url": "",
        "run_attempt": 1,
    }
    return {**needed, **value, "steps": steps}
