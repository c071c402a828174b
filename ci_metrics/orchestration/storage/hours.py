"""What is known of an hour: one record an asset, by repository, and what follows from them.

What belongs here: the records, their JSON, whether the hour is finished and why not. Does not:
files (`hour_states.py`), when an hour is due (`orchestration/due_hours.py`).

An asset's record is written together with its rows. It names them (`commit`, the digest of their
file) and what they were made of (`made_of`, the commits of the assets that were read): where the
two differ from what is in force, the hour is done again. That one rule finds an hour whose run was
killed, whose rows another run wrote anew, or of which one asset alone was redone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, TypeAdapter

from ci_metrics.errors import ShapeError

#: Of the files of hours: raised when reading those before needs a step of its own. 1: version 0.1
#: (`hours_of_0_1.py`), which said none.
FORMAT = 2

#: Assets without which an hour is not done: the first one, and the last two.
NEEDED = ("workflow_runs", "indexed_documents", "failure_history")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """Something that could not be done, and why.

    `tries`: how often in a row. `run`: of a whole hour, the Dagster run that tried last.
    """

    why: str
    tries: int = 1
    run: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoRecord:
    """An asset's part of an hour, of one repository."""

    seen: datetime  # when it was last asked for
    unfinished: int = 0  # of its runs, jobs or logs: those that will still change
    #: By the name of what it is: a run, a job, the listing.
    set_aside: Mapping[str, SetAside] = field(default_factory=dict)

    @property
    def is_finished(self) -> bool:
        """Whether asking again would find nothing new but re-runs."""
        return not self.unfinished and not self.set_aside

    @property
    def tries(self) -> int:
        """How often in a row something of it could not be done; 0 when all could."""
        return max((aside.tries for aside in self.set_aside.values()), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alike:
    """Repositories whose parts are equal: most of a thousand are."""

    repos: list[str]
    part: RepoRecord


def _alike(parts: Mapping[str, RepoRecord]) -> list[_Alike]:
    found: dict[Any, _Alike] = {}
    for repo, part in sorted(parts.items()):
        key = part.seen, part.unfinished, tuple(sorted(part.set_aside.items(), key=str))
        found.setdefault(key, _Alike(repos=[], part=part)).repos.append(repo)
    return list(found.values())


def _apart(groups: Any) -> dict[str, RepoRecord]:
    return {repo: each.part for each in _ALIKE.validate_python(groups) for repo in each.repos}


_ALIKE = TypeAdapter(list[_Alike])

#: By repository; stored once for all that are alike.
RepoRecords = Annotated[Mapping[str, RepoRecord], PlainValidator(_apart), PlainSerializer(_alike)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetRecord:
    """What one asset's part of an hour is."""

    seen: datetime  # when it was last worked on
    commit: str = ""  # names its rows; "" where they were stored before commits were
    made_of: Mapping[str, str] = field(default_factory=dict)  # asset -> commit
    version: str = ""  # of the code that made it, where it has one
    open: int = 0  # verdicts that will be looked at again
    said: Mapping[str, Any] = field(default_factory=dict)  # further figures, named by the asset
    repos: RepoRecords = field(
        default_factory=dict
    )  # of `workflow_runs` all, of the others those that are not finished
    failed: SetAside | None = None  # why the whole hour could not be done when it was tried last

    @property
    def unfinished(self) -> int:
        """Of all repositories."""
        return sum(repo.unfinished for repo in self.repos.values())

    @property
    def set_aside(self) -> dict[str, str]:
        """What could not be done, by name, and why."""
        return {
            f"{repo} {name}".strip(): aside.why
            for repo, record in self.repos.items()
            for name, aside in record.set_aside.items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class HourState:
    """All that is known of an hour; of one that was never worked on, nothing."""

    assets: Mapping[str, AssetRecord] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether it was ever worked on."""
        return bool(self.assets)

    def of(self, asset: str) -> AssetRecord | None:
        """One asset's record; None when it has not worked on the hour."""
        return self.assets.get(asset)

    def commit(self, asset: str) -> str:
        """Which rows of an asset are in force; "" when none are, or that is not known."""
        record = self.assets.get(asset)
        return record.commit if record else ""

    def having(self, asset: str, record: AssetRecord) -> HourState:
        """The state with another record of one asset."""
        return HourState(assets={**self.assets, asset: record})

    @property
    def last_seen(self) -> datetime | None:
        """When it was last worked on."""
        return max((record.seen for record in self.assets.values()), default=None)

    @property
    def open(self) -> int:
        """Verdicts that will be looked at again."""
        return sum(record.open for record in self.assets.values())

    @property
    def broken_off(self) -> list[str]:
        """Why the chain must be gone through again, whatever GitHub says; [] when it was ended."""
        return list(self._broken_off())

    def _broken_off(self) -> Iterator[str]:
        for name in NEEDED:
            if name not in self.assets:
                yield f"{name} is not there"
        for name, record in self.assets.items():
            if record.failed:
                yield f"{name}: {record.failed.why}"
            if record.open:
                yield f"{name}: {record.open} verdicts are open"
            for source, commit in record.made_of.items():
                if source in self.assets and self.commit(source) != commit:
                    yield f"{name} is made of older rows of {source}"

    @property
    def is_finished(self) -> bool:
        """Whether another look would find nothing new but re-runs."""
        repos = (repo for record in self.assets.values() for repo in record.repos.values())
        return next(self._broken_off(), None) is None and all(repo.is_finished for repo in repos)

    def of_repository(self, repo: str) -> list[RepoRecord]:
        """The parts of one repository, of all assets that have one."""
        return [record.repos[repo] for record in self.assets.values() if repo in record.repos]

    @property
    def set_aside(self) -> dict[str, str]:
        """What could not be done, by name, and why."""
        found: dict[str, str] = {}
        for name, record in self.assets.items():
            found.update(record.set_aside)
            if record.failed:
                found[name] = record.failed.why
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an asset's work on an hour went, by repository."""

    repos: Sequence[str]  # all that are worked on at all: the parts of others are forgotten (their rows are not)
    asked: Sequence[str]  # those that were worked on now: the parts of the others stay
    unfinished: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # what could not be done, and why
    #: Whether those of which nothing is left open are noted too, with when they were asked for.
    notes_finished: bool = False

    @property
    def problems(self) -> dict[str, str]:
        """What could not be done, by name, and why."""
        return {f"{repo} {what}": why for repo, parts in self.failures.items() for what, why in parts.items()}

    def records(self, seen: datetime, before: Mapping[str, RepoRecord]) -> dict[str, RepoRecord]:
        """The parts as they are now; what could not be done before either counts its tries on."""
        asked = set(self.asked)
        finished = RepoRecord(seen=seen)
        found: dict[str, RepoRecord] = {}
        for repo in self.repos:
            if repo not in asked:
                part = before.get(repo, finished)
            elif repo in self.unfinished or repo in self.failures:
                aside = _tried_again(before.get(repo), self.failures.get(repo, {}))
                part = RepoRecord(seen=seen, unfinished=self.unfinished.get(repo, 0), set_aside=aside)
            else:
                part = finished
            if not part.is_finished or (self.notes_finished and (repo in asked or repo in before)):
                found[repo] = part
        return found


def _tried_again(before: RepoRecord | None, failures: Mapping[str, str]) -> dict[str, SetAside]:
    tried = before.set_aside if before else {}
    return {
        name: SetAside(why=why, tries=tried[name].tries + 1 if name in tried else 1) for name, why in failures.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    format: int
    state: HourState


_FILE = TypeAdapter(_File)


def state_to_json(state: HourState) -> bytes:
    """As `state_of_json` reads it; equal states give equal bytes."""
    return _FILE.dump_json(_File(format=FORMAT, state=state), exclude_defaults=True)


def state_of_json(data: bytes) -> HourState:
    """Raises pydantic.ValidationError for what is no state, ShapeError for a later version's."""
    refuse_later(_FORMAT.validate_json(data).format, "the state of an hour")
    return _FILE.validate_json(data).state


def refuse_later(found: int | bytes, what: str) -> None:
    """Raises ShapeError when a file of hours is of a later format than this version knows."""
    if int(found) > FORMAT:
        raise ShapeError(
            f"{what} was written by a later version (format {int(found)}, known up to {FORMAT}). Use that one"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    format: int


_FORMAT = TypeAdapter(_Format)
