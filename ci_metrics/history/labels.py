"""A person's verdict on a failure: kept for every later reclassification, put into the documents at once, withdrawn again.

What belongs here: the kept verdict and the fields it changes. Does not: the terminal (`commands/label.py`), and how the chain
applies it when an hour is redone (`verdicts/judge.py` for all of one fingerprint, `orchestration/job_labels.py` for one job).

A verdict on one job is kept under the job's document id, one on all failures like it under their fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ci_metrics.errors import ContractError, NotFoundError
from ci_metrics.history.attempts import CHUNK, first_line, root_error
from ci_metrics.index.base import Body, Document, DocumentIndex, Where
from ci_metrics.index.verdict_documents import verdict_document
from ci_metrics.models import Evidence, Verdict
from ci_metrics.verdicts.reuse import human_key

#: The version that a person's verdict carries: it outlives the classifier's.
HUMAN_VERSION = "human"

#: What a verdict says in a document, and in the entries of its `errors`.
_SAID = (
    "s_error_state", "s_error_type", "s_error_base_type", "s_error_source", "f_error_confidence", "s_error_summary",
    "s_suggested_fix", "s_model",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """What labelling or withdrawing came to: documents by kind, and the hours they belong to."""

    key: str  # under which the verdict is kept
    jobs: tuple[str, ...]
    steps: tuple[str, ...]
    hours: tuple[str, ...]
    before: tuple[tuple[str, int], ...]  # type or state before -> jobs, most first
    #: Documents whose earlier verdict is not in them any more, because their hour was redone since: hour -> job documents.
    to_judge_again: dict[str, tuple[str, ...]] = field(default_factory=dict)


def give(
    index: DocumentIndex,
    job: Document,
    error_type: str,
    *,
    note: str,
    fix: str,
    all_like_it: bool,
    user: str,
    now: datetime,
    parents: Mapping[str, str] | None = None,
) -> Labelled:
    """Keep a person's verdict and put it into the documents.

    `fix`: the hint of that category. `parents`: own categories -> the one of the ten they count under. Raises ContractError
    when the job did not fail, or when all like it are meant but its fingerprint is generic or missing, so that nothing is
    like it.
    """
    body = job.body
    if "s_error_state" not in body:
        raise ContractError(
            f"{job.id} has no verdict to correct: it is “{body.get('s_status')}”, or was written with classification off"
        )
    fingerprint = _fingerprint(job) if all_like_it else str(body.get("s_error_fingerprint") or job.id)
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
    key = human_key(fingerprint if all_like_it else job.id)
    kept = verdict_document(
        verdict, judged_at=now, repo=str(body["s_repo"]), job_id=int(body["s_job_id"]), user=user, note=note
    )
    kept.body.update({"s_error_group": body["s_error_group"]} if "s_error_group" in body else {})
    index.upsert([Document("verdicts", key, kept.body)])
    jobs = _like(index, [fingerprint]) if all_like_it else [job]
    fields = verdict_body(verdict, base_type=_base(error_type, parents), keep_summary=not note)
    return _changed(index, key, jobs, {document.id: fields for document in jobs})


def withdraw(
    index: DocumentIndex, job: Document, *, all_like_it: bool, parents: Mapping[str, str] | None = None
) -> Labelled:
    """Forget a person's verdict; documents get back what the machine had said, where they still know it.

    Raises NotFoundError when there is no such verdict: it says which one there is.
    """
    fingerprint = str(job.body.get("s_error_fingerprint") or "")
    own, shared = human_key(job.id), human_key(fingerprint)
    key = shared if all_like_it else own
    there = index.get("verdicts", [own, shared])
    if key not in there:
        other = own if all_like_it else shared
        hint = "nobody has labelled it"
        if other in there:
            hint = (
                "it was given to this job alone: leave out --all-like-it"
                if all_like_it
                else "it was given to all like it: add --all-like-it"
            )
        raise NotFoundError(f"there is no such verdict on {job.id}: {hint}")
    copies = _copies(index, there[key]) if all_like_it else {}
    index.delete("verdicts", [key, *copies])
    jobs = _like(index, [fingerprint, *copies.values()]) if all_like_it else [job]
    jobs = [document for document in jobs if document.body.get("s_error_source") == "human"]
    labels = index.get("verdicts", [human_key(document.id) for document in jobs]) if all_like_it else {}
    jobs = [document for document in jobs if human_key(document.id) not in labels]  # a verdict on one job stands
    wanted: dict[str, Body] = {}
    lost: dict[str, list[str]] = {}
    still = there.get(shared) if not all_like_it else None
    for document in jobs:
        machine = still or root_error(document.body)
        if still is None and machine.get("s_error_source") in (None, "human"):
            lost.setdefault(str(document.body.get("s_partition") or ""), []).append(document.id)
        else:
            kind = machine.get("s_error_type")
            base = {"s_error_base_type": _base(str(kind), parents)} if kind else {}
            wanted[document.id] = {name: machine.get(name) for name in _SAID} | base
    done = _changed(index, key, jobs, wanted)
    return Labelled(
        key=done.key,
        jobs=done.jobs,
        steps=done.steps,
        hours=done.hours,
        before=done.before,
        to_judge_again={hour: tuple(ids) for hour, ids in sorted(lost.items())},
    )


def verdict_body(verdict: Verdict, *, base_type: str, keep_summary: bool) -> Body:
    """The fields of a document that a person's verdict changes; `keep_summary`: the machine's stays."""
    fields: Body = {
        "s_error_state": verdict.state,
        "s_error_type": verdict.error_type,
        "s_error_base_type": base_type,
        "s_error_source": verdict.source,
        "f_error_confidence": verdict.confidence,
        "s_suggested_fix": verdict.suggested_fix or None,
        "s_model": None,
    }
    return fields if keep_summary else {**fields, "s_error_summary": verdict.summary}


def _base(error_type: str, parents: Mapping[str, str] | None) -> str:
    return (parents or {}).get(error_type, error_type)


def _fingerprint(job: Document) -> str:
    fingerprint = str(job.body.get("s_error_fingerprint") or "")
    if not fingerprint:
        raise ContractError(f"{job.id} has no fingerprint, so nothing is like it. Leave out --all-like-it")
    if job.body.get("b_error_generic"):
        raise ContractError(
            f"the fingerprint of {job.id} is generic: it says nothing of the cause, so other failures of it are not like it. "
            "Leave out --all-like-it"
        )
    return fingerprint


def _like(index: DocumentIndex, fingerprints: Sequence[str]) -> list[Document]:
    return list(index.scan("jobs", Where(equals={"s_error_fingerprint": fingerprints})))


def _copies(index: DocumentIndex, kept: Body) -> dict[str, str]:
    """The same verdict of a person under other versions' fingerprints (`orchestration/carried_labels.py`): key -> fingerprint."""
    same = ("@timestamp", "s_job_id", "s_user_alias", "s_error_type")
    where = Where(equals={"s_error_source": "human", "s_job_id": kept["s_job_id"]}, exists=("s_error_fingerprint",))
    return {
        other.id: str(other.body["s_error_fingerprint"])
        for other in index.scan("verdicts", where)
        if other.id == human_key(str(other.body["s_error_fingerprint"]))
        and all(other.body.get(name) == kept.get(name) for name in same)
    }


def _changed(index: DocumentIndex, key: str, jobs: Sequence[Document], wanted: dict[str, Body]) -> Labelled:
    """Write the fields into these jobs' documents and into those of their steps that carry the same error."""
    chosen = [job for job in jobs if job.id in wanted]
    steps = {step.id: wanted[job] for step, job in _steps(index, chosen)}
    if wanted:
        index.update("jobs", wanted)
    if steps:
        index.update("steps", steps)
    index.refresh()
    before: dict[str, int] = {}
    for job in chosen:
        word = str(job.body.get("s_error_type") or job.body.get("s_error_state"))
        before[word] = before.get(word, 0) + 1
    return Labelled(
        key=key,
        jobs=tuple(sorted(wanted)),
        steps=tuple(sorted(steps)),
        hours=tuple(sorted({str(job.body["s_partition"]) for job in jobs if "s_partition" in job.body})),
        before=tuple(sorted(before.items(), key=lambda item: (-item[1], item[0]))),
    )


def _steps(index: DocumentIndex, jobs: Sequence[Document]) -> Iterable[tuple[Document, str]]:
    """The failed steps with the job's own error, each with its job's document id."""
    by_key = {(str(job.body["s_job_id"]), job.body.get("l_run_attempt")): job for job in jobs}
    ids = sorted({job for job, _ in by_key})
    for start in range(0, len(ids), CHUNK):
        where = Where(equals={"s_job_id": ids[start : start + CHUNK]}, exists=("s_error_fingerprint",))
        for step in index.scan("steps", where):
            job = by_key.get((str(step.body["s_job_id"]), step.body.get("l_run_attempt")))
            if job is not None and step.body["s_error_fingerprint"] == job.body.get("s_error_fingerprint"):
                yield step, job.id
