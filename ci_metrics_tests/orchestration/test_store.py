"""The files of hours: whole or not there, and equal to what was put in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ci_metrics.errors import ContractError, DamagedFileError, NotFoundError, OvertakenError, ShapeError
from ci_metrics.models import Annotation, Extraction, Job, LogLine
from ci_metrics.orchestration.storage.rows import JobExtraction, JobVerdicts, JudgedError
from ci_metrics.orchestration.storage.store import HourStore, log_path
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


def test_only_rows_with_wanted_values_are_read_and_a_missing_value_is_none_of_them(store: HourStore) -> None:
    jobs = [
        replace(job(number), repo=f"octo/{number % 3}", conclusion=("success", "failure", None)[number % 7 % 3])
        for number in range(1_200)  # more than are read at once
    ]
    store.write("workflow_jobs", HOUR, jobs, Job, {})
    wanted = {"repo": {"octo/1", "octo/2"}, "conclusion": {"success"}}
    found = store.matching("workflow_jobs", HOUR, Job, wanted, without=("steps",))
    assert found == [replace(each, steps=()) for each in jobs if each.repo != "octo/0" and each.conclusion == "success"]
    assert 0 < len(found) < len(jobs)
    assert store.matching("workflow_jobs", HOUR, Job, {"repo": {"octo/9"}}) == []
    assert store.matching("workflow_jobs", "2026-03-02T06", Job, wanted) == []


def test_an_empty_hour_is_an_hour(store: HourStore) -> None:
    store.write("workflow_jobs", HOUR, [], Job, {})
    assert store.exists("workflow_jobs", HOUR)
    assert store.read("workflow_jobs", HOUR, Job) == []


def test_a_missing_hour_says_what_to_materialize(store: HourStore) -> None:
    with pytest.raises(NotFoundError, match=f"Materialize workflow_jobs for {HOUR} first"):
        store.read("workflow_jobs", HOUR, Job)


def test_rows_of_another_record_are_refused_with_advice_not_guessed_and_not_taken_for_none(store: HourStore) -> None:
    store.write("workflow_jobs", HOUR, [Annotation(level="notice", message="m")], Annotation, {})
    for read in (store.read, store.read_or_none):
        with pytest.raises(ShapeError, match=r"0.repo: Field required.*Materialize the hour again"):
            read("workflow_jobs", HOUR, Job)


def test_rows_of_another_record_in_the_place_of_those_that_were_written_are_damage(store: HourStore) -> None:
    store.commit("workflow_jobs", HOUR, [job(1)], Job, notes={}, status={}, now=MOMENT)
    store.write("elsewhere", HOUR, [Annotation(level="notice", message="m")], Annotation, {})
    written, other = (Path(str(store.root), asset, f"{HOUR}.parquet") for asset in ("workflow_jobs", "elsewhere"))
    written.write_bytes(other.read_bytes())
    with pytest.raises(DamagedFileError, match=r"not the one that was written: .*0.repo: Field required"):
        store.read("workflow_jobs", HOUR, Job)
    assert store.read_or_none("workflow_jobs", HOUR, Job) == []


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    name: str
    size: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPart:
    """What somebody wants to know of a step."""

    completed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPart:
    """What somebody wants to know of a job."""

    steps: tuple[StepPart, ...]
    labels: tuple[str, ...]
    name: str


def test_of_records_with_few_fields_only_their_columns_are_read_in_parts_of_lists_too(store: HourStore) -> None:
    store.write("workflow_jobs", HOUR, [job(1), job(2)], Job, {})
    wanted = JobPart(steps=(StepPart(completed_at=MOMENT),), labels=("a", "b"), name="build (ä, “x”)")
    assert store.read("workflow_jobs", HOUR, JobPart) == [wanted, wanted]
    path = Path(str(store.root)) / "workflow_jobs" / f"{HOUR}.parquet"
    data, column = bytearray(path.read_bytes()), pq.ParquetFile(path).metadata.row_group(0).column(0)
    start = column.dictionary_page_offset or column.data_page_offset
    data[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)  # `repo` is damaged
    path.write_bytes(data)
    assert store.read("workflow_jobs", HOUR, JobPart) == [wanted, wanted]
    with pytest.raises(DamagedFileError):
        store.read("workflow_jobs", HOUR, Job)


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """A record as it was once."""

    name: str
    size: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterPart:
    name: str
    size: int = 1
    owner: str | None  # added since, without a default
    words: tuple[str, ...] = ("new",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """The same record with fields added, at every depth, and one taken away."""

    name: str
    parts: tuple[LaterPart, ...]
    seen: datetime | None
    state: Literal["new", "old"] = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class WordsForNumbers:
    name: str
    size: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherParts:
    name: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsMore:
    name: str
    owner: str


FIRST = [First(name="a", size=2, parts=(Part(name="x"), Part(name="y"))), First(name="b", size=3, parts=())]


def test_fields_added_to_a_record_leave_what_is_stored_readable(store: HourStore) -> None:
    store.write("workflow_jobs", HOUR, FIRST, First, {})
    parts = tuple(LaterPart(name=name, owner=None) for name in "xy")
    assert store.read_or_none("workflow_jobs", HOUR, Later) == [
        Later(name="a", parts=parts, seen=None),
        Later(name="b", parts=(), seen=None),
    ]


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (WordsForNumbers, "size: stored as int64, read as string"),
        (OtherParts, "parts: stored as struct"),
        (NeedsMore, "0.owner: Field required"),
    ],
)
def test_rows_that_cannot_be_read_name_the_field_and_stay_as_they_are(store: HourStore, kind: type, named: str) -> None:
    store.write("workflow_jobs", HOUR, FIRST, First, {})
    for read in (store.read, store.read_or_none):
        with pytest.raises(ShapeError, match=f"stored {kind.__name__} rows have another shape .{named}"):
            read("workflow_jobs", HOUR, kind)
    assert store.read("workflow_jobs", HOUR, First) == FIRST


def test_files_of_a_later_version_are_refused_and_stay_as_they_are(store: HourStore) -> None:
    store.commit("workflow_jobs", HOUR, [job(1)], Job, notes={}, status={}, now=MOMENT)
    [rows] = Path(str(store.root)).rglob("*.parquet")
    table = pq.read_table(rows)
    later = {**(table.schema.metadata or {}), b"ci_metrics.format": b"99"}
    pq.write_table(table.replace_schema_metadata(later), rows)
    for read in (store.read, store.read_or_none):
        with pytest.raises(
            ShapeError, match=r"workflow_jobs, hour .* written by a later version \(format 99, known up to"
        ):
            read("workflow_jobs", HOUR, Job)
    [state] = Path(str(store.root)).rglob(f"{HOUR}.json")
    state.write_text(state.read_text().replace('"format":2', '"format":99'))
    for look in (store.states, lambda: store.state(HOUR), lambda: HourStore(store.root).look(HOUR)):
        with pytest.raises(ShapeError, match="the state of an hour was written by a later version"):
            look()


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (replace(job(7), runner_id=2**64), "runner_id is 18446744073709551616, beyond 64 bits"),
        (replace(job(7), runner_id=-(2**63) - 1), "runner_id is -9223372036854775809, beyond 64 bits"),
        (replace(job(7), name="a\ud800b"), "name holds half a character"),
        (replace(job(7), labels=("a", "\udfff")), r"labels\[1\] holds half a character"),
        (replace(job(7), steps=(replace(job(7).steps[0], number=2**70),)), r"steps\[0\].number is .* beyond 64 bits"),
    ],
)
def test_a_row_that_no_table_can_hold_is_named_and_the_hour_stays_as_it_was(
    store: HourStore, bad: Job, named: str
) -> None:
    store.write("workflow_jobs", HOUR, [job(1)], Job, {})
    with pytest.raises(ContractError, match=f"a Job cannot be stored: {named}"):
        store.commit("workflow_jobs", HOUR, [job(1), bad], Job, notes={}, status={}, now=MOMENT)
    assert store.read("workflow_jobs", HOUR, Job) == [job(1)]
    assert not store.state(HOUR)


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
    """The table whose structs that have the field `of` lack the field `name`, as an
    earlier version wrote it.
    """

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
    store.commit("workflow_jobs", HOUR, [job(1)], Job, notes={"n": 1}, status={"jobs": 1}, now=MOMENT)
    with store.log_writer(HOUR, "7-1") as write:
        write(b"x\n")
    assert store.read("workflow_jobs", HOUR, Job) == [job(1)]
    assert store.hours() == [HOUR]
    assert store.states() == {HOUR: store.state(HOUR)}
    with store.open_log(HOUR, log_path("7-1")) as log:
        assert log.read() == b"x\n"


def test_what_is_read_while_an_hour_is_worked_on_is_what_was_committed_and_the_callers_own(store: HourStore) -> None:
    store.look(HOUR)
    store.commit("workflow_jobs", HOUR, [job(1)], Job, notes={"n": [1]}, status={}, now=MOMENT)
    store.look(HOUR)
    rows = store.read("workflow_jobs", HOUR, Job)
    rows.clear()
    assert store.read("workflow_jobs", HOUR, Job) == [job(1)]
    assert store.notes("workflow_jobs", HOUR) == {"n": [1]}
    HourStore(store.root).commit("workflow_jobs", HOUR, [job(2)], Job, notes={}, status={}, now=MOMENT)
    store.look(HOUR)
    with pytest.raises(OvertakenError, match=f"another run has written workflow_jobs of hour {HOUR}"):
        store.commit("workflow_jobs", HOUR, [job(3)], Job, notes={}, status={}, now=MOMENT)
    store.look(HOUR, anew=True)
    assert store.read("workflow_jobs", HOUR, Job) == [job(2)], "another process has committed since"
    assert store.notes("workflow_jobs", HOUR) == {}


@pytest.mark.parametrize(
    "damage", [b"", b"PAR1", b"PAR1" + b"\0" * 200 + b"PAR1", b"not parquet at all, however long it may be"]
)
def test_a_damaged_file_is_said_to_be_and_counts_as_not_made(store: HourStore, damage: bytes) -> None:
    store.write("workflow_jobs", HOUR, [job(1)], Job, {"settled": [[1, 1]]})
    (Path(str(store.root)) / "workflow_jobs" / f"{HOUR}.parquet").write_bytes(damage)
    with pytest.raises(DamagedFileError, match="damaged"):
        store.read("workflow_jobs", HOUR, Job)
    assert store.read_or_none("workflow_jobs", HOUR, Job) == []
    assert store.matching("workflow_jobs", HOUR, Job, {"repo": {job(1).repo}}) == []
    assert store.notes("workflow_jobs", HOUR) == {}
