"""The conditional cache in an object store, where every pod sees it.

What belongs here: which answers share an object, reading and writing it. Does not: what is kept of
an answer (`github/pages.py`), the cache on one machine (`github/conditional.py`).

Listings of runs only: they are what is asked again and again. Those of an hour share an object, so
that a look at an hour costs one read, and one write where GitHub said something new. Of two pods
that write one at the same moment the later one's stays; what is lost costs a request.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass

import zstandard
from pydantic import TypeAdapter, ValidationError
from upath import UPath

from ci_metrics.github.conditional import KeptAnswer
from ci_metrics.orchestration.storage.atomic_files import fetch, put

#: The hour in which the runs of a listing were created, as its address says it; the rest of the
#: listings are spread over so many objects.
_HOUR = re.compile(r"\d{4}-\d\d-\d\dT\d\d")
_OTHERS = 16

#: Objects that are kept in memory: a run works on a day's hours (`partitions.HOURS_PER_RUN`).
_MOST_OPEN = 48

_ANSWERS = TypeAdapter(dict[str, KeptAnswer])


@dataclass(slots=True)
class _Shard:
    """The answers that share an object."""

    answers: dict[str, KeptAnswer]
    changed: bool = False


class ObjectConditionalCache:
    """A `ConditionalCache` below a folder of an object store; written when it is closed."""

    def __init__(self, folder: UPath) -> None:
        """Nothing is read yet."""
        self._folder = folder
        self._open: OrderedDict[str, _Shard] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, scope: str, url: str) -> KeptAnswer | None:
        """See `ConditionalCache.get`."""
        if not _is_listing(url):
            return None
        with self._lock:
            return self._shard(url).answers.get(_key(scope, url))

    def put(self, scope: str, url: str, answer: KeptAnswer) -> None:
        """See `ConditionalCache.put`."""
        if not _is_listing(url):
            return
        with self._lock:
            shard = self._shard(url)
            if shard.answers.get(_key(scope, url)) != answer:
                shard.answers[_key(scope, url)] = answer
                shard.changed = True

    def close(self) -> None:
        """Write what is new."""
        with self._lock:
            while self._open:
                self._write()

    def __enter__(self) -> ObjectConditionalCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _shard(self, url: str) -> _Shard:
        name = _name(url)
        if name not in self._open:
            self._open[name] = _Shard(self._read(name))
        self._open.move_to_end(name)
        while len(self._open) > _MOST_OPEN:
            self._write()
        return self._open[name]

    def _read(self, name: str) -> dict[str, KeptAnswer]:
        try:
            return _ANSWERS.validate_json(zstandard.decompress(fetch(self._folder / name)))
        except (FileNotFoundError, ValidationError, zstandard.ZstdError):  # a damaged one costs its requests
            return {}

    def _write(self) -> None:
        """Put the longest unused object back."""
        name, shard = self._open.popitem(last=False)
        if shard.changed:
            put(self._folder / name, zstandard.compress(_ANSWERS.dump_json(shard.answers)))


def _is_listing(url: str) -> bool:
    return "/actions/runs?" in url


def _name(url: str) -> str:
    hour = _HOUR.search(url)
    return f"{hour[0]}.zst" if hour else f"{int(_key('', url), 16) % _OTHERS:02d}.zst"


def _key(scope: str, url: str) -> str:
    return hashlib.blake2b(f"{scope}\n{url}".encode(), digest_size=16).hexdigest()
