"""GitHub's JSON into this project's records, strict where a field decides something, tolerant where it may be absent.

What belongs here: which field of GitHub's answers becomes which field of a record. Does not: HTTP, reading values
(`fields.py`). Field names are those of GitHub's REST API version 2022-11-28. Conclusions and statuses pass through,
unknown ones too: GitHub adds words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from ci_metrics.errors import ContractError
from ci_metrics.github.fields import Fields
from ci_metrics.models import Annotation, Job, Run, Step

NO_PULL = "N/A"


def run_from_json(value: object, repo: str) -> Run:
    """One attempt of a run (GitHub's `workflow-run`) of `repo` (owner/name). Raises ContractError."""
    data = Fields(value, f"workflow run of {repo}")
    run_id = data.integer("id")
    data.what = f"workflow run {run_id} of {repo}"
    head = data.inner("head_repository")
    owner = head.inner("owner") if head is not None else None
    actor = data.inner("triggering_actor") or data.inner("actor")
    conclusion = data.text_or_none("conclusion")
    pr_id, base_branch = _pull_of(data, repo)
    return Run(
        repo=repo,
        run_id=run_id,
        run_attempt=data.integer("run_attempt", 1),
        workflow_name=data.text("name", "") or data.text("path", ""),
        event=data.text("event"),
        status=data.text("status", "completed" if conclusion else "queued"),
        conclusion=conclusion,
        head_branch=data.text("head_branch", ""),
        head_sha=data.text("head_sha"),
        head_owner=owner.text_or_none("login") if owner is not None else None,
        head_repo=head.text_or_none("full_name") if head is not None else None,
        actor=actor.text("login", "") if actor is not None else "",
        pr_id=pr_id,
        created_at=data.time("created_at"),
        run_started_at=data.time_or_none("run_started_at"),
        updated_at=data.time_or_none("updated_at"),
        check_suite_id=data.integer_or_none("check_suite_id"),
        run_number=data.integer("run_number", 0),
        display_title=data.text("display_title", ""),
        html_url=data.text("html_url", ""),
        workflow_id=data.integer_or_none("workflow_id"),
        base_branch=base_branch,
    )


def _pull_of(data: Fields, repo: str) -> tuple[str, str]:
    """The one pull request into this repository that GitHub names, and its base branch; several are as good as none.

    In a fork, GitHub also names the pull request that the branch has in the repository above it: not ours.
    """
    found = set()
    for item in data.items("pull_requests"):
        pull = Fields(item, f"{data.what}.pull_requests")
        base = pull.inner("base")
        base_repo = base.inner("repo") if base is not None else None
        url = base_repo.text("url", "") if base_repo is not None else ""
        if not url or url.lower().endswith(f"/repos/{repo.lower()}"):
            found.add((str(pull.integer("number")), base.text("ref", "") if base is not None else ""))
    return found.pop() if len(found) == 1 else (NO_PULL, "")


def job_from_json(value: object, repo: str, *, run_attempt: int = 1) -> Job:
    """One job with its steps (GitHub's `job`). Raises ContractError.

    The job's own `run_attempt` counts; the parameter is for answers that lack it (old GitHub Enterprise servers).
    """
    data = Fields(value, f"job of {repo}")
    job_id = data.integer("id")
    data.what = f"job {job_id} of {repo}"
    conclusion = data.text_or_none("conclusion")
    labels = data.items("labels")
    if not all(isinstance(label, str) for label in labels):
        raise ContractError(f"{data.what}: field “labels” should be strings, but is {labels!r:.80}")
    return Job(
        repo=repo,
        run_id=data.integer("run_id"),
        run_attempt=data.integer("run_attempt", run_attempt),
        job_id=job_id,
        name=data.text("name"),
        workflow_name=data.text("workflow_name", ""),
        status=data.text("status", "completed" if conclusion else "queued"),
        conclusion=conclusion,
        created_at=data.time_or_none("created_at"),
        started_at=data.time_or_none("started_at"),
        completed_at=data.time_or_none("completed_at"),
        runner_id=data.integer_or_none("runner_id"),
        runner_name=data.text("runner_name", "") or None,
        labels=tuple(str(label) for label in labels),
        head_branch=data.text("head_branch", ""),
        head_sha=data.text("head_sha", ""),
        html_url=data.text("html_url", ""),
        steps=tuple(_step(item, data.what) for item in data.items("steps")),
    )


def _step(value: object, job: str) -> Step:
    data = Fields(value, f"step of {job}")
    conclusion = data.text_or_none("conclusion")
    return Step(
        number=data.integer("number"),
        name=data.text("name"),
        status=data.text("status", "completed" if conclusion else "queued"),
        conclusion=conclusion,
        started_at=data.time_or_none("started_at"),
        completed_at=data.time_or_none("completed_at"),
    )


def annotation_from_json(value: object) -> Annotation:
    """One annotation (GitHub's `check-annotation`). Raises ContractError."""
    data = Fields(value, "annotation")
    return Annotation(
        level=data.text("annotation_level", "notice"),
        message=data.text("message", ""),
        title=data.text("title", ""),
        path=data.text("path", ""),
        start_line=data.integer_or_none("start_line"),
    )


@dataclass(frozen=True, slots=True)
class CheckRun:
    """A job seen as a check run: only what is not in the job itself."""

    check_run_id: int  # the job's id
    finished: bool
    annotations: int  # how many there are


def check_run_from_json(value: object) -> CheckRun:
    """One check run (GitHub's `check-run`). Raises ContractError."""
    data = Fields(value, "check run")
    output = data.inner("output")
    count = output.integer("annotations_count", 0) if output is not None else 0
    return CheckRun(data.integer("id"), data.text("status", "") == "completed", count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """A pull request: what is needed to find a fork's run its number."""

    number: int
    head_sha: str
    created_at: datetime
    closed_at: datetime | None


def pull_from_json(value: object) -> Pull:
    """One pull request (GitHub's `pull-request` or `pull-request-simple`). Raises ContractError."""
    data = Fields(value, "pull request")
    head = data.inner("head")
    return Pull(
        number=data.integer("number"),
        head_sha=head.text("sha", "") if head is not None else "",
        created_at=data.time_or_none("created_at") or datetime.min.replace(tzinfo=UTC),
        closed_at=data.time_or_none("closed_at"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """The hourly quota of the token."""

    limit: int
    remaining: int
    reset_at: datetime


def rate_limit_from_json(value: object) -> RateLimit:
    """GitHub's `rate-limit-overview`: the quota that REST requests count against. Raises ContractError."""
    resources = Fields(value, "rate limit").inner("resources")
    core = resources.inner("core") if resources is not None else None
    if core is None:
        raise ContractError("rate limit: field “resources.core” is missing")
    reset = datetime.fromtimestamp(core.integer("reset"), UTC)
    return RateLimit(limit=core.integer("limit"), remaining=core.integer("remaining"), reset_at=reset)
