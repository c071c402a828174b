"""People's work as one file: labels and what was said of causes, as JSON lines.

What belongs here: writing the lines, reading and checking them. Does not: where labels and records
are kept (`labels.py`, `cause_records.py`), arguments (`commands/label.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import ValidationError

from ci_metrics.errors import ContractError
from ci_metrics.history.cause_states import CauseRecord
from ci_metrics.history.time_range import moment_of
from ci_metrics.index.document_index import Document
from ci_metrics.index.validation import problem_of
from ci_metrics.orchestration.storage.cause_records import RECORD
from ci_metrics.redaction import redact

#: Faults that one message names.
_MOST_NAMED = 5
#: Names that become a file's: a key and a group hold nothing else.
_KEY = re.compile(r"[\w.-]{1,200}-human")
_GROUP = re.compile(r"g[\w.-]{1,200}")


@dataclass(frozen=True, slots=True)
class PeoplesWork:
    """What a file holds."""

    labels: tuple[Document, ...] = ()
    causes: tuple[CauseRecord, ...] = ()


def written(work: PeoplesWork) -> str:
    """The lines, in the order of their keys: the same work is the same file."""
    labels = [{"what": "label", "id": each.id, **each.body} for each in sorted(work.labels, key=lambda each: each.id)]
    causes = [
        {"what": "cause", **RECORD.dump_python(each, mode="json", exclude_none=True)}
        for each in sorted(work.causes, key=lambda each: each.group)
    ]
    return "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in (*labels, *causes))


def read_label_file(text: str, name: str, categories: Collection[str]) -> PeoplesWork:
    """What the lines say. Raises ContractError that names the lines that cannot be used and why:
    then none is.
    """
    labels: list[Document] = []
    causes: list[CauseRecord] = []
    faults: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):  # a quote may hold what else ends lines
        if not line.strip():
            continue
        try:
            found = _of_line(line, categories)
        except ValueError as error:
            faults.append(f"line {number}: {error}")
            continue
        (labels if isinstance(found, Document) else causes).append(found)  # type: ignore[arg-type]
    if faults:
        more = f"; and {len(faults) - _MOST_NAMED} more" if len(faults) > _MOST_NAMED else ""
        raise ContractError(f"{name}: {'; '.join(faults[:_MOST_NAMED])}{more}. Nothing was imported: correct the file")
    return PeoplesWork(tuple(labels), tuple(causes))


def _of_line(line: str, categories: Collection[str]) -> Document | CauseRecord:
    """One line's label or record. Raises ValueError saying what is wrong with it."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON ({error})") from None
    if not isinstance(row, dict):
        raise ValueError("is no JSON object")
    what = row.pop("what", None)
    if what == "cause":
        return _cause(row)
    if what != "label":
        raise ValueError(f"“what” is {what!r:.40}, not “label” or “cause”")
    return _label(row, categories)


def _label(row: dict[str, object], categories: Collection[str]) -> Document:
    key = row.pop("id", None)
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise ValueError(f"“id” is {key!r:.60}, not a label's key (…-human)")
    for name in ("s_error_type", "@timestamp", "s_error_fingerprint"):
        if not isinstance(row.get(name), str):
            raise ValueError(f"“{name}” is missing or no text")
    if row["s_error_type"] not in categories:
        raise ValueError(f"“{row['s_error_type']!s:.60}” is no category; there are {', '.join(categories)}")
    if row.get("s_error_source") != "human":
        raise ValueError("“s_error_source” is not “human”: this is no person's verdict")
    if fault := problem_of("verdicts", row):
        raise ValueError(fault)
    return Document("verdicts", key, {name: _masked(value) for name, value in row.items()})


def _cause(row: dict[str, object]) -> CauseRecord:
    try:
        record = RECORD.validate_python(row)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(f"“{'.'.join(map(str, first['loc']))}”: {first['msg']}") from None
    if not _GROUP.fullmatch(record.group):
        raise ValueError(f"“group” is {record.group!r:.60}, not a group's id (g…)")
    if any(each and each.tzinfo is None for each in (record.changed_at, record.resolved_at, record.ignored_until)):
        raise ValueError("a time has no zone: write it like 2026-03-02T05:00:00Z")
    note, quote, assignee, user = (
        redact(each)[0] for each in (record.note, record.quote, record.assignee, record.user)
    )
    return replace(record, note=note, quote=quote, assignee=assignee, user=user)


def _masked(value: object) -> object:
    return redact(value)[0] if isinstance(value, str) else value


def newer_labels(given: Iterable[Document], kept: dict[str, Document]) -> Iterator[Document]:
    """Those of the given labels that are not there yet, or are younger than what is."""
    found = dict(kept)
    for label in given:
        old = found.get(label.id)
        if old is None or (old.body != label.body and _moment(label) >= _moment(old)):
            found[label.id] = label
    yield from (label for key, label in found.items() if label is not kept.get(key))


def _moment(label: Document) -> datetime:
    return moment_of(str(label.body["@timestamp"]))


def newer_causes(given: Iterable[CauseRecord], kept: Iterable[CauseRecord]) -> Iterator[CauseRecord]:
    """The same for what was said of causes."""
    there = {record.group: record for record in kept}
    found = dict(there)
    for record in given:
        old = found.get(record.group)
        if old is None or (old != record and record.changed_at >= old.changed_at):
            found[record.group] = record
    yield from (record for group, record in found.items() if record is not there.get(group))
