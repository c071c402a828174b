"""An index made again from the hours is the one that was there, people's labels included."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ci_metrics.commands.reindex import reindex
from ci_metrics.errors import NotFoundError
from ci_metrics.index.document_index import Document
from ci_metrics.index.open import open_index
from ci_metrics.settings import Settings
from ci_metrics_tests.orchestration.home_0_1 import HOUR, home_of_0_1


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("CI_METRICS_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return home_of_0_1(tmp_path)


def documents_of(settings: Settings) -> dict[str, Any]:
    """All but which Dagster run made them, which only the index knew."""
    with closing(open_index(settings)) as index:
        found = [each for kind in ("workflows", "jobs", "steps") for each in index.scan(kind)]
    return {each.id: {k: v for k, v in each.body.items() if k != "s_dagster_run_id"} for each in found}


def test_a_lost_index_comes_back_from_the_hours_with_its_labels(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reindex() == 0  # documents as this version makes them; the label gets its file
    before = documents_of(settings)
    assert len(before) == 27
    assert [b["s_error_type"] for b in before.values() if b.get("s_error_source") == "human"]
    (settings.data_dir / "index.sqlite").unlink()
    capsys.readouterr()
    assert reindex(json_=True) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["hours"], done["documents"], done["created"], done["labels"]) == (
        1,
        27,
        27,
        2,
    )  # under both fingerprints
    assert documents_of(settings) == before


def test_documents_that_no_hour_says_any_more_go_and_those_of_hours_that_are_not_stored_stay(
    settings: Settings,
) -> None:
    with closing(open_index(settings)) as index:
        index.upsert(
            [
                Document("jobs", "of a deleted run", {"s_partition": HOUR}),
                Document("jobs", "of a pruned hour", {"s_partition": "2025-12-02T09"}),
            ]
        )
    assert reindex() == 0
    assert "of a deleted run" not in documents_of(settings)
    assert "of a pruned hour" in documents_of(settings)


def test_an_hour_that_cannot_be_indexed_is_named_and_keeps_no_other_back(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    hours = settings.data_dir / "hours"
    (hours / "workflow_runs" / "2026-03-02T08.parquet").write_bytes(b"damaged")
    (hours / "hours" / "2026-03-02T08").mkdir()
    assert reindex() == 1
    said = capsys.readouterr()
    assert "27 documents of 1 hours" in said.out
    assert "hour 2026-03-02T08 could not be indexed:" in said.err


def test_without_hours_there_is_nothing_to_make_an_index_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI_METRICS_HOME", str(tmp_path))
    with pytest.raises(NotFoundError, match="no hour is stored"):
        reindex()
