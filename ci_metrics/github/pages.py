"""What one answer holds: its entries as models, those that cannot be read, how many there should
be, where the next page is.

What belongs here: from JSON to a `Page`, and what of it may be kept. Does not: requests
(`transport.py`), many pages (`listings.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Generic
from urllib.parse import parse_qs, urlsplit

from ci_metrics.errors import ContractError, TransientError
from ci_metrics.github.answers import last_of, next_of, shown_address
from ci_metrics.github.json_fields import GitHubObject, M, object_name, read
from ci_metrics.github.text import shown

#: Entries of a page, the most that GitHub gives.
PAGE = 100


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """A good answer: entries of a listing, or the one object that was asked for."""

    items: list[M]
    refused: list[ContractError]  # one for each entry that cannot be used, with its name and why
    total: int | None  # entries of the whole listing, as this page says; None where it says nothing
    next_url: str | None
    short: bool  # GitHub says that there are pages behind this one, and it is not full


@dataclass(frozen=True, slots=True)
class Shape(Generic[M]):
    """What an address gives."""

    model: type[M]
    where: str  # whose entries they are, for messages: "acme/basket run 1 attempt 2"
    listing: str | None = None  # the field that holds the entries; "": a bare list; None: one object
    misplaced: Callable[[M], str] = lambda _: ""  # why an entry cannot be an answer to this question; "": it can
    elsewhere: Callable[[M], str] = lambda _: ""  # the same by its repository's name, which may have changed

    @property
    def version(self) -> str:
        """Changes with the model's fields: an answer kept by an earlier version lacks what that did
        not read.
        """
        return _version(self.model)

    def page(self, value: object, link: str, url: str, *, moved: bool = False) -> Page[M]:
        """The answer's parts. TransientError when it is not what this address gives: that is no
        empty list.

        `moved`: the repository has another name by now, so its objects carry that.
        """
        holder = value if isinstance(value, dict) else {}
        given = [value] if self.listing is None else value if self.listing == "" else holder.get(self.listing)
        total = holder.get("total_count") if self.listing else None
        counted = not self.listing or (isinstance(total, int) and not isinstance(total, bool) and total >= 0)
        if not isinstance(given, list) or not counted or (self.listing is None and not holder):
            wanted = (
                "an object" if self.listing is None else f"“{self.listing}”, counted," if self.listing else "a list"
            )
            raise TransientError(f"{shown_address(url)} answered with JSON that has not {wanted} in it: {shown(value)}")
        items: list[M] = []
        refused: list[ContractError] = []
        for entry in given:
            try:
                item = read(self.model, entry, self.where)
            except ContractError as error:
                refused.append(error)
                continue
            wrong = self.misplaced(item) or ("" if moved else self.elsewhere(item))
            if wrong:
                refused.append(ContractError(f"{object_name(self.model, entry, self.where)}: {wrong}"))
            else:
                items.append(item)
        return Page(items, refused, total, next_of(link), short=len(given) < PAGE and _is_before_the_last(url, link))

    def kept(self, page: Page[M]) -> object:
        """The JSON of which `page` can be made again: only what was read
        of it, cleaned and masked.
        """
        entries = [item.model_dump(mode="json", exclude_none=True) for item in page.items]
        if self.listing is None:
            return entries[0]
        return {"total_count": page.total, self.listing: entries} if self.listing else entries


@cache
def _version(model: type[GitHubObject]) -> str:
    described = json.dumps(model.model_json_schema(), sort_keys=True)
    return hashlib.blake2b(described.encode(), digest_size=6).hexdigest()


def _is_before_the_last(url: str, link: str) -> bool:
    """Whether the `Link` names a last page behind this one."""
    last = last_of(link)
    return last is not None and _number_of(last) > _number_of(url)


def _number_of(url: str) -> int:
    given = parse_qs(urlsplit(url).query).get("page", ["1"])[0]
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else 1
