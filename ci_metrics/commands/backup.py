"""`ci-metrics backup` and `ci-metrics restore`: one archive of what cannot be made again.

Belongs here: arguments, printing. Does not: the archive (`orchestration/backup.py`).
"""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ci_metrics.orchestration.backup import Manifest, check_backup, make_backup, restore_backup
from ci_metrics.settings import load_settings
from ci_metrics.verdicts.budget import utc_now


def backup(file: Path) -> int:
    """Write labels, verdicts, hours (rows and states) and the embedded index to one archive.

    Raw logs and Dagster's history are not in it; documents of an OpenSearch are made again by
    reindex. The archive is read once more before this ends. It may be made while runs go on.

    Parameters
    ----------
    file
        The archive to write, like ci-metrics.zip. One that is there is never written over.
    """
    settings = load_settings()
    make_backup(settings, file, utc_now())
    print(f"{file}: {_in_words(check_backup(file))}, {file.stat().st_size / 1e6:.1f} MB; read back and whole.")
    return 0


def restore(file: Path, *, replace: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Put back what an archive holds. It is checked as a whole before anything is changed.

    Stop Dagster first. Into an OpenSearch, verdicts are restored; its documents
    are made again by reindex.

    Parameters
    ----------
    file
        An archive that backup made, by this version or an earlier one.
    replace
        Where there is data: have the archive's in its place. Hours that it does
        not hold go; raw logs stay.
    """
    settings = load_settings()
    done = restore_backup(settings, file, replace=replace)
    print(
        f"{settings.data_dir} is what it was on {done.made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC: {_in_words(done)}."
    )
    if settings.uses_opensearch:
        print("The documents in OpenSearch are as they were: make them anew with ci-metrics reindex")
    return 0


def _in_words(manifest: Manifest) -> str:
    return (
        f"{manifest.hours} hours, {manifest.labels} labels, {len(manifest.files)} files (ci_metrics {manifest.version})"
    )
