"""Persons' verdicts on all failures like one, under the fingerprints that another version of the algorithm gives these failures.

What belongs here: copying such a verdict to the key that the judge looks under now. Does not: giving and withdrawing verdicts
(`history/labels.py`).

A verdict is kept under a fingerprint, and a new version of the algorithm gives the same failure another. Two things say which: the
verdict quotes the line that it was given for, and of a line the version in force can say what it names; and a job that carried the
verdict when its hour was judged last has its root cause still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ci_metrics.history.attempts import first_line
from ci_metrics.index.base import Document, DocumentIndex, Where
from ci_metrics.logs import FINGERPRINT_VERSION, fingerprint
from ci_metrics.orchestration.rows import JobExtraction, JobKey, JobVerdicts
from ci_metrics.verdicts.reuse import human_key, label_key


def carry_labels(
    index: DocumentIndex, rows: Sequence[JobExtraction], before: Mapping[JobKey, JobVerdicts] | None = None
) -> int:
    """Copy what persons said under other versions' fingerprints to those of these errors that are like it; how many copies were made.

    `before`: the jobs' last verdicts. What a person said under the fingerprint in force stays, and so does the original: other hours
    may need it.
    """
    by_name: dict[str, Document] = {}
    by_fingerprint: dict[str, Document] = {}
    said = Where(equals={"s_error_source": "human"}, exists=("s_error_fingerprint",))
    for kept in index.scan("verdicts", said, sort="@timestamp"):  # the newest of a name is last
        if _of_another_version(kept):
            by_fingerprint[str(kept.body["s_error_fingerprint"])] = kept
            by_name[fingerprint.group_of_line(first_line(str(kept.body.get("s_error_evidence") or "")))] = kept
    by_name.pop("", None)
    if not by_fingerprint:
        return 0
    copies = {}
    for row in rows:
        last = (before or {}).get(row.key)
        carried = last.judged[0] if last is not None and last.judged else None
        for place, error in enumerate(row.extraction.errors):
            like = by_name.get(error.group) or by_name.get(fingerprint.group_of_line(error.headline))
            if like is None and place == 0 and carried is not None and carried.verdict.source == "human":
                like = by_fingerprint.get(carried.error.fingerprint)
            if like is not None and not error.generic:
                body = {**like.body, "s_error_fingerprint": error.fingerprint, "s_error_group": error.group}
                copies[label_key(error)] = Document("verdicts", label_key(error), body)
    made = sum(index.create(copy) for copy in copies.values())
    if made:
        index.refresh()
    return made


def _of_another_version(kept: Document) -> bool:
    known = str(kept.body["s_error_fingerprint"])
    return kept.id == human_key(known) and known.partition("-")[0] != f"f{FINGERPRINT_VERSION}"
