"""Which hours come back, of which repositories, and when: decisions on states alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ci_metrics.orchestration.due_hours import (
    HourRange,
    due_repositories,
    due_sweeps,
    old_and_open,
    plan,
    repositories_to_ask,
    silent_hours,
)
from ci_metrics.orchestration.partitions import chunks_of, hour_key, hours_between
from ci_metrics.orchestration.storage.hours import AssetRecord, HourState, RepoRecord, SetAside

NOW = datetime(2026, 3, 10, 12, 20, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)
REPOS = ("o/a", "o/b")


def part(seen: datetime, unfinished: int = 0, tries: int = 0) -> RepoRecord:
    aside = {"listing": SetAside(why="404", tries=tries)} if tries else {}
    return RepoRecord(seen=seen, unfinished=unfinished, set_aside=aside)


def state(seen: datetime, *, open_verdicts: int = 0, **parts: RepoRecord) -> HourState:
    """A finished hour of `o/a` and `o/b` that was worked on at `seen`; `parts`
    (`a`, `b`): those that differ.
    """
    repos = {repo: parts.get(repo[-1], part(seen)) for repo in REPOS}
    return HourState(
        assets={
            "workflow_runs": AssetRecord(seen=seen, repos=repos, commit="r"),
            "classifications": AssetRecord(seen=seen, open=open_verdicts, commit="c"),
            "indexed_documents": AssetRecord(seen=seen, commit="d", made_of={"classifications": "c"}),
            "failure_history": AssetRecord(seen=seen, made_of={"indexed_documents": "d"}),
        }
    )


def all_seen(first: str, last: str, seen: datetime) -> dict[str, HourState]:
    return {key: state(seen) for key in hours_between(first, last)}


def test_a_fresh_installation_redoes_nothing_by_itself() -> None:
    assert plan(NOW, {}, REPOS, START) == []


def test_a_backfill_of_old_history_does_not_pull_in_all_that_lies_between() -> None:
    known = all_seen("2026-01-05T00", "2026-01-05T23", NOW)
    assert plan(NOW, known, REPOS, START) == []


def test_hours_missed_in_a_downtime_longer_than_dagsters_five_ticks_are_caught_up() -> None:
    known = all_seen("2026-03-09T00", "2026-03-09T10", NOW)
    ranges = plan(NOW, known, REPOS, START, most_ranges=9)
    assert ranges[0].reason == "missing"
    missing = [key for r in ranges if r.reason == "missing" for key in hours_between(r.first, r.last)]
    assert sorted(missing) == hours_between("2026-03-09T11", "2026-03-10T11")


def test_the_hour_that_is_still_open_is_never_asked_for() -> None:
    known = all_seen("2026-03-10T00", "2026-03-10T11", NOW)
    assert all(r.last <= "2026-03-10T11" for r in plan(NOW, known, REPOS, START))


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
    seen = NOW - timedelta(minutes=waited_minutes)
    known[key] = state(seen, b=part(seen, unfinished=1))
    ranges = plan(NOW, known, REPOS, START, most_ranges=50)
    assert (HourRange(key, key, "unfinished") in ranges) is due


def test_a_finished_hour_is_due_only_for_what_was_seen_to_change_after_it_was_asked_for() -> None:
    seen = NOW - timedelta(days=2)
    known = all_seen("2026-02-01T00", "2026-03-10T11", seen)
    assert plan(NOW, known, REPOS, START) == []
    key = "2026-03-01T05"
    after, before = seen + timedelta(minutes=1), seen
    marked = {key: {"o/a": after, "o/b": before, "o/else": after}, "2026-03-02T05": {"o/a": before}}
    assert plan(NOW, known, REPOS, START, marked=marked) == [HourRange(key, key, "changed")]
    assert due_repositories(NOW, key, known[key], REPOS, marked[key]) == ["o/a"]


def test_days_are_swept_while_github_allows_re_runs_and_the_newest_more_often() -> None:
    hours = hours_between("2026-01-20T00", "2026-03-10T11")
    first = due_sweeps(NOW, hours, {}, {})
    assert (min(first), max(first)) == ("2026-02-07", "2026-03-10"), "a day longer than re-runs are allowed"
    assert set(first.values()) == {None}
    for waited, due in (
        (timedelta(hours=2, minutes=59), set()),
        (timedelta(hours=3), {"2026-03-10", "2026-03-09"}),
        (timedelta(hours=24), set(first)),
    ):
        swept = dict.fromkeys(first, NOW - waited)
        assert set(due_sweeps(NOW, hours, swept, {})) == due
    swept = {day: NOW - timedelta(days=2, minutes=n) for n, day in enumerate(first)}
    assert list(due_sweeps(NOW, hours, swept, {})) == list(reversed(first)), "the oldest look first"


def test_repositories_that_a_sweep_could_not_ask_are_asked_again_alone() -> None:
    swept = {"2026-03-09": NOW, "2026-03-10": NOW}
    hours = hours_between("2026-03-09T00", "2026-03-10T11")
    ahead = dict.fromkeys(swept, NOW + timedelta(days=300))
    assert set(due_sweeps(NOW, hours, ahead, {})) == set(swept), "noted by a clock that ran ahead"
    assert due_sweeps(NOW, hours, swept, {"2026-03-09": ["o/a"], "2026-03-10": []}) == {"2026-03-09": ["o/a"]}


def test_a_tick_is_bounded_and_prefers_missing_to_unfinished() -> None:
    known = all_seen("2026-02-20T00", "2026-03-08T00", NOW - timedelta(days=3))
    seen = NOW - timedelta(days=1)
    known["2026-03-07T00"] = state(seen, a=part(seen, unfinished=2))
    ranges = plan(NOW, known, REPOS, START, most_ranges=4)
    assert [r.reason for r in ranges] == ["missing", "missing", "missing", "unfinished"]


def changed(whole: HourState, asset: str, **values: object) -> HourState:
    """The state with other values in one asset's record; without the
    record where there are none.
    """
    if not values:
        return HourState(assets={name: record for name, record in whole.assets.items() if name != asset})
    return whole.having(asset, replace(whole.assets[asset], **values))  # type: ignore[arg-type]


FINISHED = state(NOW)


@pytest.mark.parametrize(
    ("is_finished", "of"),
    [
        (True, FINISHED),
        (False, HourState()),
        (False, state(NOW, a=part(NOW, unfinished=1))),
        (False, state(NOW, b=part(NOW, tries=1))),
        (False, state(NOW, open_verdicts=3)),
        (False, changed(FINISHED, "indexed_documents")),  # the chain broke off before the index
        (False, changed(FINISHED, "failure_history")),
        (False, changed(FINISHED, "classifications", commit="c2")),  # documents are of older verdicts
        (False, changed(FINISHED, "indexed_documents", commit="d2")),  # killed before their history was looked at
        (False, changed(FINISHED, "job_logs") .having("job_logs", AssetRecord(seen=NOW, failed=SetAside(why="x")))),
    ],
)  # fmt: skip
def test_an_hour_is_unfinished_while_anything_in_it_is_open(is_finished: bool, of: HourState) -> None:
    assert of.is_finished is is_finished


def test_only_the_repositories_that_are_due_are_asked_for_and_a_person_asks_for_all() -> None:
    key = "2026-03-10T10"
    waiting = state(NOW, a=part(NOW - timedelta(minutes=16), tries=1), b=part(NOW - timedelta(hours=1)))
    assert due_repositories(NOW, key, waiting, REPOS) == ["o/a"]
    assert due_repositories(NOW, key, waiting, (*REPOS, "o/new")) == ["o/a", "o/new"]
    for reason, asked in (("unfinished", ["o/a"]), ("changed", ["o/a"]), ("schedule", list(REPOS)), ("", list(REPOS))):
        assert repositories_to_ask(NOW, key, waiting, REPOS, reason) == asked
    later = NOW + timedelta(hours=2)
    assert due_repositories(later, key, state(NOW, a=part(later)), REPOS) == [], "finished"


def test_one_repository_that_fails_again_and_again_is_asked_for_seldom_and_the_others_as_ever() -> None:
    key, seen = "2026-03-10T10", NOW
    waits = []
    for tries in range(1, 12):
        failing = state(NOW, a=part(seen, tries=tries))
        minutes = next(
            m for m in range(0, 1500, 5) if due_repositories(seen + timedelta(minutes=m), key, failing, ["o/a"])
        )
        waits.append(minutes)
    assert waits[:4] == [15, 30, 60, 120]
    assert waits[-1] == 24 * 60
    assert waits == sorted(waits)
    hour_old = state(NOW, a=part(NOW, tries=9), b=part(NOW))
    changed_since = {"o/b": NOW + timedelta(minutes=1)}
    assert due_repositories(NOW + timedelta(hours=3), key, hour_old, REPOS, changed_since) == ["o/b"]


def test_an_hour_that_could_not_be_done_at_all_waits_too() -> None:
    key = "2026-03-10T10"
    failed = HourState(assets={"workflow_runs": AssetRecord(seen=NOW, failed=SetAside(why="401", tries=3))})
    for minutes, due in ((59, False), (60, True)):
        now = NOW + timedelta(minutes=minutes)
        assert (due_repositories(now, key, failed, REPOS) == list(REPOS)) is due
        assert (HourRange(key, key, "unfinished") in plan(now, {key: failed}, REPOS, START, most_ranges=9)) is due


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
    states = {
        "2026-01-05T00": state(NOW - timedelta(minutes=59), open_verdicts=1),
        "2026-01-05T01": state(NOW - timedelta(minutes=60), open_verdicts=1),
        "2026-01-05T02": state(NOW - timedelta(minutes=60)),
        "2026-01-06T00": state(NOW - timedelta(days=1), open_verdicts=1),
        "2026-03-09T11": state(NOW - timedelta(days=1), open_verdicts=1),
    }
    assert old_and_open(NOW, states) == ["2026-01-05T01", "2026-01-06T00"]
