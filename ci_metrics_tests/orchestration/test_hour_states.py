"""The states of hours: none lost, a damaged one made again, and many
found with few looks at files.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ci_metrics.models import Annotation
from ci_metrics.orchestration.partitions import hours_between
from ci_metrics.orchestration.storage.hours import Outcome
from ci_metrics.orchestration.storage.store import HourStore

HOUR = "2026-03-02T05"
MOMENT = datetime(2026, 3, 2, 6, 1, 2, tzinfo=UTC)
WHOLE = ("workflow_runs", "indexed_documents", "failure_history")

NOTING = """
import sys
from datetime import UTC, datetime
from ci_metrics.models import Annotation
from ci_metrics.orchestration.storage.store import HourStore
store = HourStore(sys.argv[1])
for n in range(60):
    store.commit(f"asset-{sys.argv[2]}-{n}", "2026-03-02T05", [], Annotation, notes={}, status={}, now=datetime.now(UTC))
"""


def note(store: HourStore, asset: str, hour: str = HOUR, now: datetime = MOMENT, **status: Any) -> None:
    store.commit(asset, hour, [], Annotation, notes={}, status=status, now=now)


def places(tmp_path: Path) -> list[HourStore]:
    return [HourStore(tmp_path / "hours"), HourStore(f"memory://{tmp_path.name}")]


def test_an_hour_is_known_by_its_assets_in_a_folder_and_in_an_object_store(tmp_path: Path) -> None:
    for store in places(tmp_path):
        assert (store.hours(), store.states(), bool(store.state(HOUR))) == ([], {}, False)
        note(store, "workflow_runs", runs=2)
        note(store, "job_logs", logs={"stored": 1}, version="7")
        state = store.state(HOUR)
        assert {name: record.seen for name, record in state.assets.items()} == dict.fromkeys(
            ("workflow_runs", "job_logs"), MOMENT
        )
        assert state.assets["job_logs"].said == {"logs": {"stored": 1}}
        assert state.assets["job_logs"].version == "7"
        assert store.hours() == [HOUR]


def test_two_processes_that_work_on_one_hour_lose_no_record(tmp_path: Path) -> None:
    command = [sys.executable, "-c", NOTING, str(tmp_path / "hours")]
    writers = [subprocess.Popen([*command, name]) for name in ("a", "b")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert len(HourStore(tmp_path / "hours").state(HOUR).assets) == 120


@pytest.mark.parametrize(
    "damage", [b"", b'{"assets": {"workflow_runs": ', b"\xff\xfe", b'{"assets": {"x": {"seen": 7}}}']
)
def test_a_damaged_state_means_that_the_hour_is_done_again(tmp_path: Path, damage: bytes) -> None:
    store = HourStore(tmp_path / "hours")
    for asset in WHOLE:
        note(store, asset)
    assert store.state(HOUR).is_finished
    [file] = (tmp_path / "hours").rglob(f"{HOUR}.json")
    file.write_bytes(damage)
    assert not store.state(HOUR).is_finished
    assert not store.states()[HOUR].is_finished
    for asset in WHOLE:
        note(store, asset)
    assert store.states()[HOUR].is_finished


def test_hours_with_open_verdicts_are_found_without_a_look_at_the_others(tmp_path: Path) -> None:
    for store in places(tmp_path):
        for hour, open_verdicts in (("2026-01-02T03", 2), ("2026-01-02T04", 0), ("2026-02-02T04", 1)):
            note(store, "classifications", hour, open=open_verdicts)
        assert store.open_hours() == ["2026-01-02T03", "2026-02-02T04"]
        note(store, "classifications", "2026-01-02T03", open=0)
        assert store.open_hours() == ["2026-02-02T04"]


class Counted:
    """Counts the requests of a store's file system by their kind."""

    def __init__(self, store: HourStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.requests: Counter[str] = Counter()
        fs = store.root.fs
        for name in ("ls", "cat_file", "pipe_file", "rm_file", "info", "exists", "_open"):
            monkeypatch.setattr(fs, name, self._counting(name, getattr(fs, name)))

    def _counting(self, name: str, act: Any) -> Any:
        def counted(*args: Any, **given: Any) -> Any:
            self.requests[name] += 1
            return act(*args, **given)

        return counted


def test_a_look_at_thirty_days_costs_few_requests_and_sees_what_others_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"memory://{tmp_path.name}"
    keys = hours_between("2026-02-10T00", "2026-03-11T23")
    for key in keys:
        note(HourStore(address), "workflow_runs", key)
    first = HourStore(address).states()
    assert list(first) == keys
    store = HourStore(address)
    note(HourStore(address), "workflow_runs", keys[5], MOMENT + timedelta(hours=1))
    counted = Counted(store, monkeypatch)
    again = store.states(keys[0], keys[-1])
    assert again == {**first, keys[5]: store.state(keys[5])}
    assert again[keys[5]].last_seen == MOMENT + timedelta(hours=1)
    assert counted.requests.total() < 20, counted.requests


def test_a_damaged_cache_of_states_is_none(tmp_path: Path) -> None:
    store = HourStore(tmp_path / "hours")
    for key in hours_between("2026-03-01T00", "2026-03-01T23"):
        note(store, "workflow_runs", key)
    whole = store.states()
    [cache] = (tmp_path / "hours").rglob("cache.zst")
    for damage in (b"", b"no zstd", cache.read_bytes()[:-9]):
        cache.write_bytes(damage)
        assert store.states() == whole


def test_a_repositorys_tries_are_counted_and_the_others_parts_stay(tmp_path: Path) -> None:
    store = HourStore(tmp_path / "hours")

    def work(minutes: int, asked: list[str], failures: dict[str, dict[str, str]]) -> None:
        outcome = Outcome(repos=("o/a", "o/b"), asked=asked, failures=failures, notes_finished=True)
        now = MOMENT + timedelta(minutes=minutes)
        store.commit("workflow_runs", HOUR, [], Annotation, notes={}, status={}, now=now, outcome=outcome)

    work(0, ["o/a", "o/b"], {"o/a": {"listing": "gone"}})
    work(1, ["o/a"], {"o/a": {"listing": "gone still"}})
    parts = store.state(HOUR).assets["workflow_runs"].repos
    assert (parts["o/a"].tries, parts["o/a"].seen) == (2, MOMENT + timedelta(minutes=1))
    assert (parts["o/b"].tries, parts["o/b"].seen) == (0, MOMENT)
    assert store.state(HOUR).set_aside == {"o/a listing": "gone still"}
    work(2, ["o/a"], {})
    assert store.state(HOUR).set_aside == {}


def test_an_hour_that_could_not_be_done_keeps_its_rows_and_says_why_until_it_is(tmp_path: Path) -> None:
    store = HourStore(tmp_path / "hours")
    for asset in WHOLE:
        note(store, asset)
    commit = store.state(HOUR).commit("indexed_documents")
    for run in ("r1", "r2"):
        store.set_aside("indexed_documents", HOUR, "the index refused x", run=run, now=MOMENT)
    failed = store.state(HOUR).assets["indexed_documents"].failed
    assert failed is not None
    assert (failed.tries, failed.run) == (2, "r2")
    assert store.state(HOUR).commit("indexed_documents") == commit
    assert not store.state(HOUR).is_finished
    note(store, "indexed_documents")
    assert store.state(HOUR).is_finished
