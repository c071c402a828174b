"""Persons' verdicts on single jobs, in the stored hours: applied whenever an hour is judged, forgotten when withdrawn.

What belongs here: what a label on one job (`history/labels.py`) means for rows and for the list of written documents. Does not:
labels on all failures of one fingerprint, which the judge applies.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from ci_metrics.models import ExtractedError, Verdict
from ci_metrics.orchestration.rows import IndexedDocument, JobVerdicts, JudgedError
from ci_metrics.orchestration.store import HourStore
from ci_metrics.orchestration.verdict_store import IndexVerdictStore
from ci_metrics.verdicts.reuse import human_key

#: The asset that lists the documents an hour has written.
INDEXED = "indexed_documents"


def with_job_labels(verdicts: IndexVerdictStore, rows: Sequence[JobVerdicts]) -> list[JobVerdicts]:
    """The rows, with the root verdict of each labelled job replaced by the person's."""
    keys = {human_key(_document_id(row)): row.key for row in rows}
    labels = {keys[key]: stored.verdict for key, stored in verdicts.get(sorted(keys)).items()}
    return [_labelled(row, labels[row.key]) if row.key in labels else row for row in rows]


def forget_documents(store: HourStore, hours: Collection[str], ids: Collection[str]) -> None:
    """Make the hours write these documents anew when they are redone: they were changed in the index meanwhile."""
    for hour in hours:
        rows = store.read_or_none(INDEXED, hour, IndexedDocument)
        kept = [row for row in rows if row.id not in ids]
        if len(kept) < len(rows):
            store.write(INDEXED, hour, kept, IndexedDocument, store.notes(INDEXED, hour))


def _document_id(row: JobVerdicts) -> str:
    return f"github-job-{row.job_id}-attempt-{row.run_attempt}"


def _labelled(row: JobVerdicts, said: Verdict) -> JobVerdicts:
    root = row.judged[0] if row.judged else _nothing_found(said)
    machine = root.verdict
    verdict = replace(
        said,
        source="human",
        summary=said.detail or machine.summary or said.summary,
        evidence=machine.evidence or said.evidence,
        fingerprint=root.error.fingerprint,
        classifier_version=machine.classifier_version or said.classifier_version,
        usage=machine.usage,
    )
    return replace(row, state="classified", judged=(replace(root, verdict=verdict), *row.judged[1:]))


def _nothing_found(said: Verdict) -> JudgedError:
    """The error of a job in whose log none was found, or which has no log: all that is known of it is what the person says."""
    error = ExtractedError(
        headline=said.summary,
        line=None,
        spans=(),
        lines=(),
        step=None,
        step_number=None,
        fingerprint="",
        group="",
        generic=True,
        source="annotation",
    )
    return JudgedError(error=error, verdict=said)
