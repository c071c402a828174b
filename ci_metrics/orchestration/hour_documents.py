"""An hour's documents, derived from all that is known of the hour: its rows, persons'
labels, what its own runs prove.

What belongs here: tying these together. Does not: what a document holds (`index/documents.py`),
writing it (`assets/indexed_documents.py`), what other hours prove (`history/history_pass.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import starmap

from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.history.flakiness import FlakyEvidence
from ci_metrics.history.flaky_fields import evidence_within, flag_changes, flag_rules
from ci_metrics.history.job_documents import merged_body
from ci_metrics.history.labels import Labels, labelled
from ci_metrics.history.owners import Owners, answering
from ci_metrics.index.document_index import Document
from ci_metrics.index.documents import Provenance, branch_kind, job_document, step_documents, workflow_document
from ci_metrics.index.runner_prices import RunnerPrices
from ci_metrics.models import Job, Run
from ci_metrics.orchestration.judged_job import outcome_of
from ci_metrics.orchestration.repository_parts import repository_parts
from ci_metrics.orchestration.storage.rows import JobKey, JobVerdicts
from ci_metrics.orchestration.storage.store import HourStore


@dataclass(frozen=True, slots=True, kw_only=True)
class HourRows:
    """The stored rows of an hour that documents are made of."""

    runs: Sequence[Run]
    jobs: Mapping[tuple[int, int], Sequence[Job]]  # by run id and attempt
    verdicts: Mapping[JobKey, JobVerdicts]


def read_rows(store: HourStore, hour: str) -> HourRows:
    """The hour's rows. Raises NotFoundError when one of the assets has not the hour yet."""
    jobs = store.read("workflow_jobs", hour, Job)
    verdicts = store.read("classifications", hour, JobVerdicts)
    return _rows(store.read("workflow_runs", hour, Run), jobs, verdicts)


def portions(store: HourStore, hour: str) -> Iterator[HourRows]:
    """The hour's rows, some repositories at a time: all of each, in order. Raises what `read_rows`
    does.
    """
    runs = store.each("workflow_runs", hour, Run)
    jobs = store.each("workflow_jobs", hour, Job)
    verdicts = store.each("classifications", hour, JobVerdicts)
    return starmap(_rows, repository_parts(runs, jobs, verdicts))


def _rows(runs: Sequence[Run], jobs: Iterable[Job], verdicts: Iterable[JobVerdicts]) -> HourRows:
    by_attempt: dict[tuple[int, int], list[Job]] = {}
    for job in jobs:
        by_attempt.setdefault((job.run_id, job.run_attempt), []).append(job)
    return HourRows(runs=runs, jobs=by_attempt, verdicts={row.key: row for row in verdicts})


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """What documents say beside the rows that they are made of."""

    provenance: Provenance
    labels: Labels
    taxonomy: Taxonomy
    owners: Owners
    default_branches: Mapping[str, str]  # of repositories, those that are known
    prices: RunnerPrices | None = None  # of runners: the shipped list unless given


def derive_documents(
    rows: HourRows, saying: Saying, evidence: Mapping[str, FlakyEvidence] | None = None
) -> list[Document]:
    """Every document of the rows. A label decides over the machine's verdict,
    who has to act, and flags follow from both.

    `evidence` of the hour that the rows are of; that of the rows alone unless given.
    """
    documents, rules = _told(rows, saying), flag_rules(saying.taxonomy)
    if evidence is None:
        evidence = evidence_within((each for each in documents if each.kind == "jobs"), rules)
    return merged_body(documents, flag_changes(documents, evidence, rules))


def documents_of(store: HourStore, hour: str, saying: Saying) -> Iterator[tuple[HourRows, list[Document]]]:
    """Every document of the hour, some repositories at a time. Raises what `read_rows` does."""
    parts = portions(store, hour)
    first, more = next(parts), next(parts, None)
    if more is None:  # most hours: what it proves follows from the same documents
        yield first, derive_documents(first, saying)
        return
    del first, more
    evidence = hour_evidence(portions(store, hour), saying)
    for rows in portions(store, hour):
        yield rows, derive_documents(rows, saying, evidence)
        del rows  # before the next ones are read


def hour_evidence(parts: Iterable[HourRows], saying: Saying) -> dict[str, FlakyEvidence]:
    """What the jobs of an hour prove of each other; of all others nothing is kept."""
    telling = (document for rows in parts for document in _told(_telling(rows), saying) if document.kind == "jobs")
    return evidence_within(telling, flag_rules(saying.taxonomy))


def _telling(rows: HourRows) -> HourRows:
    """The jobs that may prove something: failed, repeated or scheduled ones."""
    scheduled = {(run.run_id, run.run_attempt) for run in rows.runs if run.event == "schedule"}
    jobs = {
        attempt: [job for job in jobs if job.failed or job.run_attempt > 1 or attempt in scheduled]
        for attempt, jobs in rows.jobs.items()
    }
    return replace(rows, jobs=jobs)


def _told(rows: HourRows, saying: Saying) -> list[Document]:
    """The documents without what they prove of each other."""
    parents = saying.taxonomy.parents
    documents = list(_documents(rows, saying.provenance, parents, saying.default_branches, saying.prices))
    documents = merged_body(documents, labelled(documents, saying.labels, parents))
    return merged_body(documents, answering(documents, saying.owners))


def _documents(
    rows: HourRows,
    provenance: Provenance,
    parents: Mapping[str, str],
    default_branches: Mapping[str, str],
    prices: RunnerPrices | None,
) -> Iterator[Document]:
    for run in rows.runs:
        jobs = rows.jobs.get((run.run_id, run.run_attempt), [])
        kind = branch_kind(run, default_branches.get(run.repo, ""))
        yield workflow_document(run, jobs, provenance, kind, prices)
        for job in jobs:
            row = rows.verdicts.get((job.job_id, job.run_attempt))
            outcome = outcome_of(row, parents) if row is not None else None
            yield job_document(run, job, outcome, provenance, kind, prices)
            yield from step_documents(run, job, outcome, provenance, kind)
