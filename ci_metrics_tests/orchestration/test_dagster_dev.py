"""Proved against a running `dagster dev`, through the API that the web UI uses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from ci_metrics.orchestration.partitions import hour_key, hours_between, last_closed_hour
from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.sample.scenario import sample_world
from ci_metrics.sample.server import SAMPLE_TOKEN, SampleGitHub
from ci_metrics_tests.orchestration.live import ASSETS, GRAPH, LiveDagster, dagster_dev, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dagster-dev")]


@pytest.fixture(scope="module")
def sample() -> Iterator[SampleGitHub]:
    with SampleGitHub(sample_world()) as server:
        yield server


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("live")


@pytest.fixture(scope="module")
def live(sample: SampleGitHub, home: Path) -> Iterator[LiveDagster]:
    environment = {
        "GITHUB_API_URL": sample.api_url,
        "GITHUB_TOKEN": SAMPLE_TOKEN,
        "REPO": ",".join(sample.world.repos),
        "ENABLE_ERROR_CLASSIFICATION": "true",
        "CI_METRICS_HOME": str(home),
        "CI": "",
    }
    (home / "dagster").mkdir()
    with dagster_dev(home / "dagster", environment) as running:
        yield running


@pytest.fixture(scope="module")
def day(sample: SampleGitHub) -> list[str]:
    return hours_between(hour_key(sample.world.start), last_closed_hour(sample.world.end))


def files(home: Path, asset: str) -> set[str]:
    return {path.stem for path in (home / "data" / "hours" / asset).glob("*.parquet")}


def without_listings(sample: SampleGitHub) -> dict[str, int]:
    """Requests so far, but for the listings of runs that the schedule
    goes on asking for meanwhile.
    """
    return {kind: n for kind, n in sample.stats.total.items() if kind != "runs"}


def test_the_asset_graph_shows_the_lineage(live: LiveDagster) -> None:
    nodes = {
        n["assetKey"]["path"][0]: [d["path"][0] for d in n["dependencyKeys"]] for n in live.query(GRAPH)["assetNodes"]
    }
    for upstream, downstream in pairwise(ASSETS):
        assert upstream in nodes[downstream]


def test_the_schedule_ticks_and_asks_for_the_hour_that_has_closed(live: LiveDagster) -> None:
    ticks = wait_for(lambda: [t for t in live.ticks("hourly") if t["status"] == "SUCCESS" and t["runIds"]], 150)
    assert ticks[0]["runIds"]


def test_a_backfill_of_a_day_fills_exactly_those_hours_and_one_of_verdicts_alone_asks_github_nothing(
    live: LiveDagster, sample: SampleGitHub, home: Path, day: list[str]
) -> None:
    before = {asset: files(home, asset) for asset in ASSETS}
    assert live.wait_for_backfill(live.backfill(ASSETS, day)) == "COMPLETED_SUCCESS"
    for asset in ASSETS:
        assert {key for key in files(home, asset) - before[asset] if key < "2026-04"} == set(day)
    store = HourStore(home / "data" / "hours")
    seen = {hour: store.state(hour).assets["classifications"].seen for hour in day}

    asked = without_listings(sample)
    assert live.wait_for_backfill(live.backfill(("classifications", "indexed_documents"), day)) == "COMPLETED_SUCCESS"
    again = {hour: store.state(hour).assets["classifications"].seen for hour in day}
    assert all(again[hour] > seen[hour] for hour in day)
    assert without_listings(sample) == asked
