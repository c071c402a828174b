"""The verdict index as the store of verdicts: what verdicts need of an index,
over any `DocumentIndex`.

What belongs here: stored verdict <-> document, claims as documents of their own, verdicts that the
index did not take. Does not: when a verdict is reused (`verdicts/reuse.py`). The verdicts' package
does not know the index, so the two meet here.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter
from upath import UPath

from ci_metrics.errors import CiMetricsError
from ci_metrics.index.document_index import Body, Document, DocumentIndex, Where, present
from ci_metrics.index.times import iso
from ci_metrics.index.verdict_documents import verdict_document, verdict_of
from ci_metrics.orchestration.storage.atomic_files import fetch, put
from ci_metrics.orchestration.storage.hour_states import listing
from ci_metrics.verdicts.budget import utc_now
from ci_metrics.verdicts.reuse import StoredVerdict

_log = logging.getLogger(__name__)


class IndexVerdictStore:
    """A `VerdictStore` in a `DocumentIndex`.

    A claim is a document with the id `{key}-claim`, made only if that id is free. One that has run
    out is removed by whoever sees it first and may be made anew; two processes that do so within
    the same moment may both get it, and then both pay for one verdict. What a process spent in a
    clock hour is a document as well: `spent-{hour}-{process}`.
    """

    def __init__(
        self, index: DocumentIndex, *, unwritten: UPath | None = None, clock: Callable[[], datetime] = utc_now
    ) -> None:
        """`index` must be ready (`ensure`). `unwritten`: a folder, beside the hours, for
        verdicts that it did not take:

        what was paid for is then kept there, counts as kept, and is written by the next
        process that looks up verdicts.
        """
        self._index, self._clock = index, clock
        self._unwritten = _Unwritten(unwritten) if unwritten is not None else None

    def get(self, keys: Sequence[str]) -> Mapping[str, StoredVerdict]:
        """See VerdictStore. A document that holds a claim only is none of them."""
        waiting = self._unwritten.waiting(self._write_late) if self._unwritten is not None else {}
        found = self._get(keys)
        return found | {key: waiting[key] for key in keys if key in waiting and _newer(waiting[key], found.get(key))}

    def _get(self, keys: Iterable[str]) -> dict[str, StoredVerdict]:
        bodies = self._index.get("verdicts", list(dict.fromkeys(keys)))
        return {key: _stored(key, body) for key, body in bodies.items() if "s_error_state" in body}

    def _write_late(self, waiting: Mapping[str, StoredVerdict]) -> bool:
        """Write what the index did not take before, unless it has something
        newer; whether it does now.
        """
        found = self._get(waiting)
        late = [stored for key, stored in waiting.items() if _newer(stored, found.get(key))]
        try:
            self._index.upsert([_document(stored) for stored in late])
        except CiMetricsError as error:
            _log.warning("⚠️ %d verdicts still wait to be written to the index: %s", len(late), error)
            return False
        return True

    def of_fingerprints(self, fingerprints: Sequence[str], classifier_version: str) -> Sequence[StoredVerdict]:
        """See VerdictStore."""
        where = Where(
            equals={"s_error_fingerprint": list(fingerprints), "s_classifier_version": classifier_version},
            exists=("s_excerpt_sketch",),
        )
        return [
            _stored(document.id, document.body) for document in self._index.scan("verdicts", where, sort="-@timestamp")
        ]

    def people(self) -> Mapping[str, StoredVerdict]:
        """Every verdict that a person gave, by its key."""
        found = self._index.scan("verdicts", Where(equals={"s_error_source": "human"}))
        return {document.id: _stored(document.id, document.body) for document in found}

    def put(self, verdicts: Sequence[StoredVerdict]) -> None:
        """See VerdictStore. What the index does not take now is written later, where there
        is a folder to keep it in.
        """
        try:
            self._index.upsert([_document(stored) for stored in verdicts])
        except CiMetricsError as error:
            if self._unwritten is None:
                raise
            self._unwritten.keep(verdicts)
            _log.warning("⚠️ %d verdicts are written to the index later: %s", len(verdicts), error)

    def serve(self, partitions: Mapping[str, Sequence[str]]) -> None:
        """See VerdictStore."""
        self._index.update("verdicts", {key: {"s_partitions": list(hours)} for key, hours in partitions.items()})

    def claim(self, key: str, owner: str, ttl: float) -> bool:
        """See VerdictStore."""
        now = self._clock()
        until = now + timedelta(seconds=ttl)
        body: Body = {
            "@timestamp": iso(now),
            "s_claimed_by": owner,
            "ts_claim_time": iso(now),
            "ts_claimed_until": iso(until),
        }
        claim = Document("verdicts", _claim_id(key), body)
        if self._index.create(claim):
            return True
        held = self._index.get("verdicts", [claim.id]).get(claim.id)
        if held is None:
            return self._index.create(claim)
        if held.get("s_claimed_by") == owner:
            self._index.upsert([claim])
            return True
        if _moment(str(held["ts_claimed_until"])) > now and not _died(str(held.get("s_claimed_by", ""))):
            return False
        return self._index.delete("verdicts", [claim.id]) == 1 and self._index.create(claim)

    def release(self, key: str, owner: str) -> None:
        """See VerdictStore."""
        held = self._index.get("verdicts", [_claim_id(key)]).get(_claim_id(key))
        if held is not None and held.get("s_claimed_by") == owner:
            self._index.delete("verdicts", [_claim_id(key)])

    def note_spent(self, process: str, hour: datetime, dollars: float) -> None:
        """See VerdictStore."""
        body: Body = {"@timestamp": iso(hour), "s_claimed_by": process, "f_spent_usd": dollars}
        self._index.upsert([Document("verdicts", f"spent-{hour.astimezone(UTC):%Y-%m-%dT%H}-{process}", body)])

    def spent_since(self, since: datetime) -> float:
        """See VerdictStore."""
        where = Where(ranges={"@timestamp": (iso(since), None)}, exists=("f_spent_usd",))
        found = self._index.scan("verdicts", where, fields=("f_spent_usd",))
        return sum(float(document.body["f_spent_usd"]) for document in found)


class _Unwritten:
    """A folder with a file for each verdict that the index did not take. Safe to
    use from several threads.
    """

    def __init__(self, folder: UPath) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._waiting: dict[str, StoredVerdict] | None = None  # None: not looked yet

    def waiting(self, write: Callable[[Mapping[str, StoredVerdict]], bool]) -> Mapping[str, StoredVerdict]:
        """Those that are still not written, by key. `write` is tried once a process;
        what it writes is forgotten.
        """
        with self._lock:
            if self._waiting is None:
                self._waiting = self._read()
                if self._waiting and write(self._waiting):
                    for key in self._waiting:
                        self._path(key).unlink(missing_ok=True)
                    self._waiting = {}
            return dict(self._waiting)

    def keep(self, verdicts: Iterable[StoredVerdict]) -> None:
        """Keep those that a model was asked for; the others cost nothing to find out again."""
        with self._lock:
            waiting = self._read() if self._waiting is None else self._waiting
            for stored in verdicts:
                if stored.calls:
                    put(self._path(stored.key), _FILE.dump_json(stored))
                    waiting[stored.key] = stored
            self._waiting = waiting

    def _read(self) -> dict[str, StoredVerdict]:
        found: dict[str, StoredVerdict] = {}
        for path in (self._folder / name for name in sorted(listing(self._folder)) if name.endswith(".json")):
            try:
                stored = _FILE.validate_json(fetch(path))
            except ValueError as error:
                _log.warning("⚠️ %s is no verdict and stays unwritten. Remove it: %s", path, error)
            else:
                found[stored.key] = stored
        return found

    def _path(self, key: str) -> UPath:
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


_FILE = TypeAdapter(StoredVerdict)


def _newer(stored: StoredVerdict, other: StoredVerdict | None) -> bool:
    return other is None or stored.created_at > other.created_at


def _claim_id(key: str) -> str:
    return f"{key}-claim"


def _died(owner: str) -> bool:
    """Whether the owner (`host/pid/…`) was a process of this machine that runs no more:
    then nobody need wait for it.
    """
    host, _, rest = owner.partition("/")
    pid = rest.partition("/")[0]
    if os.name != "posix" or host != socket.gethostname() or not pid.isdigit():
        return False  # elsewhere, asking whether a process lives is not harmless
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _document(stored: StoredVerdict) -> Document:
    body = verdict_document(stored.verdict, judged_at=stored.created_at).body
    body |= {
        "s_error_group": stored.group,
        "s_partitions": list(stored.partitions),
        "l_model_calls": stored.calls,
        "s_claimed_by": stored.owner,
        "s_job_id": stored.job_id,
        "s_repo": stored.origin.repo,
        "b_error_doubted": stored.doubted or None,
        "s_excerpt_sketch": stored.sketch,
    }
    return Document("verdicts", stored.key, present(body))


def _stored(key: str, body: Body) -> StoredVerdict:
    verdict = verdict_of(Document("verdicts", key, body))
    calls = body.get("l_model_calls")
    hours = body.get("s_partitions") or ()
    return StoredVerdict(
        key=key,
        verdict=verdict,
        group=str(body.get("s_error_group") or ""),
        created_at=_moment(str(body["@timestamp"])),
        partitions=tuple([hours] if isinstance(hours, str) else hours),
        calls=int(calls) if calls is not None else int(verdict.source == "model"),
        owner=str(body.get("s_claimed_by") or ""),
        job_id=str(body.get("s_job_id") or ""),
        doubted=bool(body.get("b_error_doubted")),
        sketch=str(body.get("s_excerpt_sketch") or ""),
    )
