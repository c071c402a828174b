"""Listings: all pages, checked against what GitHub says there is, asked again when it is less.

What belongs here: whether what was found is what was asked for, and whole. Does not: one page
(`pages.py`), one request (`transport.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

from ci_metrics.errors import IncompleteError
from ci_metrics.github.json_fields import M
from ci_metrics.github.pages import Page, Shape
from ci_metrics.github.transport import Transport
from ci_metrics.models import Run

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

#: Times a listing is read again, past the kept answers, when it holds less than GitHub says.
REPEATS = 2

#: How messages end that say what a listing lacks.
AGAIN = ". It is asked for again later"


@dataclass(frozen=True, slots=True)
class Listing(Generic[M]):
    """What a listing came to."""

    items: list[M]
    missing: str  # what it lacks, for people: "short: 27 of 30 jobs"; "" when it is whole
    lacking: bool = False  # all entries are there, and something in them is not


def read_listing(
    transport: Transport,
    kind: str,
    path: str,
    shape: Shape[M],
    params: Mapping[str, str | int] | None = None,
    *,
    claimed: int | None = None,
    lacks: Callable[[Sequence[M]], str] = lambda _: "",
    keep: bool = True,
) -> Listing[M]:
    """All entries, in order, each once. What several readings found counts together, where entries
    have an identity.

    `claimed`: how many there are, for a listing whose pages do not say; `lacks`: what entries that
    are all there lack nonetheless, for people; `keep`: as for `Transport.get`. Raises what
    `Transport.pages` raises.
    """
    found: dict[object, M] = {}
    missing = ""
    for again in range(REPEATS + 1):
        if again:
            _log.info("%s: %s, reading it again (%d)", shape.where, missing, again)
        pages = list(transport.pages(kind, path, shape, params, fresh=again > 0, keep=keep))
        key = shape.model.identity
        if not key:
            found = {}
        found.update({getattr(item, key) if key else n: item for n, item in enumerate(items_of(pages))})
        short = _missing(shape, pages, len(found), claimed)
        missing = short or lacks(list(found.values()))
        if not missing:
            break
    else:
        _log.warning("⚠️ %s: %s", shape.where, missing)
    return Listing(list(found.values()), missing, lacking=bool(missing and not short))


def items_of(pages: Iterable[Page[M]]) -> Iterator[M]:
    """The entries of all pages, in order."""
    return (item for page in pages for item in page.items)


def refusals(shape: Shape[M], pages: Iterable[Page[M]], found: int) -> str:
    """What of the pages cannot be used, for people; "" when all can. `found`: entries that can."""
    refused = [error for page in pages for error in page.refused]
    more = f", and {len(refused) - 1} more" if len(refused) > 1 else ""
    plural = f"{found + len(refused)} {shape.model.noun}s"
    return f"{len(refused)} of {plural} cannot be used: {refused[0]}{more}" if refused else ""


def attempt_name(run: Run) -> str:
    """How messages name an attempt."""
    return f"{run.repo} run {run.run_id} attempt {run.run_attempt}"


def another(noun: str, seen: int, wanted: int) -> str:
    """Why an object is no answer to the question; "" when it is."""
    return "" if seen == wanted else f"it belongs to {noun} {seen}, asked for was {noun} {wanted}"


def whole(found: _T, where: str, missing: Sequence[str], *, lacking: bool = False) -> _T:
    """What was found; IncompleteError with it, `lacking` or not, when something is missing."""
    said = [what for what in missing if what]
    if said:
        more = f" (and {len(said) - 3} more)" if len(said) > 3 else ""
        raise IncompleteError(f"{where}: {'; '.join(said[:3])}{more}{AGAIN}", found=found, lacking=lacking)
    return found


def _missing(shape: Shape[M], pages: list[Page[M]], found: int, claimed: int | None) -> str:
    """What the pages lack; "" when nothing."""
    total = max((page.total for page in pages if page.total is not None), default=claimed or 0)
    doubled = found > total and any(a.items and a.items == b.items for a, b in pairwise(pages))
    if found < total or doubled or (not total and any(page.short for page in pages)):
        said = f"{total} {shape.model.noun}s" if total else f"more {shape.model.noun}s"
        short = f"short: {found} of {said}" + (", a page came twice" if doubled else "")
    else:
        short = ""
    return "; ".join(filter(None, (short, refusals(shape, pages, found))))
