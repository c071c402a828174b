"""What comes from outside fits into a table, or its field is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ci_metrics.errors import ContractError
from ci_metrics.models import Annotation, Job
from ci_metrics.orchestration.row_limits import MOST_MESSAGE, MOST_NAME, within_limits
from ci_metrics.orchestration.store import HourStore
from ci_metrics_tests.orchestration.test_store import HOUR, job

JOB = job(7)
STEP = JOB.steps[0]


@pytest.mark.parametrize(
    ("raw", "limited"),
    [
        (JOB, JOB),
        (replace(JOB, runner_id=2**64), replace(JOB, runner_id=None)),
        (replace(JOB, runner_id=2**63 - 1), replace(JOB, runner_id=2**63 - 1)),
        (replace(JOB, name="a\0b\ud800c"), replace(JOB, name="a\ufffdb\ufffdc")),
        (replace(JOB, name="ä 😀 \x1b[31m"), replace(JOB, name="ä 😀 \x1b[31m")),
        (replace(JOB, labels=("a", "\udfff")), replace(JOB, labels=("a", "\ufffd"))),
        (
            replace(JOB, steps=(replace(STEP, name="x" * 1_000_000),)),
            replace(JOB, steps=(replace(STEP, name="x" * MOST_NAME + "… (995904 characters cut)"),)),
        ),
        (
            replace(JOB, annotations=(Annotation(level="failure", message="m" * (MOST_MESSAGE + 1)),)),
            replace(JOB, annotations=(Annotation(level="failure", message="m" * MOST_MESSAGE + "… (1 characters cut)"),)),
        ),
        (
            replace(JOB, annotations=(Annotation(level="notice", message="m", start_line=2**80),)),
            replace(JOB, annotations=(Annotation(level="notice", message="m", start_line=None),)),
        ),
    ],
)  # fmt: skip
def test_texts_are_cleaned_and_optional_numbers_dropped_so_that_the_job_is_stored(
    tmp_path: Path, raw: Job, limited: Job
) -> None:
    assert within_limits(raw) == limited
    store = HourStore(tmp_path)
    store.write("workflow_jobs", HOUR, [within_limits(raw)], Job, {})
    assert store.read("workflow_jobs", HOUR, Job) == [limited]


def test_a_record_that_fits_is_the_same_object() -> None:
    assert within_limits(JOB) is JOB


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (replace(JOB, job_id=2**64), "job_id is 18446744073709551616, beyond 64 bits"),
        (replace(JOB, steps=(STEP, replace(STEP, number=-(2**64)))), r"steps\[1\].number is -18446744073709551616"),
    ],
)
def test_a_number_that_must_be_there_is_named(raw: Job, named: str) -> None:
    with pytest.raises(ContractError, match=named):
        within_limits(raw)
