"""`indexed_documents`: the contract's documents of the hour, in the index.

What belongs here: which documents have to be written, and saying so. Does not: what a document holds (`index/documents.py`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.index.base import Document, DocumentIndex, Where
from ci_metrics.index.documents import Provenance, digest, job_document, job_id, step_documents, workflow_document
from ci_metrics.index.error_fields import JobOutcome
from ci_metrics.models import Job, Run
from ci_metrics.orchestration import checks
from ci_metrics.orchestration.metadata import plot
from ci_metrics.orchestration.partition_loop import checked, each_hour
from ci_metrics.orchestration.partitioned_asset import partitioned_asset
from ci_metrics.orchestration.parts import HoursPart, IndexPart, JudgePart
from ci_metrics.orchestration.rows import IndexedDocument, JobVerdicts
from ci_metrics.orchestration.run_messages import (
    LineBuffer,
    classifying,
    job_annotations,
    posted,
    processing_job,
    processing_workflow,
    verdict_lines,
)
from ci_metrics.orchestration.store import HourStore

NAME = "indexed_documents"

#: The assets whose rows are read here.
MADE_OF = ("workflow_runs", "workflow_jobs", "classifications")


def build(partitions: dg.PartitionsDefinition, upstream: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """The asset on these partitions."""

    @partitioned_asset(
        NAME,
        partitions,
        upstream=upstream,
        rows=IndexedDocument,
        group="documents",
        kinds={"opensearch"},
        pool="index",
        checks=[checks.DOCUMENTS_COMPLETE],
        description=(
            "One document per attempt of each workflow, job and step, with the verdict on what failed, upserted under its "
            "deterministic id. Only documents that differ from what the index holds are written."
        ),
    )
    def indexed_documents(
        context: dg.AssetExecutionContext,
        hours: dg.ResourceParam[HoursPart],
        index: dg.ResourceParam[IndexPart],
        judge: dg.ResourceParam[JudgePart],
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        done = each_hour(
            context,
            hours,
            lambda hour: index_hour(hours, index, judge, hour, context),
            made_of=MADE_OF,
            again=lambda hour: index_hour(hours, index, judge, hour, context, trusting=False),
        )
        classified = judge.settings.enable_error_classification
        return checked(checks.documents_complete(hours.store, index.documents, done, classified=classified))

    return indexed_documents


def index_hour(
    hours: HoursPart,
    index: IndexPart,
    judge: JudgePart,
    hour: str,
    context: dg.AssetExecutionContext,
    *,
    trusting: bool = True,
) -> Mapping[str, Any]:
    """Write the hour's documents and commit the list of them; returns the metadata. Raises IndexWriteError for refused ones.

    `trusting`: what the list of last time says of the index is believed; not when another run may have written over it.
    """
    hour_rows = _HourRows(hours.store, judge.taxonomy, hour)
    documents = list(hour_rows.documents(Provenance(partition=hour, dagster_run_id=context.run.run_id)))
    rows = [IndexedDocument(kind=document.kind, id=document.id, digest=digest(document)) for document in documents]
    held = _held(hours.store, index.documents, hour) if trusting else {}
    due = [
        document for document, row in zip(documents, rows, strict=True) if held.get((row.kind, row.id)) != row.digest
    ]
    written = index.documents.upsert(due)
    counts = Counter(document.kind for document in documents)
    where = index.documents.location
    status = {"documents": len(documents), "written": len(due), "index": where}
    hours.store.commit(NAME, hour, rows, IndexedDocument, notes={"location": where}, status=status, now=hours.now())
    _say(context, hour, hour_rows, {document.id for document in due})
    return {
        "dagster/row_count": len(documents),
        "documents": len(documents),
        "written": len(due),
        "created": written.created,
        "updated": written.updated,
        "unchanged": len(documents) - len(due),
        "index": index.documents.location,
        "by_kind": plot(counts),
        "failed_jobs": dg.MetadataValue.json(
            [document.id for document in documents if "s_error_state" in document.body][:200]
        ),
    }


class _HourRows:
    """The stored rows of an hour, tied together."""

    def __init__(self, store: HourStore, taxonomy: Taxonomy, hour: str) -> None:
        self.parents = taxonomy.parents
        self.runs = store.read("workflow_runs", hour, Run)
        self.jobs: dict[tuple[int, int], list[Job]] = {}
        for job in store.read("workflow_jobs", hour, Job):
            self.jobs.setdefault((job.run_id, job.run_attempt), []).append(job)
        self.verdicts = {row.key: row for row in store.read("classifications", hour, JobVerdicts)}

    def outcome(self, job: Job) -> JobOutcome | None:
        """What is known of a failed job's cause; None for a job that has not failed."""
        row = self.verdicts.get((job.job_id, job.run_attempt))
        if row is None:
            return None
        verdicts = tuple((judged.error, judged.verdict) for judged in row.judged)
        return JobOutcome(state=row.state, verdicts=verdicts, parents=self.parents, background=row.background)

    def documents(self, provenance: Provenance) -> Iterator[Document]:
        """Every document of the hour."""
        for run in self.runs:
            jobs = self.jobs.get((run.run_id, run.run_attempt), [])
            yield workflow_document(run, jobs, provenance)
            for job in jobs:
                outcome = self.outcome(job)
                yield job_document(run, job, outcome, provenance)
                yield from step_documents(run, job, outcome, provenance)


def _held(store: HourStore, index: DocumentIndex, hour: str) -> dict[tuple[str, str], str]:
    """Digests of what the index already holds of the hour; empty when it is another index, or lost documents since."""
    if store.notes(NAME, hour).get("location") != index.location:
        return {}
    rows = store.read_or_none(NAME, hour, IndexedDocument)
    index.refresh()
    for kind, n in Counter(row.kind for row in rows).items():
        if index.count_by(kind, "s_partition", Where(equals={"s_partition": hour})).get(hour, 0) < n:  # type: ignore[arg-type]
            return {}
    return {(row.kind, row.id): row.digest for row in rows}


def _say(context: dg.AssetExecutionContext, hour: str, rows: _HourRows, written: set[str]) -> None:
    """The contract's messages, as few log events: at info what failed and is new, at debug also what passed or is known."""
    loud, soft = LineBuffer(context.log.info), LineBuffer(context.log.debug)
    for run in rows.runs:
        jobs = rows.jobs.get((run.run_id, run.run_attempt), [])
        buffer = loud if any(job.failed and job_id(job) in written for job in jobs) else soft
        buffer.add(processing_workflow(run.workflow_name, run.run_id))
        for job in jobs:
            document_id = job_id(job)
            buffer = loud if job.failed and document_id in written else soft
            buffer.add(processing_job(job.name))
            if job.annotations:
                buffer.add(job_annotations(job.annotations))
            row = rows.verdicts.get((job.job_id, job.run_attempt))
            if row is not None and row.state != "off":
                buffer.add(
                    classifying(job.name), *verdict_lines(row.state, row.judged[0].verdict if row.judged else None)
                )
            if document_id in written:
                buffer.add(posted(document_id))
    total = sum(len(jobs) for jobs in rows.jobs.values())
    loud.add(f"✅ {hour}: {len(rows.runs)} workflow attempts, {total} jobs, {len(written)} documents written")
    loud.flush()
    soft.flush()
