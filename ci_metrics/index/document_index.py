"""`DocumentIndex`: what both indices promise. Small on purpose: no query language of our own.

What belongs here: the protocol and its records. Does not: any index's implementation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

#: The four kinds of documents (contract, "Documents").
Kind = Literal["workflows", "jobs", "steps", "verdicts"]

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its deterministic id (never inside the body) and its body, JSON-ready."""

    kind: Kind
    id: str
    body: Body


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """A conjunction of conditions on fields. An empty one matches everything."""

    equals: Mapping[str, str | int | float | bool | Sequence[str]] = field(
        default_factory=dict
    )  # a sequence: any of them
    ranges: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)  # field -> (>= this or None, < that or None)
    exists: Sequence[str] = ()
    missing: Sequence[str] = ()
    #: Several fields -> the combinations of their values of which any will do (repository and job).
    together: Mapping[tuple[str, ...], Sequence[tuple[str, ...]]] = field(default_factory=dict)
    text: str = ""  # all words, whole and case-insensitive, each in any of the text fields


@dataclass(frozen=True, slots=True)
class Tally:
    """How many documents have the same values of some fields."""

    values: tuple[Any, ...]  # in the order of the fields; None: the documents have none
    count: int
    sums: tuple[float, ...] = ()  # of other fields; what is absent adds nothing
    present: tuple[int, ...] = ()  # in how many documents each of those fields is


@dataclass(frozen=True, slots=True)
class Written:
    """What an upsert did."""

    created: int = 0
    updated: int = 0


class DocumentIndex(Protocol):
    """Documents by id, by filter, counted by field. OpenSearch and the embedded
    index pass the same tests.
    """

    @property
    def location(self) -> str:
        """Where it lives, for people; passwords masked."""

    def ensure(self) -> None:
        """Create templates and indices (or tables) where they are missing. Idempotent."""

    def upsert(self, documents: Iterable[Document]) -> Written:
        """Write documents, replacing those of the same id; of two with one id the later stays.

        Raises IndexWriteError naming each refused document (the first twenty) and why,
        after the others were written.
        """

    def create(self, document: Document) -> bool:
        """Write a document only if its id is free; whether it was. Atomic across processes."""

    def update(self, kind: Kind, changes: Mapping[str, Body]) -> int:
        """Merge fields into existing documents (id -> fields; None removes a
        field); how many there were.
        """

    def get(self, kind: Kind, ids: Sequence[str]) -> dict[str, Body]:
        """The bodies of those ids that exist."""

    def scan(
        self,
        kind: Kind,
        where: Where | None = None,
        *,
        fields: Sequence[str] = (),
        sort: str = "",
        limit: int | None = None,
    ) -> Iterator[Document]:
        """All matching documents; `fields` narrows the body, `sort` is a field name, "-"
        before it for descending.

        Documents without the sort field come last either way. Raises ContractError on a field that
        the kind has not or that cannot be compared: a typing error is no empty answer.
        """

    def count_by(self, kind: Kind, by: str, where: Where | None = None) -> dict[str, int]:
        """How many matching documents have each value of a field, most frequent first; those
        without it are not counted.

        Booleans count as "true" and "false", each element of a list for itself. Raises
        ContractError as `scan` does.
        """

    def tally(
        self, kind: Kind, by: Sequence[str], where: Where | None = None, *, sums: Sequence[str] = ()
    ) -> list[Tally]:
        """How many matching documents have each combination of values of these fields (at least
        one), in no order; those without a value are counted too. Of the `sums` it is also said how
        many documents have the field.

        A date counts by its hour (`2026-03-02T05`), a list as a whole, as a tuple. Raises
        ContractError as `scan` does.
        """

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
        """Of each combination of values of the fields `by` the first `most` matching documents, as
        `order` (names as `scan` sorts by) has them; in no order.

        Raises ContractError as `scan` does.
        """

    def earliest(self, kind: Kind, by: str, values: Sequence[str], of: str = "@timestamp") -> dict[str, str]:
        """For each of these values of the field `by`, the earliest of a date field among
        the documents that have it.

        Values without such a document are left out. One question for many values: history asks it
        for each group of an hour.
        """

    def delete(self, kind: Kind, ids: Sequence[str]) -> int:
        """Remove documents; how many there were."""

    def refresh(self) -> None:
        """Make what was written visible to scan and count_by."""

    def close(self) -> None:
        """Release connections."""


def present(body: Body) -> Body:
    """The body without fields that have no value (0, 0.0 and False are
    values), its text safe to send.
    """
    return {name: _safe(value) for name, value in body.items() if value is not None and value != "" and value != []}


def _safe(value: Any) -> Any:
    """Half a surrogate pair (JSON allows it, UTF-8 does not) would have a server refuse
    the whole request it is in.
    """
    if isinstance(value, list):
        return [_safe(item) for item in value]
    if not isinstance(value, str) or value.isascii():
        return value
    if any("\ud800" <= character <= "\udfff" for character in value if character > "\ud7ff"):
        return value.encode("utf-8", "replace").decode("utf-8")
    return value
