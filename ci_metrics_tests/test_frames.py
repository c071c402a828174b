"""Frames have the same shape whatever they hold."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from ci_metrics import frames
from ci_metrics.errors import ContractError
from ci_metrics.history.metrics import CONDITIONS
from ci_metrics.index.document_index import DocumentIndex, Where
from ci_metrics.index.field_table import KINDS, fields_of
from ci_metrics_tests.report.corpus import corpus


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_has_a_typed_column_for_every_field_also_when_it_is_empty(
    kind: str, embedded_index: DocumentIndex
) -> None:
    empty = frames.documents(kind, index=embedded_index)  # type: ignore[arg-type]
    embedded_index.upsert(corpus(2))
    full = frames.documents(kind, index=embedded_index)  # type: ignore[arg-type]
    assert len(empty) == 0
    assert list(empty.columns) == list(full.columns) == list(fields_of(kind))  # type: ignore[arg-type]
    assert empty.dtypes.astype(str).to_dict() == full.dtypes.astype(str).to_dict()
    assert empty.index.name == full.index.name == "id"


def test_times_numbers_and_flags_are_what_they_say_and_absent_ones_are_missing(any_index: DocumentIndex) -> None:
    documents = {document.id: document.body for document in corpus(2) if document.kind == "jobs"}
    any_index.upsert(corpus(2))
    any_index.refresh()
    jobs = frames.jobs(index=any_index)
    assert set(jobs.index) == set(documents)
    assert set(CONDITIONS) | {"lost_sec"} <= set(jobs.columns)
    for id_, row in jobs.iterrows():
        body = documents[str(id_)]
        assert row["@timestamp"] == pd.Timestamp(body["@timestamp"])
        assert row["l_duration_sec"] == body["l_duration_sec"]
        assert pd.isna(row["s_error_type"]) == ("s_error_type" not in body)
        assert pd.isna(row["b_flaky_suspected"]) == ("b_flaky_suspected" not in body)
        assert pd.isna(row["lost_sec"]) == (not row["failure"])
        assert list(row["s_runner_labels"]) == body["s_runner_labels"]


def test_conditions_and_fields_narrow_a_frame(embedded_index: DocumentIndex) -> None:
    embedded_index.upsert(corpus(2))
    where = Where(equals={"s_status": "failure"})
    made = frames.documents("jobs", where, index=embedded_index, fields=["s_repo", "l_duration_sec"])
    assert set(made.columns) == {"s_repo", "l_duration_sec"}
    assert 0 < len(made) < len(frames.documents("jobs", index=embedded_index))


@pytest.fixture(params=["folder", "object store"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> UPath:
    made = UPath(tmp_path / "hours") if request.param == "folder" else UPath(f"memory://frames{tmp_path}")
    (made / "verdicts").mkdir(parents=True)
    for hour, rows in (
        ("2026-03-02T05", [{"job": 1, "judged": [{"type": "timeout"}]}]),
        ("2026-03-02T06", []),
        ("2026-03-02T07", [{"job": 2, "judged": []}, {"job": 3, "judged": []}]),
    ):
        schema = pa.schema([("job", pa.int64()), ("judged", pa.list_(pa.struct([("type", pa.string())])))])
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink)
        (made / "verdicts" / f"{hour}.parquet").write_bytes(sink.getvalue().to_pybytes())
    return made


def test_stored_hours_come_as_one_frame_that_says_which_hour_a_row_is_of(root: UPath) -> None:
    rows = frames.hours("verdicts", root=root)
    assert rows[["job", "hour"]].to_numpy().tolist() == [
        [1, "2026-03-02T05"], [2, "2026-03-02T07"], [3, "2026-03-02T07"]
    ]  # fmt: skip
    assert rows["judged"][0].tolist() == [{"type": "timeout"}]
    assert frames.hours("verdicts", first="2026-03-02T06", root=root)["job"].tolist() == [2, 3]
    assert frames.hours("verdicts", last="2026-03-02T06", root=root)["job"].tolist() == [1]
    assert frames.hours("verdicts", first="2027-01-01T00", root=root).empty
    assert frames.hours("nothing", root=root).empty


def test_a_damaged_file_is_named(root: UPath) -> None:
    (root / "verdicts" / "2026-03-02T06.parquet").write_bytes(b"PAR1")
    with pytest.raises(ContractError, match=r"2026-03-02T06\.parquet is damaged\. Materialize"):
        frames.hours("verdicts", root=root)
