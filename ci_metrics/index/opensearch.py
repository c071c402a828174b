"""`OpenSearchIndex`: the documents in OpenSearch, through opensearch-py.

What belongs here: reading and writing. Does not: templates and mappings (`opensearch_setup.py`), the wording of queries and
of errors, settings (`open.py`).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from opensearchpy import OpenSearch, helpers
from opensearchpy.exceptions import OpenSearchException

from ci_metrics.errors import TransientError
from ci_metrics.index.base import Body, Document, Kind, Where, Written
from ci_metrics.index.fields import KINDS, countable_field, exact_field
from ci_metrics.index.opensearch_errors import RETRYABLE, explained, explanation, reason_of, trouble
from ci_metrics.index.opensearch_query import query_of, sort_of
from ci_metrics.index.opensearch_setup import exact_names, prepare
from ci_metrics.index.validation import write_error

#: Documents and bytes per bulk request; OpenSearch advises 5 to 15 MB.
CHUNK_DOCUMENTS = 1_000
CHUNK_BYTES = 5 * 1024 * 1024

#: Documents that are sorted by index before they are sent.
BATCH = 5_000

#: Retries of documents a busy server put off (429); waits of 1, 2, 4, 8 and 16 seconds.
RETRIES = 5
FIRST_WAIT = 1
LONGEST_WAIT = 30

#: Ids per multi-get, hits per page of a scan, buckets per page of a count.
IDS = 1_000
PAGE = 1_000

#: OpenSearch's limit for one search without scrolling (index.max_result_window).
WINDOW = 10_000

_UPDATE_SCRIPT = (
    "for (e in params.set.entrySet()) { ctx._source[e.getKey()] = e.getValue(); } "
    "for (name in params.drop) { ctx._source.remove(name); }"
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where documents of one kind go: a client, its host for people, and the index's name."""

    client: OpenSearch
    host: str
    index: str

    @property
    def label(self) -> str:
        """For messages; holds no password."""
        return f"{self.host}/{self.index}"


class OpenSearchIndex:
    """A `DocumentIndex` in OpenSearch; the kinds may live on different servers."""

    def __init__(self, targets: Mapping[Kind, Target]) -> None:
        """Nothing is sent yet; indices and templates are made at the first write."""
        self._targets = dict(targets)
        self._ensured = False
        self._names: dict[Kind, dict[str, str]] = {}
        self._lock = threading.Lock()

    @property
    def location(self) -> str:
        """The addresses of the indices."""
        return ", ".join(dict.fromkeys(target.label for target in self._targets.values()))

    def ensure(self) -> None:
        """As the protocol says. Raises ContractError naming the fields of an existing index that cannot hold ours."""
        for kind, target in self._targets.items():
            with explained(target.label):
                prepare(target.client, kind, target.index)
        self._names.clear()
        self._ensured = True

    def upsert(self, documents: Iterable[Document]) -> Written:
        """As the protocol says. Raises TransientError when the server stays too busy or cannot be reached."""
        self._ensure_once()
        created = updated = 0
        failures: list[tuple[str, str]] = []
        hosts: dict[str, None] = {}
        stream = iter(documents)
        while batch := list(islice(stream, BATCH)):
            for target in self._targets_of(batch):
                hosts[target.host] = None
                actions = self._index_actions(target, batch, failures)
                for result in self._bulk(target, actions, failures):
                    created += result == "created"
                    updated += result != "created"
        if failures:
            raise write_error(", ".join(hosts), failures)
        return Written(created, updated)

    def create(self, document: Document) -> bool:
        """As the protocol says."""
        self._ensure_once()
        target = self._targets[document.kind]
        with explained(target.label):
            answer = target.client.create(
                index=target.index, id=document.id, body=document.body, params={"ignore": [400, 409]}
            )
        if answer.get("status") == 400:
            raise write_error(target.label, [(document.id, reason_of(answer.get("error")))])
        return bool(answer.get("result") == "created")

    def update(self, kind: Kind, changes: Mapping[str, Body]) -> int:
        """As the protocol says."""
        self._ensure_once()
        target = self._targets[kind]
        failures: list[tuple[str, str]] = []
        actions = (self._update_action(target, id_, body) for id_, body in changes.items())
        done = sum(1 for _ in self._bulk(target, actions, failures, ignore_missing=True))
        if failures:
            raise write_error(target.label, failures)
        return done

    def get(self, kind: Kind, ids: Sequence[str]) -> dict[str, Body]:
        """As the protocol says; sees what was written even before `refresh`."""
        target = self._targets[kind]
        found: dict[str, Body] = {}
        for start in range(0, len(ids), IDS):
            with explained(target.label):
                answer = target.client.mget(index=target.index, body={"ids": list(ids[start : start + IDS])})
            for hit in answer["docs"]:
                if "error" in hit:
                    raise trouble(hit["error"], target.label)
                if hit["found"]:
                    found[hit["_id"]] = hit["_source"]
        return found

    def scan(
        self,
        kind: Kind,
        where: Where | None = None,
        *,
        fields: Sequence[str] = (),
        sort: str = "",
        limit: int | None = None,
    ) -> Iterator[Document]:
        """As the protocol says; what is written meanwhile is not seen."""
        names = self._exact_names(kind)
        body: dict[str, Any] = {"query": query_of(kind, where, names), "sort": sort_of(kind, sort, names)}
        if fields:
            body["_source"] = list(fields)
        return self._scan(kind, body, limit)

    def count_by(self, kind: Kind, by: str, where: Where | None = None) -> dict[str, int]:
        """As the protocol says: every value, however many there are; the most frequent first."""
        target, names = self._targets[kind], self._exact_names(kind)
        source = {"value": {"terms": {"field": names.get(by, countable_field(kind, by).name)}}}
        pages: dict[str, Any] = {"size": PAGE, "sources": [source]}
        counts: dict[str, int] = {}
        while True:
            body = {"size": 0, "query": query_of(kind, where, names), "aggs": {"values": {"composite": pages}}}
            with explained(target.label):
                answer = target.client.search(index=target.index, body=body)
            values = answer["aggregations"]["values"]
            counts.update({_as_text(bucket["key"]["value"]): bucket["doc_count"] for bucket in values["buckets"]})
            if "after_key" not in values:
                return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
            pages["after"] = values["after_key"]

    def earliest(self, kind: Kind, by: str, values: Sequence[str], of: str = "@timestamp") -> dict[str, str]:
        """As the protocol says."""
        target, names = self._targets[kind], self._exact_names(kind)
        field, first = exact_field(kind, by).name, exact_field(kind, of).name
        smallest = {"first": {"min": {"field": first, "format": "yyyy-MM-dd'T'HH:mm:ss'Z'"}}}
        found: dict[str, str] = {}
        for start in range(0, len(values), IDS):
            some = list(values[start : start + IDS])
            where = Where(equals={by: some}, exists=(of,))
            terms = {"field": names.get(field, field), "size": len(some), "include": some}
            body = {
                "size": 0,
                "query": query_of(kind, where, names),
                "aggs": {"values": {"terms": terms, "aggs": smallest}},
            }
            with explained(target.label):
                answer = target.client.search(index=target.index, body=body)
            buckets = answer["aggregations"]["values"]["buckets"]
            found.update({bucket["key"]: bucket["first"]["value_as_string"] for bucket in buckets})
        return found

    def delete(self, kind: Kind, ids: Sequence[str]) -> int:
        """As the protocol says."""
        target = self._targets[kind]
        failures: list[tuple[str, str]] = []
        actions = ({"_op_type": "delete", "_index": target.index, "_id": id_} for id_ in ids)
        done = sum(1 for _ in self._bulk(target, actions, failures, ignore_missing=True))
        if failures:
            raise write_error(target.label, failures)
        return done

    def refresh(self) -> None:
        """As the protocol says."""
        for target in self._targets.values():
            with explained(target.label):
                target.client.indices.refresh(index=target.index)

    def close(self) -> None:
        """Close the connections."""
        for client in {id(target.client): target.client for target in self._targets.values()}.values():
            client.close()

    def _ensure_once(self) -> None:
        with self._lock:
            if not self._ensured:
                self.ensure()

    def _exact_names(self, kind: Kind) -> dict[str, str]:
        with self._lock:
            if kind not in self._names:
                target = self._targets[kind]
                with explained(target.label):
                    self._names[kind] = exact_names(target.client, kind, target.index)
            return self._names[kind]

    def _targets_of(self, documents: Sequence[Document]) -> list[Target]:
        kinds = {document.kind for document in documents}
        clients = {id(self._targets[kind].client): self._targets[kind] for kind in KINDS if kind in kinds}
        return list(clients.values())

    def _index_actions(
        self, target: Target, documents: Sequence[Document], failures: list[tuple[str, str]]
    ) -> Iterator[dict[str, Any]]:
        for document in documents:
            own = self._targets[document.kind]
            if own.client is not target.client:
                continue
            # Written out here: opensearch-py would give up the whole batch for one body that is not JSON.
            try:
                source = json.dumps(document.body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
            except (TypeError, ValueError) as error:
                failures.append((document.id, f"not JSON: {error}"))
                continue
            yield {"_op_type": "index", "_index": own.index, "_id": document.id, "_source": source}

    @staticmethod
    def _update_action(target: Target, id_: str, body: Body) -> dict[str, Any]:
        action = {"_op_type": "update", "_index": target.index, "_id": id_, "retry_on_conflict": 5}
        drop = [name for name, value in body.items() if value is None]
        if not drop:
            return {**action, "doc": body}
        kept = {name: value for name, value in body.items() if value is not None}
        return {**action, "script": {"source": _UPDATE_SCRIPT, "params": {"set": kept, "drop": drop}}}

    @staticmethod
    def _bulk(
        target: Target,
        actions: Iterable[dict[str, Any]],
        failures: list[tuple[str, str]],
        *,
        ignore_missing: bool = False,
    ) -> Iterator[str]:
        """The result word of each document that was written; the refused ones go to `failures`."""
        put_off: list[str] = []
        with explained(target.label):
            answers = helpers.streaming_bulk(
                target.client,
                actions,
                chunk_size=CHUNK_DOCUMENTS,
                max_chunk_bytes=CHUNK_BYTES,
                max_retries=RETRIES,
                initial_backoff=FIRST_WAIT,
                max_backoff=LONGEST_WAIT,
                raise_on_error=False,
                raise_on_exception=False,
            )
            for ok, answer in answers:
                item = next(iter(answer.values()))
                if ok:
                    yield item["result"]
                    continue
                problem, status = item.get("exception"), item.get("status")
                if isinstance(problem, OpenSearchException) and status not in (400, 413, 429):
                    raise explanation(problem, target.label)
                if status == 404 and ignore_missing and "index_not_found" not in str(item.get("error")):
                    continue
                if status in RETRYABLE:
                    put_off.append(item["_id"])
                else:
                    failures.append((item["_id"], reason_of(item.get("error") or problem)))
        if put_off:
            raise TransientError(
                f"{target.label}: too busy for {len(put_off)} documents after {RETRIES} retries, {put_off[0]} among them"
            )

    def _scan(self, kind: Kind, body: dict[str, Any], limit: int | None) -> Iterator[Document]:
        target = self._targets[kind]
        with explained(target.label):
            if limit is not None and limit <= WINDOW:
                hits = target.client.search(index=target.index, body=body, size=limit)["hits"]["hits"]
            else:
                pages = helpers.scan(target.client, query=body, index=target.index, size=PAGE, preserve_order=True)
                hits = islice(pages, limit)
            for hit in hits:
                yield Document(kind, hit["_id"], hit["_source"])


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
