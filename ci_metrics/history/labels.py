"""Labels: what persons say of failures, and what documents say where a label is in force. Pure.

What belongs here: making a label, and the fields that documents have with it and without it. Does
not: where labels are kept (`orchestration/storage/labels.py`), which documents are derived again
(`orchestration/label_documents.py`).

A label is an input of the documents, as logs and verdicts are: it is never all that is known of a
failure. The nested `errors` of a job keep what the machine said. A label on one job is kept under
the job's document id, one on all failures like it under their fingerprint; the one on the job wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from ci_metrics.errors import ContractError, NotFoundError
from ci_metrics.history.attempts import first_line
from ci_metrics.history.job_documents import Changes, differing, failed_with_jobs, shares_error
from ci_metrics.index.document_index import Body, Document
from ci_metrics.index.verdict_documents import verdict_document
from ci_metrics.models import Evidence, Verdict
from ci_metrics.verdicts.reuse import human_key

#: The version that a person's verdict carries: it outlives the classifier's.
HUMAN_VERSION = "human"

#: A label is a document of the verdict index, whose id is its key: the index has a copy of each.
Labels = Mapping[str, Document]

#: What a verdict says in a document, and in the entries of its `errors`.
_SAID = (
    "s_error_state", "s_error_type", "s_error_base_type", "s_error_source", "f_error_confidence", "s_error_summary",
    "s_suggested_fix", "s_model",
)  # fmt: skip


def label_for(
    job: Document, error_type: str, *, note: str, fix: str, all_like_it: bool, user: str, now: datetime
) -> Document:
    """The label on a failed job, or on all failures like it. `fix`: the hint of that category.

    Raises ContractError when the job did not fail, or when all like it are meant but its
    fingerprint is generic or missing, so that nothing is like it.
    """
    body = job.body
    if "s_error_state" not in body:
        raise ContractError(
            f"{job.id} has no verdict to correct: it is “{body.get('s_status')}”, or was written with classification off"
        )
    fingerprint = _telling_fingerprint(job) if all_like_it else str(body.get("s_error_fingerprint") or job.id)
    same_type = body.get("s_error_type") == error_type
    quote, line = first_line(str(body.get("s_error_evidence") or "")), body.get("l_error_line")
    verdict = Verdict(
        state="classified",
        error_type=error_type,
        confidence=1.0,
        summary=note or str(body.get("s_error_summary") or f"A person says: {error_type}."),
        evidence=(Evidence(int(line), quote),) if quote and line else (),
        suggested_fix=str(body.get("s_suggested_fix") or "") if same_type else fix,
        source="human",
        fingerprint=fingerprint,
        classifier_version=HUMAN_VERSION,
        detail=note,
    )
    kept = verdict_document(
        verdict, judged_at=now, repo=str(body["s_repo"]), job_id=int(body["s_job_id"]), user=user, note=note
    )
    group = {"s_error_group": body["s_error_group"]} if "s_error_group" in body else {}
    return Document("verdicts", human_key(fingerprint if all_like_it else job.id), {**kept.body, **group})


def label_to_withdraw(labels: Labels, job: Document, *, all_like_it: bool) -> Document:
    """The label of that kind on a job. Raises NotFoundError when there is none:
    it says which one there is.
    """
    own = human_key(job.id)
    shared = human_key(str(job.body.get("s_error_fingerprint") or ""))
    if found := labels.get(shared if all_like_it else own):
        return found
    hint = "nobody has labelled it"
    if (own if all_like_it else shared) in labels:
        given = "to this job alone: leave out" if all_like_it else "to all like it: add"
        hint = f"it was given {given} --all-like-it"
    raise NotFoundError(f"there is no such verdict on {job.id}: {hint}")


def is_shared(label: Document) -> bool:
    """Whether a label is on all failures of its fingerprint, not on one job (of which a job
    without any error has the id).
    """
    fingerprint = str(label.body.get("s_error_fingerprint") or "")
    return label.id == human_key(fingerprint) and not fingerprint.startswith("github-job-")


def said_at_once(label: Document, labels: Labels) -> list[Document]:
    """The label and those that carry the same word of the same person under other fingerprints
    (`orchestration/storage/labels.py` carries them).
    """
    same = ("@timestamp", "s_job_id", "s_user_alias", "s_error_type")
    return [
        other
        for other in labels.values()
        if other.id == label.id
        or (is_shared(label) and is_shared(other) and all(other.body.get(n) == label.body.get(n) for n in same))
    ]


def labelled(documents: Sequence[Document], labels: Labels, parents: Mapping[str, str]) -> Changes:
    """What the labels in force change in documents that say what the machine said.

    `parents`: a project's own category -> the one of the ten that it counts under.
    """
    return {
        (document.kind, document.id): diff
        for document, job in failed_with_jobs(documents)
        if (label := label_on(document, job, labels)) is not None
        if (diff := differing(document.body, _said_by(label, parents)))
    }


def unlabelled(documents: Sequence[Document], parents: Mapping[str, str]) -> tuple[Changes, tuple[Document, ...]]:
    """What gives documents back what the machine said, and the jobs of which
    they do not know it any more.

    They do as long as their `errors` keep the machine's verdict; only a stored hour can say more.
    """
    changes: dict[tuple[str, str], Body] = {}
    lost: list[Document] = []
    for document, job in failed_with_jobs(documents):
        if document.body.get("s_error_source") != "human":
            continue
        fingerprint = document.body.get("s_error_fingerprint")
        nested = [each for each in job.body.get("errors") or [] if each.get("s_error_fingerprint") == fingerprint]
        if not nested or nested[0].get("s_error_source") in (None, "human"):
            lost += [document] if document is job else []
            continue
        kind = nested[0].get("s_error_type")
        wanted = {name: nested[0].get(name) for name in _SAID} | {"s_error_base_type": parents.get(kind, kind)}
        changes[document.kind, document.id] = differing(document.body, wanted)
    return changes, tuple(lost)  # type: ignore[return-value]


def label_on(document: Document, job: Document, labels: Labels) -> Document | None:
    """The label in force on a job, or on one of its failed steps; None when there is none."""
    if "s_error_state" not in document.body:
        return None
    if (document is job or shares_error(document, job)) and (own := labels.get(human_key(job.id))):
        return own
    fingerprint = document.body.get("s_error_fingerprint")
    return labels.get(human_key(str(fingerprint))) if fingerprint and not document.body.get("b_error_generic") else None


def _said_by(label: Document, parents: Mapping[str, str]) -> Body:
    """The fields that a label decides. Without a note the machine's summary stays."""
    kind = str(label.body["s_error_type"])
    fields: Body = {
        "s_error_state": "classified",
        "s_error_type": kind,
        "s_error_base_type": parents.get(kind, kind),
        "s_error_source": "human",
        "f_error_confidence": 1.0,
        "s_suggested_fix": label.body.get("s_suggested_fix"),
        "s_model": None,
    }
    note = label.body.get("s_note")
    return {**fields, "s_error_summary": note} if note else fields


def _telling_fingerprint(job: Document) -> str:
    fingerprint = str(job.body.get("s_error_fingerprint") or "")
    if not fingerprint:
        raise ContractError(f"{job.id} has no fingerprint, so nothing is like it. Leave out --all-like-it")
    if job.body.get("b_error_generic"):
        raise ContractError(
            f"the fingerprint of {job.id} is generic: it says nothing of the cause, so other failures of it are not like it. "
            "Leave out --all-like-it"
        )
    return fingerprint
