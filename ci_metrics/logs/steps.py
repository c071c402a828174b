"""GitHub's list of a job's steps laid over its log: where each step begins, and which one is the reason of the failure.

Belongs here: header lines and steps in, ranges out. Does not: finding the header lines (`structure.py`).

The runner names a step in the list but prints only what it runs, and composite actions print the same headers again inside. So
headers are aligned to steps in order, by dynamic programming: names where they say something, times (of one second) always.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ci_metrics.models import Step

_STAMP = re.compile(rb"(?:\xef\xbb\xbf)?(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)")
_SYMBOLS = re.compile(r"[^a-z0-9]+")
#: Costs of an alignment: a step without a header; a header at a time at which its step did not run.
_SILENT, _UNTIMELY = 2.5, 9.0
_RAN = frozenset({"success", "failure", "cancelled", "timed_out"})


@dataclass(frozen=True, slots=True)
class Header:
    """One line that may begin a step."""

    at: int  # offset in the log
    kind: str  # run, post, orphans, setup, container, debug
    text: str  # what follows the marker
    second: float | None  # its timestamp in whole seconds since 1970
    plain: bool | None = None  # run by the default shell, which only steps of a workflow have; actions must name one


@dataclass(frozen=True, slots=True)
class StepRange:
    """A step and where its lines begin; they end where the next range begins."""

    step: Step
    start: int  # offset in the log


def stamp(raw: bytes) -> float | None:
    """The timestamp before a line of GitHub's log, in whole seconds since 1970; None without one, or when it is no time."""
    found = _STAMP.match(raw)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups())
    try:
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC).timestamp()
    except ValueError:  # a program's own, like 24:00:00
        return None


def aligned(headers: Sequence[Header], steps: Sequence[Step]) -> list[StepRange]:
    """Each step that printed something with its first line, in the log's order; silent and skipped steps are left out."""
    ran = [s for s in sorted(steps, key=lambda s: s.number) if s.conclusion in _RAN or s.conclusion is None]
    if not ran or not headers:
        return []
    width = len(headers)
    # best[j]: the best score of the steps so far with the last header used before j; came[i][j]: header of step i, or -1
    best = [0.0] * (width + 1)
    came: list[list[int]] = []
    for step in ran:
        fresh = [value - _SILENT for value in best]
        chosen = [-1] * (width + 1)
        for j in range(1, width + 1):
            if fresh[j - 1] > fresh[j]:
                fresh[j], chosen[j] = fresh[j - 1], chosen[j - 1]
            score = best[j - 1] + _fit(step, headers[j - 1])
            if score > fresh[j]:
                fresh[j], chosen[j] = score, j - 1
        came.append(chosen)
        best = fresh
    ranges: list[StepRange] = []
    j = width
    for i in range(len(ran) - 1, -1, -1):
        header = came[i][j]
        if header >= 0:
            ranges.append(StepRange(ran[i], headers[header].at))
            j = header
    return ranges[::-1]


def _fit(step: Step, header: Header) -> float:
    """How well `header` begins `step`: positive where it does."""
    name = step.name
    score = 0.0
    if header.second is not None:
        if step.started_at is not None:
            late = header.second - step.started_at.timestamp()
            score -= _UNTIMELY if late < -0.999 else min(2.0, 0.15 * max(late, 0.0))
        if step.completed_at is not None and header.second > step.completed_at.timestamp() + 0.999:
            score -= _UNTIMELY
    match header.kind:
        case "setup":
            return score + (8 if name == "Set up job" else -12)
        case "orphans":
            return score + (8 if name == "Complete job" else -12)
        case "post":
            return score + (5 if name.startswith("Post ") else -6)
        case "container":
            named = name.startswith(("Build ", "Pull ", "Initialize containers", "Stop containers", "Run "))
            return score + (4 if named else 0.5)
        case "debug":
            return score + (7 if _same(name, header.text) else 0.5)
    if header.plain is not None:
        score += 0.4 if header.plain else -0.2
    if name in ("Set up job", "Complete job", "Initialize containers", "Stop containers"):
        return score - 8
    if name.startswith("Post "):
        return score - 4
    if name.startswith("Run "):
        return score + (6 if _same(name[4:], header.text) else 0.3)  # people also name their steps "Run tests"
    return score + 1.5


def _same(name: str, text: str) -> bool:
    """Whether both name the same step; a name may be cut, and lacks what a file name may not hold."""
    left, right = _SYMBOLS.sub("", name.lower()), _SYMBOLS.sub("", text.lower())
    return bool(left) and (
        left == right or (len(left) > 8 and right.startswith(left)) or (len(right) > 8 and left.startswith(right))
    )


def reason(steps: Sequence[Step]) -> Step | None:
    """The step whose failure made the job fail, or None when no step failed.

    Steps that failed with `continue-on-error` come before it: after those nothing is skipped. Steps that failed behind
    `if: always()` come after it: between them something was skipped.
    """
    ordered = sorted(steps, key=lambda s: s.number)
    for wanted in (("failure", "timed_out", "startup_failure"), ("cancelled",)):
        failed = [s for s in ordered if s.conclusion in wanted]
        if not failed:
            continue
        for here, following in zip(failed, [*failed[1:], None], strict=True):
            between = [
                s for s in ordered if here.number < s.number and (following is None or s.number < following.number)
            ]
            if any(s.conclusion == "skipped" for s in between):
                return here
        return failed[0]
    return None
