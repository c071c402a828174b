"""Where the states of hours are kept: a small file an hour, and a cache a month to find those due.

What belongs here: these files. Does not: what is in a state (`hours.py`), an hour's rows
(`store.py`).

    <root>/state/2026-03/2026-03-02T05.json     the state of an hour
    <root>/state/2026-03/cache.zst              the states of the month as they were read last:
                                                only ever a cache
    <root>/open/2026-03-02T05                   empty: a verdict of the hour is open (every such
                                                hour has one; others may)

A look at a month costs a listing and its cache; only files that changed since (by the listing's own
words) are read.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping

import zstandard
from pydantic import TypeAdapter, ValidationError
from upath import UPath

from ci_metrics.errors import OvertakenError
from ci_metrics.orchestration.storage.atomic_files import (
    alone,
    fetch,
    fetch_all,
    fetch_tagged,
    is_local,
    is_s3,
    put,
    replace,
)
from ci_metrics.orchestration.storage.hours import HourState, state_of_json, state_to_json
from ci_metrics.orchestration.storage.hours_of_0_1 import OldStates

_log = logging.getLogger(__name__)

#: The cache is written again when so many states were not in it: reading a few at every look costs
#: less than writing it.
CHANGED_ENOUGH = 8

#: States of hours that are kept in memory: a run works on its hours asset after asset
#: (`partitions.HOURS_AT_ONCE`).
MOST_SEEN = 96
#: How often a state is changed anew because another process has changed it meanwhile.
_MOST_TRIES = 20

_CACHE = TypeAdapter(dict[str, tuple[str, HourState]])  # hour -> (what the listing said of its file, its state)


class HourStates:
    """The states below one root; those that version 0.1 left are read, and kept in this form."""

    def __init__(self, root: UPath) -> None:
        """`root` need not exist yet."""
        self._root = root
        self._folder = root / "state"
        self._old = OldStates(root)
        self._tags: OrderedDict[str, tuple[HourState, str | None]] = OrderedDict()

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """The block in which a state is read, changed and written."""
        return alone(self._folder / ".lock")

    def read(self, hour: str) -> HourState:
        """An hour's state; an empty one when it was never worked on.

        A damaged one has to be made again: it is said, and empty.
        """
        return self._read(hour)[0]

    def change(self, hour: str, change: Callable[[HourState], HourState]) -> HourState:
        """Put what `change` makes of an hour's state in its place; the new state.

        In an object store with conditional writes, the state that was read or written last is
        believed to be there still: should it not, it is read anew and `change` called again.
        """
        for _ in range(_MOST_TRIES):
            before, tag = self._tags[hour] if hour in self._tags else self._read(hour)
            after = change(before)
            if self._write(hour, after, before, tag):
                return after
            self._tags.pop(hour, None)
        raise OvertakenError(f"other runs wrote the state of hour {hour} each of {_MOST_TRIES} times")

    def write(self, hour: str, state: HourState, before: HourState) -> None:
        """Replace an hour's state, which was `before` until now, whatever it is."""
        self._write(hour, state, before, "")

    def _read(self, hour: str) -> tuple[HourState, str | None]:
        try:
            data, tag = fetch_tagged(self._file(hour))
        except FileNotFoundError:
            found: tuple[HourState, str | None] = self._old.read(hour), None
        else:
            found = _parsed(hour, data), tag
        self._remember(hour, *found)
        return found

    def _write(self, hour: str, state: HourState, before: HourState, tag: str | None) -> bool:
        marker = self._root / "open" / hour
        if state.open and not before.open:
            put(marker, b"")  # before the state, and below after it: no open hour is ever without
        written = replace(self._file(hour), state_to_json(state), tag)
        if written is None:
            return False
        self._remember(hour, state, written)
        if before.open and not state.open:
            marker.unlink(missing_ok=True)
        return True

    def _remember(self, hour: str, state: HourState, tag: str | None) -> None:
        """Only what the store itself will tell to be outdated."""
        if is_s3(self._folder) and tag != "":
            self._tags[hour] = state, tag
            while len(self._tags) > MOST_SEEN:
                self._tags.popitem(last=False)

    def remove(self, hour: str) -> None:
        """Forget an hour."""
        if hour in self._old.hours():
            self._old.remove(hour)
        (self._root / "open" / hour).unlink(missing_ok=True)
        self._file(hour).unlink(missing_ok=True)
        self._tags.pop(hour, None)

    def hours(self) -> list[str]:
        """Every hour that was ever worked on, in order."""
        new = (hour for month in self._months() for hour in self._listed(self._folder / month))
        return sorted({*new, *self._old.hours()})

    def open_hours(self) -> list[str]:
        """The hours of which a verdict may be open, in order."""
        return sorted(listing(self._root / "open"))

    def many(self, first: str = "", last: str = "~") -> dict[str, HourState]:
        """The states of the hours from `first` to `last`, in order."""
        found = self._bring_over()
        for month in self._months():
            if first[:7] <= month <= last[:7]:
                found.update(self._month(self._folder / month))
        return {hour: found[hour] for hour in sorted(found) if first <= hour <= last}

    def _month(self, folder: UPath) -> dict[str, HourState]:
        listed = self._listed(folder)
        cached = self._cached(folder)
        known = {hour: cached[hour] for hour, stamp in listed.items() if cached.get(hour, ("",))[0] == stamp}
        changed = [hour for hour in listed if hour not in known]
        paths = {self._file(hour).path: hour for hour in changed}
        for path, data in fetch_all(folder, list(paths)).items():
            if isinstance(data, FileNotFoundError):
                continue
            if isinstance(data, Exception):
                raise data
            known[paths[path]] = (listed[paths[path]], _parsed(paths[path], data))
        if len(changed) >= CHANGED_ENOUGH:
            packed = zstandard.compress(_CACHE.dump_json(known, exclude_defaults=True))
            with contextlib.suppress(OSError):  # who may only look does without
                put(folder / "cache.zst", packed)
        return {hour: state for hour, (_, state) in known.items()}

    def _cached(self, folder: UPath) -> Mapping[str, tuple[str, HourState]]:
        try:
            return _CACHE.validate_json(zstandard.decompress(fetch(folder / "cache.zst")))
        except (FileNotFoundError, ValidationError, zstandard.ZstdError):
            return {}

    def _bring_over(self) -> dict[str, HourState]:
        """Keep what 0.1 left in this form; its own files go. Gives what cannot be kept,
        where nothing may be written.
        """
        left: dict[str, HourState] = {}
        for hour in self._old.hours():
            try:
                with self.alone():
                    if not self._file(hour).exists():
                        self.write(hour, self._old.read(hour), HourState())
                    self._old.remove(hour)
            except OSError:
                left[hour] = self._old.read(hour)
        return left

    def _months(self) -> list[str]:
        return sorted(listing(self._folder))

    def _listed(self, folder: UPath) -> dict[str, str]:
        """The hours of a month, and what tells one version of an hour's file from another."""
        return {n.removesuffix(".json"): stamp for n, stamp in listing(folder).items() if n.endswith(".json")}

    def _file(self, hour: str) -> UPath:
        return self._folder / hour[:7] / f"{hour}.json"


#: What object stores (and fsspec's memory) say of an object that changes whenever it is replaced.
_STAMP = ("ETag", "etag", "md5Hash", "created", "size")


def listing(folder: UPath) -> dict[str, str]:
    """What lies in a folder and is not hidden: by name, what changes whenever it is replaced."""
    if is_local(folder):
        found = _local_listing(str(folder))
    elif is_s3(folder):
        found = _s3_listing(folder)
    else:
        folder.fs.invalidate_cache(folder.path)
        try:
            infos = folder.fs.ls(folder.path, detail=True)
        except FileNotFoundError:
            return {}
        found = {
            str(info["name"]).rstrip("/").rsplit("/", 1)[-1]: "-".join(str(info.get(word, "")) for word in _STAMP)
            for info in infos
        }
    return {name: stamp for name, stamp in found.items() if not name.startswith(".")}


def _s3_listing(folder: UPath) -> dict[str, str]:
    """By one request a thousand names; s3fs asks a second time whether an empty folder is one."""
    bucket, key, _ = folder.fs.split_path(folder.path)
    prefix, found = f"{key}/" if key else "", {}
    more: dict[str, str] = {}
    while True:
        page = folder.fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, Delimiter="/", **more)
        found.update({str(each["Key"])[len(prefix) :]: str(each["ETag"]) for each in page.get("Contents", ())})
        found.update({str(each["Prefix"])[len(prefix) : -1]: "" for each in page.get("CommonPrefixes", ())})
        if not page.get("IsTruncated"):
            return {name: stamp for name, stamp in found.items() if name}
        more = {"ContinuationToken": str(page["NextContinuationToken"])}


def _local_listing(folder: str) -> dict[str, str]:
    found: dict[str, str] = {}
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(
                FileNotFoundError
            ):  # another process's part-written file has taken its place since
                stat = entry.stat()
                found[entry.name] = f"{stat.st_ino}-{stat.st_mtime_ns}-{stat.st_size}"
    return found


def _parsed(hour: str, data: bytes) -> HourState:
    try:
        return state_of_json(data)
    except ValidationError:
        _log.warning("⚠️ The state of hour %s is damaged: the hour is done again", hour)
        return HourState()
