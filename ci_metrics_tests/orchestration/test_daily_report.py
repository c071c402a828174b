from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from ci_metrics.definitions import build_definitions
from ci_metrics.history.cause_states import CauseRecords
from ci_metrics.orchestration.assets.daily_report import NAME, build, report_day
from ci_metrics.orchestration.jobs import REPORT
from ci_metrics.orchestration.partitions import hourly_partitions
from ci_metrics.orchestration.parts import HoursPart, Parts, open_parts
from ci_metrics.orchestration.storage.rows import JobVerdicts
from ci_metrics.settings import load_settings
from ci_metrics_tests.orchestration.conftest import resources_of
from ci_metrics_tests.report.corpus import END, corpus

# The exact pin of Dagster is our answer to what it calls beta.
pytestmark = pytest.mark.filterwarnings("ignore:Parameter `backfill_policy`")

START = datetime(2026, 11, 1, tzinfo=UTC)
OWN = {"REPO": "o/r", "GITHUB_TOKEN": "t"}


@dg.asset(partitions_def=hourly_partitions(START))
def documents() -> None:
    """Stands for the asset that writes the documents."""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Parts]:
    """Parts whose index holds three weeks."""
    with open_parts(load_settings({"CI_METRICS_HOME": str(tmp_path)})) as made:
        made.index.documents.upsert(corpus(21))
        yield made


def test_a_range_of_days_gives_one_report_a_day_linked_from_dagster(place: Parts) -> None:
    report = build(START, None, documents)
    tags = {"dagster/asset_partition_range_start": "2026-11-18", "dagster/asset_partition_range_end": "2026-11-20"}
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [report, documents], selection=[report], instance=instance, resources=resources_of(place), tags=tags
        )
        events = result.asset_materializations_for_node(NAME)
    assert [event.partition for event in events] == ["2026-11-18", "2026-11-19", "2026-11-20"]
    for event in events:
        file = Path(str(event.metadata["path"].value))
        end = datetime.fromisoformat(f"{event.partition}T00:00:00+00:00") + timedelta(days=1)
        page = file.read_text(encoding="utf-8")
        assert f"{end - timedelta(days=7):%d %b %Y} to {end - timedelta(days=1):%d %b %Y}" in page
        assert event.metadata["report"].value == f"[Open the report of the week](/ci-metrics/reports/{event.partition})"
        assert event.metadata["failed_jobs"].value != 0
        told = str(event.metadata["summary"].value)
        assert re.search(r" on main of .+ (?:ha(?:s|ve) been red since|w(?:as|ere) red for) ", told)
        assert "What happened" in page
    assert datetime(2026, 11, 21, tzinfo=UTC) < END


def test_a_page_outlives_the_documents_it_was_made_of(place: Parts) -> None:
    report_day(place.hours, place.index, CauseRecords(), "2026-11-20")
    file = Path(str(place.hours.store.root / NAME / "2026-11-20.html"))
    page = file.read_text(encoding="utf-8")
    place.index.documents.delete("jobs", [document.id for document in place.index.documents.scan("jobs")])
    assert report_day(place.hours, place.index, CauseRecords(), "2026-11-20")["jobs"] == 0
    assert file.read_text(encoding="utf-8") == page


def test_a_day_without_documents_gives_a_report_that_says_so(place: Parts) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [build(START - timedelta(days=90), None, documents), documents],
            selection=[NAME],
            partition_key="2026-08-20",
            instance=instance,
            resources=resources_of(place),
        )
        (event,) = result.asset_materializations_for_node(NAME)
    assert "Nothing to show" in Path(str(event.metadata["path"].value)).read_text(encoding="utf-8")


def test_the_daily_job_says_too_whether_stored_hours_are_stale(tmp_path: Path) -> None:
    settings = load_settings({"CI_METRICS_HOME": str(tmp_path), "ENABLE_ERROR_CLASSIFICATION": "true", **OWN})
    hours = HoursPart(settings)
    hours.store.commit(
        "classifications", "2026-11-17T05", [], JobVerdicts, notes={}, status={"version": "an older one"}, now=START
    )
    job = build_definitions(settings=settings).resolve_job_def(REPORT)
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, partition_key="2026-11-20")
        assert [event.partition for event in result.asset_materializations_for_node(NAME)] == ["2026-11-20"]
        (stale,) = result.get_asset_check_evaluations()
    assert (stale.check_name, stale.passed) == ("judged_by_this_version", False)
    assert stale.metadata["first"].value == "2026-11-17T05"
