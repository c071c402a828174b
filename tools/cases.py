"""Labelled logs: read from folders, in one shape for learning and measuring.

Belongs here: files in, cases out. Does not: scoring (`ci_metrics/evaluation`), learning.

A folder holds `cases.jsonl` or `cases.jsonl.gz`, one log a line: `id` (SOURCE/PROJECT/…, or a `project` of its own), `log`,
`format`, `expected` (acceptable categories, the best first), and what a person marked: `decisive` (lines to be quoted as the
error), `spans` (lines of the cause) or `chunk` (its text); `jobs`: the job's steps as GitHub's API has them.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci_metrics.commands.log_files import job_from_object
from ci_metrics.models import Job

_ANSI = re.compile(r"(?:\x1b|\^\[)\[[0-9;?]*[A-Za-z]|\[(?:[0-9;]+[A-Za-z]|[mK])")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FRONT = re.compile(
    r"^(?:[^\t\n]*\t[^\t\n]*\t)?\ufeff?(?:\d{4}-\d\d-\d\dT[\d:.]+Z ?)?"
    r"(?:##\[(?:end)?(?:group|error|warning|notice|command|section|debug)\])?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One labelled log of a failed job."""

    id: str
    source: str  # the set it is of
    project: str  # figures are by project: logs of one resemble each other
    format: str
    path: Path
    expected: tuple[str, ...]
    decisive: frozenset[int]  # lines to be quoted as the error; empty where nobody said
    marked: frozenset[int]  # lines of the cause, wider than the decisive ones
    chunk: str
    job: Job | None

    def read(self) -> bytes:
        """The log."""
        data = self.path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def plain(line: str) -> str:
    """A line as labels compare it: no timestamp, mark, colour code, no difference in white space."""
    return re.sub(r"\s+", " ", _CONTROL.sub("", _ANSI.sub("", _FRONT.sub("", line)))).strip()


def read_cases(folder: Path) -> Iterator[Case]:
    """Every case of a folder, in the file's order."""
    packed = folder / "cases.jsonl.gz"
    text = gzip.decompress(packed.read_bytes()) if packed.is_file() else (folder / "cases.jsonl").read_bytes()
    for line in text.decode("utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        parts = row["id"].split("/")
        spans = row.get("spans") or []
        marked = {number for first, last in spans for number in range(first, last + 1)}
        jobs = row.get("jobs") or []
        job = None
        if len(jobs) == 1:
            described = {"id": jobs[0]["job_id"], "name": jobs[0]["job_name"], "conclusion": "failure"}
            job = job_from_object({**described, "status": "completed", "steps": jobs[0]["steps"]})
        yield Case(
            id=row["id"],
            source=parts[0] if "project" not in row else folder.name,
            project=row.get("project") or parts[1],
            format=row["format"],
            path=folder / row["log"],
            expected=tuple(row.get("expected") or ()),
            decisive=frozenset(row.get("decisive") or ()),
            marked=frozenset() if row.get("span_kind") == "failing step" else frozenset(marked),
            chunk=row.get("chunk") or "",
            job=job,
        )
