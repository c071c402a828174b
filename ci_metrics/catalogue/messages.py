"""Messages from their data files: read, checked, hashed.

Belongs here: the shape of an entry and of a file, and reading them. Does
not: matching (`engine.py`).

A file is one family of tools; an entry is one message::

    family = "pytest"
    tool = "pytest"                     # for entries that name none; printed_by, tags likewise

    [[message]]
    id = "pytest-failed"
    form = '^FAILED [\\w/.-]+\\.py'      # `^`: start of line; `<c>`: perhaps colour codes
    role = "test"
    category = "assertion_failure"      # the kind of failure it speaks for, where it speaks for one
    headline = "A test fails"           # said before the quoted line
    fix = "Run the named test locally."
    fires = ["FAILED tests/test_a.py::test_b - assert 1 == 2"]
    silent = ["test_a.py PASSED"]

`form` is matched against one line at a time. `^` is the line's start behind a timestamp, colour
codes, the runner's marks and the prefixes of tools that relay another's output (BuildKit, Compose);
indentation stays: write `^ *` where it may stand. No look-around, no back references: the engine is
an automaton and takes linear time. `.{0,80}` and wider gaps mean "anywhere behind, on this line";
classes never match the end of a line.
"""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ci_metrics.errors import ContractError

#: What part of a failure a message is.
Role = Literal[
    "cause",  # says what went wrong
    "test",  # names the test, target or check that failed
    "detail",  # belongs to a cause: expected and received, a place, a reason
    "frame",  # says which part failed, around another's error
    "epilogue",  # closing words below the error, the same for every failure
    "status",  # an exit status, and nothing else
    "title",  # announces what stands below
    "count",  # counts failures
    "banner",  # fixed words of a tool that name nothing
    "echo",  # shows a command or a script that is run
    "hint",  # says what to do
    "warning",  # a warning, or a logger's level below error
    "source",  # shows source text
    "stack",  # a frame of a stack trace
    "pass",  # says that something went well
    "noise",  # words of failure on this line mean nothing
    "retry",  # says that it is tried again
    "step-start",
    "step-end",  # says that a command failed
    "after",  # a service's own phases behind the failure begin
    "whole",  # a complete log begins like this
    "cut",  # a download was cut here
    "good",  # a tool says that all went well
    "log-pass",  # the log's own verdict
    "log-fail",
    "framed",  # its tool marks where the output of each test begins and ends
    "last",  # words that speak of failure in any text: looked for only where nothing else was found
]
#: What a form is matched against.
Subject = Literal[
    "line",
    "command",  # of the failing step's script
    "step",  # the failing step's name
    "late",  # a closing word (role `epilogue`) that ends a long silence, or comes when a round limit of minutes is over
]


class _Entry(BaseModel):
    """One entry as it is written."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{2,60}$")]
    form: Annotated[str, Field(min_length=2)]
    role: Role = "cause"
    subject: Subject = "line"
    category: str = ""
    weight: Annotated[float, Field(ge=0, le=10)] = 0
    ignore_case: bool = False
    opens: bool = False
    closes: bool = False
    tool: str = ""
    headline: str = ""
    fix: str = ""
    printed_by: str = ""
    tags: list[str] = []
    fires: Annotated[list[str], Field(min_length=1)]
    silent: list[str] = []


class _File(BaseModel):
    """One file as it is written."""

    model_config = ConfigDict(extra="forbid", strict=True)

    family: str
    tool: str = ""
    printed_by: str = ""
    tags: list[str] = []
    message: list[_Entry]

    @model_validator(mode="after")
    def _once(self) -> _File:
        ids = [entry.id for entry in self.message]
        if twice := sorted({i for i in ids if ids.count(i) > 1}):
            raise ValueError(f"the id {twice[0]!r} is there twice")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message that a tool prints.

    `weight`: 0 to 10, how much of an excerpt its surroundings deserve; 0: the line is shown
    only where another message, or its place, brings it in. `opens` and `closes`: the first and
    the last line of a block.
    """

    id: str
    family: str
    form: str
    role: Role
    subject: Subject
    category: str
    weight: float
    ignore_case: bool
    opens: bool
    closes: bool
    tool: str
    headline: str
    fix: str
    printed_by: str
    tags: tuple[str, ...]
    fires: tuple[str, ...]
    silent: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What a taxonomy may claim this message by."""
        return (self.id, self.family, *self.tags)


@dataclass(frozen=True)
class Catalogue:
    """All messages in force; numbers of hits are places in `messages`."""

    messages: tuple[Message, ...]
    own: frozenset[str] = frozenset()  # ids of a team's own entries

    @cached_property
    def version(self) -> str:
        """A short hash of everything that can change a result."""
        text = "\n".join(repr((m.id, m.family, m.form, m.role, m.subject, m.category, m.weight, m.ignore_case, m.opens,
                               m.closes, m.tool, m.headline, m.fix, m.tags)) for m in self.messages)  # fmt: skip
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    @cached_property
    def by_id(self) -> Mapping[str, Message]:
        """Each message by its id."""
        return {message.id: message for message in self.messages}

    def __hash__(self) -> int:
        return hash(self.version)


def load_catalogue(folder: Path | None = None) -> Catalogue:
    """The shipped messages, with those of a team's own `folder` (`*.toml`); an entry there
    replaces a shipped one of its id.

    Raises ContractError that names the file, the entry and what is wrong with it.
    """
    if folder is None:
        return _with_own(())
    try:
        files = tuple((str(file), file.read_bytes()) for file in sorted(folder.glob("*.toml")))
    except OSError as error:
        raise ContractError(f"{error.filename}: cannot be read ({error.strerror})") from error
    if not files:
        raise ContractError(f"CATALOGUE_DIR: {folder} is no folder with *.toml files of messages")
    return _with_own(files)


@lru_cache(maxsize=8)
def _with_own(files: tuple[tuple[str, bytes], ...]) -> Catalogue:
    """The shipped messages, with those of these files (name, content)."""
    found = {message.id: message for message in _shipped()}
    own: dict[str, str] = {}
    for name, content in files:
        for message in _read(name, content):
            if message.id in own:
                raise ContractError(f"{name}: the id {message.id!r} is in {own[message.id]} too")
            own[message.id] = name
            found[message.id] = message
    return Catalogue(tuple(found.values()), frozenset(own))


@cache
def _shipped() -> tuple[Message, ...]:
    data = files("ci_metrics.catalogue").joinpath("data")
    named = sorted((entry.name, entry.read_bytes()) for entry in data.iterdir() if entry.name.endswith(".toml"))
    messages = [message for name, content in named for message in _read(name, content)]
    ids = [message.id for message in messages]
    if twice := sorted({i for i in ids if ids.count(i) > 1}):
        raise ContractError(f"catalogue: the id {twice[0]!r} is in two files")
    return tuple(messages)


def _read(name: str, content: bytes) -> Iterator[Message]:
    try:
        given: dict[str, Any] = tomllib.loads(content.decode("utf-8"))
        file = _File.model_validate(given)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ContractError(f"{name}: is not TOML ({error})") from error
    except ValidationError as error:
        raise ContractError(f"{name}: {_said(error, given)}") from error
    for entry in file.message:
        values = entry.model_dump()
        values |= {key: values[key] or getattr(file, key) for key in ("tool", "printed_by")}
        values["tags"] = (*file.tags, *entry.tags)
        values |= {"fires": tuple(entry.fires), "silent": tuple(entry.silent)}
        yield Message(family=file.family, **values)


def _said(error: ValidationError, given: Mapping[str, Any]) -> str:
    """The most telling fault, with the entry's id and what to do."""
    faults = error.errors()
    fault = next(
        (each for each in faults if each["type"] == "extra_forbidden"), faults[0]
    )  # often what is missing, misspelt
    where = list(fault["loc"])
    if len(where) > 1 and where[0] == "message" and isinstance(where[1], int):
        rows = given.get("message")
        row = rows[where[1]] if isinstance(rows, list) and where[1] < len(rows) else {}
        called = row.get("id", f"number {where[1] + 1}") if isinstance(row, dict) else f"number {where[1] + 1}"
        where = [f"message {called!r}", *where[2:]]
    seen = fault.get("input")
    shown = f" (seen: {seen!r:.80})" if isinstance(seen, str | int | float | bool) else ""
    told = fault["msg"]
    if fault["type"] == "extra_forbidden":
        known = list((_Entry if len(fault["loc"]) > 1 else _File).model_fields)
        near = difflib.get_close_matches(str(where[-1]), known, n=1)
        told = f"there is no such key{f', did you mean {near[0]}?' if near else ''}; known are {', '.join(known)}"
    elif fault["type"] == "missing":
        told, shown = "is required", ""
    elif fault["type"] == "literal_error":
        told = f"is not known; allowed are {', '.join(get_args(Role if where[-1] == 'role' else Subject))}"
    return f"{', '.join(map(str, where))}: {told}{shown}"
