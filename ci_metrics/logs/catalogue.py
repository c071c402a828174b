"""The patterns of this package, read from `patterns/*.toml`, and the multi-pattern engine built from them.

Belongs here: reading, checking and compiling pattern data. Does not: what a hit means for an excerpt (`regions.py`).

A pattern file is one family of tools::

    family = "pytest"
    [[pattern]]
    id = "pytest-failed"
    regex = '^FAILED [\\w/.-]+\\.py'   # `^`: start of the line, behind timestamp and colour codes; `<c>`: colour codes may stand here
    weight = 9                         # 0 to 10: how surely this line is (part of) a cause
    prints = "pytest's short summary"
    fires = ["FAILED tests/test_a.py::test_b - assert 1 == 2"]
    silent = ["test_a.py PASSED"]

`opens` marks the first line of a block and `closes` the last one: the lines after or before it belong to it. `root` ranks
what causes other errors (a full disk, 3) before those. `role` says what else a line is: `cause` (default), `title` (stands
above what it announces), `veto` (generic words on this line mean nothing), `passed` (of something that went well, whatever
it is called), `quiet` (below an error: debug, info, warning), `wrapper` (says that something before it failed), `echo` (says
nothing else, whatever other patterns match), `hint`, `start`/`end` of a step, `after` (phases behind the failure), `whole` (a
complete log begins like this), `cut` (a download was cut here), `good` (a tool says that all went well), `pass` and `fail`
(the log's own verdict), `framed` (its tool marks where the output of each test begins and ends: `passing.py` knows how; found
once in a block, not each time), `last` (words that speak of failure in any text, looked for only where nothing else was found).
Matching takes linear time by construction: hyperscan runs automata, it never backtracks.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args

import hyperscan

from ci_metrics import compiled_patterns
from ci_metrics.errors import ContractError

Role = Literal[
    "cause",
    "title",
    "veto",
    "passed",
    "quiet",
    "wrapper",
    "echo",
    "hint",
    "start",
    "end",
    "after",
    "whole",
    "cut",
    "good",
    "pass",
    "fail",
    "framed",
    "last",
]
_ROLES = frozenset(get_args(Role))

#: Colour codes, with or without their escape character.
COLOUR = r"(?:(?:\x1b|\^\[)?\[[0-9;]*[mGKJ])*"
#: The start of a line as people see it: behind a timestamp, a colour code, a carriage return, a byte-order mark, the runner's
#: markers. Only the last characters of those, of bounded length: an unbounded prefix keeps the engine from looking for the
#: pattern's literal first, which is what makes it fast.
START = r"(?:^|\dZ |[\d\[][mKGJ]|\r|\xbf|##\[error\]|##\[warning\])"
#: The start of a word: a colour code ends in a letter, which would hide the one behind it.
WORD = r"(?:\b|[\d\[]m)"
#: A `^` that means the start of a line, not the complement of a class.
_BEGINS = re.compile(r"(^|[|(]|\(\?:)\^")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern: what it finds, how much that counts, and the examples that prove it."""

    id: str
    family: str
    regex: str
    weight: float
    role: Role
    ignore_case: bool
    root: int
    opens: bool
    closes: bool
    prints: str
    fires: tuple[str, ...]
    silent: tuple[str, ...]

    @property
    def expressions(self) -> tuple[str, ...]:
        """What the engine takes: one expression for each alternative, starts of lines and colour codes spelt out."""
        return tuple(
            _BEGINS.sub(
                lambda found: found.group(1) + START,
                _word(each).replace(r"\r?$", r"<c>\r?$").replace("<c>", COLOUR),
            )
            for each in _alternatives(self.regex)
        )


def _word(regex: str) -> str:
    return WORD + regex[2:] if regex.startswith(r"\b") else regex


def _alternatives(regex: str) -> list[str]:
    """`regex` split at its outermost ``|``: the engine finds a literal to look for in each, which it cannot in their sum."""
    parts, depth, in_class, at, begin = [], 0, False, 0, 0
    while at < len(regex):
        char = regex[at]
        if char == "\\":
            at += 1
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif char == "|" and depth == 0:
            parts.append(regex[begin:at])
            begin = at + 1
        at += 1
    return [*parts, regex[begin:]]


def _pattern(family: str, row: dict[str, Any]) -> Pattern:
    allowed = {"id", "regex", "weight", "role", "ignore_case", "root", "opens", "closes", "prints", "fires", "silent"}
    if unknown := sorted(set(row) - allowed):
        raise ContractError(
            f"patterns/{family}: {row.get('id')!r} has unknown keys {unknown}; allowed are {sorted(allowed)}"
        )
    if missing := sorted({"id", "regex", "fires"} - set(row)):
        raise ContractError(f"patterns/{family}: {row.get('id')!r} lacks {missing}")
    role = row.get("role", "cause")
    if role not in _ROLES:
        raise ContractError(f"patterns/{family}: {row['id']!r} has role {role!r}; known are {sorted(_ROLES)}")
    return Pattern(
        id=row["id"],
        family=family,
        regex=row["regex"],
        weight=float(row.get("weight", 0)),
        role=role,
        ignore_case=bool(row.get("ignore_case", False)),
        root=int(row.get("root", 0)),
        opens=bool(row.get("opens", False)),
        closes=bool(row.get("closes", False)),
        prints=row.get("prints", ""),
        fires=tuple(row["fires"]),
        silent=tuple(row.get("silent", ())),
    )


@cache
def patterns() -> tuple[Pattern, ...]:
    """Every pattern of the package, in the files' alphabetical order; ContractError when a file breaks the format above."""
    found: list[Pattern] = []
    folder = resources.files("ci_metrics.logs") / "patterns"
    for file in sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name):
        data = tomllib.loads(file.read_text(encoding="utf-8"))
        found += [_pattern(data["family"], row) for row in data["pattern"]]
    if len({p.id for p in found}) != len(found):
        raise ContractError("patterns: two patterns have the same id")
    return tuple(found)


@cache
def patterns_version() -> str:
    """A short hash of every pattern that can change a result."""
    text = "\n".join(
        f"{p.id} {p.expressions} {p.weight} {p.role} {p.ignore_case} {p.root} {p.opens} {p.closes}" for p in patterns()
    )
    return hashlib.sha256(text.encode()).hexdigest()[:8]


#: Roles that say something of a line only beside a pattern of another role.
BESIDE = frozenset({"veto", "passed", "quiet", "title", "echo"})


#: Patterns that weigh less find words that stand in many lines: where there is nothing else, those of role `last` are asked too.
TELLING = 3.0

#: Lines that weigh less are never shown where anything else is.
FAINT = 2.0


@cache
def weighty() -> frozenset[int]:
    """Numbers of the patterns that give a line so much weight that it is worth asking those of `BESIDE` what to take away."""
    return frozenset(i for i, p in enumerate(patterns()) if p.weight >= FAINT)


@cache
def engine() -> Any:
    """The database of the patterns that are looked for everywhere: loaded, or compiled, on first use; ids are `patterns()`'s."""
    return compiled(
        patterns(), [i for i, p in enumerate(patterns()) if p.role not in BESIDE and p.role != "last"], keep=True
    )


@cache
def last_resort() -> Any:
    """The database of all those patterns, and those that are looked for only where nothing else was found."""
    return compiled(patterns(), [i for i, p in enumerate(patterns()) if p.role not in BESIDE], keep=True)


@cache
def telling() -> frozenset[int]:
    """Numbers of the patterns that find more than words that stand in many lines."""
    return frozenset(i for i, p in enumerate(patterns()) if p.weight >= TELLING)


@cache
def beside() -> Any:
    """The database of the patterns that are looked for only in lines that another pattern matched."""
    return compiled(patterns(), [i for i, p in enumerate(patterns()) if p.role in BESIDE], keep=True)


def compiled(chosen: Sequence[Pattern], numbers: Sequence[int] | None = None, *, keep: bool = False) -> Any:
    """A database over `chosen` (those of `numbers`, where given), which the machine remembers when told to `keep` it.

    ContractError names what the engine refuses.
    """
    expressions, ids, flags = [], [], []
    for number in range(len(chosen)) if numbers is None else numbers:
        pattern = chosen[number]
        for expression in pattern.expressions:
            expressions.append(expression.encode())
            ids.append(number)
            flags.append(_flags(pattern))
    try:
        if keep:
            return compiled_patterns.compiled(expressions, ids, flags)
        database = hyperscan.Database()
        database.compile(expressions=expressions, ids=ids, elements=len(ids), flags=flags)
    except hyperscan.error as error:
        refused = next((e for e in expressions if not _accepted(e)), b"the set as a whole")
        raise ContractError(f"patterns: the engine refused {refused.decode()}: {error}") from error
    return database


def _flags(pattern: Pattern) -> int:
    flags = hyperscan.HS_FLAG_MULTILINE
    if pattern.ignore_case:
        flags |= hyperscan.HS_FLAG_CASELESS
    if pattern.role == "framed":  # that there is one is all that matters
        flags |= hyperscan.HS_FLAG_SINGLEMATCH
    return int(flags)


def _accepted(expression: bytes) -> bool:
    try:
        hyperscan.Database().compile(expressions=[expression], ids=[0], elements=1, flags=[hyperscan.HS_FLAG_MULTILINE])
    except hyperscan.error:
        return False
    return True
