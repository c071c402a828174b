"""The recorded logs and what is true of them, read from `data/`.

What belongs here: reading the indices and the logs that `tools.record` wrote. Does not: recording,
GitHub's log format, the day the recordings are put into.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from ci_metrics.models import LineSpan

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAnnotation:
    """What the runner said about a job beside its log."""

    level: Literal["failure", "warning", "notice"]
    message: str  # may hold {runner} and {branch}
    title: str
    path: str
    start_line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The output of one command that passed."""

    slug: str
    tool: str
    step: str
    command: str  # the step's script

    @property
    def lines(self) -> tuple[str, ...]:
        """What it printed, without line ends."""
        return _lines("passing", self.slug)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFailure(Recording):
    """The output of one command that failed, and what a person says about it."""

    category: str | None  # None unless the state is `classified`
    state: str
    title: str
    marks: tuple[LineSpan, ...]  # lines of the recorded output, from 1
    exit_code: int
    conclusion: str  # of the job
    before: tuple[tuple[str, str], ...]  # (step, slug of a passing recording)
    annotations: tuple[RecordedAnnotation, ...]
    runner_says: tuple[str, ...]  # in place of the line about the exit code

    @property
    def lines(self) -> tuple[str, ...]:
        """What it printed, without line ends."""
        return _lines("failures", self.slug)


@cache
def failures() -> Mapping[str, RecordedFailure]:
    """Every recorded failure by slug, in the order of the recipes."""
    found = {}
    for entry in _entries("failures.jsonl"):
        found[entry["slug"]] = RecordedFailure(
            slug=entry["slug"],
            tool=entry["tool"],
            step=entry["step"],
            command=entry["command"],
            category=entry["category"],
            state=entry["state"],
            title=entry["title"],
            marks=tuple((first, last) for first, last in entry["marks"]),
            exit_code=entry["exit_code"],
            conclusion=entry["conclusion"],
            before=tuple((step, slug) for step, slug in entry.get("before", ())),
            annotations=tuple(RecordedAnnotation(**item) for item in entry.get("annotations", ())),
            runner_says=tuple(entry.get("runner_says", ())),
        )
    return found


@cache
def passing() -> Mapping[str, Recording]:
    """Every recorded passing command by slug."""
    return {entry["slug"]: Recording(**entry) for entry in _entries("passing.jsonl")}


def _entries(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


@cache
def _lines(folder: str, slug: str) -> tuple[str, ...]:
    text = (DATA / folder / f"{slug}.log").read_bytes().decode("utf-8")
    return tuple(text.split("\n")[:-1])
