"""GitHub's JSON as models, strict where a field decides something, tolerant where it may be absent.

What belongs here: which field of GitHub's answers becomes which field of a record. Does not: HTTP,
what a field may hold (`json_fields.py`). Field names are those of GitHub's REST API version
2022-11-28. Conclusions and statuses pass through, unknown ones too: GitHub adds words. A null and a
missing field are the same. A model dumped and read again is the same: the cache keeps it so.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from ci_metrics.github.json_fields import (
    GitHubObject,
    Id,
    KnownTime,
    LongText,
    MessageText,
    Name,
    Number,
    RawText,
    Time,
    Title,
    read,
)
from ci_metrics.models import Annotation, Artifact, Job, Run, RunStanding, Step

NO_PULL = "N/A"

_MERGED = re.compile(r"Merge pull request #(\d{1,9}) from ")
_SQUASHED = re.compile(r" \(#(\d{1,9})\)$")

#: GitHub runs a run again at most 50 times; a number far above is no attempt, and each would cost a
#: request.
_MOST_ATTEMPTS = 1_000

#: 3000-01-01 in Unix seconds: what lies behind is no time of a quota's end.
_YEAR_3000 = 32_503_680_000


class _Running(GitHubObject):
    """What has a status and, once that is "completed", a conclusion."""

    status: Name = "queued"
    conclusion: Name | None = None

    @model_validator(mode="before")
    @classmethod
    def _status_of_old_servers(cls, value: object) -> object:
        if isinstance(value, Mapping) and value.get("conclusion") and not value.get("status"):
            return {**value, "status": "completed"}
        return value


class Account(GitHubObject):
    """A user, an organisation or an App's bot."""

    login: Name = ""


class Repository(GitHubObject):
    """GitHub's `repository`, in full or as other objects mention it."""

    noun: ClassVar[str] = "repository"
    full_name: Name | None = None
    url: Name = ""
    owner: Account | None = None
    private: Annotated[bool, Field(strict=True)] = False
    default_branch: Name = ""


class Content(GitHubObject):
    """A file of a repository (GitHub's `content-file`). GitHub sends no content above 1 MB."""

    noun: ClassVar[str] = "file"
    identity: ClassVar[str] = ""
    type: Name = ""
    size: Id = 0
    encoding: Name = ""  # GitHub's base64 is read here: then it is utf-8
    content: LongText = ""

    @model_validator(mode="before")
    @classmethod
    def _decoded(cls, value: object) -> object:
        if not isinstance(value, Mapping) or value.get("encoding") != "base64":
            return value
        try:
            data = base64.b64decode(str(value.get("content") or ""))
        except ValueError:
            return {**value, "encoding": "", "content": ""}
        return {**value, "encoding": "utf-8", "content": data.decode("utf-8", "replace")}


class Ref(GitHubObject):
    """One end of a pull request: a branch, its commit, its repository."""

    ref: Name = ""
    sha: Name = ""
    repo: Repository | None = None


class Pull(GitHubObject):
    """A pull request (GitHub's `pull-request`, `pull-request-simple`, or as a run mentions it)."""

    noun: ClassVar[str] = "pull request"
    identity: ClassVar[str] = "number"
    number: Id
    state: Name = ""
    head: Ref = Ref()
    base: Ref = Ref()
    created_at: Time = None
    closed_at: Time = None


class Author(GitHubObject):
    """A commit's author, as Git names them."""

    name: Name = ""


class HeadCommit(GitHubObject):
    """The commit that a run is of, as the run mentions it (GitHub's `simple-commit`)."""

    message: Title = ""  # its first line alone
    author: Author = Author()
    committer: Author = Author()

    @property
    def pr_id(self) -> str:
        """The number of the pull request that it merged; "" where its title names none.

        GitHub titles a merge “Merge pull request #5 from …”; what it squashes or rebases into one
        commit ends with (#5), and GitHub is the committer (its documentation, “About pull request
        merges”).
        """
        merged = _MERGED.match(self.message) or (
            _SQUASHED.search(self.message) if self.committer.name == "GitHub" else None
        )
        return merged[1] if merged else ""


class ListedRun(_Running):
    """A run as a listing shows it, and no more of it than how it stands."""

    noun: ClassVar[str] = "workflow run"
    id: Id
    run_attempt: Annotated[int, Field(strict=True, ge=1, le=_MOST_ATTEMPTS)] = 1
    created_at: KnownTime
    repository: Repository | None = None

    def standing(self) -> RunStanding:
        """As this project's record."""
        return RunStanding(
            run_id=self.id,
            run_attempt=self.run_attempt,
            status=self.status,
            conclusion=self.conclusion,
            created_at=self.created_at,
        )


class WorkflowRun(ListedRun):
    """One attempt of a run (GitHub's `workflow-run`)."""

    name: Name = ""
    path: Name = ""
    event: Name
    head_branch: Name = ""
    head_sha: Name
    head_commit: HeadCommit = HeadCommit()
    head_repository: Repository | None = None
    actor: Account | None = None
    triggering_actor: Account | None = None
    pull_requests: list[Pull] = Field(default_factory=list)
    run_started_at: Time = None
    updated_at: Time = None
    check_suite_id: Number = None
    run_number: Number = None
    display_title: Name = ""
    html_url: Name = ""
    workflow_id: Number = None

    def record(self, repo: str) -> Run:
        """The attempt as this project's record, of `repo` (owner/name)."""
        head = self.head_repository or Repository()
        pr_id, base_branch = self._pull(repo)
        return Run(
            repo=repo,
            run_id=self.id,
            run_attempt=self.run_attempt,
            workflow_name=self.name or self.path,
            event=self.event,
            status=self.status,
            conclusion=self.conclusion,
            head_branch=self.head_branch,
            head_sha=self.head_sha,
            head_owner=head.owner.login if head.owner is not None else None,
            head_repo=head.full_name,
            actor=(self.triggering_actor or self.actor or Account()).login,
            pr_id=pr_id,
            created_at=self.created_at,
            run_started_at=self.run_started_at,
            updated_at=self.updated_at,
            check_suite_id=self.check_suite_id,
            run_number=self.run_number or 0,
            display_title=self.display_title,
            html_url=self.html_url,
            workflow_id=self.workflow_id,
            base_branch=base_branch,
            commit_author=self.head_commit.author.name,
            commit_pr_id=self.head_commit.pr_id,
        )

    def _pull(self, repo: str) -> tuple[str, str]:
        """The one pull request into this repository that GitHub names, and its base branch; several
        are as good as none.

        In a fork, GitHub also names the pull request that the branch has in the repository above
        it: not ours.
        """
        found = set()
        for pull in self.pull_requests:
            url = pull.base.repo.url if pull.base.repo is not None else ""
            if not url or url.lower().endswith(f"/repos/{repo.lower()}"):
                found.add((str(pull.number), pull.base.ref))
        return found.pop() if len(found) == 1 else (NO_PULL, "")


class JobStep(_Running):
    """One step of a job: field for field this project's record."""

    noun: ClassVar[str] = "step"
    number: Id
    name: Name
    started_at: Time = None
    completed_at: Time = None


class WorkflowJob(_Running):
    """One job with its steps (GitHub's `job`)."""

    noun: ClassVar[str] = "job"
    id: Id
    node_id: Name = ""  # of its check run, for GraphQL
    run_id: Id
    run_attempt: Annotated[int, Field(strict=True, ge=1, le=_MOST_ATTEMPTS)] | None = None
    name: Name
    workflow_name: Name = ""
    created_at: Time = None
    started_at: Time = None
    completed_at: Time = None
    runner_id: Number = None
    runner_name: Name = ""
    labels: list[Name] = Field(default_factory=list)
    head_branch: Name = ""
    head_sha: Name = ""
    html_url: Name = ""
    steps: list[JobStep] | None = None  # GitHub says [] of a job that never started

    @property
    def lacks_steps(self) -> bool:
        """Whether it has ended and nothing is said of its steps, not even that there are none."""
        return self.status == "completed" and self.steps is None

    def record(self, repo: str, *, run_attempt: int = 1, workflow_name: str = "") -> Job:
        """The job as this project's record.

        The job's own `run_attempt` counts; it and the workflow's name are given for answers that
        lack them (old GitHub Enterprise servers).
        """
        return Job(
            repo=repo,
            run_id=self.run_id,
            run_attempt=self.run_attempt or run_attempt,
            job_id=self.id,
            name=self.name,
            workflow_name=self.workflow_name or workflow_name,
            status=self.status,
            conclusion=self.conclusion,
            created_at=self.created_at,
            started_at=self.started_at,
            completed_at=self.completed_at,
            runner_id=self.runner_id,
            runner_name=self.runner_name or None,
            labels=tuple(self.labels),
            head_branch=self.head_branch,
            head_sha=self.head_sha,
            html_url=self.html_url,
            # A number stands for one step, the last of that number: documents are named after it.
            steps=tuple({step.number: Step(**dict(step)) for step in self.steps or ()}.values()),
        )


class CheckOutput(GitHubObject):
    """What a check run says of itself."""

    annotations_count: Id = 0


class CheckRun(GitHubObject):
    """A job seen as a check run (GitHub's `check-run`): only what is not in the job itself."""

    noun: ClassVar[str] = "check run"
    id: Id  # the job's
    status: Name = "queued"
    output: CheckOutput = CheckOutput()

    @property
    def finished(self) -> bool:
        """Whether its number of annotations will not change any more."""
        return self.status == "completed"


class CheckAnnotation(GitHubObject):
    """One annotation (GitHub's `check-annotation`)."""

    noun: ClassVar[str] = "annotation"
    identity: ClassVar[str] = ""
    annotation_level: Name = "notice"
    message: MessageText = ""
    title: Name = ""
    path: Name = ""
    start_line: Number = None

    def record(self) -> Annotation:
        """The annotation as this project's record."""
        same = dict(self)
        return Annotation(level=same.pop("annotation_level"), **same)


class ArtifactObject(GitHubObject):
    """One artifact of a run (GitHub's `artifact`)."""

    noun: ClassVar[str] = "artifact"
    id: Id
    name: Name = ""
    size_in_bytes: Number = None
    expired: Annotated[bool, Field(strict=True)] = False
    created_at: Time = None

    def record(self) -> Artifact:
        """The artifact as this project's record."""
        size = self.size_in_bytes or 0
        return Artifact(
            artifact_id=self.id, name=self.name, bytes=size, expired=self.expired, created_at=self.created_at
        )


class RateLimit(GitHubObject):
    """The hourly quota of the token."""

    limit: Id
    remaining: Id
    reset: Annotated[int, Field(strict=True, ge=0, le=_YEAR_3000)]  # Unix seconds

    @property
    def reset_at(self) -> datetime:
        """When it is full again."""
        return datetime.fromtimestamp(self.reset, UTC)


class RateLimits(GitHubObject):
    """What `rate-limit-overview` has under `resources`: of its quotas, the one that REST requests
    count against.
    """

    core: RateLimit


class RateLimitOverview(GitHubObject):
    """GitHub's `rate-limit-overview`."""

    noun: ClassVar[str] = "rate limit"
    resources: RateLimits


class IssueComment(GitHubObject):
    """A comment on a pull request (GitHub's `issue-comment`). Its body is compared with what we
    wrote: it stays as it is.
    """

    noun: ClassVar[str] = "comment"
    id: Id
    body: RawText = ""
    html_url: Name = ""
    user: Account = Account()


class ListedRepository(GitHubObject):
    """One of an account's repositories."""

    noun: ClassVar[str] = "repository"
    id: Id
    full_name: Name
    archived: Annotated[bool, Field(strict=True)] = False
    disabled: Annotated[bool, Field(strict=True)] = False


class Installation(GitHubObject):
    """Where an App is installed."""

    noun: ClassVar[str] = "installation"
    id: Id
    account: Account
    suspended_at: Time = None


class InstallationToken(GitHubObject):
    """An App's token, raw: it is kept in memory only, and no message may quote it."""

    noun: ClassVar[str] = "installation token"
    token: str
    expires_at: KnownTime


def job_from_object(value: object) -> Job:
    """The job that a file describes: the API's object, or no more of it than its steps.
    ContractError when it is none.
    """
    if not isinstance(value, Mapping):
        return read(WorkflowJob, value, "a file").record("")
    repo = "/".join(str(value.get("url", "")).split("/repos/")[-1].split("/")[:2]) or "unknown/unknown"
    steps = value.get("steps") or []
    if isinstance(steps, list):
        done = {"status": "completed"}
        steps = [{"number": n, **done, **s} if isinstance(s, Mapping) else s for n, s in enumerate(steps, start=1)]
    filled = {"id": 0, "run_id": 0, "name": "job", "status": "completed", "conclusion": "failure"}
    return read(WorkflowJob, {**filled, **value, "steps": steps}, repo).record(repo)
