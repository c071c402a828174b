"""A backup: one archive of what cannot be made again, checked as a whole
before anything is put back.

What belongs here: the archive's form, making, checking and restoring it. Does not: arguments and
printing (`commands/backup.py`).

    manifest.json            format, version, when, and of each file its size and digest (written
                             last)
    hours/...                the hours' files as they lie below the hours' root, but for raw logs
                             and caches: rows,
                             states, labels, unwritten verdicts, learned weights,
                             backgrounds, what was sent
    batches/...              message batches under way
    index.sqlite             the embedded index, where there is one
    verdicts.jsonl           the verdict index's documents, for an OpenSearch

The files of one hour are read while no run commits it, so rows and state fit. Documents of an
OpenSearch are not in it: `ci-metrics reindex` makes them from the hours.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from pydantic import TypeAdapter, ValidationError
from upath import UPath

from ci_metrics import __version__
from ci_metrics.errors import ContractError, NotFoundError, PermanentError
from ci_metrics.index.document_index import Document, DocumentIndex
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.index.embedded_copy import check_index, copy_index, put_back
from ci_metrics.index.open import EMBEDDED_FILE, open_index
from ci_metrics.orchestration.parts import HoursPart, batches_folder
from ci_metrics.orchestration.storage import hours as hour_files
from ci_metrics.orchestration.storage.atomic_files import fetch, put, written_whole
from ci_metrics.orchestration.storage.hour_states import HourStates
from ci_metrics.private_files import make_folder
from ci_metrics.settings import Settings

#: Of the archive: raised when a restore of it needs another step.
BACKUP_FORMAT = 1

_MANIFEST, _INDEX, _VERDICTS = "manifest.json", EMBEDDED_FILE, "verdicts.jsonl"
#: Below the hours' root: raw logs are large and hold what was not masked; the rest is made
#: again by whoever needs it. Batches, which may lie there, have their own part of the archive.
_LEFT_OUT = re.compile(
    r"^(?:job_logs/[^/]+|batches|github-cache)/|^(?!repositories/[^/]+/[^/]+\.json$).*(?<![^/])\.|^state/[^/]+/cache\.zst$"
)
_HOUR = re.compile(r"\d{4}-\d\d-\d\dT\d\d")
#: What is packed already.
_PACKED = (".parquet", ".zst", ".gz")
#: Bytes of a manifest: a hundred per file of ten years of hours.
_MOST_MANIFEST = 200_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an archive says of itself."""

    format: int
    version: str  # of ci_metrics, that made it
    made_at: datetime
    sample: bool  # of the sample GitHub's data, or a repository's
    hours_format: int
    files: Mapping[str, tuple[int, str]]  # name -> (bytes, digest)

    @property
    def hours(self) -> int:
        """Of how many hours it holds rows."""
        return sum(name.startswith("hours/workflow_runs/") for name in self.files)

    @property
    def labels(self) -> int:
        """How many of people's labels it holds."""
        return sum(name.startswith("hours/labels/") and name.count("/") == 2 for name in self.files)


_MANIFEST_FILE = TypeAdapter(Manifest)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    format: int


_FORMAT = TypeAdapter(_Format)


def make_backup(settings: Settings, target: Path, now: datetime) -> Manifest:
    """Write all that cannot be made again to the archive `target`.

    Raises NotFoundError when there is nothing, ContractError when `target` is there already,
    PermanentError when it cannot be written or the index is damaged.
    """
    root = HoursPart(settings).store.root
    embedded = settings.data_dir / EMBEDDED_FILE
    names = _files_below(root)
    if not names and not embedded.exists():
        raise NotFoundError(f"there is nothing to back up at {root} yet. Run “ci-metrics upload” first")
    if target.exists():
        raise ContractError(f"{target} is there already. Name another file: a backup is never written over")
    files: dict[str, tuple[int, str]] = {}
    try:
        make_folder(target.absolute().parent)
        with (
            written_whole(UPath(target.absolute()), private=True) as partial,
            zipfile.ZipFile(str(partial), "w") as archive,
        ):
            for name, data in _contents(settings, root, names):
                _add(archive, files, name, data)
            manifest = Manifest(
                format=BACKUP_FORMAT,
                version=__version__,
                made_at=now,
                sample=settings.is_sample,
                hours_format=hour_files.FORMAT,
                files=files,
            )
            archive.writestr(_MANIFEST, _MANIFEST_FILE.dump_json(manifest), zipfile.ZIP_DEFLATED)
    except OSError as error:
        raise PermanentError(f"cannot write {target}: {error.strerror or error}. Choose another place") from error
    return manifest


def check_backup(path: Path) -> Manifest:
    """What a whole archive says of itself. Raises ContractError for any other,
    and for a later version's.
    """
    with _archive(path) as archive:
        return _checked(archive, path)


def restore_backup(settings: Settings, path: Path, *, replace: bool) -> Manifest:
    """Check an archive, then make the data of these settings what it holds.

    Raw logs stay. With `replace`, hours and labels that the archive does not hold go: they are of
    another time. Broken off, it can be done again. Raises ContractError, with nothing changed, when
    the archive is not whole, of a later version, or of the sample where a repository is set (or the
    other way round), and when there is data and `replace` is not said.
    """
    root = HoursPart(settings).store.root
    with _archive(path) as archive, tempfile.TemporaryDirectory() as folder:
        manifest = _checked(archive, path)
        if manifest.sample != settings.is_sample:
            whose = ("a repository's", "the sample's")
            raise ContractError(
                f"{path} holds {whose[manifest.sample]} data, and the settings name {whose[settings.is_sample]}. "
                "Set REPO as it was (or leave it out)"
            )
        there = _files_below(root)
        if (there or (settings.data_dir / EMBEDDED_FILE).exists()) and not replace:
            raise ContractError(
                f"there is data at {settings.data_dir} already. Say --replace to have {path} in its place, "
                "or set another CI_METRICS_HOME"
            )
        index = Path(folder) / _INDEX
        if _INDEX in manifest.files:
            index.write_bytes(archive.read(_INDEX))
            check_index(index, f"{path}: {_INDEX}")
        try:
            _put_hours(root, archive, manifest, there)
            _put_batches(batches_folder(settings), archive, manifest)
            _put_index(settings, index if index.exists() else None, archive, manifest)
        except OSError as error:
            raise PermanentError(
                f"cannot write to {settings.data_dir}: {error.strerror or error}. What was restored so far is in place; "
                "do it again with --replace"
            ) from error
    return manifest


# Making


def _contents(settings: Settings, root: UPath, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    for name, data in _hours(root, names):
        yield f"hours/{name}", data
    batches = batches_folder(settings)
    for name in _files_below(batches):
        if (kept := _read(batches / name)) is not None:
            yield f"batches/{name}", kept
    embedded = settings.data_dir / EMBEDDED_FILE
    if settings.uses_opensearch:
        with closing(open_index(settings)) as index:
            yield _VERDICTS, _as_lines(index)
    elif embedded.exists():
        with tempfile.TemporaryDirectory() as folder:
            copy_index(embedded, Path(folder) / _INDEX)
            yield _INDEX, (Path(folder) / _INDEX).read_bytes()


def _files_below(root: UPath) -> list[str]:
    """What is kept of the files below the hours' root or the batches', by its path."""
    if not root.is_dir():
        return []
    root.fs.invalidate_cache()
    top = root.path.rstrip("/")
    names = (found[found.index(top) + len(top) + 1 :] for found in root.fs.find(root.path))
    return sorted(name for name in names if not _LEFT_OUT.search(name))


def _hours(root: UPath, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """The files and what is in them; all of one hour while no run commits it."""
    together: dict[str, list[str]] = {}
    for name in names:
        found = _HOUR.search(name)
        together.setdefault(found[0] if found else name, []).append(name)
    states = HourStates(root)
    for group in together.values():
        with states.alone():
            read = [(name, data) for name in group if (data := _read(root / name)) is not None]
        yield from read


def _read(path: UPath) -> bytes | None:
    try:
        return fetch(path)
    except FileNotFoundError:  # withdrawn meanwhile
        return None


def _as_lines(index: DocumentIndex) -> bytes:
    lines = (json.dumps({"id": each.id, **each.body}, ensure_ascii=False) for each in index.scan("verdicts"))
    return "".join(f"{line}\n" for line in lines).encode()


def _add(archive: zipfile.ZipFile, files: dict[str, tuple[int, str]], name: str, data: bytes) -> None:
    how = zipfile.ZIP_STORED if name.endswith(_PACKED) else zipfile.ZIP_DEFLATED
    archive.writestr(name, data, how)
    files[name] = len(data), _digest(data)


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


# Checking


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        try:
            opened = zipfile.ZipFile(path)
        except ValueError as error:  # its directory leads outside, or a name is in no encoding
            raise zipfile.BadZipFile(str(error)) from error
        with opened as archive:
            yield archive
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {path}. Give an archive that “ci-metrics backup” made") from None
    except zipfile.BadZipFile as error:
        raise ContractError(f"{path} is no whole backup ({error}). Nothing was changed; take another one") from error
    except (IsADirectoryError, PermissionError) as error:
        raise PermanentError(f"{path}: {error.strerror}") from error


def _checked(archive: zipfile.ZipFile, path: Path) -> Manifest:
    """The manifest of an archive of which every file is as it says."""
    names = archive.namelist()
    if _MANIFEST not in names or archive.getinfo(_MANIFEST).file_size > _MOST_MANIFEST:
        raise ContractError(f"{path} is no backup of ci_metrics: it has no {_MANIFEST}. Nothing was changed")
    data = _unpacked(archive, _MANIFEST)
    try:
        found = _FORMAT.validate_json(data).format
        if found > BACKUP_FORMAT:
            raise ContractError(
                f"{path} was made by a later version (format {found}, known up to {BACKUP_FORMAT}). Use that one to restore it"
            )
        manifest = _MANIFEST_FILE.validate_json(data)
    except ValidationError as error:
        raise ContractError(
            f"{path}: {_MANIFEST} is damaged ({error.error_count()} faults). Nothing was changed"
        ) from error
    hour_files.refuse_later(manifest.hours_format, f"what is in {path}")
    if sorted(names) != sorted([*manifest.files, _MANIFEST]):
        raise ContractError(f"{path} does not hold the files that its {_MANIFEST} names. Nothing was changed")
    for name, (size, digest) in manifest.files.items():
        if not _is_ours(name):
            raise ContractError(f"{path} holds “{name}”, which no backup has. Nothing was changed")
        if archive.getinfo(name).file_size != size or _digest(_unpacked(archive, name)) != digest:
            raise ContractError(f"{path} is damaged: {name} is not what it was. Nothing was changed")
    return manifest


def _unpacked(archive: zipfile.ZipFile, name: str) -> bytes:
    """A file of the archive. Raises BadZipFile when it is damaged, or packed as no backup is."""
    info = archive.getinfo(name)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
        raise zipfile.BadZipFile(f"{name} is packed or encrypted as no backup is")
    try:
        return archive.read(info)
    except (zlib.error, EOFError) as error:
        raise zipfile.BadZipFile(f"{name}: {error}") from error


def _is_ours(name: str) -> bool:
    parts = PurePosixPath(name).parts
    if "\\" in name or ":" in name or "\0" in name or name.startswith("/") or ".." in parts:
        return False
    if name in (_INDEX, _VERDICTS):
        return True
    return len(parts) > 1 and parts[0] in ("hours", "batches") and "/".join(parts) == name


# Restoring


def _put_hours(root: UPath, archive: zipfile.ZipFile, manifest: Manifest, there: Iterable[str]) -> None:
    """Rows before the states that name them; what the archive does not hold goes last."""
    kept = [name.removeprefix("hours/") for name in manifest.files if name.startswith("hours/")]
    with HourStates(root).alone():
        for name in sorted(kept, key=lambda name: name.startswith("state/")):
            put(root / name, archive.read(f"hours/{name}"))
        for name in set(there).difference(kept):
            (root / name).unlink(missing_ok=True)


def _put_batches(folder: UPath, archive: zipfile.ZipFile, manifest: Manifest) -> None:
    kept = {name.removeprefix("batches/") for name in manifest.files if name.startswith("batches/")}
    for name in sorted(kept):
        put(folder / name, archive.read(f"batches/{name}"))
    for name in set(_files_below(folder)).difference(kept):
        (folder / name).unlink(missing_ok=True)


def _put_index(settings: Settings, copy: Path | None, archive: zipfile.ZipFile, manifest: Manifest) -> None:
    """The embedded index as it was; into an OpenSearch, and from one, the verdicts."""
    if copy is not None and not settings.uses_opensearch:
        put_back(copy, settings.data_dir / EMBEDDED_FILE)
        return
    if copy is not None:
        with closing(EmbeddedIndex(copy)) as index:
            verdicts = list(index.scan("verdicts"))
    elif _VERDICTS in manifest.files:
        verdicts = [_verdict(json.loads(line)) for line in archive.read(_VERDICTS).splitlines()]
    else:
        return
    with closing(open_index(settings)) as target:
        target.ensure()
        target.upsert(verdicts)
        target.refresh()


def _verdict(line: dict[str, object]) -> Document:
    return Document("verdicts", str(line.pop("id")), line)
