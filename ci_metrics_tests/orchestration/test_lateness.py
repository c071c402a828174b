"""A month of many repositories, simulated with the decisions of production: what docs/scaling.md
promises.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache

from bench.lateness import MOST_AN_INSTALLATION, Month, latest, simulate

HOURS = 32 * 24
REPOS = 1000


@cache
def a_month() -> Month:
    """One repository of a hundred jobs an hour."""
    return simulate(repos=1, jobs_an_hour=100, jobs_a_run=10)


def test_no_re_run_is_lost_and_each_is_seen_within_the_promised_time() -> None:
    month = a_month()
    soon, later = latest(month)
    assert len(month.late) > 150
    assert month.never == 0
    assert soon <= timedelta(hours=3, minutes=5)
    assert later <= timedelta(hours=24, minutes=5)


def test_looking_for_re_runs_costs_a_twentieth_of_what_taking_runs_in_does() -> None:
    month = a_month()
    assert month.counted["sweeps"] * 20 <= month.counted.total()
    assert month.requests["sweeps"] <= 4 * HOURS, "four listings an hour of a repository, where its hours would be 37"


def test_a_thousand_repositories_of_a_hundred_jobs_an_hour_fit_into_the_stated_installations() -> None:
    month = a_month()
    an_hour = month.counted.total() * REPOS / HOURS
    assert 95 <= month.jobs / HOURS <= 105
    assert an_hour <= 2 * MOST_AN_INSTALLATION
