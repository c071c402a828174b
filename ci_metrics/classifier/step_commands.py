"""The commands that a failed step was asked to run: what failed is often plain from the verb,
whatever the tool prints.

What belongs here: an extraction in, the bare commands of what failed out. Does not: what a command
says of a failure (messages of the subject `command`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ci_metrics.models import Extraction, LogLine

#: Longest part of a script that is looked at, in characters and commands.
_LONGEST, _MOST = 400, 40
#: What parts one command from the next in a line of a script.
_BETWEEN = re.compile(r"&&|\|\||[;|]")
#: What stands before the verb: settings of the environment, what runs programs, package managers
#: that run a package's own.
_BEFORE = re.compile(
    r"""^(?:\s*(?:
      \w+=(?:"[^"]*"|'[^']*'|\S*)
    | sudo(?:\s+-\w+)* | time | env | command | exec | nice | xvfb-run(?:\s+-\S+)* | !
    | (?:npx|pnpx|bunx|uvx)(?:\s+--?[\w-]+)* | (?:npm|pnpm|yarn)\s+(?:exec|dlx)(?:\s+--)?
    | (?:yarn|pnpm|bun)(?=\s+(?!install|add|audit|ci|run|test|build|publish)\S)
    | bundle\s+exec | (?:poetry|uv|pdm|pipenv|hatch|rye|pixi|conda|pipx)\s+run | python3?(?:\.\d+)?\s+-m
    | (?:stack|cabal|dune|opam)\s+exec(?:\s+--)?
    | timeout(?:\s+-\S+)*\s+\d+\w? | luarocks\s+exec | composer\s+exec | nix-shell\s+--run | (?:if|then|do|while)\b
    )\s+)*
    (?:(?:\./|/)?(?:[\w.@-]+/)*(?:bin|\.bin|scripts?|ci)/)?""",
    re.VERBOSE,
)
_TRAVIS = re.compile(r'^The command "(.{1,600})" (?:exited with [1-9]|failed and exited)')
#: What a builder says of an image's instruction whose command failed.
_INSTRUCTION = re.compile(
    r"""(?:process "|The command '|executor failed running \[)(?:\S*/)?\w*sh (?:-\w+ (?:pipefail )?)*?-\w*c (.{1,400}?)"""
    r"""["'\]]? ?(?:did not complete|returned a non-zero|: exit code)"""
)
_GROUP, _END = "##[group]Run ", "##[endgroup]"


def commands_of(extraction: Extraction) -> list[str]:
    """The commands of what failed, bare of what runs them; empty where
    the log does not show them.
    """
    found: list[str] = []
    for line in _scripts(extraction):
        for part in _BETWEEN.split(line[:_LONGEST]):
            command = part.strip().strip("()")
            command = command[_prefix(command) :].strip()
            if command and not command.startswith("#"):
                found.append(command)
    return found[:_MOST]


def _prefix(command: str) -> int:
    found = _BEFORE.match(command)
    return found.end() if found else 0


def _scripts(extraction: Extraction) -> Iterator[str]:
    """Lines of the script of what failed: of an image's instruction, of the failed step's header,
    of what Travis says failed, of what Jenkins ran last.
    """
    lines = extraction.lines
    span = extraction.failed_span
    inside = next((found[1] for line in reversed(lines) if (found := _INSTRUCTION.search(line.text))), None)
    if inside is not None:  # the step only asked for the image
        yield inside
        return
    ends = [i for i, line in enumerate(lines) if line.text.startswith("##[error]")]
    header = _header(lines, ends[0] if ends else len(lines), span)
    if header is not None:
        yield from _of_header(lines, header)
    elif extraction.failed_step and extraction.failed_step.startswith("Run "):
        yield extraction.failed_step.removeprefix("Run ")
    traced = None
    for line in lines:
        told = _TRAVIS.match(line.text)
        if told:
            yield told.group(1)
        elif line.text.startswith("+ "):
            traced = line.text.removeprefix("+ ")
    if traced and header is None:
        yield traced


def _header(lines: Sequence[LogLine], before: int, span: tuple[int, int] | None) -> int | None:
    """Index of the failed step's header: the last one above the first mark of an error, inside
    the step where that is known.
    """
    found = None
    for index, line in enumerate(lines[:before]):
        inside = span is None or span[0] <= line.number <= span[1]
        if inside and line.text.startswith(_GROUP) and (found is None or span is None):
            found = index
    return found


def _of_header(lines: Sequence[LogLine], header: int) -> Iterator[str]:
    """The script below a header: the header shows its first line again, cut."""
    number, alone = lines[header].number, True
    for line in lines[header + 1 :]:
        number += 1
        if line.number != number or line.text.startswith((_END, "shell: ", "with:", "env:")):
            break
        alone = False
        yield line.text
    if alone:
        yield lines[header].text.removeprefix(_GROUP)


def script_numbers(lines: Sequence[LogLine]) -> frozenset[int]:
    """Numbers of the lines that only show what a step was asked to run: they name
    failures that have not happened.
    """
    found: set[int] = set()
    inside, expected = False, 0
    for line in lines:
        if line.text.startswith(_GROUP):
            inside, expected = True, line.number
        elif inside and (line.number != expected or line.text.startswith(_END)):
            inside = False
        if inside:
            found.add(line.number)
            expected = line.number + 1
    return frozenset(found)
