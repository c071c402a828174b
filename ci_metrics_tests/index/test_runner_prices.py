"""What runners cost at list price."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ci_metrics.errors import ContractError
from ci_metrics.index.documents import job_document, workflow_document
from ci_metrics.index.runner_prices import billed, load_runner_prices
from ci_metrics_tests.builders import a_job, a_run

PRICES = load_runner_prices()


@pytest.mark.parametrize(
    ("labels", "usd"),
    [
        (("ubuntu-latest",), 0.006),
        (("ubuntu-24.04",), 0.006),
        (("ubuntu-slim",), 0.002),
        (("ubuntu-24.04-arm",), 0.005),
        (("ubuntu-latest-4-cores",), 0.012),
        (("ubuntu-22.04-16core",), 0.042),
        (("ubuntu-latest-8-cores-arm64",), 0.014),
        (("windows-2025",), 0.01),
        (("windows-11-arm",), 0.008),
        (("windows-latest-8-cores",), 0.042),
        (("macos-15",), 0.062),
        (("macos-15-intel",), 0.062),
        (("macos-14-large",), 0.077),
        (("macos-latest-xlarge",), 0.102),
        (("self-hosted", "linux", "x64"), 0.0),
        (("our-own-pool",), None),
        (("ubuntu-latest-3-cores",), None),
        ((), None),
    ],
)
def test_labels_have_the_list_price_of_their_runner_and_unknown_ones_none(
    labels: tuple[str, ...], usd: float | None
) -> None:
    assert PRICES.per_minute(labels) == usd


def test_the_list_says_of_which_day_it_is_and_where_it_stands() -> None:
    assert PRICES.checked == "2026-01-01"
    assert PRICES.source.startswith("https://docs.github.com/")


@pytest.mark.parametrize(("seconds", "minutes"), [(0, 1), (1, 1), (60, 1), (61, 2), (600, 10)])
def test_a_begun_minute_of_a_job_is_billed_whole(seconds: int, minutes: int) -> None:
    job = a_job()
    assert job.started_at is not None
    found = billed(a_job(completed_at=job.started_at + timedelta(seconds=seconds)), PRICES)
    assert found is not None
    assert found.minutes == minutes
    assert found.dollars == pytest.approx(minutes * 0.006)


def test_a_job_that_no_runner_took_or_that_still_runs_costs_nothing_known() -> None:
    for job in (a_job(runner_id=0), a_job(conclusion="skipped"), a_job(completed_at=None)):
        assert not {"l_runner_minutes", "f_runner_cost_usd"} & job_document(a_run(), job).body.keys()


def test_a_run_costs_what_its_jobs_do_and_nothing_is_said_where_a_price_is_missing() -> None:
    mac = a_job(job_id=2, labels=("macos-15",))
    body = workflow_document(a_run(), [a_job(job_id=1), mac]).body
    assert (body["l_runner_minutes"], body["f_runner_cost_usd"]) == (20, pytest.approx(10 * 0.006 + 10 * 0.062))
    body = workflow_document(a_run(), [a_job(job_id=1), a_job(job_id=2, labels=("our-pool",))]).body
    assert (body["l_runner_minutes"], "f_runner_cost_usd" in body) == (20, False)


def test_rows_of_ones_own_come_before_the_list(tmp_path: Path) -> None:
    own = tmp_path / "prices.toml"
    own.write_text(
        '[usd_per_minute.linux]\n2 = 0.004\n[[runner]]\nlabel = "gpu-*"\nusd_per_minute = 0.05\n'
        '[[runner]]\nlabel = "self-hosted"\nusd_per_minute = 0.001\n'
    )
    prices = load_runner_prices(own)
    asked = (
        ("ubuntu-latest",),
        ("ubuntu-latest-4-cores",),
        ("self-hosted", "GPU-large"),
        ("self-hosted",),
        ("windows-2022",),
    )
    assert [prices.per_minute(labels) for labels in asked] == [0.004, 0.012, 0.05, 0.001, 0.01]
    body = job_document(a_run(), a_job(labels=("gpu-x",)), prices=prices).body
    assert body["f_runner_cost_usd"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[runner]]\nlabel = 'a'\nusd_per_minute = -1", r"runner\.0\.usd_per_minute.*greater than or equal to 0"),
        ("[[runner]]\nname = 'a'", r"runner\.0"),
        ("runner = ", "not TOML"),
    ],
)
def test_a_wrong_file_of_prices_is_one_message(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(ContractError, match=rf"own\.toml: {said}"):
        load_runner_prices(tmp_path / "own.toml")
