"""The home of what people said of causes, in the labels' folder beside the hours.

What belongs here: its files. Does not: what a record says, and what follows from it
(`history/cause_states.py`).

    <root>/labels/causes/<group>.json      one record
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from pydantic import TypeAdapter, ValidationError
from upath import UPath

from ci_metrics.history.cause_states import CauseRecord, CauseRecords, with_regressions
from ci_metrics.index.document_index import DocumentIndex
from ci_metrics.orchestration.storage.atomic_files import alone, fetch, put

_log = logging.getLogger(__name__)

RECORD = TypeAdapter(CauseRecord)


class CauseStore:
    """The records below one root (that of the hours)."""

    def __init__(self, root: UPath, index: Callable[[], DocumentIndex]) -> None:
        """`root` need not exist yet; `index` is opened only where a cause was resolved."""
        self._folder, self._index = root / "labels" / "causes", index

    def records(self) -> list[CauseRecord]:
        """All of them, in no order."""
        if not self._folder.is_dir():
            return []
        self._folder.fs.invalidate_cache(self._folder.path)
        found = (self._read(path) for path in self._folder.iterdir() if path.name.endswith(".json"))
        return [record for record in found if record is not None]

    def in_force(self) -> CauseRecords:
        """The records, and which of the resolved causes came back."""
        records = self.records()
        if all(record.resolved_at is None for record in records):
            return CauseRecords(tuple(records))
        return with_regressions(self._index(), records)

    def change(self, group: str, said: Callable[[CauseRecord | None], CauseRecord]) -> None:
        """Keep what `said` makes of a group's record, so that of two people at once neither's word
        is lost. An object store has no locks: there the later one's stays.
        """
        with alone(self._folder / ".lock"):
            self.keep([said(CauseRecords(tuple(self.records())).of(group))])

    def keep(self, records: Iterable[CauseRecord]) -> None:
        """Write these; one that says nothing is forgotten."""
        for record in records:
            path = self._folder / f"{record.group}.json"
            if record.says_nothing:
                path.unlink(missing_ok=True)
            else:
                put(path, RECORD.dump_json(record, indent=1))

    def _read(self, path: UPath) -> CauseRecord | None:
        try:
            return RECORD.validate_json(fetch(path))
        except FileNotFoundError:
            return None
        except ValidationError:
            _log.warning("the record %s is damaged and counts no more. Say it again with ci-metrics cause", path)
            return None
