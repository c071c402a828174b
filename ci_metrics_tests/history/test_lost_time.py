from __future__ import annotations

import pytest

from ci_metrics.history.lost_time import lost_seconds
from ci_metrics.index.document_index import Document
from ci_metrics_tests.history.history_documents import attempts, job

F = "f1-a"

FAILED = job(1, minutes=10, fingerprint=F)
PASSED_AGAIN = job(1, attempt=2, minutes=7, status="success")

CASES: dict[str, tuple[list[Document], dict[str, float]]] = {
    "a failure without a re-run loses its own time": ([FAILED], {"test/1": 10}),
    "a re-run that passes is the failure's loss": ([FAILED, PASSED_AGAIN], {"test/1": 17}),
    "a re-run that fails is its own loss, not twice": (
        [
            FAILED,
            job(1, attempt=2, minutes=8, fingerprint=F),
            job(1, attempt=3, minutes=7, status="success"),
        ],
        {"test/1": 10, "test/2": 15},
    ),
    "a job that had passed and ran again is shared by the failed ones": (
        [
            FAILED,
            job(1, name="lint", minutes=2, fingerprint="f1-b"),
            job(1, name="build", minutes=6, status="success"),
            job(1, name="build", attempt=2, minutes=6, status="success"),
            PASSED_AGAIN,
            job(1, name="lint", attempt=2, minutes=1, status="success"),
        ],
        {"test/1": 10 + 7 + 3, "lint/1": 2 + 1 + 3},
    ),
    "a job that had only waited for the failed one loses nothing": (
        [
            FAILED,
            job(1, name="deploy", status="skipped", minutes=0),
            PASSED_AGAIN,
            job(1, name="deploy", attempt=2, status="success", minutes=5),
        ],
        {"test/1": 17},
    ),
    "a run without a failure that is run again loses nothing": (
        [job(1, status="success"), job(1, attempt=2, status="success")],
        {},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_lost_second_is_blamed_once(case: str) -> None:
    documents, expected = CASES[case]
    found = attempts(*documents)
    names = {attempt.id: f"{attempt.job}/{attempt.number}" for attempt in found}
    assert {names[id_]: seconds / 60 for id_, seconds in lost_seconds(found).items()} == expected
