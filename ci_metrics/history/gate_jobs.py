"""Gates: jobs that fail only because others of their run did, listed with the failures they waited
for.

What belongs here: which gates stand behind which failures. Does not: what a gate is (`metrics.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from ci_metrics.history.attempts import CHUNK
from ci_metrics.history.failures import Failure
from ci_metrics.history.metrics import FAILED_STATUSES, GATE
from ci_metrics.index.document_index import Body, DocumentIndex, Where

#: (run id, attempt) -> the names of its gates, in order.
Gates = Mapping[tuple[str, int], Sequence[str]]

_FIELDS = ("s_workflow_id", "l_run_attempt", "s_job_name", "s_status", "s_error_state", "s_classifier_version")


def gates_among(bodies: Iterable[Body]) -> Gates:
    """The gates among these jobs."""
    found: dict[tuple[str, int], set[str]] = defaultdict(set)
    for body in bodies:
        if GATE.holds(body):
            key = (str(body.get("s_workflow_id") or ""), int(body.get("l_run_attempt") or 1))
            found[key].add(str(body.get("s_job_name") or ""))
    return {key: sorted(names) for key, names in found.items()}


def gates_of_runs(index: DocumentIndex, run_ids: Collection[str]) -> Gates:
    """The gates of these runs, in all their attempts."""
    ordered = sorted(run_ids)
    equals = {"s_status": FAILED_STATUSES, "s_error_state": "no_error_found"}
    return gates_among(
        document.body
        for start in range(0, len(ordered), CHUNK)
        for document in index.scan(
            "jobs", Where(equals={**equals, "s_workflow_id": ordered[start : start + CHUNK]}), fields=_FIELDS
        )
    )


def with_gates(failures: Iterable[Failure], gates: Gates) -> list[Failure]:
    """The failures, each with the gates of its run's attempt."""
    return [
        replace(failure, gates=tuple(found)) if (found := gates.get((failure.run_id, failure.attempt))) else failure
        for failure in failures
    ]
