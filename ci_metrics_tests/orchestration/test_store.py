"""The files of hours: whole or not there, and equal to what was put in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ci_metrics.errors import ContractError, NotFoundError
from ci_metrics.models import Annotation, Extraction, Job, LogLine
from ci_metrics.orchestration.due_hours import is_unfinished
from ci_metrics.orchestration.rows import JobExtraction, JobVerdicts, JudgedError
from ci_metrics.orchestration.store import HourStore, log_path
from ci_metrics_tests.builders import a_job, a_job_log, a_step, a_verdict, an_error

HOUR = "2026-03-02T05"
MOMENT = datetime(2026, 3, 2, 5, 1, 2, tzinfo=UTC)


def job(number: int) -> Job:
    """With a missing time and a missing number, nested parts, and a name that is not ASCII."""
    return a_job(
        job_id=number,
        name="build (ä, “x”)",
        created_at=MOMENT,
        started_at=None,
        completed_at=MOMENT,
        runner_id=None,
        runner_name=None,
        labels=("a", "b"),
        steps=(a_step(1, None, started_at=None, completed_at=MOMENT),),
        annotations=(Annotation(level="failure", message="m"),),
    )


@pytest.fixture
def store(tmp_path: Path) -> HourStore:
    return HourStore(tmp_path / "hours")


def test_records_come_back_equal_with_their_nested_parts_and_missing_times(store: HourStore) -> None:
    jobs = [job(1), job(2)]
    store.write("workflow_jobs", HOUR, jobs, Job, {"settled": [[1, 1]]})
    assert store.read("workflow_jobs", HOUR, Job) == jobs
    assert store.notes("workflow_jobs", HOUR) == {"settled": [[1, 1]]}


def test_an_empty_hour_is_an_hour(store: HourStore) -> None:
    store.write("workflow_jobs", HOUR, [], Job, {})
    assert store.exists("workflow_jobs", HOUR)
    assert store.read("workflow_jobs", HOUR, Job) == []


def test_a_missing_hour_says_what_to_materialize(store: HourStore) -> None:
    with pytest.raises(NotFoundError, match=f"Materialize workflow_jobs for {HOUR} first"):
        store.read("workflow_jobs", HOUR, Job)


def test_rows_of_an_older_shape_are_refused_with_advice_not_guessed(store: HourStore) -> None:
    store.write("workflow_jobs", HOUR, [Annotation(level="notice", message="m")], Annotation, {})
    with pytest.raises(ContractError, match="Materialize the hour again"):
        store.read("workflow_jobs", HOUR, Job)


def test_rows_stored_before_errors_had_a_confidence_are_read_as_not_known(store: HourStore, tmp_path: Path) -> None:
    error, verdict = an_error(lines=(LogLine(42, "error: x"),), confidence=0.7), a_verdict()
    failed = job(7)
    log = a_job_log(failed)
    key: dict[str, Any] = {"repo": log.repo, "run_id": log.run_id, "run_attempt": 1, "job_id": 7, "digest": "d"}
    extraction = JobExtraction(**key, log=log, extraction=Extraction(state="errors", errors=(error,)))
    judged = JobVerdicts(**key, state="classified", judged=(JudgedError(error=error, verdict=verdict),))
    for name, row, kind in (("extracted_errors", extraction, JobExtraction), ("classifications", judged, JobVerdicts)):
        store.write(name, HOUR, [row], kind, {})
        assert store.read(name, HOUR, kind) == [row]
        file = next((tmp_path / "hours" / name).glob("*.parquet"))
        table = pq.read_table(file)
        pq.write_table(without(table, "confidence", of="headline"), file)
    unknown = replace(error, confidence=0.0)
    [row] = store.read("extracted_errors", HOUR, JobExtraction)
    assert row.extraction.errors == (unknown,)
    [old] = store.read("classifications", HOUR, JobVerdicts)
    assert old.judged == (JudgedError(error=unknown, verdict=verdict),)


def without(table: pa.Table, name: str, *, of: str) -> pa.Table:
    """The table whose structs that have the field `of` lack the field `name`, as an earlier version wrote it."""

    def shape(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_list(kind):
            return pa.list_(shape(kind.value_type))
        if pa.types.is_struct(kind):
            fields = [kind.field(i) for i in range(kind.num_fields)]
            old = any(field.name == of for field in fields)
            return pa.struct([pa.field(f.name, shape(f.type)) for f in fields if not (old and f.name == name)])
        return kind

    return pa.Table.from_pylist(
        table.to_pylist(), schema=pa.schema([pa.field(f.name, shape(f.type)) for f in table.schema])
    )


def test_a_log_is_stored_whole_or_not_at_all(store: HourStore, tmp_path: Path) -> None:
    with store.log_writer(HOUR, "7-1") as write:
        for part in (b"first\n", b"second\n"):
            write(part)
    with store.open_log(HOUR, log_path("7-1")) as log:
        assert log.read() == b"first\nsecond\n"
    with pytest.raises(RuntimeError), store.log_writer(HOUR, "8-1") as write:
        write(b"half")
        raise RuntimeError("the connection broke")
    left = sorted(path.name for path in (tmp_path / "hours" / "job_logs" / HOUR).iterdir())
    assert left == ["7-1.log.zst"]


def test_an_object_store_address_works_like_a_folder() -> None:
    store = HourStore("memory://hours-test")
    store.write("workflow_jobs", HOUR, [job(1)], Job, {"n": 1})
    store.note_status(HOUR, "workflow_runs", {"runs": 1}, MOMENT)
    with store.log_writer(HOUR, "7-1") as write:
        write(b"x\n")
    assert store.read("workflow_jobs", HOUR, Job) == [job(1)]
    assert store.hours() == [HOUR]
    with store.open_log(HOUR, log_path("7-1")) as log:
        assert log.read() == b"x\n"


def test_parts_of_an_hours_status_do_not_overwrite_each_other(store: HourStore) -> None:
    store.note_status(HOUR, "workflow_runs", {"unfinished": 2}, MOMENT)
    store.note_status(HOUR, "job_logs", {"logs": {}}, MOMENT)
    status = store.status(HOUR)
    assert status is not None
    assert status["workflow_runs"]["unfinished"] == 2
    assert set(status) == {"workflow_runs", "job_logs"}
    assert store.status("2026-03-02T06") is None


@pytest.mark.parametrize(
    "damage", [b"", b"PAR1", b"PAR1" + b"\0" * 200 + b"PAR1", b"not parquet at all, however long it may be"]
)
def test_a_damaged_file_is_said_to_be_and_counts_as_not_made(store: HourStore, damage: bytes) -> None:
    store.write("workflow_jobs", HOUR, [job(1)], Job, {"settled": [[1, 1]]})
    (Path(str(store.root)) / "workflow_jobs" / f"{HOUR}.parquet").write_bytes(damage)
    with pytest.raises(ContractError, match="damaged"):
        store.read("workflow_jobs", HOUR, Job)
    assert store.read_or_none("workflow_jobs", HOUR, Job) == []
    assert store.notes("workflow_jobs", HOUR) == {}


@pytest.mark.parametrize("damage", [b"", b'{"workflow_runs": {"at": ', b"\xff\xfe"])
def test_a_damaged_status_means_that_the_hour_is_redone(store: HourStore, damage: bytes) -> None:
    store.note_status(HOUR, "workflow_runs", {"unfinished": 0}, MOMENT)
    (Path(str(store.root)) / "hours" / HOUR / "workflow_runs.json").write_bytes(damage)
    assert is_unfinished(store.status(HOUR) or {})
    store.note_status(HOUR, "workflow_runs", {"unfinished": 0}, MOMENT)
    assert (store.status(HOUR) or {})["workflow_runs"]["unfinished"] == 0


def test_an_hour_is_known_by_its_parts_in_a_folder_and_in_an_object_store(store: HourStore) -> None:
    for place in (store, HourStore("memory://parts-test")):
        assert (place.hours(), place.status(HOUR)) == ([], None)
        place.note_status(HOUR, "workflow_runs", {"unfinished": 2}, MOMENT)
        place.note_status(HOUR, "job_logs", {"logs": {"stored": 1}}, MOMENT)
        status = place.status(HOUR) or {}
        assert {name: part["at"] for name, part in status.items()} == dict.fromkeys(
            ("workflow_runs", "job_logs"), "2026-03-02T05:01:02+00:00"
        )
        assert place.hours() == [HOUR]
