"""The world as GitHub's JSON: one function for each kind of answer, as GitHub's
OpenAPI description has it.

What belongs here: which field carries what. Does not: routing, paging, headers (`server_routes.py`,
`server_http.py`); repositories, users and pull requests (`payloads_repo.py`). Addresses for people
point to a host that cannot exist (`.example`), so that a link in a document leads nobody astray.
"""

from __future__ import annotations

from datetime import UTC, datetime

from ci_metrics.sample.payloads_repo import HTML, Json, node_id, number_of, repository, user
from ci_metrics.sample.world import AttemptSpec, JobSpec, Moment, RunSpec, StepSpec, status_at


def api_time(time: datetime | None) -> str | None:
    """GitHub's way to write a time: whole seconds, UTC, `Z`."""
    return None if time is None else time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def run(base: str, moment: Moment, spec: RunSpec, attempt: AttemptSpec) -> Json:
    """One attempt of a run (`workflow-run`)."""
    url = f"{base}/repos/{spec.repo}/actions/runs/{spec.run_id}"
    status = moment.attempt_status(attempt)
    head_commit = {
        "id": spec.head_sha,
        "tree_id": spec.head_sha[::-1],
        "message": spec.display_title,
        "timestamp": api_time(spec.created_at),
        "author": {"name": attempt.actor, "email": f"{attempt.actor}@users.noreply.github.example"},
        "committer": {"name": "GitHub", "email": "noreply@github.example"},
    }
    first = spec.attempts[0].actor
    previous = f"{url}/attempts/{attempt.number - 1}" if attempt.number > 1 else None
    return {
        "id": spec.run_id,
        "name": spec.workflow_name,
        "node_id": node_id("WFR", spec.run_id),
        "check_suite_id": spec.check_suite_id,
        "check_suite_node_id": node_id("CS", spec.check_suite_id),
        "head_branch": spec.head_branch,
        "head_sha": spec.head_sha,
        "path": spec.workflow_path,
        "run_number": spec.run_number,
        "run_attempt": attempt.number,
        "referenced_workflows": [],
        "event": spec.event,
        "status": status,
        "conclusion": attempt.final_conclusion if status == "completed" else None,
        "workflow_id": spec.workflow_id,
        "url": url,
        "html_url": f"{HTML}/{spec.repo}/actions/runs/{spec.run_id}",
        "pull_requests": [_pull_of_run(base, spec, number) for number in spec.pull_numbers],
        "created_at": api_time(spec.created_at),
        "updated_at": api_time(moment.updated_at(attempt)),
        "actor": user(base, first),
        "triggering_actor": user(base, attempt.actor),
        "run_started_at": api_time(attempt.created_at),
        "jobs_url": f"{url}/jobs",
        "logs_url": f"{url}/logs",
        "check_suite_url": f"{base}/repos/{spec.repo}/check-suites/{spec.check_suite_id}",
        "artifacts_url": f"{url}/artifacts",
        "cancel_url": f"{url}/cancel",
        "rerun_url": f"{url}/rerun",
        "previous_attempt_url": previous,
        "workflow_url": f"{base}/repos/{spec.repo}/actions/workflows/{spec.workflow_id}",
        "head_commit": head_commit,
        "repository": repository(base, spec.repo),
        # A fork that was deleted is null at GitHub, whatever its OpenAPI description says.
        "head_repository": repository(base, spec.head_repo, fork=spec.fork) if spec.head_repo else None,
        "display_title": spec.display_title,
    }


def _pull_of_run(base: str, spec: RunSpec, number: int) -> Json:
    def end(ref: str, name: str, sha: str) -> Json:
        repo = {"id": number_of(name), "url": f"{base}/repos/{name}", "name": name.partition("/")[2]}
        return {"ref": ref, "sha": sha, "repo": repo}

    return {
        "id": number_of(f"{spec.repo}#{number}"),
        "number": number,
        "url": f"{base}/repos/{spec.repo}/pulls/{number}",
        "head": end(spec.head_branch, spec.head_repo or spec.repo, spec.head_sha),
        "base": end("main", spec.repo, spec.head_sha[::-1]),
    }


def job(base: str, moment: Moment, spec: RunSpec, attempt_number: int, item: JobSpec) -> Json:
    """One job with its steps (`job`); `attempt_number` is the attempt that ran it."""
    repo = f"{base}/repos/{spec.repo}"
    status = moment.job_status(item)
    began = status != "queued"
    ran = began and item.conclusion != "skipped"
    return {
        "id": item.job_id,
        "run_id": spec.run_id,
        "workflow_name": spec.workflow_name,
        "head_branch": spec.head_branch,
        "run_url": f"{repo}/actions/runs/{spec.run_id}",
        "run_attempt": attempt_number,
        "node_id": node_id("CR", item.job_id),
        "head_sha": spec.head_sha,
        "url": f"{repo}/actions/jobs/{item.job_id}",
        "html_url": f"{HTML}/{spec.repo}/actions/runs/{spec.run_id}/job/{item.job_id}",
        "status": status,
        "conclusion": item.conclusion if status == "completed" else None,
        "created_at": api_time(item.created_at),
        # GitHub gives a waiting job its creation time here.
        "started_at": api_time(item.started_at if began else item.created_at),
        "completed_at": api_time(item.completed_at) if status == "completed" else None,
        "name": item.name,
        "steps": [_step(moment, step) for step in item.steps] if began else [],
        "check_run_url": f"{repo}/check-runs/{item.job_id}",
        "labels": list(item.labels),
        "runner_id": item.runner_id if ran else None,
        "runner_name": item.runner_name if ran else None,
        "runner_group_id": 0 if ran and item.runner_id is not None else None,
        "runner_group_name": "GitHub Actions" if ran and item.runner_name is not None else None,
    }


def _step(moment: Moment, step: StepSpec) -> Json:
    status = status_at(moment.now, step.started_at, step.completed_at)
    return {
        "name": step.name,
        "status": status,
        "conclusion": step.conclusion if status == "completed" else None,
        "number": step.number,
        "started_at": api_time(step.started_at) if status != "queued" else None,
        "completed_at": api_time(step.completed_at) if status == "completed" else None,
    }


def check_run(base: str, moment: Moment, spec: RunSpec, item: JobSpec) -> Json:
    """A job seen as a check run (`check-run`): it says how many annotations there are."""
    url = f"{base}/repos/{spec.repo}/check-runs/{item.job_id}"
    status = moment.job_status(item)
    done = status == "completed"
    html = f"{HTML}/{spec.repo}/actions/runs/{spec.run_id}/job/{item.job_id}"
    return {
        "id": item.job_id,
        "name": item.name,
        "node_id": node_id("CR", item.job_id),
        "head_sha": spec.head_sha,
        "external_id": node_id("EXT", item.job_id),
        "url": url,
        "html_url": html,
        "details_url": html,
        "status": status,
        "conclusion": item.conclusion if done else None,
        "started_at": api_time(item.started_at) if status != "queued" else None,
        "completed_at": api_time(item.completed_at) if done else None,
        "output": {
            "title": None,
            "summary": None,
            "text": None,
            "annotations_count": len(item.annotations) if done else 0,
            "annotations_url": f"{url}/annotations",
        },
        "check_suite": {"id": spec.check_suite_id},
        "app": _actions_app(base),
        "pull_requests": [_pull_of_run(base, spec, number) for number in spec.pull_numbers],
    }


def _actions_app(base: str) -> Json:
    return {
        "id": 15368,
        "slug": "github-actions",
        "node_id": node_id("A", 15368),
        "owner": user(base, "github"),
        "name": "GitHub Actions",
        "description": "Automate your workflow from idea to production",
        "external_url": f"{HTML}/features/actions",
        "html_url": f"{HTML}/apps/github-actions",
        "created_at": "2018-07-30T09:30:17Z",
        "updated_at": "2024-04-10T20:33:16Z",
        "permissions": {"actions": "write", "checks": "write", "contents": "read", "metadata": "read"},
        "events": ["check_run", "check_suite", "push"],
    }


def check_node(moment: Moment, spec: RunSpec, item: JobSpec) -> Json:
    """A check run with its annotations as GraphQL has it."""
    done = moment.job_status(item) == "completed"
    given = notes(spec, item) if done else []
    return {
        "id": node_id("CR", item.job_id),
        "databaseId": item.job_id,
        "status": moment.job_status(item).upper(),
        "annotations": {
            "totalCount": len(given),
            "nodes": [
                {
                    "annotationLevel": note["annotation_level"].upper(),
                    "message": note["message"],
                    "title": note["title"],
                    "path": note["path"],
                    "location": {"start": {"line": note["start_line"]}},
                }
                for note in given[:50]
            ],
        },
    }


def notes(spec: RunSpec, item: JobSpec) -> list[Json]:
    """A job's annotations (`check-annotation`)."""
    blob = f"{HTML}/{spec.repo}/blob/{spec.head_sha}/"
    return [
        {
            "path": note.path,
            "blob_href": blob + note.path,
            "start_line": note.start_line,
            "start_column": None,
            "end_line": note.end_line if note.end_line is not None else note.start_line,
            "end_column": None,
            "annotation_level": note.level,
            "title": note.title,
            "message": note.message,
            "raw_details": "",
        }
        for note in item.annotations
    ]
