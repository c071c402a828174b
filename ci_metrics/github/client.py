"""What the pipeline asks GitHub for, in records: runs, attempts, jobs, annotations, logs, pull requests, quota.

What belongs here: which addresses give what, and how few of them are enough. Does not: sending (`transport.py`), JSON
(`records.py`), log bytes (`download.py`). `docs/github.md` has the count of requests.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import TracebackType

from ci_metrics.errors import ContractError, NotFoundError
from ci_metrics.github import passing_runs, pull_requests, run_search
from ci_metrics.github.auth import Credentials, credentials_of
from ci_metrics.github.conditional import ConditionalCache
from ci_metrics.github.download import LogDownloads
from ci_metrics.github.fields import Fields
from ci_metrics.github.limiter import shared_limiter
from ci_metrics.github.records import (
    Pull,
    RateLimit,
    annotation_from_json,
    check_run_from_json,
    job_from_json,
    pull_from_json,
    rate_limit_from_json,
    run_from_json,
)
from ci_metrics.github.request_counts import Counts, RequestCount
from ci_metrics.github.retry_policy import Patience
from ci_metrics.github.transport import Transport, is_loopback
from ci_metrics.limits import Limiter
from ci_metrics.models import Annotation, Job, JobLog, Run
from ci_metrics.settings import Settings

_log = logging.getLogger(__name__)

#: Check suites whose finished check runs are remembered, so that a run's later attempts need not ask again.
_SUITES_KEPT = 256


@dataclass(frozen=True, slots=True)
class RepoAccess:
    """What a token sees of a repository."""

    repo: str
    private: bool
    runs: int  # workflow runs that GitHub has of it


class GitHub:
    """One identity at one GitHub. Safe for many threads; close it, or use it in a `with`."""

    def __init__(self, transport: Transport) -> None:
        """See `open_github`."""
        self._transport = transport
        self._downloads = LogDownloads(transport)
        self._lock = threading.Lock()
        self._suites: dict[tuple[str, int], dict[int, int]] = {}
        self._pulls: dict[tuple[str, str], list[Pull]] = {}
        self._branches: dict[str, str] = {}

    def __enter__(self) -> GitHub:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"GitHub({self._transport.api_url})"

    def close(self) -> None:
        """Close the connections. The conditional cache stays open: it belongs to who made it."""
        self._transport.close()
        self._downloads.close()

    @property
    def requests(self) -> RequestCount:
        """Requests so far; subtract an earlier count to see what a part of the work cost."""
        return self._transport.counts.snapshot()

    def runs_created(self, repo: str, first: datetime, end: datetime) -> list[Run]:
        """The latest attempt of each run of `repo` created in [first, end), oldest first, each once."""
        return run_search.runs_created(self._transport, repo, first, end)

    def attempts(self, run: Run, known: Collection[int] = ()) -> list[Run]:
        """Every attempt of the run whose latest is `run`, oldest first, each with its own times, actor and conclusion.

        Earlier attempts whose number is in `known` (stored and finished: they never change) are not asked for and not in
        the result. An attempt that GitHub no longer has is left out, with a warning in the log.
        """
        found = []
        for number in range(1, run.run_attempt):
            if number in known:
                continue
            path = f"/repos/{run.repo}/actions/runs/{run.run_id}/attempts/{number}"
            try:
                earlier = run_from_json(self._transport.get("attempt", path).value, run.repo)
            except NotFoundError:
                _log.warning("⚠️ %s: attempt %d of run %d is gone", run.repo, number, run.run_id)
                continue
            # The partition is decided by the run's creation, whatever an attempt's own JSON says.
            found.append(replace(earlier, created_at=run.created_at))
        return [*found, run]

    def job(self, repo: str, job_id: int) -> Job:
        """One job with its steps, without its annotations; one request. Raises NotFoundError."""
        return job_from_json(self._transport.get("job", f"/repos/{repo}/actions/jobs/{job_id}").value, repo)

    def attempt(self, repo: str, run_id: int, number: int) -> Run:
        """One attempt of a run; one request. Raises NotFoundError."""
        path = f"/repos/{repo}/actions/runs/{run_id}/attempts/{number}"
        return run_from_json(self._transport.get("attempt", path).value, repo)

    def jobs(self, run: Run) -> list[Job]:
        """The jobs that this attempt ran itself, with their steps, each once.

        After "re-run failed jobs" GitHub also lists the earlier attempts' good jobs here: those belong to their own attempt.
        """
        path = f"/repos/{run.repo}/actions/runs/{run.run_id}/attempts/{run.run_attempt}/jobs"
        found: dict[int, Job] = {}
        for page in self._transport.pages("jobs", path, "jobs"):
            for item in page.items:
                job = job_from_json(item, run.repo, run_attempt=run.run_attempt)
                if job.run_attempt == run.run_attempt:
                    found[job.job_id] = job if job.workflow_name else replace(job, workflow_name=run.workflow_name)
        return list(found.values())

    def annotations(self, repo: str, run: Run, jobs: Sequence[Job]) -> dict[int, tuple[Annotation, ...]]:
        """Each job's annotations, by job id; empty for a job without any.

        One listing of the run's check suite says how many each job has; only jobs that have some are asked for them.
        """
        if not jobs:
            return {}
        counts = self._annotation_counts(repo, run, jobs)
        found = {}
        for job in jobs:
            count = counts[job.job_id] if job.job_id in counts else self._count_directly(repo, job.job_id)
            found[job.job_id] = self._annotations_of(repo, job.job_id) if count else ()
        return found

    def _annotation_counts(self, repo: str, run: Run, jobs: Sequence[Job]) -> dict[int, int]:
        """Check run id -> number of annotations. Those of finished check runs are remembered: they do not change."""
        suite = run.check_suite_id
        if suite is None:
            return {}
        with self._lock:
            remembered = self._suites.get((repo, suite), {})
        if all(job.finished and job.job_id in remembered for job in jobs):
            return remembered
        path = f"/repos/{repo}/check-suites/{suite}/check-runs"
        counts, finished = {}, {}
        for page in self._transport.pages("check_runs", path, "check_runs", {"filter": "all"}):
            for check in map(check_run_from_json, page.items):
                counts[check.check_run_id] = check.annotations
                if check.finished:
                    finished[check.check_run_id] = check.annotations
        with self._lock:
            self._suites[repo, suite] = finished
            while len(self._suites) > _SUITES_KEPT:
                del self._suites[next(iter(self._suites))]
        return counts

    def _count_directly(self, repo: str, job_id: int) -> int:
        try:
            answer = self._transport.get("check_run", f"/repos/{repo}/check-runs/{job_id}")
        except NotFoundError:
            return 0
        return check_run_from_json(answer.value).annotations

    def _annotations_of(self, repo: str, job_id: int) -> tuple[Annotation, ...]:
        pages = self._transport.pages("annotations", f"/repos/{repo}/check-runs/{job_id}/annotations", "")
        return tuple(annotation_from_json(item) for page in pages for item in page.items)

    def download_log(self, job: Job, write: Callable[[bytes], None], max_bytes: int) -> JobLog:
        """Give `write` the job's log, in parts; of one longer than `max_bytes`, its beginning, a marking line and its end.

        A missing log (404, 410, empty) and one that could not be had now are states of the result, not errors; only with
        state "stored" has `write` got it all. Raises AuthenticationError when the token may not read logs.
        """
        return self._downloads.download(job, write, max_bytes)

    def pr_id(self, run: Run) -> str:
        """The pull request's number, or "N/A" when there is none or several fit. Asks once for each head branch."""
        if not pull_requests.needs_lookup(run):
            return run.pr_id
        head = f"{run.head_owner}:{run.head_branch}"
        with self._lock:
            known = self._pulls.get((run.repo, head))
        if known is None:
            params = {"head": head, "state": "all"}
            pages = self._transport.pages("pulls", f"/repos/{run.repo}/pulls", "", params)
            known = [pull_from_json(item) for page in pages for item in page.items]
            with self._lock:
                self._pulls[run.repo, head] = known
        return pull_requests.choose(run, known)

    def default_branch(self, repo: str) -> str:
        """The repository's default branch; asked once. Raises NotFoundError."""
        with self._lock:
            known = self._branches.get(repo)
        if known is None:
            known = Fields(self._transport.get("repo", f"/repos/{repo}").value, f"repository {repo}").text(
                "default_branch"
            )
            with self._lock:
                self._branches[repo] = known
        return known

    def last_passing_jobs(self, repo: str, workflow_id: int, before: datetime, branch: str = "") -> list[Job]:
        """The good jobs of the last run of a workflow that passed as a whole, begun before a moment; two requests, one in vain.

        `branch`: its head branch; "": any. [] when there is no such run.
        """
        return passing_runs.last_passing_jobs(self._transport, repo, workflow_id, before, branch)

    def rate_limit(self) -> RateLimit | None:
        """The token's quota (asking is free); None where there is none, as on many GitHub Enterprise servers."""
        try:
            return rate_limit_from_json(self._transport.get("rate_limit", "/rate_limit").value)
        except NotFoundError:
            return None

    def check_repo(self, repo: str) -> RepoAccess:
        """Whether the token may read the repository and its workflow runs; two requests.

        Raises AuthenticationError, NotFoundError: with what to do.
        """
        data = Fields(self._transport.get("repo", f"/repos/{repo}").value, f"repository {repo}")
        runs = self._transport.get("runs", f"/repos/{repo}/actions/runs", {"per_page": 1}, listing="workflow_runs")
        return RepoAccess(repo, private=data.boolean("private", False), runs=runs.total or 0)


def open_github(
    settings: Settings,
    *,
    cache: ConditionalCache | None = None,
    limiter: Limiter | None = None,
    patience: Patience | None = None,
) -> GitHub:
    """A client for the GitHub that the settings name, as the App or the token that they name.

    `cache`: where answers are kept so that unchanged ones cost no quota; `limiter`: the process's own for this host and
    identity when None; `patience`: how long limits are waited for. Raises SettingsError when there are no credentials.
    """
    counts = Counts()
    transport: Transport

    def trade(installation_id: int, authorization: str) -> tuple[str, datetime]:
        answer = transport.post("token", f"/app/installations/{installation_id}/access_tokens", authorization)
        data = Fields(answer, "installation token")
        try:
            return data.text("token"), data.time("expires_at")
        except ContractError:
            # Its text would quote the field's value: the token.
            raise ContractError("installation token: the answer has no “token” and “expires_at”") from None

    credentials: Credentials = credentials_of(settings, trade)
    chosen = limiter or shared_limiter(
        settings.github_api_url, credentials.scope, local=is_loopback(settings.github_api_url)
    )
    transport = Transport(
        settings.github_api_url, credentials=credentials, limiter=chosen, counts=counts, cache=cache, patience=patience
    )
    return GitHub(transport)
