from __future__ import annotations

import csv
import io
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ci_metrics.commands.top import top as top_command
from ci_metrics.history.groups import groups
from ci_metrics.history.time_range import Window
from ci_metrics.history.top import BY, top_rows
from ci_metrics.index.document_index import DocumentIndex
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics_tests.history.history_documents import index_of_the_sample
from ci_metrics_tests.report.corpus import END, corpus

DOCUMENTS = corpus(14)
WINDOW = Window(END - timedelta(days=14), END)
JOBS = [d.body for d in DOCUMENTS if d.kind == "jobs" and d.body["@timestamp"] < "2026-11-23"]


def test_rows_are_a_plain_count_with_rates(any_index: DocumentIndex) -> None:
    any_index.upsert(DOCUMENTS)
    any_index.refresh()
    for what, names in (("repos", ["s_repo"]), ("jobs", ["s_repo", "s_workflow_name", "s_job_name"])):
        failed: Counter[str] = Counter()
        ran: Counter[str] = Counter()
        for body in JOBS:
            name = " · ".join(body[n] for n in names)
            ran[name] += 1
            failed[name] += body["s_status"] == "failure"
        rows = top_rows(any_index, what, WINDOW.where())
        assert {row.name: row.failed for row in rows} == {name: n for name, n in failed.items() if n}
        assert all(row.jobs == ran[row.name] for row in rows)
        assert [row.failed for row in rows] == sorted((row.failed for row in rows), reverse=True)
        assert sum(row.share for row in rows) == pytest.approx(1)


def test_both_indices_rank_alike_by_everything(any_index: DocumentIndex, tmp_path: Path) -> None:
    reference = EmbeddedIndex(tmp_path / "reference.sqlite")
    for index in (any_index, reference):
        index.upsert(DOCUMENTS)
        index.refresh()
    for what in BY:
        assert top_rows(any_index, what, WINDOW.where(), 8) == top_rows(reference, what, WINDOW.where(), 8), what
    reference.close()


def test_groups_are_those_of_the_groups_table(embedded_index: DocumentIndex) -> None:
    embedded_index.upsert(DOCUMENTS)
    found = groups(embedded_index, WINDOW.where())
    rows = top_rows(embedded_index, "groups", WINDOW.where())
    assert [(row.name, row.failed, row.lost_minutes) for row in rows] == [
        (g.id, g.count, g.lost_minutes) for g in found
    ]


def test_the_command_prints_a_table_json_and_csv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    index = index_of_the_sample(tmp_path, monkeypatch)
    index.upsert(DOCUMENTS)
    index.close()
    span: dict[str, Any] = {"from_": "2026-11-09", "to": "2026-11-22"}
    top_command("types", json=True, limit=3, **span)
    rows = json.loads(capsys.readouterr().out)
    top_command("types", csv=True, limit=3, **span)
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["name"] for row in rows] == [line["name"] for line in lines]
    assert [str(row["failed"]) for row in rows] == [line["failed"] for line in lines]
    top_command("jobs", **span)
    said = capsys.readouterr().out
    assert "What fails most, by jobs: 09 Nov 2026 to 22 Nov 2026" in said
    assert "acme/shop · CI" in said
    top_command("repos", from_="2020-01-01", to="2020-01-02")
    assert "No failure in" in capsys.readouterr().out
