"""Which hours come back, and when: decisions on noted statuses alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ci_metrics.orchestration.due_hours import HourRange, is_unfinished, old_and_open, plan, silent_hours
from ci_metrics.orchestration.partitions import chunks_of, hour_key, hours_between

NOW = datetime(2026, 3, 10, 12, 20, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)


def status(seen: datetime, **parts: object) -> dict[str, object]:
    at = seen.isoformat()
    return {"workflow_runs": {"at": at, **parts}, "indexed_documents": {"at": at}, "failure_history": {"at": at}}


def all_seen(first: str, last: str, seen: datetime) -> dict[str, dict[str, object]]:
    return {key: status(seen) for key in hours_between(first, last)}


def test_a_fresh_installation_redoes_nothing_by_itself() -> None:
    assert plan(NOW, [], lambda hour: None, START) == []


def test_a_backfill_of_old_history_does_not_pull_in_all_that_lies_between() -> None:
    known = all_seen("2026-01-05T00", "2026-01-05T23", NOW)
    assert plan(NOW, known, known.get, START) == []


def test_hours_missed_in_a_downtime_longer_than_dagsters_five_ticks_are_caught_up() -> None:
    known = all_seen("2026-03-09T00", "2026-03-09T10", NOW)
    ranges = plan(NOW, known, known.get, START, most_ranges=9)
    assert ranges[0].reason == "missing"
    missing = [key for r in ranges if r.reason == "missing" for key in hours_between(r.first, r.last)]
    assert sorted(missing) == hours_between("2026-03-09T11", "2026-03-10T11")


def test_the_hour_that_is_still_open_is_never_asked_for() -> None:
    known = all_seen("2026-03-10T00", "2026-03-10T11", NOW)
    assert all(r.last <= "2026-03-10T11" for r in plan(NOW, known, known.get, START))


@pytest.mark.parametrize(
    ("age_hours", "waited_minutes", "due"),
    [
        (2, 10, False),
        (2, 16, True),
        (30, 60, False),
        (30, 130, True),
        (24 * 10, 60 * 5, False),
        (24 * 10, 60 * 25, True),
    ],
)
def test_an_unfinished_hour_is_asked_again_less_often_the_older_it_is(
    age_hours: int, waited_minutes: int, due: bool
) -> None:
    key = hour_key(NOW - timedelta(hours=age_hours))
    known = all_seen(key, "2026-03-10T11", NOW)
    known[key] = status(NOW - timedelta(minutes=waited_minutes), unfinished=1)
    ranges = plan(NOW, known, known.get, START, most_ranges=50)
    assert (HourRange(key, key, "unfinished") in ranges) is due


def test_a_finished_hour_is_swept_for_re_runs_until_github_allows_none() -> None:
    long_ago = NOW - timedelta(days=2)
    known = all_seen("2026-02-01T00", "2026-03-10T11", long_ago)
    swept = {key for r in plan(NOW, known, known.get, START, most_ranges=99) for key in hours_between(r.first, r.last)}
    assert min(swept) == hour_key(NOW - timedelta(days=30))
    assert "2026-03-10T11" in swept


def test_a_tick_is_bounded_and_prefers_missing_to_unfinished_to_swept() -> None:
    known = all_seen("2026-02-20T00", "2026-03-08T00", NOW - timedelta(days=3))
    known["2026-03-07T00"] = status(NOW - timedelta(days=1), unfinished=2)
    ranges = plan(NOW, known, known.get, START, most_ranges=4)
    assert [r.reason for r in ranges] == ["missing", "missing", "missing", "unfinished"]


@pytest.mark.parametrize(
    ("parts", "unfinished"),
    [
        ({"workflow_runs": {"at": "x", "unfinished": 1}, "indexed_documents": {}, "failure_history": {}}, True),
        ({"workflow_runs": {"problems": {"a/b": "boom"}}, "indexed_documents": {}, "failure_history": {}}, True),
        ({"workflow_runs": {}, "classifications": {"open": 3}, "indexed_documents": {}, "failure_history": {}}, True),
        ({"workflow_runs": {}}, True),  # the chain broke off before the index
        ({"workflow_runs": {"unfinished": 0, "problems": {}}, "indexed_documents": {}, "failure_history": {}}, False),
        # killed between writing documents and looking at their history
        ({"workflow_runs": {}, "indexed_documents": {"written": 3, "at": "b"}, "failure_history": {"at": "a"}}, True),
        ({"workflow_runs": {}, "indexed_documents": {"written": 0, "at": "b"}, "failure_history": {"at": "a"}}, False),
    ],
)
def test_an_hour_is_unfinished_while_anything_in_it_is_open(parts: dict[str, object], unfinished: bool) -> None:
    assert is_unfinished(parts) is unfinished


def test_ranges_cover_exactly_the_hours_asked_for_and_hold_a_day_at_most() -> None:
    keys = [*hours_between("2026-03-01T00", "2026-03-02T05"), "2026-03-04T00", "2026-03-04T02"]
    ranges = chunks_of(keys)
    assert [key for first, last in ranges for key in hours_between(first, last)] == keys
    assert ranges[0] == ("2026-03-01T00", "2026-03-01T23")
    assert ranges[-1] == ("2026-03-04T02", "2026-03-04T02")


def test_silence_is_noticed_after_the_promised_hours() -> None:
    assert silent_hours(NOW, ["2026-03-10T05"], 6)
    assert not silent_hours(NOW, ["2026-03-10T06"], 6)


def test_old_hours_with_open_verdicts_come_back_once_an_hour_and_young_ones_are_the_plans() -> None:
    statuses = {
        "2026-01-05T00": status(NOW - timedelta(minutes=59)),
        "2026-01-05T01": status(NOW - timedelta(minutes=60)),
        "2026-03-09T11": status(NOW - timedelta(days=1)),
    }
    assert old_and_open(NOW, [*statuses, "2026-01-06T00"], statuses.get) == ["2026-01-05T01", "2026-01-06T00"]
