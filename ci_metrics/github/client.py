"""What the pipeline asks GitHub for, in records: runs, attempts, jobs, annotations,
logs, pull requests, quota.

What belongs here: which addresses give what, and how few of them are enough. Does not:
sending (`transport.py`), JSON (`schemas.py`), log bytes (`download.py`). `docs/github.md`
has the count of requests.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import TracebackType

from pydantic import ValidationError

from ci_metrics.deadline import GRACE
from ci_metrics.errors import ContractError, NotFoundError
from ci_metrics.github import passing_runs, pull_requests, run_search
from ci_metrics.github.annotations import JobAnnotations
from ci_metrics.github.artifacts import download_artifact
from ci_metrics.github.auth import AppItself, Credentials, TokenCredentials, credentials_of
from ci_metrics.github.conditional import ConditionalCache
from ci_metrics.github.download import LogDownloads
from ci_metrics.github.identities import Identities
from ci_metrics.github.listings import another, attempt_name, read_listing, whole
from ci_metrics.github.pages import Shape
from ci_metrics.github.rate_limits import Patience, shared_limiter
from ci_metrics.github.request_counts import RequestCount, RequestCounts
from ci_metrics.github.schemas import (
    ArtifactObject,
    Content,
    InstallationToken,
    ListedRepository,
    Pull,
    RateLimit,
    RateLimitOverview,
    Repository,
    WorkflowJob,
    WorkflowRun,
)
from ci_metrics.github.transport import Transport
from ci_metrics.limits import Limiter
from ci_metrics.models import Annotation, Artifact, Job, JobLog, Run, RunStanding
from ci_metrics.repositories import is_name
from ci_metrics.settings import Settings
from ci_metrics.urls import is_loopback

_log = logging.getLogger(__name__)

#: Earlier attempts of a run that are asked for at one look: GitHub runs a run again at most 50
#: times (its documentation, "Re-running workflows and jobs").
_MOST_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class RepoAccess:
    """What a token sees of a repository."""

    repo: str
    private: bool
    runs: int  # workflow runs that GitHub has of it


class GitHub:
    """One GitHub, asked as one identity or several. Safe for many threads; close it, or use it in
    a `with`.
    """

    def __init__(self, api_url: str, identities: Identities, counts: RequestCounts) -> None:
        """See `open_github`."""
        self._api_url, self._identities, self._counts = api_url, identities, counts
        self._downloads: dict[int, LogDownloads] = {}
        self._lock = threading.Lock()
        self._annotations = JobAnnotations(identities)
        self._pulls: dict[tuple[str, str], list[Pull]] = {}
        self._branches: dict[str, str] = {}

    def __enter__(self) -> GitHub:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"GitHub({self._api_url})"

    def close(self) -> None:
        """Close the connections. The conditional cache stays open: it belongs to who made it."""
        self._identities.close()
        for each in self._downloads.values():
            each.close()

    @property
    def requests(self) -> RequestCount:
        """Requests so far; subtract an earlier count to see what a part of the work cost."""
        return self._counts.snapshot()

    def runs_created(self, repo: str, first: datetime, end: datetime) -> list[Run]:
        """The latest attempt of each run of `repo` created in [first,
        end), oldest first, each once.

        Raises IncompleteError with the runs that came when GitHub lists fewer than it counts.
        """
        return run_search.runs_created(self._identities.of(repo), repo, first, end)

    def standings(self, repo: str, first: datetime, end: datetime) -> list[RunStanding]:
        """How each run of `repo` created in [first, end) stands; as `runs_created` otherwise."""
        return run_search.standings(self._identities.of(repo), repo, first, end)

    def attempts(self, run: Run, known: Collection[int] = ()) -> list[Run]:
        """Every attempt of the run whose latest is `run`, oldest first, each with its own
        times, actor and conclusion.

        Earlier attempts whose number is in `known` (stored and finished: they never change) are not
        asked for and not in the result. An attempt that GitHub says is gone (410) is left out, with
        a warning in the log. Raises IncompleteError with the others when one cannot be had: not
        found or not readable. Where that is so, or there are more than `_MOST_ATTEMPTS`, the run
        itself is asked which attempt it is at: the listing may have said too many.
        """
        if run.run_attempt - len(known) > _MOST_ATTEMPTS + 1:
            run = self._as_it_says(run)
        found, missing = self._earlier_attempts(run, known)
        if missing and (itself := self._as_it_says(run)) is not run:
            run = itself
            found, missing = self._earlier_attempts(run, known)
        return whole([*found, run], f"run {run.run_id} of {run.repo}", missing)

    def _as_it_says(self, run: Run) -> Run:
        """The run as it says itself that it is where that is an earlier attempt than was listed."""
        try:
            itself = self.run(run.repo, run.run_id)
        except (NotFoundError, ContractError):
            return run
        if itself.run_attempt >= run.run_attempt:
            return run
        is_at = f"is at attempt {itself.run_attempt}, listed was attempt {run.run_attempt}"
        _log.warning("⚠️ %s: run %d %s", run.repo, run.run_id, is_at)
        return itself

    def _earlier_attempts(self, run: Run, known: Collection[int]) -> tuple[list[Run], list[str]]:
        """The attempts before `run` that are not `known`, and what is missing of them."""
        found: list[Run] = []
        missing: list[str] = []
        unknown = [number for number in range(1, run.run_attempt) if number not in known]
        for number in unknown[:_MOST_ATTEMPTS]:
            try:
                earlier = self.attempt(run.repo, run.run_id, number)
            except NotFoundError as error:
                if error.status == 410:
                    _log.warning("⚠️ %s: attempt %d of run %d is gone", run.repo, number, run.run_id)
                else:
                    missing.append(f"attempt {number}: {error}")
                continue
            except ContractError as error:
                missing.append(f"attempt {number}: {error}")
                continue
            # The partition is decided by the run's creation, whatever an attempt's own JSON says.
            found.append(replace(earlier, created_at=run.created_at))
        if len(unknown) > _MOST_ATTEMPTS:
            missing.append(f"attempts {unknown[_MOST_ATTEMPTS]} to {unknown[-1]} are still to be asked for")
        return found, missing

    def job(self, repo: str, job_id: int) -> Job:
        """One job with its steps, without its annotations; one request. Raises NotFoundError."""
        shape = Shape(WorkflowJob, repo, misplaced=lambda job: another("job", job.id, job_id))
        return (
            self._identities.of(repo).one("job", f"/repos/{repo}/actions/jobs/{job_id}", shape, keep=False).record(repo)
        )

    def run(self, repo: str, run_id: int) -> Run:
        """The latest attempt of a run; one request. Raises NotFoundError."""
        shape = Shape(WorkflowRun, repo, misplaced=lambda run: another("run", run.id, run_id))
        return self._identities.of(repo).one("run", f"/repos/{repo}/actions/runs/{run_id}", shape).record(repo)

    def attempt(self, repo: str, run_id: int, number: int) -> Run:
        """One attempt of a run; one request. Raises NotFoundError."""
        path = f"/repos/{repo}/actions/runs/{run_id}/attempts/{number}"

        def misplaced(run: WorkflowRun) -> str:
            return another("run", run.id, run_id) or another("attempt", run.run_attempt, number)

        return (
            self._identities.of(repo)
            .one("attempt", path, Shape(WorkflowRun, repo, misplaced=misplaced), keep=False)
            .record(repo)
        )

    def jobs(self, run: Run) -> list[Job]:
        """The jobs that this attempt ran itself, with their steps, each once.

        After "re-run failed jobs" GitHub also lists the earlier attempts' good jobs
        here: those belong to their own attempt. Raises IncompleteError with the jobs
        that came when there are more, when one that has ended came without steps, or when an
        attempt that has ended has no job of its own among them.
        """
        path = f"/repos/{run.repo}/actions/runs/{run.run_id}/attempts/{run.run_attempt}/jobs"
        where = attempt_name(run)

        def misplaced(job: WorkflowJob) -> str:
            number = job.run_attempt or 0
            later = another("attempt", number, run.run_attempt) if number > run.run_attempt else ""
            return another("run", job.run_id, run.run_id) or later

        def lacks(jobs: Sequence[WorkflowJob]) -> str:
            if run.finished and jobs and all((job.run_attempt or run.run_attempt) < run.run_attempt for job in jobs):
                return f"all {len(jobs)} jobs are of earlier attempts"
            without = [job.id for job in jobs if job.lacks_steps]
            return f"{len(without)} of {len(jobs)} jobs came without their steps: job {without[0]}" if without else ""

        shape = Shape(WorkflowJob, where, "jobs", misplaced=misplaced)
        identity, keep = self._identities.of(run.repo), not run.finished
        listing = read_listing(identity, "jobs", path, shape, lacks=lacks, keep=keep)
        self._annotations.listed({(run.repo, job.id): job.node_id for job in listing.items if job.node_id})
        given = (
            job.record(run.repo, run_attempt=run.run_attempt, workflow_name=run.workflow_name) for job in listing.items
        )
        own = [job for job in given if job.run_attempt == run.run_attempt]
        return whole(own, where, [listing.missing], lacking=listing.lacking)

    def annotations_at_once(self, jobs: Sequence[Job]) -> dict[int, tuple[Annotation, ...]]:
        """Of jobs that `jobs` has listed; see `JobAnnotations.at_once`."""
        return self._annotations.at_once(jobs)

    def annotations(self, repo: str, run: Run, jobs: Sequence[Job]) -> dict[int, tuple[Annotation, ...]]:
        """Each job's annotations, by job id; see `JobAnnotations.one_by_one`."""
        return self._annotations.one_by_one(repo, run, jobs)

    def download_log(
        self, job: Job, write: Callable[[bytes], None], max_bytes: int, earlier: JobLog | None = None
    ) -> JobLog:
        """Give `write` the job's log, in parts; of one longer than `max_bytes`, its beginning, a
        marking line and its end.

        `earlier`: what came of it at an earlier look. A log that does not end as the runner ends it
        is "unavailable" until a later look finds the same bytes: then it is all there is. A missing
        log (404, 410, empty) and one that could not be had now are states of the result, not
        errors; only with state "stored" has `write` got it all. Raises AuthenticationError when the
        token may not read logs.
        """
        return self._download_of(job.repo).download(job, write, max_bytes, earlier)

    def artifacts(self, run: Run) -> list[Artifact]:
        """What the run's jobs uploaded, of all its attempts. Raises IncompleteError with those that
        came when there are more.
        """
        path, where = f"/repos/{run.repo}/actions/runs/{run.run_id}/artifacts", f"{run.repo} run {run.run_id}"
        listing = read_listing(
            self._identities.of(run.repo), "artifacts", path, Shape(ArtifactObject, where, "artifacts")
        )
        return whole([each.record() for each in listing.items], where, [listing.missing])

    def download_artifact(self, repo: str, artifact_id: int, most: int) -> bytes:
        """An artifact's archive of at most so many bytes; see `artifacts.download_artifact`."""
        return download_artifact(self._identities.of(repo), repo, artifact_id, most)

    def pr_id(self, run: Run) -> str:
        """The pull request's number, or "N/A" when there is none or several fit. Asks
        once for each head branch.
        """
        if not pull_requests.needs_lookup(run):
            return run.pr_id
        head = f"{run.head_owner}:{run.head_branch}"
        with self._lock:
            known = self._pulls.get((run.repo, head))
        if known is None:
            params = {"head": head, "state": "all"}
            path, shape = f"/repos/{run.repo}/pulls", Shape(Pull, run.repo, "")
            listing = read_listing(self._identities.of(run.repo), "pulls", path, shape, params)
            known = whole(listing.items, f"pull requests of {head} into {run.repo}", [listing.missing])
            with self._lock:
                self._pulls[run.repo, head] = known
        return pull_requests.choose_pull_request(run, known)

    def default_branch(self, repo: str) -> str:
        """The repository's default branch; asked once. Raises NotFoundError."""
        with self._lock:
            known = self._branches.get(repo)
        if known is None:
            known = self._identities.of(repo).one("repo", f"/repos/{repo}", Shape(Repository, repo)).default_branch
            with self._lock:
                self._branches[repo] = known
        return known

    def file_text(self, repo: str, path: str, max_bytes: int) -> str | None:
        """A file of the repository's default branch, as text, cleaned and masked; one request. None
        where there is no such file. Raises ContractError when it is larger than `max_bytes`, or no
        file.
        """
        try:
            shape = Shape(Content, repo)
            found = self._identities.of(repo).one("contents", f"/repos/{repo}/contents/{path}", shape)
        except NotFoundError:
            return None
        if found.size > max_bytes or found.type != "file" or found.encoding != "utf-8":
            raise ContractError(f"{repo}: {path} is a {found.type or 'thing'} of {found.size} bytes: it is not read")
        return found.content

    def last_passing_jobs(self, repo: str, workflow_id: int, before: datetime, branch: str = "") -> list[Job]:
        """The good jobs of the last run of a workflow that passed as a whole, begun before a
        moment; two requests, one in vain.

        `branch`: its head branch; "": any. [] when there is no such run.
        """
        return passing_runs.last_passing_jobs(self._identities.of(repo), repo, workflow_id, before, branch)

    def last_run(self, repo: str) -> Run | None:
        """The newest run of a repository; None when it never had one."""
        page = self._identities.of(repo).get(
            "runs", f"/repos/{repo}/actions/runs", run_search.run_shape(repo), {"per_page": 1}
        )
        return next((run.record(repo) for run in page.items), None)

    def rate_limits(self, repos: Sequence[str]) -> list[RateLimit]:
        """The quota of each identity that asks about these repositories (asking is free); none
        where there is none, as on many GitHub Enterprise servers.
        """
        shape = Shape(RateLimitOverview, "this token")
        found: list[RateLimit] = []
        for transport in self._identities.all(repos):
            with contextlib.suppress(NotFoundError):
                found.append(transport.one("rate_limit", "/rate_limit", shape).resources.core)
        return found

    def repositories(self, owner: str) -> list[str]:
        """The repositories of an account that the token may see or the App was given, in GitHub's
        order; without archived and disabled ones.

        Raises IncompleteError with those that came when they are not all; NotFoundError when there
        is no such account.
        """
        transport, where = self._identities.of(owner), f"repositories of {owner}"
        if self._identities.is_app:
            shape = Shape(ListedRepository, where, "repositories")
            listing = read_listing(transport, "repositories", "/installation/repositories", shape)
        else:
            bare = Shape(ListedRepository, where, "")
            try:
                listing = read_listing(transport, "repositories", f"/orgs/{owner}/repos", bare)
            except NotFoundError:
                listing = read_listing(transport, "repositories", f"/users/{owner}/repos", bare)
        found = [each.full_name for each in listing.items if not each.archived and not each.disabled]
        own = [name for name in found if is_name(name) and name.lower().startswith(f"{owner.lower()}/")]
        return whole(own, where, [listing.missing])

    def _download_of(self, repo: str) -> LogDownloads:
        transport = self._identities.of(repo)
        with self._lock:
            if id(transport) not in self._downloads:
                self._downloads[id(transport)] = LogDownloads(transport)
            return self._downloads[id(transport)]

    def check_repo(self, repo: str) -> RepoAccess:
        """Whether the token may read the repository and its workflow runs; two requests.

        Raises AuthenticationError, NotFoundError: with what to do.
        """
        found = self._identities.of(repo).one("repo", f"/repos/{repo}", Shape(Repository, repo))
        shape = Shape(WorkflowRun, repo, "workflow_runs")
        runs = self._identities.of(repo).get("runs", f"/repos/{repo}/actions/runs", shape, {"per_page": 1})
        return RepoAccess(repo, private=found.private, runs=runs.total or 0)


def open_github(
    settings: Settings,
    *,
    cache: ConditionalCache | None = None,
    limiter: Limiter | None = None,
    patience: Patience | None = None,
    grace: float = GRACE,
) -> GitHub:
    """A client for the GitHub that the settings name, as the App or the token that they name.

    `cache`: where answers are kept so that unchanged ones cost no quota; `limiter`: the process's
    own for this host and identity when None; `patience`: how long limits are waited for; `grace`:
    seconds that one answer may take however slowly it comes. Raises SettingsError when there are no
    credentials.
    """
    counts = RequestCounts()
    local = is_loopback(settings.github_api_url)

    def open_transport(identity: Credentials) -> Transport:
        return Transport(
            settings.github_api_url,
            credentials=identity,
            limiter=limiter or shared_limiter(settings.github_api_url, identity.scope, local=local),
            counts=counts,
            cache=cache,
            patience=patience,
            grace=grace,
        )

    def trade(installation_id: int, authorization: str) -> tuple[str, datetime]:
        path = f"/app/installations/{installation_id}/access_tokens"
        with contextlib.closing(open_transport(TokenCredentials(""))) as transport:
            answer = transport.write("token", "POST", path, authorization=authorization, repeatable=False)
        try:
            made = InstallationToken.model_validate(answer)
        except ValidationError:
            # Its text would quote the field's value: the token.
            raise ContractError("installation token: the answer has no “token” and “expires_at”") from None
        return made.token, made.expires_at

    identity = credentials_of(settings, trade)
    app = identity if isinstance(identity, AppItself) else None
    alone = None if app is not None else open_transport(identity)
    identities = Identities(alone, app, open_transport, is_app=settings.github_app_id is not None)
    return GitHub(settings.github_api_url, identities, counts)
