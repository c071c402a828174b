"""An hour's rows of several assets, some repositories at a time: so a large hour is worked on.

What belongs here: cutting them. Does not: what is done with a part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import groupby, repeat
from typing import Any, Protocol

#: Rows after which a part of an hour ends with its repository.
PART = 2_000


class OfRepository(Protocol):
    """A row of one repository."""

    @property
    def repo(self) -> str:
        """Its name."""


def repository_parts(*sources: Iterable[OfRepository]) -> Iterator[tuple[Any, ...]]:
    """The rows of each source, all in order of their repositories: a list a source, of all rows of
    some repositories. At least one part.
    """
    part: tuple[list[Any], ...] = tuple([] for _ in sources)
    numbered = [zip(rows, repeat(number)) for number, rows in enumerate(sources)]
    for _, found in groupby(merge(*numbered, key=_repo), key=_repo):
        if sum(map(len, part)) >= PART:
            yield part
            part = tuple([] for _ in sources)
        for row, number in found:
            part[number].append(row)
    yield part


def _repo(numbered: tuple[OfRepository, int]) -> str:
    return numbered[0].repo
