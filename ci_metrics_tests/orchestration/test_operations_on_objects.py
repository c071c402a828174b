"""Hours in an object store are backed up, restored and pruned as files are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ci_metrics.orchestration.backup import make_backup, restore_backup
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.parts import HoursPart
from ci_metrics.orchestration.retention import find_outdated, remove_outdated
from ci_metrics.settings import Settings, with_values
from ci_metrics_tests.orchestration.home_0_1 import HOUR, home_of_0_1

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    local = home_of_0_1(tmp_path / "home")
    settings = with_values(local, hours_url="memory://operations/hours")
    root = HoursPart(settings).store.root
    for path in (local.data_dir / "hours").rglob("*"):
        if path.is_file():
            (root / path.relative_to(local.data_dir / "hours").as_posix()).write_bytes(path.read_bytes())
    HoursPart(settings).store.states()
    yield settings
    with contextlib.suppress(FileNotFoundError):
        root.fs.rm(root.path, recursive=True)


def objects(settings: Settings) -> dict[str, bytes]:
    root = HoursPart(settings).store.root
    return {path: root.fs.cat(path) for path in root.fs.find(root.path)}


def test_what_was_lost_comes_back(settings: Settings, tmp_path: Path) -> None:
    before = objects(settings)
    made = make_backup(settings, tmp_path / "b.zip", NOW)
    assert made.hours == 1
    root = HoursPart(settings).store.root
    for name in ("classifications", "state"):
        root.fs.rm((root / name).path, recursive=True)
    (root / "workflow_runs" / "2026-03-02T10.parquet").write_bytes(b"later")
    restore_backup(settings, tmp_path / "b.zip", replace=True)
    assert objects(settings) == before


def test_old_hours_and_logs_go(settings: Settings) -> None:
    store = HoursPart(settings).store
    assert set(store.stored_logs()) == {HOUR}
    kept = with_values(settings, keep_hours_days=31)
    with open_instance(kept) as instance:
        remove_outdated(find_outdated(kept, store, instance, NOW), kept, store, instance)
    assert not [name for name in objects(settings) if HOUR in name]
    assert HoursPart(settings).store.hours() == []
