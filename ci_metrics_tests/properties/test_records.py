"""Of anything that GitHub's API might answer: it is a record that can be stored and comes back,
or an error that names it.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci_metrics.errors import ContractError
from ci_metrics.github.answers import parsed_json
from ci_metrics.github.json_fields import read
from ci_metrics.github.schemas import CheckAnnotation, WorkflowJob, WorkflowRun, job_from_object
from ci_metrics.models import Annotation, Job, Run
from ci_metrics.orchestration.storage.arrow_tables import arrow_table, records_of

_TIMES = st.sampled_from(("2026-03-02T09:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59+14:00", "yesterday", ""))
_TEXT = st.text(max_size=30)  # lone surrogates too: JSON can spell them
_ANY: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT | _TIMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)


def _objects(fields: tuple[str, ...], **known: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of these fields, each holding what it should or anything."""
    texts = dict.fromkeys(fields, _TEXT | _ANY)
    return st.fixed_dictionaries({}, optional={**texts, **{name: each | _ANY for name, each in known.items()}})


_NUMBERS = st.integers(0, 2**70) | st.integers(0, 99)
_STEPS = st.lists(
    _objects(("name", "status", "conclusion"), number=_NUMBERS, started_at=_TIMES, completed_at=_TIMES), max_size=3
)
RUNS = _objects(
    ("name", "event", "status", "conclusion", "head_branch", "head_sha", "display_title", "html_url"),
    id=_NUMBERS, run_attempt=_NUMBERS, run_number=_NUMBERS, check_suite_id=_NUMBERS, created_at=_TIMES, updated_at=_TIMES,
    run_started_at=_TIMES, actor=_objects(("login",)), head_repository=_objects(("full_name",)), pull_requests=st.lists(_ANY, max_size=2),
)  # fmt: skip
JOBS = _objects(
    ("name", "workflow_name", "status", "conclusion", "head_branch", "head_sha", "runner_name", "html_url"),
    id=_NUMBERS, run_id=_NUMBERS, run_attempt=_NUMBERS, runner_id=_NUMBERS, created_at=_TIMES, started_at=_TIMES,
    completed_at=_TIMES, labels=st.lists(_TEXT, max_size=3), steps=_STEPS,
)  # fmt: skip
ANNOTATIONS = _objects(("annotation_level", "message", "title", "path"), start_line=_NUMBERS)

CASES = [
    (WorkflowRun, Run, RUNS, lambda each: each.record("octo/widgets")),
    (WorkflowJob, Job, JOBS, lambda each: each.record("octo/widgets")),
    (CheckAnnotation, Annotation, ANNOTATIONS, lambda each: each.record()),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0].__name__)
@given(data=st.data())
def test_an_object_is_a_record_that_can_be_stored_or_its_field_is_named(case: Any, data: st.DataObject) -> None:
    model, kind, objects, record_of = case
    value = data.draw(objects | _ANY)
    try:
        record = record_of(read(model, value, "octo/widgets"))
    except ContractError as error:
        assert len(str(error)) < 1_000 and "\n" not in str(error)
        return
    rows = records_of(arrow_table([record], kind).to_batches()[0], kind)
    assert rows == [record]


@given(JOBS | _ANY)
def test_a_jobs_file_is_a_job_or_an_error_that_says_why_not(value: Any) -> None:
    try:
        job = job_from_object(value)
    except ContractError as error:
        assert len(str(error)) < 1_000
        return
    assert isinstance(job, Job)


@given(st.binary(max_size=60) | _ANY.map(lambda value: json.dumps(value).encode()))
def test_any_answer_is_json_or_a_value_error(body: bytes) -> None:
    try:
        parsed = parsed_json(body)
    except ValueError:
        return
    assert parsed is None or isinstance(parsed, bool | int | float | str | list | dict)
