"""What is under way in message batches, kept so that a restart loses and repeats nothing.

What belongs here: the records, the `BatchLedger` protocol, the one over files. Does not: talking to an endpoint
(`batches.py`).
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from ci_metrics.errors import ContractError
from ci_metrics.models import Evidence, Usage, Verdict
from ci_metrics.verdicts.prompt import Prompt

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchItem:
    """One question in a batch, with all that is needed to read its answer, or to ask it again."""

    custom_id: str
    key: str  # of the verdict
    fingerprint: str
    group: str
    partitions: tuple[str, ...]  # the hours that wait for it
    version: str  # the classifier's
    system: str  # a hash of the system prompt, under which the record holds it
    user: str
    schema: dict[str, Any]
    categories: tuple[str, ...]
    lines: dict[int, str]  # that may be quoted
    annotations: tuple[tuple[str, str], ...] = ()  # title, message
    tries: int = 1
    first: dict[str, Any] | None = None  # an earlier answer of low confidence, packed

    def prompt(self, systems: Mapping[str, str]) -> Prompt:
        """The question as it is sent."""
        return Prompt(system=systems[self.system], user=self.user, schema=self.schema, categories=self.categories)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """One batch. `submitting`: it may or may not have reached the endpoint; `open`: it did; `done`: all is read."""

    id: str  # ours
    state: Literal["submitting", "open", "done"]
    model: str
    created_at: float  # seconds since the epoch
    remote_id: str = ""
    estimated_usd: float = 0.0
    systems: dict[str, str] = field(default_factory=dict)
    items: tuple[BatchItem, ...] = ()


class BatchLedger(Protocol):
    """Where batch records are kept."""

    def records(self) -> list[BatchRecord]:
        """All that are not done, oldest first."""

    def write(self, record: BatchRecord) -> None:
        """Write a record, replacing the one of its id, whole or not at all."""


class FileBatchLedger:
    """One JSON file a batch in a folder, written by atomic rename. A batch that is done keeps no items."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made when the first record is written."""
        self._folder = folder

    def records(self) -> list[BatchRecord]:
        """See BatchLedger. Raises ContractError naming a file that cannot be read."""
        found = [self._read(path) for path in sorted(self._folder.glob("*.json"))]
        return sorted((r for r in found if r.state != "done"), key=lambda r: (r.created_at, r.id))

    def write(self, record: BatchRecord) -> None:
        """See BatchLedger."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if record.state == "done":
            record = replace(record, items=(), systems={})
        handle, name = tempfile.mkstemp(dir=self._folder, suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"format": _FORMAT, **asdict(record)}, file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._folder / f"{record.id}.json")
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _read(self, path: Path) -> BatchRecord:
        try:
            data = json.loads(path.read_text("utf-8"))
            if data.pop("format") != _FORMAT:
                raise ContractError(f"{path}: written by another version of this program. Collect its batch with that.")
            data["items"] = tuple(_item(item) for item in data["items"])
            return BatchRecord(**data)
        except (ValueError, KeyError, TypeError) as error:
            raise ContractError(f"{path}: not a batch record ({error}). Move it away to go on without it.") from None


def _item(data: dict[str, Any]) -> BatchItem:
    lists: dict[str, Any] = {name: tuple(data.pop(name)) for name in ("partitions", "categories")}
    lines = {int(number): text for number, text in data.pop("lines").items()}
    annotations = tuple((title, message) for title, message in data.pop("annotations"))
    return BatchItem(**data, **lists, lines=lines, annotations=annotations)


def pack_verdict(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON can hold it."""
    return asdict(verdict)


def unpack_verdict(data: dict[str, Any]) -> Verdict:
    """The verdict that `pack_verdict` packed."""
    values = dict(data)
    values["usage"] = Usage(**values["usage"])
    values["evidence"] = tuple(Evidence(**e) for e in values["evidence"])
    return Verdict(**values)


def keys_of(records: Sequence[BatchRecord]) -> set[str]:
    """The verdicts' keys that these batches will bring."""
    return {item.key for record in records for item in record.items}
