"""What commands that judge log files share: reading logs, standard input and a job's JSON.

Belongs here: files into bytes and records. Does not: what is printed (`judge_files.py`, `classify_files.py`).
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from ci_metrics.errors import ContractError
from ci_metrics.github import job_from_json
from ci_metrics.models import Job


def read_logs(files: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Each file's name and bytes, in order; ``-`` reads standard input, ``*.gz`` is unpacked; ContractError when one cannot be read."""
    for name in files:
        if name == "-":
            yield name, sys.stdin.buffer.read()
            continue
        try:
            raw = Path(name).read_bytes()
        except OSError as error:
            raise ContractError(
                f"{name}: cannot be read ({error.strerror}). Give the path of a log file, or - for standard input"
            ) from error
        yield name, gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


def read_job(path: Path) -> Job:
    """A job from its JSON as GitHub's API returns it; ContractError when it cannot be read or is none."""
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise ContractError(f"{path}: cannot be read ({error.strerror}). Give the path of a job's JSON") from error
    except ValueError as error:
        raise ContractError(f"{path}: is not JSON ({error}). Give a job's JSON as GitHub's API returns it") from error
    return job_from_json(value, "local/files")
