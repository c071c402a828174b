"""`OpenSearchIndex`: the documents in OpenSearch, through opensearch-py.

What belongs here: reading and writing. Does not: templates and mappings (`opensearch_setup.py`),
the wording of queries and of errors, settings (`open.py`).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any

from opensearchpy import OpenSearch, helpers

from ci_metrics.index.document_index import Body, Document, Kind, Tally, Where, Written
from ci_metrics.index.field_table import KINDS, countable_field, exact_field
from ci_metrics.index.mappings import IndexLayout
from ci_metrics.index.opensearch_bulk import Bulk, BulkAction, RequestSize, deleting, indexing, updating
from ci_metrics.index.opensearch_errors import explained, reason_of, trouble
from ci_metrics.index.opensearch_query import apart, query_of, sort_of, source_of, value_of
from ci_metrics.index.opensearch_setup import exact_names, make_index, month_of, prepare
from ci_metrics.index.validation import write_error

#: Documents that are sorted by index before they are sent.
_BATCH = 5_000

#: Ids per multi-get.
_IDS = 1_000

#: Hits per page of a scan, and how long the server keeps what is not read yet.
_PAGE, _SCROLL = 5_000, "5m"

#: Buckets per page of a count: each page looks at all documents again. The server allows 65,536.
BUCKETS = 10_000

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
    size: RequestSize
    layout: IndexLayout

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
        self._templated: dict[Kind, bool] = {}
        self._made: set[str] = set()  # indices of months
        self._lock = threading.Lock()

    @property
    def location(self) -> str:
        """The addresses of the indices."""
        return ", ".join(dict.fromkeys(target.label for target in self._targets.values()))

    def ensure(self) -> None:
        """As the protocol says. Raises ContractError naming the fields of an existing
        index that cannot hold ours.
        """
        for kind, target in self._targets.items():
            with explained(target.label):
                self._templated[kind] = prepare(target.client, kind, target.index, target.layout, datetime.now(UTC))
        self._names.clear()
        self._ensured = True

    def upsert(self, documents: Iterable[Document]) -> Written:
        """As the protocol says. Raises TransientError when the server stays too
        busy or cannot be reached.
        """
        self._ensure_once()
        created = written = 0
        refused: list[tuple[str, str]] = []
        hosts: dict[str, None] = {}
        stream = iter(documents)
        while batch := list(islice(stream, _BATCH)):
            for target in self._targets_of(batch):
                hosts[target.host] = None
                bulk = Bulk(target.client, target.label, target.size, refused=refused)
                for result in bulk.send(self._writing(target, batch, refused)):
                    created += result == "created"
                    written += 1
        if refused:
            raise write_error(", ".join(hosts), refused, Written(created, written - created))
        return Written(created, written - created)

    def create(self, document: Document) -> bool:
        """As the protocol says."""
        self._ensure_once()
        target = self._targets[document.kind]
        index, held = self._index_of(document), self._held(document.kind, [document.id])
        if held:
            return False
        with explained(target.label):
            answer = target.client.create(
                index=index, id=document.id, body=document.body, params={"ignore": [400, 409]}
            )
        if answer.get("status") == 400:
            raise write_error(target.label, [(document.id, reason_of(answer.get("error")))])
        return bool(answer.get("result") == "created")

    def update(self, kind: Kind, changes: Mapping[str, Body]) -> int:
        """As the protocol says."""
        self._ensure_once()
        target = self._targets[kind]
        held = self._held(kind, list(changes))
        bulk = Bulk(target.client, target.label, target.size, ignore_missing=True)
        updates = (
            updating((held or {}).get(id_, target.index), id_, _update(body))
            for id_, body in changes.items()
            if held is None or id_ in held
        )
        done = sum(1 for _ in bulk.send(updates))
        if bulk.refused:
            raise write_error(target.label, bulk.refused)
        return done

    def get(self, kind: Kind, ids: Sequence[str]) -> dict[str, Body]:
        """As the protocol says; sees what was written even before `refresh`."""
        target = self._targets[kind]
        if self._spread(kind):
            return {hit["_id"]: hit["_source"] for hit in self._hits(kind, ids, bodies=True)}
        found: dict[str, Body] = {}
        for start in range(0, len(ids), _IDS):
            with explained(target.label):
                answer = target.client.mget(index=target.index, body={"ids": list(ids[start : start + _IDS])})
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
        if where is not None and where.together and (sort or limit is not None):
            raise ValueError("what is asked for in parts has no order")
        bodies = [{"query": query_of(kind, some, names), "sort": sort_of(kind, sort, names)} for some in apart(where)]
        for body in bodies:
            body |= {"_source": list(fields)} if fields else {}
        return chain.from_iterable(self._scan(kind, body, limit) for body in bodies)

    def count_by(self, kind: Kind, by: str, where: Where | None = None) -> dict[str, int]:
        """As the protocol says: every value, however many there are; the most frequent first."""
        names = self._exact_names(kind)
        source = {"terms": {"field": names.get(by, countable_field(kind, by).name)}}
        counts: Counter[str] = Counter()
        for bucket in self._buckets(kind, where, [source], {}):
            counts[_as_text(bucket["key"]["0"])] += bucket["doc_count"]
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def tally(
        self, kind: Kind, by: Sequence[str], where: Where | None = None, *, sums: Sequence[str] = ()
    ) -> list[Tally]:
        """As the protocol says. OpenSearch holds floats as 32 bits, and so adds them up."""
        added = {str(place): {"stats": {"field": exact_field(kind, name).name}} for place, name in enumerate(sums)}
        found: dict[tuple[Any, ...], Tally] = {}
        for bucket in self._buckets(kind, where, self._sources(kind, by), added):
            values = tuple(value_of(kind, name, bucket["key"][str(place)]) for place, name in enumerate(by))
            nothing = Tally(values, 0, (0.0,) * len(sums), (0,) * len(sums))
            before = found.get(values, nothing)  # another part's, see `apart`
            more = [bucket[each] for each in added]
            together = tuple(one + another["sum"] for one, another in zip(before.sums, more, strict=True))
            present = tuple(one + another["count"] for one, another in zip(before.present, more, strict=True))
            found[values] = Tally(values, before.count + bucket["doc_count"], together, present)
        return list(found.values())

    def first_of_each(
        self,
        kind: Kind,
        by: Sequence[str],
        order: Sequence[str],
        most: int,
        where: Where | None = None,
        *,
        fields: Sequence[str],
    ) -> list[Document]:
        """As the protocol says."""
        if where is not None and any(not set(together) <= set(by) for together in where.together):
            raise ValueError("what is asked for in parts has no first")
        names = self._exact_names(kind)
        sort = [each for name in order for each in sort_of(kind, name, names)]
        first = {"first": {"top_hits": {"size": most, "sort": sort, "_source": list(fields)}}}
        return [
            Document(kind, hit["_id"], hit["_source"])
            for bucket in self._buckets(kind, where, self._sources(kind, by), first)
            for hit in bucket["first"]["hits"]["hits"]
        ]

    def earliest(self, kind: Kind, by: str, values: Sequence[str], of: str = "@timestamp") -> dict[str, str]:
        """As the protocol says."""
        target, names = self._targets[kind], self._exact_names(kind)
        field, first = exact_field(kind, by).name, exact_field(kind, of).name
        smallest = {"first": {"min": {"field": first, "format": "yyyy-MM-dd'T'HH:mm:ss'Z'"}}}
        found: dict[str, str] = {}
        for start in range(0, len(values), _IDS):
            some = list(values[start : start + _IDS])
            where = Where(equals={by: some}, exists=(of,))
            terms = {"field": names.get(field, field), "size": len(some), "include": some}
            body = {
                "size": 0,
                "query": query_of(kind, where, names),
                "aggs": {"values": {"terms": terms, "aggs": smallest}},
            }
            with explained(target.label):
                answer = _searched(target, body)
            buckets = answer["aggregations"]["values"]["buckets"]
            found.update({bucket["key"]: bucket["first"]["value_as_string"] for bucket in buckets})
        return found

    def delete(self, kind: Kind, ids: Sequence[str]) -> int:
        """As the protocol says."""
        target = self._targets[kind]
        held = self._held(kind, ids)
        bulk = Bulk(target.client, target.label, target.size, ignore_missing=True)
        wanted = ids if held is None else [id_ for id_ in ids if id_ in held]
        done = sum(1 for _ in bulk.send(deleting((held or {}).get(id_, target.index), id_) for id_ in wanted))
        if bulk.refused:
            raise write_error(target.label, bulk.refused)
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

    def _sources(self, kind: Kind, by: Sequence[str]) -> list[dict[str, Any]]:
        names = self._exact_names(kind)
        return [source_of(kind, name, names) for name in by]

    def _buckets(
        self, kind: Kind, where: Where | None, sources: Sequence[dict[str, Any]], inner: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """All combinations of values, however many there are."""
        target, names = self._targets[kind], self._exact_names(kind)
        for some in apart(where):
            pages: dict[str, Any] = {"size": BUCKETS, "sources": [{str(n): each} for n, each in enumerate(sources)]}
            while True:
                values = {"composite": pages, **({"aggs": dict(inner)} if inner else {})}
                body = {"size": 0, "query": query_of(kind, some, names), "aggs": {"values": values}}
                with explained(target.label):
                    answer = _searched(target, body)
                found = answer["aggregations"]["values"]
                yield from found["buckets"]
                if len(found["buckets"]) < BUCKETS:
                    break
                pages["after"] = found["after_key"]

    def _targets_of(self, documents: Sequence[Document]) -> list[Target]:
        kinds = {document.kind for document in documents}
        clients = {id(self._targets[kind].client): self._targets[kind] for kind in KINDS if kind in kinds}
        return list(clients.values())

    def _writing(
        self, target: Target, documents: Sequence[Document], refused: list[tuple[str, str]]
    ) -> Iterator[BulkAction]:
        held: dict[Kind, dict[str, str] | None] = {}
        for document in documents:
            kind = document.kind
            if self._targets[kind].client is not target.client:
                continue
            if kind not in held:
                held[kind] = self._held(kind, [each.id for each in documents if each.kind == kind])
            try:
                index = (held[kind] or {}).get(document.id) or self._index_of(document)
                yield indexing(index, document.id, document.body)
            except (TypeError, ValueError) as error:  # of one document: it must not take the others with it
                refused.append((document.id, f"cannot be sent: {error}"))

    def _index_of(self, document: Document) -> str:
        """Where a new document goes: with months, to that of its partition, which never changes.
        Raises ValueError without one.
        """
        target = self._targets[document.kind]
        if not target.layout.by_month:
            return target.index
        moment = document.body.get("s_partition") or document.body.get("@timestamp")
        if not moment:
            raise ValueError("it has neither s_partition nor @timestamp, which say its month")
        name = month_of(target.index, moment)
        if name not in self._made:
            with explained(target.label):
                templated = self._templated[document.kind]
                make_index(target.client, document.kind, target.index, name, target.layout, templated=templated)
            self._made.add(name)
        return name

    def _spread(self, kind: Kind) -> bool:
        """Whether a name stands for several indices: then a document may be in any, and
        must be written where it is.
        """
        target = self._targets[kind]
        with explained(target.label):
            aliased = target.client.indices.get_alias(name=target.index, params={"ignore": [404]})
        return sum("aliases" in each for each in aliased.values() if isinstance(each, Mapping)) > 1

    def _held(self, kind: Kind, ids: Sequence[str]) -> dict[str, str] | None:
        """In which index each of these documents is; None where there is only one."""
        return {hit["_id"]: hit["_index"] for hit in self._hits(kind, ids)} if self._spread(kind) else None

    def _hits(self, kind: Kind, ids: Sequence[str], *, bodies: bool = False) -> Iterator[dict[str, Any]]:
        """The documents of these ids, in whichever index. A search sees what was
        written only after a refresh.
        """
        target = self._targets[kind]
        with explained(target.label):
            target.client.indices.refresh(index=target.index)
            for start in range(0, len(ids), _IDS):
                some = list(ids[start : start + _IDS])
                body = {"query": {"ids": {"values": some}}, "_source": bodies, "size": WINDOW}
                yield from _searched(target, body)["hits"]["hits"]

    def _scan(self, kind: Kind, body: dict[str, Any], limit: int | None) -> Iterator[Document]:
        target = self._targets[kind]
        with explained(target.label):
            if limit is not None and limit <= WINDOW:
                asked = {**body, "track_total_hits": False}
                hits = iter(_searched(target, asked, size=limit)["hits"]["hits"])
            else:
                hits = islice(_scrolled(target, body), limit)
            for hit in hits:
                yield Document(kind, hit["_id"], hit["_source"])


def _searched(target: Target, body: dict[str, Any], **more: Any) -> Any:
    """A search's answer, of all shards: one that lacks some would be taken for the whole."""
    return target.client.search(index=target.index, body=body, allow_partial_search_results=False, **more)


def _scrolled(target: Target, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All hits, a page at a time. opensearch-py's `helpers.scan` asks once more after the last
    page, which is mostly the first. Raises ScanError when a shard did not answer.
    """
    answer = _searched(target, body, size=_PAGE, scroll=_SCROLL)
    try:
        while hits := answer["hits"]["hits"]:
            if answer["_shards"]["failed"]:
                raise helpers.ScanError(answer["_scroll_id"], f"only some shards answered: {answer['_shards']}")
            yield from hits
            if len(hits) < _PAGE:
                break
            answer = target.client.scroll(body={"scroll_id": answer["_scroll_id"], "scroll": _SCROLL})
    finally:
        target.client.clear_scroll(body={"scroll_id": [answer["_scroll_id"]]}, ignore=(404,))


def _update(body: Body) -> Body:
    drop = [name for name, value in body.items() if value is None]
    if not drop:
        return {"doc": body}
    kept = {name: value for name, value in body.items() if value is not None}
    return {"script": {"source": _UPDATE_SCRIPT, "params": {"set": kept, "drop": drop}}}


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
