"""Labelled logs: read from folders, in one shape for learning and measuring.

Belongs here: files in, cases out. Does not: scoring (`scores.py`), learning.

A folder holds `cases.jsonl` or `cases.jsonl.gz`, one log a line: `id` (its first part names the
set), `log` (path in the folder, may be gzipped), `format`, optionally `project` (else read from the
id), `expected` (acceptable categories, the best first, or null), and what a person marked:
`decisive` (lines to be quoted as the error, the best first), `spans` ([[first, last], …], lines of
the cause; of `span_kind` "failing step" they are only near it) or `chunk` (its text); `jobs`: the
job's steps as GitHub's API has them. Lines are 1-based and inclusive. A folder without such a file
is read as logs that nobody has labelled.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ci_metrics.bounded_gzip import GZIP_MARK, unpacked
from ci_metrics.errors import ContractError
from ci_metrics.github.schemas import job_from_object
from ci_metrics.models import Job, LineSpan
from ci_metrics.settings import load_settings

#: Hyperlinks, colour codes (also without their escape character, as some archives drop it) and
#: other control characters.
_NOISE = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|(?:\x1b|\^\[)\[[0-9;?]*[A-Za-z]|\[(?:[0-9;]+[A-Za-z]|[mK])"
    r"|[\x00-\x08\x0b-\x1f\x7f]"
)
_FRONT = re.compile(
    r"^(?:[^\t\n]*\t[^\t\n]*\t)?\ufeff?(?:\d{4}-\d\d-\d\dT[\d:.]+Z ?)?"
    r"(?:##\[(?:end)?(?:group|error|warning|notice|command|section|debug)\])?"
)
#: What files of logs are called in a folder without labels.
_LOGS = (".log", ".log.gz", ".txt", ".txt.gz")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One log of a failed job, with what people say of it."""

    id: str
    source: str  # the set it is of
    project: str  # figures that are to hold elsewhere are by project: logs of one resemble each other
    format: str
    path: Path
    expected: tuple[str, ...] = ()  # empty: not scored for its category
    decisive: tuple[int, ...] = ()  # lines to be quoted as the error; empty where nobody said
    spans: tuple[LineSpan, ...] = ()
    span_kind: str = ""
    chunk: str = ""
    job: Job | None = None

    @cached_property
    def marked(self) -> frozenset[int]:
        """The lines of the cause, wider than the decisive ones; none where only
        the failing step is marked.
        """
        if self.span_kind == "failing step":
            return frozenset()
        return frozenset(number for first, last in self.spans for number in range(first, last + 1))

    def read(self) -> bytes:
        """The log; ContractError when it cannot be read."""
        return _read(self.path)


def clean(text: str) -> str:
    """`text` without colour codes and control characters, with no difference in white space."""
    return re.sub(r"\s+", " ", _NOISE.sub("", text)).strip()


def plain_line(line: str) -> str:
    """A line as labels compare it: `clean`, without its timestamp and the runner's mark."""
    return clean(_FRONT.sub("", line))


def read_cases(folder: Path) -> list[Case]:
    """The cases of a folder, in the file's order; ContractError names the file and line that is
    wrong, or what is missing.
    """
    path = next((p for p in (folder / "cases.jsonl.gz", folder / "cases.jsonl") if p.is_file()), None)
    if path is None:
        return _unlabelled(folder)
    cases = []
    for number, line in enumerate(_read(path).decode("utf-8").splitlines(), start=1):
        try:
            cases.append(_case(json.loads(line), folder))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ContractError(f"{path}, line {number}: is no case ({error!r})") from error
    return cases


def _case(row: Mapping[str, Any], folder: Path) -> Case:
    jobs = row.get("jobs") or []
    job = None
    if len(jobs) == 1:
        described = {"id": jobs[0]["job_id"], "name": jobs[0]["job_name"], "conclusion": "failure"}
        job = job_from_object({**described, "status": "completed", "steps": jobs[0]["steps"]})
    return Case(
        id=row["id"],
        source=row["id"].split("/")[0],
        project=row.get("project") or project_of(row["id"]),
        format=row.get("format", ""),
        path=folder / row["log"],
        expected=tuple(row.get("expected") or ()),
        decisive=tuple(int(number) for number in row.get("decisive") or ()),
        spans=tuple((int(first), int(last)) for first, last in row.get("spans") or ()),
        span_kind=row.get("span_kind") or "",
        chunk=row.get("chunk") or "",
        job=job,
    )


def _unlabelled(folder: Path) -> list[Case]:
    """Every log below a folder; ContractError when there is none."""
    logs = sorted(path for path in folder.rglob("*") if path.name.endswith(_LOGS) and path.is_file())
    if not logs:
        raise ContractError(f"{folder}: has neither cases.jsonl nor cases.jsonl.gz, nor logs ({', '.join(_LOGS)})")
    return [
        Case(id=str(path.relative_to(folder)), source=folder.name, project=folder.name, format="", path=path)
        for path in logs
    ]


def project_of(case_id: str) -> str:
    """The project a case's id speaks of: its `owner@repo` part, else the id
    without its last part's number.
    """
    parts = case_id.split("/")
    named = next((part for part in parts if "@" in part), None)
    if named:
        return named
    last = parts[-1].rstrip("0123456789").rstrip("_-")
    if last in ("", "run", "pair"):
        return parts[-2] if len(parts) > 1 else case_id
    return "/".join([*parts[:-1], last])


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as raw:
            packed = raw.peek(2)[:2] == GZIP_MARK
            return unpacked(raw, str(path), load_settings().max_log_bytes).read() if packed else raw.read()
    except (OSError, EOFError, zlib.error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ContractError(f"{path}: cannot be read ({why})") from error
