"""`ci-metrics prune`: delete what the retention settings do not keep.

Belongs here: arguments, printing. Does not: what is outdated, deleting it
(`orchestration/retention.py`).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.parts import HoursPart
from ci_metrics.orchestration.retention import Outdated, find_outdated, remove_outdated
from ci_metrics.settings import Settings, load_settings


def prune(
    *,
    yes: Annotated[bool, Parameter(negative="")] = False,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Say what KEEP_LOGS_DAYS, KEEP_HOURS_DAYS and KEEP_RUNS_DAYS do not keep,
    and with --yes delete it.

    So are part-written files that a killed process left. Documents in the index stay.

    Parameters
    ----------
    yes
        Delete it. Without, nothing is changed.
    json_
        Print it as one JSON object.
    """
    settings = load_settings()
    part = HoursPart(settings)
    with open_instance(settings) as instance:
        outdated = find_outdated(settings, part.store, instance, part.now())
        if yes:
            remove_outdated(outdated, settings, part.store, instance)
    if json_:
        row = dataclasses.asdict(outdated) | {"parts": [str(path) for path in outdated.parts], "deleted": yes}
        print(json.dumps(row))
    else:
        print("\n".join(_lines(outdated, settings)))
        if outdated:
            print("Deleted." if yes else "Nothing was deleted: say --yes to do it.")
    return 0


def _lines(outdated: Outdated, settings: Settings) -> list[str]:
    keeps = {
        "raw logs": (settings.keep_logs_days, "KEEP_LOGS_DAYS", _range(outdated.logs, "hours")),
        "hours": (settings.keep_hours_days, "KEEP_HOURS_DAYS", _range(outdated.hours, "hours")),
        "Dagster runs": (settings.keep_runs_days, "KEEP_RUNS_DAYS", f"{len(outdated.runs)} runs with their events"),
    }
    lines = []
    for name, (days, setting, found) in keeps.items():
        kept = f"older than {days} days: {found}" if days is not None else f"all are kept ({setting} is not set)"
        lines.append(f"{name}: {kept}")
    lines.append(f"part-written files that nobody writes to any more: {len(outdated.parts)}")
    if outdated.log_bytes:
        lines.append(f"the raw logs of these hours take {outdated.log_bytes / 1e6:.1f} MB")
    return lines


def _range(hours: Sequence[str], word: str) -> str:
    return f"{len(hours)} {word}, {hours[0]} to {hours[-1]}" if hours else "none"
