"""The states of hours as version 0.1 kept them: a file an asset and hour, not by repository.

What belongs here: reading them as this version's, and removing them then. Does not: rows, which
have not changed in any way that reading does not bridge (`arrow_tables.py`).

    <root>/hours/2026-03-02T05/<asset>.json              counts, `at` (when), `unfinished`,
                                                         `problems`, `open`, `version`
    <root>/workflow_runs/2026-03-02T05.parquet           its notes: what was fetched of which
                                                         repository
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from ci_metrics.orchestration.storage.atomic_files import fetch
from ci_metrics.orchestration.storage.hours import AssetRecord, HourState, RepoRecord, SetAside

#: What is said of a part that cannot be read: long ago, so that it is looked at soon.
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_KNOWN = {"at", "commit", "overtaken", "unfinished", "problems", "open", "version"}


class OldStates:
    """What 0.1 left below one root."""

    def __init__(self, root: UPath) -> None:
        """`root` need not exist."""
        self._root = root

    def hours(self) -> list[str]:
        """The hours of which 0.1's files are still there."""
        folder = self._root / "hours"
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

    def read(self, hour: str) -> HourState:
        """One hour's state; an empty one when 0.1 left nothing of it."""
        folder = self._root / "hours" / hour
        if not folder.is_dir():
            return HourState()
        parts = {path.stem: _part(fetch(path)) for path in folder.iterdir() if path.suffix == ".json"}
        state = HourState(assets={name: _record(part) for name, part in parts.items()})
        runs = state.of("workflow_runs")
        if runs is not None:
            state = state.having("workflow_runs", replace(runs, repos=self._repos(hour, runs)))
        return _without_older_history(state)

    def remove(self, hour: str) -> None:
        """Delete what 0.1 left of an hour's state (never rows)."""
        folder = self._root / "hours" / hour
        folder.fs.rm(folder.path, recursive=True)

    def _repos(self, hour: str, runs: AssetRecord) -> Mapping[str, RepoRecord]:
        """What was noted of each repository; of the whole hour when the rows' file says nothing."""
        try:
            data = fetch(self._root / "workflow_runs" / f"{hour}.parquet")
            notes = json.loads((pq.read_schema(io.BytesIO(data)).metadata or {}).get(b"ci_metrics", b"{}"))
        except (FileNotFoundError, pa.ArrowInvalid, OSError, ValueError):
            return runs.repos
        return {
            fetch["repo"]: RepoRecord(
                seen=runs.seen,
                unfinished=fetch["unfinished"],
                set_aside={"listing": SetAside(why=fetch["problem"])} if fetch["problem"] else {},
            )
            for fetch in notes.get("fetches", [])
        }


def _part(data: bytes) -> Mapping[str, Any] | None:
    try:
        return dict(json.loads(data))
    except ValueError:
        return None


def _record(part: Mapping[str, Any] | None) -> AssetRecord:
    if part is None:
        return AssetRecord(seen=_LONG_AGO, failed=SetAside(why="what 0.1 noted of it was damaged"))
    seen = datetime.fromisoformat(part["at"]) if "at" in part else _LONG_AGO
    set_aside = {name: SetAside(why=why) for name, why in (part.get("problems") or {}).items()}
    unfinished = int(part.get("unfinished", 0)) or int(bool(part.get("overtaken")))
    # Of which repository it was, is not known: the hour is done again as a whole.
    whole = {"": RepoRecord(seen=seen, unfinished=unfinished, set_aside=set_aside)} if unfinished or set_aside else {}
    return AssetRecord(
        seen=seen,
        version=str(part.get("version", "")),
        open=int(part.get("open", 0)),
        said={name: value for name, value in part.items() if name not in _KNOWN},
        repos=whole,
    )


def _without_older_history(state: HourState) -> HourState:
    """Documents that were written after their history was looked at: it is looked at again."""
    written, followed = state.of("indexed_documents"), state.of("failure_history")
    if written is None or followed is None or not written.said.get("written") or followed.seen >= written.seen:
        return state
    return HourState(assets={name: record for name, record in state.assets.items() if name != "failure_history"})
