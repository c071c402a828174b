"""The Dagster instance of this machine: its home, its settings file, and what a
killed process left behind.

What belongs here: opening the instance for the command line. Does not: production's instance
(DAGSTER_HOME says where).
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from sqlalchemy.exc import DBAPIError

from ci_metrics.errors import CiMetricsError, PermanentError
from ci_metrics.orchestration.dagster_event_batches import BATCH_SIZE, write_in_batches
from ci_metrics.private_files import make_folder
from ci_metrics.settings import Settings

#: A run of the command line carries the process that executes it, so that the next one can tell
#: whether it still lives.
PID_TAG = "ci_metrics/pid"

#: Links to the files at the top of the checkout; in the wheel they are files.
DAGSTER_YAML = Path(__file__).with_name("dagster.yaml")
WORKSPACE_YAML = Path(__file__).with_name("workspace.yaml")
#: Dagster's switch for one event an asset before a run over a range, in place of one an asset and
#: hour: of 168 hours they took a third of the time (measured on SQLite). The price: the hours of a
#: failed range are not marked as failed in the UI.
_ONE_EVENT_AN_ASSET = "DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS"

_OPEN = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED]


def dagster_home(settings: Settings) -> Path:
    """The fixed Dagster home under CI_METRICS_HOME, made if missing, with the
    project's dagster.yaml in it.
    """
    home = settings.data_dir / "dagster"
    make_folder(home)
    settings_file = home / "dagster.yaml"
    if not settings_file.exists():
        shutil.copyfile(DAGSTER_YAML, settings_file)
    return home


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The instance in that home; runs whose process has died are marked as failed first,
    and their pool slots freed.

    Raises PermanentError where its files cannot be written or read, while it is open, too: Dagster
    lets such trouble of its database through as it came.
    """
    os.environ.setdefault(_ONE_EVENT_AN_ASSET, "true")
    os.environ.setdefault(*BATCH_SIZE)
    try:
        with dg.DagsterInstance.from_config(str(dagster_home(settings))) as instance:
            write_in_batches(instance)
            _bury_the_dead(instance)
            yield instance
    except CiMetricsError:
        raise
    except Exception as error:
        trouble = _trouble_of_files(error)
        if trouble is None:
            raise
        said = trouble.strerror if isinstance(trouble, OSError) else trouble.orig
        where = trouble.filename if isinstance(trouble, OSError) and trouble.filename else settings.data_dir / "dagster"
        raise PermanentError(f"{where}: {said}. Check the disk space, and who may write there") from error


def _trouble_of_files(error: BaseException | None) -> OSError | DBAPIError | None:
    """What of an error and its causes a disk is to blame for."""
    while error is not None and not isinstance(error, OSError | DBAPIError):
        error = error.__cause__ or error.__context__
    return error


def own_pid_tag() -> Mapping[str, str]:
    """The tag of a run that this process executes."""
    return {PID_TAG: f"{socket.gethostname()}/{os.getpid()}"}


def _bury_the_dead(instance: dg.DagsterInstance) -> None:
    for run in instance.get_runs(dg.RunsFilter(statuses=_OPEN)):
        host, _, pid = run.tags.get(PID_TAG, "").rpartition("/")
        # Of other machines' processes nothing is known. A container's process often has the same id
        # as the one before it; ours has not begun a run yet.
        if host != socket.gethostname() or (int(pid) != os.getpid() and _alive(int(pid))):
            continue
        instance.report_run_failed(run, f"the process {pid} that executed this run has died")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    _free_pools(instance)


def _free_pools(instance: dg.DagsterInstance) -> None:
    """Free pool slots whose run has ended: a run that met a full disk cannot give them back, and
    the next would wait for ever.

    Dagster's daemon does so too, after minutes (`run_monitoring`); a command has no daemon.
    """
    storage = instance.event_log_storage
    for pool in storage.get_concurrency_keys():
        info = storage.get_concurrency_info(pool)
        for run_id in {*info.active_run_ids, *info.pending_run_ids, *info.assigned_run_ids}:
            run = instance.get_run_by_id(run_id)
            if run is None or run.is_finished:
                storage.free_concurrency_slots_for_run(run_id)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
