"""What is said of a command line that is wrong: an option that does not exist, an argument that is
missing.

Belongs here: the words, and which known option a misspelt one is near to. Does not: reading command
lines (Cyclopts), commands that do not exist (`cli.py`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclopts import App, CycloptsError

#: How like a known option (0 to 1, `difflib`'s ratio) a misspelt one is to be, without their
#: hyphens, which would make all alike: “hlep” and “help” are 0.75 alike, “foo” and “from” 0.57.
_NEAR = 0.7


def near_option(typed: str, known: Iterable[str]) -> str:
    """The known option that a misspelt one was meant to be; "" where none is near."""
    bare = {name.lstrip("-"): name for name in known if name.startswith("--")}
    word = typed.partition("=")[0].lstrip("-")
    return next((bare[name] for name in difflib.get_close_matches(word, bare, n=1, cutoff=_NEAR)), "")


def usage_error(error: CycloptsError, command: App) -> str:
    """What is said of a wrong command line, in one line."""
    from cyclopts import MissingArgumentError, UnknownOptionError

    called = f"ci-metrics {command.name[0]}"
    if isinstance(error, UnknownOptionError):
        typed = error.token.keyword or error.token.value
        arguments = command.assemble_argument_collection()
        near = near_option(typed, ["--help", *(name for each in arguments for name in each.names)])
        meant = f"Did you mean {near}? " if near else ""
        hyphens = any(each.parameter.allow_leading_hyphen for each in arguments)
        file = f". A file whose name begins with a hyphen is written ./{typed}" if hyphens else ""
        return f"there is no option {typed}. {meant}“{called} --help” lists all{file}"
    if isinstance(error, MissingArgumentError) and error.argument is not None and error.argument.index is not None:
        name = error.argument.names[0].lstrip("-").upper()
        return f"{name} is missing. Write {called} {name}; “{called} --help” says what it may be"
    return str(error)
