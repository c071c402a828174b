"""The home of persons' labels, beside the hours: given, withdrawn, carried to
another version's fingerprints.

What belongs here: their files, and the copies in the verdict index that the judge looks at. Does
not: what a label says (`history/labels.py`), whose documents it changes (`label_documents.py`).

    <root>/labels/<key>.json       one label, as the verdict index has it, and its key as `id`

People's work is kept where the hours are, not in the index: an index can be
made anew from the hours.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence

from upath import UPath

from ci_metrics.history.attempts import first_line
from ci_metrics.history.labels import Labels, is_shared
from ci_metrics.index.document_index import Document, DocumentIndex, Where
from ci_metrics.logs import FINGERPRINT_VERSION, fingerprint
from ci_metrics.orchestration.storage.atomic_files import fetch_all, put
from ci_metrics.orchestration.storage.hour_states import listing
from ci_metrics.orchestration.storage.rows import JobExtraction, JobKey, JobVerdicts
from ci_metrics.verdicts.reuse import label_key

_log = logging.getLogger(__name__)


class LabelStore:
    """The labels below one root (that of the hours), and their copies in an index."""

    def __init__(self, root: UPath, index: DocumentIndex) -> None:
        """`root` need not exist yet."""
        self._folder, self._index = root / "labels", index
        self._compared = False
        self._known: dict[str, tuple[str, Document | None]] = {}  # by file: what the listing said of it, the label

    def labels(self) -> Labels:
        """Every label in force, by its key.

        Home and index are compared once: what an index lost is copied to it again, and what only
        the index has (labels were kept there alone until version 0.1) gets its file.
        """
        found = self._read()
        if not self._compared:
            where = Where(equals={"s_error_source": "human"})
            copies = {each.id: each for each in self._index.scan("verdicts", where) if each.id.endswith("-human")}
            self._write(copies[key] for key in copies.keys() - found.keys())
            self._copy(found[key] for key in found.keys() - copies.keys())
            found = {**copies, **found}
            self._compared = True
        return found

    def give(self, labels: Iterable[Document]) -> None:
        """Keep these labels, in place of those of the same keys."""
        given = list(labels)
        self._write(given)
        self._copy(given)

    def withdraw(self, labels: Iterable[Document]) -> None:
        """Forget these labels. Their files go last: a label is only gone when its
        copy cannot bring it back.
        """
        keys = [label.id for label in labels]
        self._index.delete("verdicts", keys)
        self._index.refresh()
        for key in keys:
            self._file(key).unlink(missing_ok=True)

    def carry(self, rows: Sequence[JobExtraction], before: Mapping[JobKey, JobVerdicts] | None = None) -> Labels:
        """Give what persons said under other versions' fingerprints to those of these errors that
        are like it; the labels in force then.

        `before`: the jobs' last verdicts. Two things say what is like it: the line that a label was
        given for, of which the version in force can say what it names; and a job that was judged
        under the label's fingerprint and has its root cause still. What a person said under the
        fingerprint in force stays, and so does the original: other hours may need it.
        """
        labels = self.labels()
        carried = _carried(labels, rows, before or {})
        self.give(label for key, label in carried.items() if key not in labels)
        return {**carried, **labels}

    def _read(self) -> dict[str, Document]:
        listed = {name: stamp for name, stamp in listing(self._folder).items() if name.endswith(".json")}
        self._known = {name: known for name, known in self._known.items() if listed.get(name) == known[0]}
        paths = {(self._folder / name).path: name for name in listed.keys() - self._known.keys()}
        for path, data in fetch_all(self._folder, list(paths)).items():
            if isinstance(data, FileNotFoundError):
                continue  # withdrawn meanwhile
            if isinstance(data, Exception):
                raise data
            self._known[paths[path]] = (listed[paths[path]], _parsed(path, data))
        return {label.id: label for _, label in self._known.values() if label is not None}

    def _write(self, labels: Iterable[Document]) -> None:
        for label in labels:
            text = json.dumps({"id": label.id, **label.body}, ensure_ascii=False, sort_keys=True, indent=1)
            put(self._file(label.id), text.encode())

    def _copy(self, labels: Iterable[Document]) -> None:
        if copies := list(labels):
            self._index.upsert(copies)
            self._index.refresh()

    def _file(self, key: str) -> UPath:
        return self._folder / f"{key}.json"


def _parsed(path: str, data: bytes) -> Document | None:
    try:
        body = json.loads(data)
        label = Document("verdicts", str(body.pop("id")), body)
        return label if body["s_error_type"] and body["@timestamp"] else None
    except (ValueError, KeyError, AttributeError, TypeError):
        _log.warning("the label %s is damaged and counts no more. Give it again with ci-metrics label", path)
        return None


def _carried(
    labels: Labels, rows: Sequence[JobExtraction], before: Mapping[JobKey, JobVerdicts]
) -> dict[str, Document]:
    by_name: dict[str, Document] = {}
    by_fingerprint: dict[str, Document] = {}
    for label in sorted(
        labels.values(), key=lambda label: str(label.body["@timestamp"])
    ):  # the newest of a name is last
        known = str(label.body.get("s_error_fingerprint") or "")
        if is_shared(label) and known.partition("-")[0] != f"f{FINGERPRINT_VERSION}":
            by_fingerprint[known] = label
            by_name[fingerprint.group_of_line(first_line(str(label.body.get("s_error_evidence") or "")))] = label
    by_name.pop("", None)
    carried: dict[str, Document] = {}
    for row in rows if by_fingerprint else ():
        last = before.get(row.key)
        root = last.judged[0].error.fingerprint if last is not None and last.judged else ""
        for place, error in enumerate(row.extraction.errors):
            like = by_name.get(error.group) or by_name.get(fingerprint.group_of_line(error.headline))
            if like is None and place == 0:
                like = by_fingerprint.get(root)
            if like is not None and not error.generic:
                body = {**like.body, "s_error_fingerprint": error.fingerprint, "s_error_group": error.group}
                carried[label_key(error)] = Document("verdicts", label_key(error), body)
    return carried
