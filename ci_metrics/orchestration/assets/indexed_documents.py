"""`indexed_documents`: the contract's documents of the hour, in the index.

What belongs here: which documents have to be written, and saying so. Does not: making
them (`hour_documents.py`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from ci_metrics.errors import IndexWriteError
from ci_metrics.index.base import Body, Document, DocumentIndex, Where, Written
from ci_metrics.index.documents import Provenance, document_digest, job_id
from ci_metrics.models import ErrorState, Verdict
from ci_metrics.orchestration import checks
from ci_metrics.orchestration.hour_documents import HourRows, derive_documents, read_rows
from ci_metrics.orchestration.hours import Outcome
from ci_metrics.orchestration.metadata import plot
from ci_metrics.orchestration.partition_loop import each_hour, with_checks
from ci_metrics.orchestration.partitioned_asset import partitioned_asset
from ci_metrics.orchestration.parts import HoursPart, IndexPart, JudgePart
from ci_metrics.orchestration.repository_facts import default_branches, owners_in_force
from ci_metrics.orchestration.rows import IndexedDocument, JobVerdicts
from ci_metrics.orchestration.run_messages import (
    ONLY_HERE,
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
        checks=[checks.DOCUMENTS_COMPLETE, checks.NOTHING_SET_ASIDE],
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
        if hours.settings.shares_hours_alone:
            context.log.warning(f"⚠️ {ONLY_HERE}")

        def work(hour: str, *, trusting: bool = True) -> Mapping[str, Any]:
            done = index_hour(hours, index, judge, hour, run_id=context.run.run_id, trusting=trusting)
            return _tell(context, hour, done, index.documents.location)

        done = each_hour(
            context,
            hours,
            work,
            made_of=MADE_OF,
            again=lambda hour: work(hour, trusting=False),
        )
        classified = judge.settings.enable_error_classification
        return with_checks(
            checks.documents_complete(hours.store, index.documents, done, classified=classified),
            checks.nothing_set_aside(hours.store, context.partition_keys),
        )

    return indexed_documents


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """What writing an hour's documents came to."""

    rows: HourRows
    documents: Sequence[Document]  # all of the hour
    due: Sequence[Document]  # those that the index did not hold as they are
    written: Written
    outcome: Outcome  # what the index refused is set aside, and tried again


def index_hour(
    hours: HoursPart, index: IndexPart, judge: JudgePart, hour: str, *, run_id: str, trusting: bool = True
) -> Indexed:
    """Derive the hour's documents, write them and commit the list of them.

    A document that the index refuses is set aside with the reason. Raises IndexWriteError when
    it refuses all of several.

    `run_id`: of Dagster's run. `trusting`: what the list of last time says of the index is
    believed; not when another run may have written over it.
    """
    rows = read_rows(hours.store, hour)
    provenance = Provenance(partition=hour, dagster_run_id=run_id)
    repos = {run.repo for run in rows.runs}
    documents = derive_documents(
        rows,
        provenance,
        labels=judge.labels.labels(),
        taxonomy=judge.categories,
        owners=owners_in_force(hours, repos),
        default_branches=default_branches(hours.store, repos),
        prices=index.prices,
    )
    listed = [
        IndexedDocument(kind=document.kind, id=document.id, digest=document_digest(document)) for document in documents
    ]
    held = _held(hours.store, index.documents, hour) if trusting else {}
    due = [
        document for document, row in zip(documents, listed, strict=True) if held.get((row.kind, row.id)) != row.digest
    ]
    refused: dict[str, str] = {}
    try:
        written = index.documents.upsert(due)
    except IndexWriteError as error:
        if not error.refused or len(error.refused) == len(due) > 1:
            raise
        refused, written = dict(error.refused), Written(error.created, error.updated)
    listed = [row for row in listed if row.id not in refused]
    outcome = _outcome(documents, refused)
    where = index.documents.location
    status = {"documents": len(listed), "written": len(due) - len(refused), "index": where}
    notes = {"location": where}
    hours.store.commit(
        NAME, hour, listed, IndexedDocument, notes=notes, status=status, now=hours.now(), outcome=outcome
    )
    return Indexed(rows=rows, documents=documents, due=due, written=written, outcome=outcome)


def _outcome(documents: Sequence[Document], refused: Mapping[str, str]) -> Outcome:
    """By repository, what was refused."""
    failures: dict[str, dict[str, str]] = {}
    for document in documents:
        if document.id in refused:
            failures.setdefault(str(document.body["s_repo"]), {})[f"document {document.id}"] = refused[document.id]
    repos = sorted({str(document.body["s_repo"]) for document in documents})
    return Outcome(repos=repos, asked=repos, failures=failures)


def _tell(context: dg.AssetExecutionContext, hour: str, done: Indexed, location: str) -> Mapping[str, Any]:
    """The contract's messages, and the metadata."""
    _say(context, hour, done)
    problems = done.outcome.problems
    for name, why in problems.items():
        context.log.warning(f"⚠️ {name} is set aside, the index refused it: {why}")
    return {
        "problems": dg.MetadataValue.json(problems),
        "dagster/row_count": len(done.documents),
        "documents": len(done.documents),
        "written": done.written.created + done.written.updated,
        "created": done.written.created,
        "updated": done.written.updated,
        "unchanged": len(done.documents) - len(done.due),
        "index": location,
        "by_kind": plot(Counter(document.kind for document in done.documents)),
        "failed_jobs": dg.MetadataValue.json(
            [document.id for document in done.documents if "s_error_state" in document.body][:200]
        ),
    }


def _held(store: HourStore, index: DocumentIndex, hour: str) -> dict[tuple[str, str], str]:
    """Digests of what the index already holds of the hour; empty when it is another
    index, or lost documents since.
    """
    if store.notes(NAME, hour).get("location") != index.location:
        return {}
    rows = store.read_or_none(NAME, hour, IndexedDocument)
    index.refresh()
    for kind, n in Counter(row.kind for row in rows).items():
        if index.count_by(kind, "s_partition", Where(equals={"s_partition": hour})).get(hour, 0) < n:  # type: ignore[arg-type]
            return {}
    return {(row.kind, row.id): row.digest for row in rows}


def _say(context: dg.AssetExecutionContext, hour: str, done: Indexed) -> None:
    """As few log events as it can: at info what failed and is new, at debug
    also what passed or is known.
    """
    rows, written = done.rows, {document.id for document in done.due}
    bodies = {document.id: document.body for document in done.documents if document.kind == "jobs"}
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
                buffer.add(classifying(job.name), *verdict_lines(*_said(row, bodies[document_id])))
            if document_id in written:
                buffer.add(posted(document_id))
    total = sum(len(jobs) for jobs in rows.jobs.values())
    loud.add(f"✅ {hour}: {len(rows.runs)} workflow attempts, {total} jobs, {len(written)} documents written")
    loud.flush()
    soft.flush()


def _said(row: JobVerdicts, body: Body) -> tuple[ErrorState, Verdict | None]:
    """The verdict on a job as its document has it: a label decides over the machine's."""
    machine = row.judged[0].verdict if row.judged else None
    if body.get("s_error_source") != "human":
        return row.state, machine
    said = Verdict(
        state="classified",
        error_type=str(body["s_error_type"]),
        confidence=1.0,
        summary=str(body.get("s_error_summary") or ""),
        source="human",
    )
    return "classified", said
