"""`indexed_documents`: the contract's documents of the hour, in the index.

What belongs here: which documents have to be written, and saying so. Does not: making
them (`hour_documents.py`).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from itertools import islice
from typing import Any

import dagster as dg

from ci_metrics.errors import DamagedFileError, IndexWriteError
from ci_metrics.index.document_index import Body, Document, DocumentIndex, Where, Written
from ci_metrics.index.documents import Provenance, document_digest, job_id
from ci_metrics.models import ErrorState, Run, Verdict
from ci_metrics.orchestration import checks
from ci_metrics.orchestration.hour_documents import HourRows, Saying, documents_of
from ci_metrics.orchestration.metadata import plot
from ci_metrics.orchestration.partition_loop import each_hour, with_checks
from ci_metrics.orchestration.partitioned_asset import partitioned_asset
from ci_metrics.orchestration.parts import HoursPart, IndexPart, JudgePart
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
from ci_metrics.orchestration.storage.arrow_tables import PackedRows
from ci_metrics.orchestration.storage.hours import Outcome
from ci_metrics.orchestration.storage.repository_facts import default_branches, known_repositories, owners_in_force
from ci_metrics.orchestration.storage.rows import IndexedDocument, JobVerdicts
from ci_metrics.orchestration.storage.store import HourStore

NAME = "indexed_documents"

#: The assets whose rows are read here.
MADE_OF = ("workflow_runs", "workflow_jobs", "classifications")

#: Failed jobs' documents that the metadata names.
_MOST_NAMED = 200


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

        with LineBuffer(context.log.info) as loud, LineBuffer(context.log.debug) as soft:
            say, run_id = partial(_say, loud, soft), context.run.run_id

            def work(hour: str, *, trusting: bool = True) -> Mapping[str, Any]:
                done = index_hour(hours, index, judge, hour, run_id=run_id, trusting=trusting, on_part=say)
                return _tell(context, loud, hour, done)

            done = each_hour(context, hours, work, made_of=MADE_OF, again=lambda hour: work(hour, trusting=False))
        classified = judge.settings.enable_error_classification
        return with_checks(
            checks.documents_complete(hours.store, index.documents, done, classified=classified),
            checks.nothing_set_aside(hours.store, context.partition_keys),
        )

    return indexed_documents


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedPart:
    """Some repositories' documents, and what became of them."""

    rows: HourRows
    documents: Sequence[Document]  # all of the rows
    due: Sequence[Document]  # those that the index did not hold as they are


@dataclass(slots=True, kw_only=True)
class Indexed:
    """What writing an hour's documents came to."""

    location: str
    by_kind: Counter[str] = field(default_factory=Counter)
    listed: Counter[str] = field(default_factory=Counter)  # by kind, without what was refused
    without_state: list[int] = field(default_factory=list)  # failed jobs that no verdict gives a state
    attempts: int = 0
    due: int = 0  # documents that the index did not hold as they are
    refused: int = 0
    failed_jobs: list[str] = field(default_factory=list)  # ids of documents, the first `_MOST_NAMED`
    written: Written = field(default_factory=Written)
    repos: list[str] = field(default_factory=list)
    failures: dict[str, dict[str, str]] = field(default_factory=dict)  # by repository, what the index refused

    @property
    def outcome(self) -> Outcome:
        """What the index refused is set aside, and tried again."""
        return Outcome(repos=self.repos, asked=self.repos, failures=self.failures)


def index_hour(
    hours: HoursPart,
    index: IndexPart,
    judge: JudgePart,
    hour: str,
    *,
    run_id: str,
    trusting: bool = True,
    on_part: Callable[[IndexedPart], None] | None = None,
) -> Indexed:
    """Derive the hour's documents, write them and commit the list of them, some repositories at a
    time: `on_part` hears of each.

    A document that the index refuses is set aside with the reason. Raises IndexWriteError when
    it refuses all of several.

    `run_id`: of Dagster's run. `trusting`: what the list of last time says of the index is
    believed; not when another run may have written over it.
    """
    repos = {run.repo for run in hours.store.each("workflow_runs", hour, Run)}
    known = known_repositories(hours.store, repos)
    saying = Saying(
        provenance=Provenance(partition=hour, dagster_run_id=run_id),
        labels=judge.labels.labels(),
        taxonomy=judge.categories,
        owners=owners_in_force(hours.settings, known),
        default_branches=default_branches(known),
        prices=index.prices,
    )
    held = _held(hours.store, index.documents, hour) if trusting else set()
    done = Indexed(location=index.documents.location)
    listed = PackedRows(IndexedDocument)
    last_error: IndexWriteError | None = None
    for rows, documents in documents_of(hours.store, hour, saying):
        names = [IndexedDocument(kind=each.kind, id=each.id, digest=document_digest(each)) for each in documents]
        due = [each for each, row in zip(documents, names, strict=True) if _name(row) not in held]
        refused: dict[str, str] = {}
        try:
            written = index.documents.upsert(due)
        except IndexWriteError as error:
            if not error.refused:
                raise
            refused, written, last_error = dict(error.refused), Written(error.created, error.updated), error
        listed.add([row for row in names if row.id not in refused])
        part = IndexedPart(rows=rows, documents=documents, due=due)
        _count(done, part, written, refused)
        if on_part is not None:
            on_part(part)
        del rows, documents, names, due, part  # before the next ones are made
    if last_error is not None and done.due > 1 and done.refused == done.due:
        raise last_error
    status = {
        "documents": len(listed),
        "kinds": dict(done.listed),
        "written": done.due - done.refused,
        "index": done.location,
        **({"without_state": done.without_state} if done.without_state else {}),
    }
    notes = {"location": done.location}
    hours.store.commit(
        NAME, hour, listed, IndexedDocument, notes=notes, status=status, now=hours.now(), outcome=done.outcome
    )
    return done


def _count(done: Indexed, part: IndexedPart, written: Written, refused: Mapping[str, str]) -> None:
    """Add what a part came to."""
    done.attempts += len(part.rows.runs)
    done.by_kind.update(document.kind for document in part.documents)
    done.listed.update(document.kind for document in part.documents if document.id not in refused)
    ended = (job for jobs in part.rows.jobs.values() for job in jobs if job.failed and job.finished)
    done.without_state += [job.job_id for job in ended if (job.job_id, job.run_attempt) not in part.rows.verdicts]
    done.due += len(part.due)
    done.refused += len(refused)
    done.written = Written(done.written.created + written.created, done.written.updated + written.updated)
    done.repos += sorted({str(document.body["s_repo"]) for document in part.documents})
    failed = (document.id for document in part.documents if "s_error_state" in document.body)
    done.failed_jobs += islice(failed, _MOST_NAMED - len(done.failed_jobs))
    for document in part.documents:
        if document.id in refused:
            named = done.failures.setdefault(str(document.body["s_repo"]), {})
            named[f"document {document.id}"] = refused[document.id]


def _tell(context: dg.AssetExecutionContext, loud: LineBuffer, hour: str, done: Indexed) -> Mapping[str, Any]:
    """How the hour went, and the metadata."""
    documents, jobs = done.by_kind.total(), done.by_kind["jobs"]
    loud.add(f"✅ {hour}: {done.attempts} workflow attempts, {jobs} jobs, {done.due} documents written")
    problems = done.outcome.problems
    for name, why in problems.items():
        context.log.warning(f"⚠️ {name} is set aside, the index refused it: {why}")
    return {
        "problems": dg.MetadataValue.json(problems),
        "dagster/row_count": documents,
        "documents": documents,
        "written": done.written.created + done.written.updated,
        "created": done.written.created,
        "updated": done.written.updated,
        "unchanged": documents - done.due,
        "index": done.location,
        "by_kind": plot(done.by_kind),
        "failed_jobs": dg.MetadataValue.json(done.failed_jobs),
    }


def _held(store: HourStore, index: DocumentIndex, hour: str) -> set[bytes]:
    """Names of what the index already holds of the hour; empty when it is another
    index, or lost documents since.
    """
    if store.notes(NAME, hour).get("location") != index.location:
        return set()
    kinds: Counter[str] = Counter()
    held: set[bytes] = set()
    try:
        for row in store.each(NAME, hour, IndexedDocument):
            kinds[row.kind] += 1
            held.add(_name(row))
    except DamagedFileError:
        return set()
    index.refresh()
    for kind, n in kinds.items():
        if index.count_by(kind, "s_partition", Where(equals={"s_partition": hour})).get(hour, 0) < n:  # type: ignore[arg-type]
            return set()
    return held


def _name(row: IndexedDocument) -> bytes:
    """A document as it was written, in few bytes: an hour may have half a million."""
    return blake2b(f"{row.kind} {row.id} {row.digest}".encode(), digest_size=16).digest()


def _say(loud: LineBuffer, soft: LineBuffer, part: IndexedPart) -> None:
    """The contract's messages: `loud` what failed and is new, `soft` what passed or is known."""
    rows, written = part.rows, {document.id for document in part.due}
    bodies = {document.id: document.body for document in part.documents if document.kind == "jobs"}
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
