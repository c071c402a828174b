"""Jobs' documents with those of their failed steps, and changes to them: what
flags and labels are put into.

What belongs here: which steps carry their job's own error, merging changed fields, writing them.
Does not: what changes (`flaky_fields.py`, `labels.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ci_metrics.history.attempts import CHUNK
from ci_metrics.index.document_index import Body, Document, DocumentIndex, Kind, Where, present

#: (kind, document id) -> the fields that change; None removes one.
Changes = Mapping[tuple[Kind, str], Body]


def steps_of(index: DocumentIndex, jobs: Sequence[Document]) -> list[Document]:
    """The steps of these jobs that carry an error of their own."""
    keys = {_key(job.body) for job in jobs}
    ids = sorted({job_id for job_id, _ in keys})
    found: list[Document] = []
    for start in range(0, len(ids), CHUNK):
        where = Where(equals={"s_job_id": ids[start : start + CHUNK]}, exists=("s_error_fingerprint",))
        found += (step for step in index.scan("steps", where) if _key(step.body) in keys)
    return found


def failed_with_jobs(documents: Sequence[Document]) -> Iterator[tuple[Document, Document]]:
    """Each job with itself, and each step that has an error with its job: (document, job)."""
    jobs = {_key(document.body): document for document in documents if document.kind == "jobs"}
    for document in documents:
        if document.kind == "jobs":
            yield document, document
        elif document.kind == "steps" and "s_error_fingerprint" in document.body:
            job = jobs.get(_key(document.body))
            if job is not None:
                yield document, job


def shares_error(step: Document, job: Document) -> bool:
    """Whether a step's error is the one that its job's own fields name."""
    return step.body.get("s_error_fingerprint") == job.body.get("s_error_fingerprint")


def differing(body: Body, wanted: Body) -> Body:
    """The wanted fields that the body has otherwise."""
    return {name: value for name, value in wanted.items() if body.get(name) != value}


def merged_body(documents: Iterable[Document], changes: Changes) -> list[Document]:
    """The documents with the changes in them."""
    return [
        Document(document.kind, document.id, present({**document.body, **change}))
        if (change := changes.get((document.kind, document.id)))
        else document
        for document in documents
    ]


def document_changes(before: Sequence[Document], after: Sequence[Document]) -> Changes:
    """What makes the ones out of the others, which are the same documents in the same order."""
    return {
        (old.kind, old.id): diff
        for old, new in zip(before, after, strict=True)
        if (diff := differing(old.body, {name: new.body.get(name) for name in {*old.body, *new.body}}))
    }


def write_changes(index: DocumentIndex, changes: Changes) -> None:
    """Put the changes into the index's documents."""
    kinds: tuple[Kind, ...] = ("jobs", "steps")
    for kind in kinds:
        fields = {id_: body for (of, id_), body in changes.items() if of == kind}
        if fields:
            index.update(kind, fields)
    if changes:
        index.refresh()


def _key(body: Body) -> tuple[str, object]:
    return str(body.get("s_job_id")), body.get("l_run_attempt")
