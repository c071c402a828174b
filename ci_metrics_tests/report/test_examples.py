from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ci_metrics.frames import jobs as jobs_frame
from ci_metrics.history.job_counts import collect
from ci_metrics.history.time_range import Window
from ci_metrics.index.document_index import DocumentIndex
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics_tests.report.corpus import END, corpus

SCRIPT = Path(__file__).parents[2] / "docs" / "examples" / "frames.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("frames_example", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_examples_tables_agree_with_the_report_on_both_indices(
    example: ModuleType, any_index: DocumentIndex
) -> None:
    any_index.upsert(corpus(8))
    any_index.refresh()
    figures = collect(any_index, Window(END.replace(day=1), END.replace(day=25)))
    jobs = jobs_frame(index=any_index)
    days = example.failure_rate_by_day(jobs)
    assert (int(days["failed"].sum()), int(days["jobs"].sum())) == (figures.failed, figures.jobs)
    categories = example.lost_by_category(jobs)
    assert {row.name: row.failed for row in figures.types}.items() <= categories["failures"].to_dict().items()
    assert example.spend_by_model(jobs)["usd"].sum() == pytest.approx(figures.spend.cost)
    assert int(example.flaky_jobs(jobs)["failures"].sum()) == sum(bool(f.flaky) for f in figures.failures)
    assert float(categories["minutes"].sum()) == pytest.approx(figures.lost / 60, abs=1)


def test_the_script_runs_with_the_settings_of_the_upload(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path / "sample" / "index.sqlite")
    index.upsert(corpus(4))
    index.close()
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_INDEX") and name != "REPO"}
    environment = {**kept, "CI_METRICS_HOME": str(tmp_path), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.returncode == 0
    for title in ("Failure rate by day", "Lost time by category", "Flaky jobs", "Model spend"):
        assert title in done.stdout
