"""What commands that judge log files share: reading logs, standard input and a job's JSON.

Belongs here: files into streams, bytes and records. Does not: what is printed
(`extract_files.py`, `classify_files.py`).
"""

from __future__ import annotations

import io
import json
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from ci_metrics.bounded_gzip import GZIP_MARK, unpacked
from ci_metrics.errors import ContractError
from ci_metrics.logs import Background, background_of
from ci_metrics.logs.encodings import BEGINNING, why_no_text
from ci_metrics.logs.several_jobs import jobs_apart, names_jobs
from ci_metrics.models import Job
from ci_metrics.settings import load_settings


@contextmanager
def opened(name: str) -> Iterator[io.BufferedReader[Any]]:
    """The log `name` as a stream of its bytes: ``-`` is standard input, gzip is unpacked.

    Raises ContractError when it cannot be read, also when a packed one turns out to be longer than
    MAX_LOG_MB: a few kilobytes can unpack to any number of gigabytes.
    """
    try:
        with Path(name).open("rb") if name != "-" else _standard_input() as raw:
            if raw.peek(2)[:2] == GZIP_MARK:
                yield unpacked(raw, name, load_settings().max_log_bytes)
            else:
                yield raw
    except (OSError, EOFError, zlib.error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ContractError(
            f"{name}: cannot be read ({why}). Give the path of a log file, or - for standard input"
        ) from error


@contextmanager
def _standard_input() -> Iterator[io.BufferedReader[io.RawIOBase]]:
    """Standard input, left open."""
    reader = io.BufferedReader(cast(io.RawIOBase, sys.stdin.buffer))
    try:
        yield reader
    finally:
        reader.detach()


def named_files(files: tuple[str, ...]) -> tuple[str, ...]:
    """`files`; ContractError when there are none."""
    if not files:
        raise ContractError("no log was named. Give the paths of log files, or - for standard input")
    return files


def read_background(path: Path | None) -> Background | None:
    """What the log of a run that passed printed; None without one,
    ContractError when it cannot be read.
    """
    if path is None:
        return None
    with opened(str(path)) as stream:
        return background_of(stream)


def read_job_file(path: Path | None) -> Job | None:
    """The job that the file describes as GitHub's API returns it (`actions/jobs/{id}`);
    ContractError when it does not.
    """
    if path is None:
        return None
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise ContractError(f"{path}: cannot be read ({error.strerror}). Give a file with one job's JSON") from error
    except ValueError as error:
        raise ContractError(f"{path}: is not JSON ({error}). Give one job as GitHub's API returns it") from error
    if isinstance(value, dict) and "jobs" in value:
        raise ContractError(f"{path}: holds a list of jobs. Give the one job whose log this is")
    # The package of GitHub's client takes longer to load than a small log to judge.
    from ci_metrics.github.schemas import job_from_object

    return job_from_object(value)


def checked(log: BinaryIO | bytes) -> tuple[str, BinaryIO | bytes]:
    """Why it is no text ("" when it may be), and the log, whole."""
    if isinstance(log, bytes):
        return why_no_text(log[:BEGINNING]), log
    peek = log.peek if isinstance(log, io.BufferedReader) else None
    return (why_no_text(peek(BEGINNING)[:BEGINNING]), log) if peek else ("", log)


class GivenLog(NamedTuple):
    """One job's log."""

    name: str  # "" where the file holds no other's
    log: BinaryIO | bytes
    job: Job | None


def logs_of(log: BinaryIO | bytes, job: Job | None = None) -> list[GivenLog]:
    """The logs of the jobs that a file holds: itself, or several as `gh run view --log` prints
    them; where `job` is one of those, its log alone.
    """
    head = log if isinstance(log, bytes) else log.peek(BEGINNING) if isinstance(log, io.BufferedReader) else b""
    if not names_jobs(head[:BEGINNING]):
        return [GivenLog("", log, job)]
    data = log if isinstance(log, bytes) else log.read()  # its jobs stand behind one another
    jobs = jobs_apart(data)
    own = next((each for name, each in jobs if job is not None and name == job.name), data)
    return [GivenLog("", own, job)] if own is not data or not jobs else [GivenLog(*each, None) for each in jobs]
