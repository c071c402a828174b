"""A failed job, or a run's, explained wherever it is: from the index, or fetched from GitHub and
judged when it was never ingested.

Belongs here: which index, which GitHub, and what is said when neither has it. Does not: gathering
what is known (`report/explanation.py`), printing (`explain.py`), answering agents (`agents/`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from ci_metrics.commands.open_index import is_empty, refuse_no_file
from ci_metrics.errors import CiMetricsError, ContractError, NotFoundError, SettingsError
from ci_metrics.history.flaky_fields import flag_rules
from ci_metrics.history.job_reference import JobReference, RunReference, find_job, refuse_other_name
from ci_metrics.history.metrics import GATE
from ci_metrics.index.document_index import Document, DocumentIndex
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.index.open import EMBEDDED_FILE, open_index
from ci_metrics.models import Job, LogLine
from ci_metrics.orchestration.job_details import (
    account_of,
    fetch_job,
    fetch_run,
    fetched_window,
    judge_fetched,
    stored_details,
    stored_window,
)
from ci_metrics.orchestration.partitions import hour_key
from ci_metrics.orchestration.parts import IndexPart, Parts, open_parts
from ci_metrics.report.explanation import Explanation, explain_job
from ci_metrics.report.run_explanation import MOST_JOBS_TOLD, RunExplanation, stored_run
from ci_metrics.settings import Settings, with_values

#: The host of the sample's pages.
SAMPLE_HOST = "github.example"


@contextmanager
def parts_for_a_look(settings: Settings) -> Iterator[Parts]:
    """The parts, with an index that is only read and may be missing."""
    with open_parts(settings, index_part=_IndexToLookInto) as ci:
        yield ci


def explained_job(
    settings: Settings, reference: JobReference, *, store: bool = False, why: bool = False
) -> Explanation:
    """Everything known of a failed job. `store`: ingest its hour when it was never ingested; `why`:
    with an account of what weighed.

    Raises NotFoundError when nobody has it, SettingsError when GitHub cannot be asked,
    ContractError when it did not fail, and what GitHub's client raises.
    """
    with parts_for_a_look(settings) as ci:
        document = find_job(ci.index.documents, reference)
        if document is not None:
            return _ingested(ci, document, why=why)
        refuse_other_name(ci.index.documents, reference)
    with _with_github(settings, reference, f"job {reference.job_id}") as (own, ci):
        return _never_ingested(ci, own, reference, store=store, why=why)


def explained_run(settings: Settings, reference: RunReference) -> RunExplanation:
    """Everything known of a run's failed jobs; from GitHub when the index does not hold the attempt
    or it had not ended. Raises as `explained_job`.
    """
    found = None
    with parts_for_a_look(settings) as ci:
        types = flag_rules(ci.judge.categories).storm_types
        store = ci.hours.store
        with contextlib.suppress(NotFoundError):  # no index, or an empty one
            found = stored_run(ci.index.documents, reference, lambda each: stored_details(store, each), types)
    if found is not None and not found.unfinished:
        return found
    try:
        with _with_github(settings, reference, f"run {reference.run_id}") as (_, ci):
            return _fetched_run(ci, reference)
    except CiMetricsError:
        if found is None:
            raise
        return found  # what there is, said to be unfinished


def shown_lines(settings: Settings, reference: JobReference, first: int, last: int) -> tuple[LogLine, ...]:
    """Lines of a job's log, masked: stored, or fetched where the job was never ingested. Raises as
    `explained_job`.
    """
    with parts_for_a_look(settings) as ci:
        document = find_job(ci.index.documents, reference)
        if document is not None:
            return stored_window(ci.hours.store, document, first, last)
        refuse_other_name(ci.index.documents, reference)
    with _with_github(settings, reference, f"job {reference.job_id}") as (_, ci):
        return fetched_window(ci, reference, first, last)


def _ingested(ci: Parts, document: Document, *, why: bool) -> Explanation:
    details = stored_details(ci.hours.store, document)
    if why:
        details = dataclasses.replace(details, account=account_of(ci, document))
    return explain_job(ci.index.documents, document, details, storm_types=flag_rules(ci.judge.categories).storm_types)


def _never_ingested(ci: Parts, settings: Settings, reference: JobReference, *, store: bool, why: bool) -> Explanation:
    try:
        run, document, details = fetch_job(ci, reference, why=why)
    except NotFoundError as error:
        raise NotFoundError(
            f"job {reference.job_id} is neither in {ci.index.documents.location} nor at {settings.github_api_url}: {error}"
        ) from error
    if not store:
        types = flag_rules(ci.judge.categories).storm_types
        return explain_job(ci.index.documents, document, details, in_index=False, storm_types=types)
    if run.repo not in ci.hours.repos:
        raise SettingsError(
            "REPO",
            f"{run.repo} is not among {', '.join(settings.repositories) or 'none'}",
            "Add it there to store its jobs",
        )
    return _stored_now(settings, reference, hour_key(run.created_at))


def _stored_now(settings: Settings, reference: JobReference, hour: str) -> Explanation:
    # Dagster takes seconds to load, and no other look needs it.
    from ci_metrics.commands.launch import run_hours
    from ci_metrics.orchestration.instance import open_instance
    from ci_metrics.orchestration.jobs import INGEST

    with open_instance(settings) as instance:
        result = run_hours(settings, instance, INGEST, hour, hour, quiet=True)
    with parts_for_a_look(settings) as stored:  # the index of before may have been none
        kept = find_job(stored.index.documents, reference)
        if not result.success or kept is None:
            raise CiMetricsError(f"hour {hour} could not be ingested: see its run in Dagster's UI (ci-metrics ui)")
        return _ingested(stored, kept, why=False)


def _fetched_run(ci: Parts, reference: RunReference) -> RunExplanation:
    repo = reference.repo or (ci.hours.repos[0] if len(ci.hours.repos) == 1 else "")
    if not repo:
        seen = f"run {reference.run_id} is not in {ci.index.documents.location}, and its id does not say of which repository it is"
        raise SettingsError("RUN", seen, "Give the address of the run's page on GitHub")
    run, jobs = fetch_run(ci, repo, int(reference.run_id), reference.attempt)
    types = flag_rules(ci.judge.categories).storm_types
    explained: list[Explanation] = []
    gates: list[str] = []
    failed = [job for job in jobs if job.finished and job.failed]
    for number, job in enumerate(failed):
        if len(explained) == MOST_JOBS_TOLD:
            failed = failed[number:]
            break
        document, details = judge_fetched(ci, run, job)
        if GATE.holds(document.body):
            gates.append(job.name)
            continue
        # A cancelled job without a cause of its own says nothing.
        with contextlib.suppress(ContractError):
            explained.append(explain_job(ci.index.documents, document, details, in_index=False, storm_types=types))
    else:
        failed = []
    return RunExplanation(
        repo=run.repo,
        run_id=str(run.run_id),
        attempt=run.run_attempt,
        workflow=run.workflow_name,
        branch=run.head_branch,
        pr="" if run.pr_id == "N/A" else run.pr_id,
        commit=run.head_sha,
        status=run.conclusion or run.status,
        url=run.html_url,
        in_index=False,
        jobs=tuple(explained),
        more=_names(failed),
        gates=tuple(gates),
        passed=sum(job.conclusion == "success" for job in jobs),
        unfinished=_names([job for job in jobs if not job.finished]),
    )


@contextmanager
def _with_github(
    settings: Settings, reference: JobReference | RunReference, what: str
) -> Iterator[tuple[Settings, Parts]]:
    """The parts with the GitHub that has the job's page: the sample's, or the real one, for which
    a token is enough when the address names the repository.
    """
    with contextlib.ExitStack() as stack:
        if settings.is_sample:
            of_sample = settings.ci_metrics_sample or reference.host in (None, SAMPLE_HOST)
            settings = stack.enter_context(_sample(settings)) if of_sample else _of_repo(settings, reference, what)
        else:
            check_host(settings, reference)
        yield settings, stack.enter_context(parts_for_a_look(settings))


@contextmanager
def _sample(settings: Settings) -> Iterator[Settings]:
    from ci_metrics.commands.sample_mode import serve_sample  # its world takes half a second to load

    with serve_sample(settings) as (sample, _, _):
        yield sample


def _of_repo(settings: Settings, reference: JobReference | RunReference, what: str) -> Settings:
    if settings.github_token is None:
        raise SettingsError(
            "GITHUB_TOKEN",
            f"not set, and {what} of {reference.repo} is in no index here",
            "Set it to a token that may read the repository's Actions; then the job and its log are fetched",
        )
    own = with_values(settings, repo=reference.repo)
    check_host(own, reference)
    return own


def check_host(settings: Settings, reference: JobReference | RunReference) -> None:
    """A page of another host than the one that GITHUB_API_URL serves would be
    asked for in the wrong place. Raises SettingsError.
    """
    if reference.host is None or settings.is_sample:
        return
    api = urlsplit(settings.github_api_url).netloc
    if reference.host not in (api, api.removeprefix("api."), f"www.{api.removeprefix('api.')}"):
        raise SettingsError(
            "JOB", f"the page is on {reference.host}, while GITHUB_API_URL is {settings.github_api_url}", "Set it to that host's API"
        )  # fmt: skip


def _names(jobs: list[Job]) -> tuple[str, ...]:
    return tuple(sorted({job.name for job in jobs}))


class _IndexToLookInto(IndexPart):
    """The index for a command that looks things up in it and works without one too: where there
    is none, an empty one stands in.
    """

    @cached_property
    def documents(self) -> DocumentIndex:
        """The index that there is; one that goes with the process where there is none."""
        try:
            refuse_no_file(self.settings)
            index = open_index(self.settings, reading=True)
            self._opened.callback(index.close)
            is_empty(index)
        except NotFoundError:
            index = _NoIndexYet(Path(self._opened.enter_context(tempfile.TemporaryDirectory())) / EMBEDDED_FILE)
            self._opened.callback(index.close)
        return index


class _NoIndexYet(EmbeddedIndex):
    @property
    def location(self) -> str:
        return "the index, which does not exist yet"
