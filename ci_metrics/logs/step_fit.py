"""What the runner's headers say for or against their belonging to a step of the list: costs and rewards, in one currency.

Belongs here: a header and a step in, a number out. Does not: the best reading of all headers (`steps.py`).

The numbers were set by hand, by what the runner prints and can print; logs that showed misses were of practice jobs made at
random and of a few real projects. Between what cannot be (8 and more) and what tells (1 to 6) their order matters more than their size.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ci_metrics.logs.headers import ACTION, Header, words_of
from ci_metrics.models import FAILED_CONCLUSIONS, Step

_SYMBOLS = re.compile(r"[^a-z0-9]+")
#: Actions of GitHub's own that are programs, not made of steps.
_PROGRAM = re.compile(
    r"actions/(?:checkout|cache|github-script|setup-(?:node|python|go|java|dotnet|ruby)|(?:upload|download)-artifact)(?:/\w+)?@"
)
#: What a name holds that is a command itself, as the runner names scripts that have no name.
_COMMAND = re.compile(r"\s--?\w|[|$=;<>{}\\]|&&|^\./")
#: Steps that the runner adds by itself and names so (`JobExtension.cs`); hooks of a self-hosted runner are scripts with a quoted path.
_HOOKS = ("Set up runner", "Complete runner")
_OWN = frozenset({"Set up job", "Complete job", "Initialize containers", "Stop containers", *_HOOKS})
#: How headers about containers begin, the names of the steps that they begin, what that is worth: less where another precedes it.
_CONTAINERS = (
    ("Build container", "Build ", 5.0),
    ("[command]", "Build ", 4.0),
    ("Pull down", "Pull ", 5.0),
    ("Checking docker", "Initialize containers", 5.0),
    ("Starting job", "Initialize containers", 4.0),
    ("Initialize", "Initialize containers", 4.0),
    ("Stop and remove", "Stop containers", 5.0),
    ("Print service", "Stop containers", 5.0),
)

#: Costs of a reading: a step without a header; a header at a time at which its step did not run; one in another step's column.
SILENT, _UNTIMELY, _FOREIGN = 2.5, 9.0, 12.0
#: A header that cannot begin, or cannot go on with, what it is held for; one that seldom does.
_NEVER, _SELDOM = 8.0, 4.0
#: What a failed command's mark counts for a step that failed and against one that passed; the same of other marks of errors.
_ENDED, _ENDED_WELL, _MARKED, _MARKED_WELL = 3.0, 2.0, 1.5, 0.4
#: What a failed step costs whose script is not said to have failed.
UNMARKED = 2.0
#: What an inner step costs behind one that failed: only some run in any case.
AFTER_END = 1.0

#: What the last header of a step leaves open: an action whose first inner step would follow, one that has inner steps, nothing.
FRESH, OPEN, CLOSED = range(3)


@dataclass(frozen=True, slots=True)
class JobHeaders:
    """What the headers of a job have in common."""

    markers: bool  # the runner marks the inner steps of composite actions
    scripts: bool  # it names the shells of scripts
    plain: bool  # steps of the workflow name no shell

    @classmethod
    def of(cls, headers: Sequence[Header]) -> JobHeaders:
        """Of these headers."""
        return cls(any(h.marked for h in headers), any(h.script for h in headers), any(h.plain for h in headers))


def may_hold_headers(header: Header) -> bool:
    """Whether other headers may belong to the step that this one begins."""
    if header.action:
        return not _PROGRAM.match(header.text)
    return header.kind in ("post", "debug", "container", "early")


def goes_on(state: int, header: Header, before: Header | None, job: JobHeaders) -> float:
    """How well `header` goes on with the step that is in `state`, whose last header is `before`."""
    kind = header.kind
    if before is None or kind == "setup" or (kind == "orphans" and before.kind != "orphans"):
        return -2 * _NEVER
    if kind in ("orphans", "container", "early"):
        return -0.5
    if kind == "debug":
        return -1.0
    if header.hook or (kind == "post") != (before.kind == "post"):
        return -_NEVER
    if header.echoed and job.scripts:
        return 0.0
    if state == CLOSED or header.plain or (job.markers and not header.marked):
        return -_NEVER
    if header.marked or (header.within and state == OPEN):
        return 2.0
    if state == OPEN or before.kind in ("debug", "container"):
        return -0.2
    return 2.0 if header.follows else -1.5 * _SELDOM


def belongs(step: Step, header: Header) -> float:
    """How well the time and the column of `header` are those of `step`."""
    score = 0.0
    if header.second is not None:
        if step.started_at is not None:
            late = header.second - step.started_at.timestamp()
            score -= _UNTIMELY if late < -0.999 else 0.0
        if step.completed_at is not None and header.second > step.completed_at.timestamp() + 0.999:
            score -= _UNTIMELY
    if header.column is not None:
        score += 2.0 if _same(step.name, header.column) else -_FOREIGN
    return score


def failure(step: Step, *, ended: bool, marked: bool) -> float:
    """What the marks of errors below a header say for its belonging to `step`."""
    failed = step.conclusion in FAILED_CONCLUSIONS
    if ended:
        return _ENDED if failed else -_ENDED_WELL
    if marked:
        return _MARKED if failed else -_MARKED_WELL
    return 0.0


def begins(step: Step, header: Header, before: Header | None, job: JobHeaders) -> float:
    """How well `header` begins `step`: positive where it does."""
    name = step.name
    score = 0.0
    if header.second is not None and step.started_at is not None:
        score -= min(2.0, 0.15 * max(header.second - step.started_at.timestamp(), 0.0))
    if header.marked:
        return score - 2 * _NEVER
    match header.kind:
        case "setup":
            return score + (8 if name == "Set up job" else -12)
        case "orphans":
            return score + (8 if name == "Complete job" else -12)
        case "post":
            score -= 2.0 if header.follows and before is not None and before.kind == "post" else 0.0
            return score + (5 if name.startswith("Post ") else -6)
        case "container":
            return score + _contains(name, header.text)
        case "early":
            return score + (4.5 if step.conclusion in FAILED_CONCLUSIONS else -6)
        case "debug":
            return score + (7 if _same(name, header.text) else -3)
    if header.hook or name in _HOOKS:
        return score + (7 if header.hook and name in _HOOKS else -_NEVER)
    if name in _OWN:
        return score - _NEVER
    if name.startswith("Post "):
        return score - 6
    if header.echoed and job.scripts:
        score -= _SELDOM
    if header.follows and before is not None and before.action and may_hold_headers(before):
        score -= 2.0  # an action that is not composite mostly prints something
    if header.within:
        score -= _SELDOM
    if header.plain:
        score += 0.6
    elif header.usual:
        score += 0.3
    elif header.script and job.plain:
        score -= 0.6
    return score + _named(name, header)


def _contains(name: str, text: str) -> float:
    """How well a header about containers begins a step of this name."""
    for what, named, worth in _CONTAINERS:
        if text.startswith(what):
            return worth if name.startswith(named) else -6.0 if name in _OWN or named in _OWN else 0.5
    return 0.5


def _named(name: str, header: Header) -> float:
    """How well the name of a step fits what its header says is run."""
    if name.startswith("Run "):
        run = name.removeprefix("Run ")
        if _same(run, header.text):
            return 6.5 if run == header.text else 6.0
        if ACTION.match(run):
            return -_NEVER
        if _COMMAND.search(run):
            return -_SELDOM
    shared = sum(any(_alike(word, other) for other in header.words) for word in words_of(name))
    return (0.3 if name.startswith("Run ") else 1.0) + min(2.4, 1.2 * shared)


def _alike(one: str, other: str) -> bool:
    """Whether two words are the same but for an ending."""
    return one == other or (min(len(one), len(other)) >= 4 and (one.startswith(other) or other.startswith(one)))


def _same(name: str, text: str) -> bool:
    """Whether both name the same step; a name may be cut, and lacks what a file name may not hold."""
    left, right = _SYMBOLS.sub("", name.lower()), _SYMBOLS.sub("", text.lower())
    return bool(left) and (
        left == right or (len(left) > 8 and right.startswith(left)) or (len(right) > 8 and left.startswith(right))
    )
