"""What the runner's headers say for or against their belonging to a step of the list: costs and
rewards, in one currency.

Belongs here: a header and a step in, a number out. Does not: the best reading of
all headers (`steps.py`).

The numbers were set by hand, by what the runner prints and can print; logs that showed misses were
of practice jobs made at random and of a few real projects. Between what cannot be and what only
tells, their order matters more than their size.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ci_metrics.logs.step_headers import ACTION, Header, telling_words
from ci_metrics.models import FAILED_CONCLUSIONS, Step

_SYMBOLS = re.compile(r"[^a-z0-9]+")
#: Actions of GitHub's own that are programs, not made of steps.
_PROGRAM = re.compile(
    r"actions/(?:checkout|cache|github-script|setup-(?:node|python|go|java|dotnet|ruby)|(?:upload|download)-artifact)(?:/\w+)?@"
)
#: Steps that the runner adds by itself and names so (`JobExtension.cs`); hooks of a self-hosted
#: runner are scripts with a quoted path.
_HOOKS = ("Set up runner", "Complete runner")
_OWN = frozenset({"Set up job", "Complete job", "Initialize containers", "Stop containers", *_HOOKS})
#: How headers about containers begin, and the names of the steps that they begin; whether
#: nothing precedes them there.
_CONTAINERS = (
    ("Build container", "Build ", True),
    ("[command]", "Build ", False),
    ("Pull down", "Pull ", True),
    ("Checking docker", "Initialize containers", True),
    ("Starting job", "Initialize containers", False),
    ("Initialize", "Initialize containers", False),
    ("Stop and remove", "Stop containers", True),
    ("Print service", "Stop containers", True),
)

#: What cannot be; what is as its name or kind says; what the place of a header tells.
_NEVER, _FITS, _TELLS = 12.0, 6.0, 2.0
#: A step without a header; a header before that of the first step, in a log that lost its head.
SILENT, LOST = 2.5, 1.0
#: A name that the author chose, of which nothing is known; each of two words that it
#: shares with what is run.
_NAMED, _WORD = 1.0, 1.2
#: An inner step more, a trifle.
_INNER = 0.2

#: What the last header of a step leaves open: an action whose first inner step would follow, one
#: that has inner steps, nothing.
FRESH, OPEN, CLOSED = range(3)


@dataclass(frozen=True, slots=True)
class JobHeaders:
    """What the headers of a job have in common."""

    markers: bool  # the runner marks the inner steps of composite actions
    scripts: bool  # it names the shells of scripts

    @classmethod
    def of(cls, headers: Sequence[Header]) -> JobHeaders:
        """Of these headers."""
        return cls(any(h.marked for h in headers), any(h.script for h in headers))


def may_hold_headers(header: Header) -> bool:
    """Whether other headers may belong to the step that this one begins."""
    if header.action:
        return not _PROGRAM.match(header.text)
    return header.kind in ("post", "debug", "container", "early")


def goes_on(state: int, header: Header, before: Header | None, job: JobHeaders) -> float:
    """How well `header` goes on with the step that is in `state`, whose last header is `before`."""
    kind = header.kind
    if before is None or kind == "setup" or (kind == "orphans" and before.kind != "orphans"):
        return -_NEVER
    if kind in ("orphans", "container", "early", "debug") or (header.echoed and job.scripts):
        return 0.0
    if header.hook or (kind == "post") != (before.kind == "post"):
        return -_NEVER
    if state == CLOSED or header.plain or (job.markers and not header.marked):
        return -_NEVER
    if header.marked or header.within:
        return _TELLS
    if state == OPEN or before.kind in ("debug", "container"):
        return -_INNER
    return _TELLS if header.follows else -_FITS  # nothing comes between an action and its first step


def belongs(step: Step, header: Header) -> float:
    """How well the time and the column of `header` are those of `step`."""
    if header.column is not None and not same(step.name, header.column):
        return -_NEVER
    second = header.second
    if second is None:
        return 0.0
    early = step.started_at is not None and second <= step.started_at.timestamp() - 1
    late = step.completed_at is not None and second >= step.completed_at.timestamp() + 1
    return -_NEVER if early or late else 0.0


def begins(step: Step, header: Header, job: JobHeaders) -> float:
    """How well `header` begins `step`: positive where it does."""
    name = step.name
    if header.marked:
        return -_NEVER
    match header.kind:
        case "setup":
            return _FITS if name == "Set up job" else -_NEVER
        case "orphans":
            return _FITS if name == "Complete job" else -_NEVER
        case "post":
            return _FITS if name.startswith("Post ") else -_NEVER
        case "early":
            return _FITS if step.conclusion in FAILED_CONCLUSIONS else -_NEVER
        case "debug":
            return _FITS + _TELLS if same(name, header.text) else 0.0  # the step's header follows
        case "container":
            return _contains(name, header.text)
    if header.hook or name in _HOOKS:
        return _FITS if header.hook and name in _HOOKS else -_NEVER
    if name in _OWN or name.startswith("Post ") or (header.echoed and job.scripts):
        return -_NEVER
    return _named(name, header)


def _contains(name: str, text: str) -> float:
    """How well a header about containers begins a step of this name."""
    for what, named, first in _CONTAINERS:
        if text.startswith(what):
            if name.startswith(named):
                return _FITS if first else _FITS - _INNER
            return -_NEVER if name in _OWN or named in _OWN else 0.0
    return 0.0


def _named(name: str, header: Header) -> float:
    """How well the name of a step fits what its header says is run."""
    if name.startswith("Run "):
        run = name.removeprefix("Run ")
        if same(run, header.text):
            return _FITS
        if ACTION.match(run):
            return -_NEVER
    shared = sum(any(_alike(word, other) for other in header.words) for word in telling_words(name))
    return _NAMED + _WORD * min(2, shared)


def _alike(one: str, other: str) -> bool:
    """Whether two words are the same but for an ending."""
    return one == other or (min(len(one), len(other)) >= 4 and (one.startswith(other) or other.startswith(one)))


def same(name: str, text: str) -> bool:
    """Whether both name the same step; a name may be cut, and lacks what
    a file name may not hold.
    """
    left, right = _SYMBOLS.sub("", name.lower()), _SYMBOLS.sub("", text.lower())
    return bool(left) and (
        left == right or (len(left) > 8 and right.startswith(left)) or (len(right) > 8 and left.startswith(right))
    )
