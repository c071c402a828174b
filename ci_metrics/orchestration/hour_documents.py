"""An hour's documents, derived from all that is known of the hour: its rows, persons'
labels, what its own runs prove.

What belongs here: tying these together. Does not: what a document holds (`index/documents.py`),
writing it (`assets/indexed_documents.py`), what other hours prove (`history/history_pass.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.history.flaky_flags import flag_rules, flags_within
from ci_metrics.history.job_documents import merged_body
from ci_metrics.history.labels import Labels, labelled
from ci_metrics.history.owners import Owners, answering
from ci_metrics.index.base import Document
from ci_metrics.index.documents import Provenance, branch_kind, job_document, step_documents, workflow_document
from ci_metrics.index.runner_prices import RunnerPrices
from ci_metrics.models import Job, Run
from ci_metrics.orchestration.judged_job import outcome_of
from ci_metrics.orchestration.rows import JobKey, JobVerdicts
from ci_metrics.orchestration.store import HourStore


@dataclass(frozen=True, slots=True, kw_only=True)
class HourRows:
    """The stored rows of an hour that documents are made of."""

    runs: Sequence[Run]
    jobs: Mapping[tuple[int, int], Sequence[Job]]  # by run id and attempt
    verdicts: Mapping[JobKey, JobVerdicts]


def read_rows(store: HourStore, hour: str) -> HourRows:
    """The hour's rows. Raises NotFoundError when one of the assets has not the hour yet."""
    jobs: dict[tuple[int, int], list[Job]] = {}
    for job in store.read("workflow_jobs", hour, Job):
        jobs.setdefault((job.run_id, job.run_attempt), []).append(job)
    verdicts = {row.key: row for row in store.read("classifications", hour, JobVerdicts)}
    return HourRows(runs=store.read("workflow_runs", hour, Run), jobs=jobs, verdicts=verdicts)


def derive_documents(
    rows: HourRows,
    provenance: Provenance,
    *,
    labels: Labels,
    taxonomy: Taxonomy,
    owners: Owners,
    default_branches: Mapping[str, str],
    prices: RunnerPrices | None = None,
) -> list[Document]:
    """Every document of the hour. A label decides over the machine's verdict,
    who has to act, and flags follow from both.

    `default_branches`: of repositories, those that are known. `prices` of runners: the
    shipped list unless given.
    """
    documents = list(_documents(rows, provenance, taxonomy.parents, default_branches, prices))
    documents = merged_body(documents, labelled(documents, labels, taxonomy.parents))
    documents = merged_body(documents, answering(documents, owners))
    return merged_body(documents, flags_within(documents, flag_rules(taxonomy)))


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
