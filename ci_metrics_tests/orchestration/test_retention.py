"""Pruning deletes what the settings do not keep, and what dead processes left; nothing
else, and nothing unasked.
"""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ci_metrics.commands.prune import prune
from ci_metrics.errors import SettingsError
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.parts import HoursPart, batches_folder
from ci_metrics.orchestration.retention import find_outdated, remove_outdated
from ci_metrics.orchestration.storage.atomic_files import put
from ci_metrics.orchestration.storage.batch_files import FileBatchLedger
from ci_metrics.orchestration.storage.rows import JobExtraction
from ci_metrics.settings import Settings, load_settings, with_values
from ci_metrics_tests.orchestration.home_0_1 import HOUR, files_of, home_of_0_1

NOW = datetime(2026, 5, 1, tzinfo=UTC)
YOUNG = "2026-04-20T09"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home with an old hour and a young one."""
    settings = home_of_0_1(tmp_path)
    store = HoursPart(settings).store
    store.states()
    for path in list((settings.data_dir / "hours").rglob(f"{HOUR}*")):
        target = path.with_name(path.name.replace(HOUR, YOUNG).replace(HOUR[:7], YOUNG[:7]))
        if path.parent.name == HOUR[:7]:
            target = path.parent.parent / YOUNG[:7] / target.name
            target.parent.mkdir()
        _ = shutil.copytree(path, target) if path.is_dir() else shutil.copy(path, target)
    assert store.hours() == [HOUR, YOUNG]
    return settings


def pruned(settings: Settings, **keep: Any) -> Settings:
    kept = with_values(settings, **keep)
    store = HoursPart(kept).store
    with open_instance(kept) as instance:
        remove_outdated(find_outdated(kept, store, instance, NOW), kept, store, instance)
    return kept


def names(settings: Settings) -> set[str]:
    return {name for name in files_of(settings) if "/hours/" in name and not name.endswith(".lock")}


def test_without_retention_settings_nothing_goes(settings: Settings) -> None:
    before = names(settings)
    pruned(settings)
    assert names(settings) == before


def test_old_raw_logs_go_and_what_was_read_of_them_stays(settings: Settings) -> None:
    before = names(settings)
    kept = pruned(settings, keep_logs_days=30)
    assert {name.rsplit("/", 2)[1] for name in before - names(settings)} == {HOUR}
    store = HoursPart(kept).store
    assert set(store.stored_logs()) == {YOUNG}
    assert len(store.read("extracted_errors", HOUR, JobExtraction)) == 3


def test_old_hours_go_whole_and_young_ones_stay_whole(settings: Settings) -> None:
    before = names(settings)
    kept = pruned(settings, keep_hours_days=31)
    store = HoursPart(kept).store
    assert names(settings) == {name for name in before if HOUR not in name}
    assert (store.hours(), set(store.states())) == ([YOUNG], {YOUNG})


def test_what_speaks_of_an_old_hour_alone_goes_with_it_and_what_holds_for_others_stays(settings: Settings) -> None:
    root, ledger = HoursPart(settings).store.root, FileBatchLedger(batches_folder(settings))
    for hour in (HOUR, YOUNG):
        put(root / "trace_spans" / f"{hour}.json", b"{}")
        ledger.note_waiting(hour, ["f1-a"])
    shared = (
        "sweeps.json", "marked.json", "failing.json", "repositories.json", "repositories/acme/shop.json",
        "labels/f1-a-human.json", "labels/causes/g1.json", "backgrounds/0a/asked.json", "backgrounds/0a/1-1.shapes",
        "learned/in_force.json", "alerts/sent.json", "pr_comments/told.json", "unwritten_verdicts/a.json",
    )  # fmt: skip
    for name in shared:
        put(root / name, b"{}")
    kept = pruned(settings, keep_hours_days=31, keep_logs_days=31, keep_runs_days=1)
    assert not [name for name in files_of(settings) if HOUR in name]
    assert (root / "trace_spans" / f"{YOUNG}.json").exists()
    assert set(FileBatchLedger(batches_folder(kept)).waiting_partitions()) == {YOUNG}
    assert [name for name in shared if not (root / name).exists()] == []


def test_an_hour_that_0_1_left_goes_too(tmp_path: Path) -> None:
    settings = pruned(home_of_0_1(tmp_path), keep_hours_days=31)
    assert not [name for name in names(settings) if HOUR in name]


def test_hours_so_young_that_they_would_be_fetched_again_cannot_be_pruned() -> None:
    with pytest.raises(SettingsError, match=r"KEEP_HOURS_DAYS.*at least 31"):
        load_settings({"KEEP_HOURS_DAYS": "30"})


def test_what_killed_processes_left_goes_and_what_is_being_written_stays(settings: Settings) -> None:
    root = settings.data_dir / "hours"
    (settings.data_dir / "batches").mkdir()
    dead = [root / "workflow_runs" / f".{YOUNG}.parquet.{'a' * 32}", settings.data_dir / "batches" / "tmpx.part"]
    alive = root / "workflow_runs" / f".{YOUNG}.parquet.{'b' * 32}"
    for path, age in ((dead[0], 2), (dead[1], 2), (alive, 0.5)):
        path.write_bytes(b"half")
        moment = (NOW - timedelta(hours=age)).timestamp()
        os.utime(path, (moment, moment))
    before = names(settings)
    pruned(settings)
    assert [path.exists() for path in (*dead, alive)] == [False, False, True]
    assert len(before - names(settings)) == 1


def test_old_runs_of_dagster_go_with_their_events_and_output_and_running_ones_stay(settings: Settings) -> None:
    @dg.op
    def step() -> None:
        print("done")

    @dg.job
    def nothing() -> None:
        step()

    with open_instance(settings) as instance:
        old = nothing.execute_in_process(instance=instance).run_id
        home = settings.data_dir / "dagster"
        assert (home / "history" / "runs" / f"{old}.db").exists()
        instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED)
        kept = with_values(settings, keep_runs_days=1)
        store = HoursPart(kept).store
        later = datetime.now(UTC) + timedelta(days=2)
        assert find_outdated(kept, store, instance, datetime.now(UTC)).runs == []
        remove_outdated(find_outdated(kept, store, instance, later), kept, store, instance)
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.STARTED]
    assert not [path for path in home.rglob("*") if old in path.name]


def test_the_command_says_first_what_it_would_delete(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI_METRICS_HOME", str(settings.ci_metrics_home))
    monkeypatch.setenv("KEEP_HOURS_DAYS", "31")  # by the machine's clock, all of them are old
    before = names(settings)
    assert prune() == 0
    said = capsys.readouterr().out
    assert f"hours: older than 31 days: 2 hours, {HOUR} to {YOUNG}" in said
    assert "Nothing was deleted: say --yes to do it." in said
    assert names(settings) == before
    assert prune(yes=True, json_=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["hours"], told["deleted"]) == ([HOUR, YOUNG], True)
    assert HoursPart(settings).store.hours() == []
