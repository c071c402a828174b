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

`role` says what else a line is: `cause` (default), `veto` (generic words on this line mean nothing), `wrapper` (says only
that something before it failed), `start`/`end` of a step, `pass` and `fail` (the whole log's own verdict).
Matching takes linear time by construction: hyperscan runs automata, it never backtracks.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

import hyperscan

from ci_metrics.errors import ContractError

Role = Literal["cause", "veto", "wrapper", "start", "end", "pass", "fail", "context"]
_ROLES = frozenset({"cause", "veto", "wrapper", "start", "end", "pass", "fail", "context"})

#: Colour codes, with or without their escape character.
COLOUR = r"(?:\x1b?\[[0-9;]{0,12}[mGKJ])*"
#: What may stand before the first character of a line: job and step columns, timestamp, colour codes, the runner's markers.
START = (
    r"^(?:[^\t\n]{1,100}\t[^\t\n]{1,100}\t)?(?:\xef\xbb\xbf)?(?:\d{4}-\d\d-\d\dT[\d:.]{8,20}Z ?)?"
    + COLOUR
    + r"(?:##\[(?:error|warning)\])?"
    + COLOUR
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern: what it finds, how much that counts, and the examples that prove it."""

    id: str
    family: str
    regex: str
    weight: float
    role: Role
    ignore_case: bool
    prints: str
    fires: tuple[str, ...]
    silent: tuple[str, ...]

    @property
    def expression(self) -> str:
        """The regular expression as the engine takes it: the start of a line and colour codes spelt out."""
        regex = self.regex.replace("<c>", COLOUR)
        return START + regex[1:] if regex.startswith("^") else regex


def _pattern(family: str, row: dict[str, Any]) -> Pattern:
    allowed = {"id", "regex", "weight", "role", "ignore_case", "prints", "fires", "silent"}
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
    text = "\n".join(f"{p.id} {p.expression} {p.weight} {p.role} {p.ignore_case}" for p in patterns())
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@cache
def engine() -> Any:
    """The compiled database over all patterns: pattern number i is `patterns()[i]`. Compiled once a process, on first use."""
    return compiled(patterns())


def compiled(chosen: Sequence[Pattern]) -> Any:
    """A database over `chosen`; ContractError names the first pattern that the engine refuses."""
    database = hyperscan.Database()
    flags = [hyperscan.HS_FLAG_MULTILINE | (hyperscan.HS_FLAG_CASELESS if p.ignore_case else 0) for p in chosen]
    expressions = [p.expression.encode() for p in chosen]
    try:
        database.compile(expressions=expressions, ids=list(range(len(chosen))), elements=len(chosen), flags=flags)
    except hyperscan.error as error:
        raise ContractError(f"patterns: the engine refused {_first_refused(chosen)}: {error}") from error
    return database


def _first_refused(chosen: Sequence[Pattern]) -> str:
    for p in chosen:
        try:
            hyperscan.Database().compile(
                expressions=[p.expression.encode()], ids=[0], elements=1, flags=[hyperscan.HS_FLAG_MULTILINE]
            )
        except hyperscan.error:
            return repr(p.id)
    return "the set as a whole"
