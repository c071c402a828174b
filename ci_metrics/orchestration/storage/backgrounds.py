"""Where the shapes of passing logs are kept, for all hours, beside what was found of each job.

What belongs here: their files, and which of them holds for a failed job. Does not: finding and
fetching (`passing_runs.py`), what a shape is (`logs/background.py`).

    <root>/backgrounds/<job>/asked.json             what was found for each week of a distinct job
                                                    (repository, workflow, job's name)
    <root>/backgrounds/<job>/<id>-<attempt>.<shapes' version>    the shapes of a passing log

A file of shapes never changes, and hours name the one that they used: so they can be derived again,
with the same result, without GitHub. Two runs that ask about one job at once may both fetch, and
one answer is forgotten: it costs a log, nothing else.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from pydantic import TypeAdapter, ValidationError
from upath import UPath

from ci_metrics.errors import ContractError
from ci_metrics.logs.background import SHAPES_VERSION, Background
from ci_metrics.models import Job, JobLog
from ci_metrics.orchestration.storage.atomic_files import fetch, put

#: How long a passing log is background for the failures around the one it was fetched for.
WEEK = timedelta(days=7)
#: How long "there is none" holds for later failures.
_ABSENT_HOLDS = timedelta(days=1)
#: Answers kept of one distinct job: two years of weeks.
_MOST = 104
#: Shapes that are kept in memory, some kB each: failed jobs of an hour share them.
_MOST_READ = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class DistinctJob:
    """What makes two jobs the same one in different runs; a matrix job's name holds its values."""

    repo: str
    workflow: str
    name: str

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return blake2b("\n".join((self.repo, self.workflow, self.name)).encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPassing:
    """What was found for a failed job that began at `before`: a passing log (`path`), or none."""

    before: datetime
    began: datetime | None = None  # when the passing job did
    path: str = ""
    detail: str = ""  # why there is none
    tried: str = ""  # id and attempt of the passing job whose log was asked for

    def holds_for(self, failed: Job) -> bool:
        """Whether its shapes are background of the failed job: begun before, within a week."""
        at = job_began(failed)
        return self.is_readable and self.began is not None and self.began < at and abs(at - self.before) < WEEK

    def denies(self, failed: Job) -> bool:
        """Whether it says that there is none for the failed job: nor was there a day later."""
        return not self.path and job_began(failed) < self.before + _ABSENT_HOLDS

    @property
    def is_readable(self) -> bool:
        """Whether the shapes are of this version."""
        return self.path.endswith(f".{SHAPES_VERSION}")


class Backgrounds:
    """The files below one root (that of the hours)."""

    def __init__(self, root: UPath) -> None:
        """`root` need not exist yet."""
        self._root = root / "backgrounds"
        self._asked: dict[str, list[KnownPassing]] = {}  # by folder, as they were read or written last
        self._read: OrderedDict[str, Background] = OrderedDict()  # by path: what lies there never changes

    def answers(self, job: DistinctJob) -> list[KnownPassing]:
        """What was found for it so far, in the order it was asked; [] when its file is damaged."""
        try:
            asked = _FILE.validate_json(fetch(self._root / job.folder / "asked.json")).asked
        except (FileNotFoundError, ValidationError):
            asked = []
        self._asked[job.folder] = asked
        return asked

    def remember(self, job: DistinctJob, answer: KnownPassing) -> None:
        """Add what was found now."""
        before = self._asked.get(job.folder)
        asked = [*(self.answers(job) if before is None else before), answer][-_MOST:]
        self._asked[job.folder] = asked
        kept = _File(repo=job.repo, workflow=job.workflow, name=job.name, asked=asked)
        put(self._root / job.folder / "asked.json", _FILE.dump_json(kept, indent=1))

    def path_of(self, job: DistinctJob, passed: Job) -> str:
        """Where the shapes of a passing job's log belong."""
        return f"{job.folder}/{passed.job_id}-{passed.run_attempt}.{SHAPES_VERSION}"

    def write(self, path: str, background: Background) -> None:
        """Store shapes."""
        put(self._root / path, background.to_bytes())

    def read(self, path: str) -> Background:
        """The shapes at a path.

        Raises ContractError when they are gone, damaged or of another version.
        """
        if path in self._read:
            return self._read[path]
        try:
            found = Background.from_bytes(fetch(self._root / path))
        except FileNotFoundError as error:
            raise ContractError(f"the shapes of the passing log, {path}, have been deleted") from error
        self._read[path] = found
        while len(self._read) > _MOST_READ:
            self._read.popitem(last=False)
        return found

    def of(self, log: JobLog) -> Background | None:
        """The background that a log's manifest names; None when it names none. Raises as `read`."""
        return self.read(log.passing.path) if log.passing is not None and log.has_background else None


def distinct_job(job: Job) -> DistinctJob:
    """Which distinct job this one is."""
    return DistinctJob(repo=job.repo, workflow=job.workflow_name, name=job.name)


def job_began(job: Job) -> datetime:
    """When a job began; one that was run again may carry the first attempt's time of creation."""
    return max((time for time in (job.created_at, job.started_at) if time is not None), default=_NEVER)


_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    repo: str
    workflow: str
    name: str
    asked: list[KnownPassing]


_FILE = TypeAdapter(_File)
