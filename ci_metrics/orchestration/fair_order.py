"""In which order repositories share what is scarce: the quota, the seconds before a limit.

What belongs here: the order, a pure function. Does not: asking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from itertools import chain, zip_longest
from typing import TypeVar

_T = TypeVar("_T")

_NOTHING = object()


def fairly(items: Iterable[_T], repo_of: Callable[[_T], str], hour: str) -> list[_T]:
    """The first item of each repository, then the second of each, and so on.

    So where the quota ends, it has ended for those with the most to ask. Which repository is first
    depends on the hour, not on its name: no one is always last. A repository's own items keep
    their order.
    """
    queues: dict[str, list[_T]] = {}
    for item in items:
        queues.setdefault(repo_of(item), []).append(item)
    order = sorted(queues, key=lambda repo: blake2b(f"{hour} {repo}".encode(), digest_size=8).digest())
    rounds = zip_longest(*(queues[repo] for repo in order), fillvalue=_NOTHING)
    return [item for item in chain.from_iterable(rounds) if item is not _NOTHING]  # type: ignore[misc]
