"""What is kept no longer: old raw logs, old hours, old runs of Dagster, part-written
files of processes that died.

What belongs here: finding it by the settings' retention, and deleting it. Does not: Dagster's ticks
(`dagster.yaml`), documents: what an index holds stays.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg

from ci_metrics.orchestration.instance import dagster_home
from ci_metrics.orchestration.partitions import hour_key
from ci_metrics.orchestration.parts import batches_folder
from ci_metrics.orchestration.storage.atomic_files import is_local
from ci_metrics.orchestration.storage.batch_files import FileBatchLedger
from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.settings import Settings

#: A part-written file that nobody has touched for so long is a dead process's: the
#: largest log takes minutes.
DEAD_AFTER = timedelta(hours=1)

#: What this package names a file until it is whole (`atomic_files.beside`, `batch_ledger.py`).
_PART = re.compile(r"^\..+\.[0-9a-f]{32}$|\.part$")

#: Runs that are over, and how many are asked for at once.
_OVER = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_RUNS_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Outdated:
    """What may go."""

    hours: Sequence[str] = ()  # with their logs
    logs: Sequence[str] = ()  # hours of which only the raw logs go
    log_bytes: int = 0  # of both
    runs: Sequence[str] = ()  # ids of Dagster's
    parts: Sequence[Path] = ()

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.hours or self.logs or self.runs or self.parts)


def find_outdated(settings: Settings, store: HourStore, instance: dg.DagsterInstance, now: datetime) -> Outdated:
    """What the retention settings do not keep, and what nobody will ever finish writing."""
    stored, logs = store.hours(), store.stored_logs()
    hours = _before(stored, settings.keep_hours_days, now)
    only_logs = _before(set(logs).difference(hours), settings.keep_logs_days, now)
    return Outdated(
        hours=hours,
        logs=only_logs,
        log_bytes=sum(logs.get(hour, 0) for hour in (*hours, *only_logs)),
        runs=list(_old_runs(instance, settings.keep_runs_days, now)),
        parts=sorted(_parts(settings, store, now)),
    )


def remove_outdated(outdated: Outdated, settings: Settings, store: HourStore, instance: dg.DagsterInstance) -> None:
    """Delete it; broken off, the rest is found again."""
    for path in outdated.parts:
        path.unlink(missing_ok=True)
    for hour in outdated.logs:
        store.remove_logs(hour)
    ledger = FileBatchLedger(batches_folder(settings))
    for hour in outdated.hours:
        ledger.note_waiting(hour, ())  # else its answer would have an hour judged that is not there
        store.remove(hour)
    home = dagster_home(settings)
    for run in outdated.runs:
        instance.delete_run(run)
        # Dagster leaves the run's database, empty, and what its steps printed.
        for suffix in ("", "-wal", "-shm", "-journal"):
            (home / "history" / "runs" / f"{run}.db{suffix}").unlink(missing_ok=True)
        shutil.rmtree(home / "storage" / run, ignore_errors=True)


def _before(hours: Sequence[str] | set[str], days: int | None, now: datetime) -> list[str]:
    return [] if days is None else sorted(hour for hour in hours if hour < hour_key(now - timedelta(days=days)))


def _old_runs(instance: dg.DagsterInstance, days: int | None, now: datetime) -> Iterator[str]:
    if days is None:
        return
    cursor: str | None = None
    old = dg.RunsFilter(statuses=_OVER, created_before=now - timedelta(days=days))
    while ids := [run.run_id for run in instance.get_runs(old, cursor=cursor, limit=_RUNS_AT_ONCE)]:
        yield from ids
        cursor = ids[-1]


def _parts(settings: Settings, store: HourStore, now: datetime) -> Iterator[Path]:
    """On file systems only: an object appears whole."""
    roots, dead = {settings.data_dir}, (now - DEAD_AFTER).timestamp()
    if is_local(store.root):
        roots.add(Path(str(store.root)))
    for root in roots:
        for path in root.rglob("*"):
            if _PART.search(path.name) and path.is_file() and path.stat().st_mtime < dead:
                yield path
