"""What is made under CI_METRICS_HOME is its owner's alone, whichever part makes it
first; raw logs always are.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ci_metrics.github.conditional import SQLiteConditionalCache
from ci_metrics.index.open import open_index
from ci_metrics.orchestration.instance import dagster_home
from ci_metrics.orchestration.parts import HoursPart, batches_folder
from ci_metrics.orchestration.storage.batch_files import FileBatchLedger
from ci_metrics.private_files import make_folder
from ci_metrics.settings import Settings, load_settings


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"CI_METRICS_HOME": str(tmp_path / "above" / "home")})


def _index(settings: Settings) -> None:
    with closing(open_index(settings)) as index:
        index.ensure()


def _log(settings: Settings) -> None:
    with HoursPart(settings).store.log_writer("2026-03-02T05", "1-1") as write:
        write(b"a line\n")


WAYS: dict[str, Callable[[Settings], object]] = {
    "the index": _index,
    "a log": _log,
    "an hour": lambda s: HoursPart(s).store.set_aside("a", "2026-03-02T05", "why", run="", now=datetime.now(UTC)),
    "Dagster's home": dagster_home,
    "the cache": lambda s: SQLiteConditionalCache(s.data_dir / "github-cache.sqlite").close(),
    "batches": lambda s: FileBatchLedger(batches_folder(s)).note_waiting("2026-03-02T05", ["a"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_home_and_what_is_above_it_are_made_for_the_owner_alone(way: str, settings: Settings) -> None:
    WAYS[way](settings)
    home = settings.ci_metrics_home
    assert [mode(path) for path in (home.parent, home, settings.data_dir)] == [0o700] * 3


def test_a_raw_log_is_its_owners_alone_also_where_the_home_was_open(settings: Settings) -> None:
    folder = settings.data_dir / "hours" / "job_logs" / "2026-03-02T05"
    folder.mkdir(parents=True)
    _log(settings)
    assert mode(folder) == 0o755, "somebody may have opened it on purpose"
    assert mode(folder / "1-1.log.zst") == 0o600


def test_folders_that_are_there_keep_their_mode(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    make_folder(tmp_path / "open" / "new" / "deeper")
    assert [mode(path) for path in (tmp_path / "open", tmp_path / "open" / "new")] == [0o755, 0o700]
