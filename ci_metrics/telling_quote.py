"""The line of a quote that says what is wrong, where its first line is only an error code. Pure.

What belongs here: which lines are only codes, which line tells, both as one line for people. Does
not: which lines are quoted, what makes two failures the same (`logs/fingerprint.py`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Lines of a code, an exit status or a place in a build, and nothing a person could act on.
_CODE = re.compile(
    r"""(?:\#\#\[error\])?\s*(?:
      (?:npm|pnpm|yarn|lerna|bun)?\s*(?:ERR!|error)\s+(?:code|errno|syscall)\s+\S+
    | (?:error|warning)\[\w+\]:?(?:\s.*)?
    | (?:error|fatal|failure)?:?\s*(?:process|command|the\ process\ '.*'|script)?\s*(?:completed|failed|exited|terminated)?
        \s*(?:with)?\s*(?:an?\s)?(?:non-zero\s)?(?:exit|error|return|status)(?:ed)?\s*(?:code|status)?:?\s*-?\d+\.?
    | (?:error|err|code|errno):?\s*['"]?(?:[A-Z][A-Z_]*\d*|-?\d+)['"]?,?
    | [A-Z]{1,8}[_-]?\d{1,6}:?
    | E[A-Z]{3,20}:?
    | make(?:\[\d+\])?:\ \*\*\*\ .*\bError\ \d+
    | (?:error|failed|failure|fatal|exception|traceback.*)[:.!]*
    )\s*$""",
    re.IGNORECASE | re.VERBOSE,
)
#: Lines that tell nothing of a cause.
_SILENT = re.compile(
    r"\s*(?:at\s|File\s\"|\.\.\.|##\[(?:end)?group\]|\d+\s*\||\||[-=~^_*#\s]+$"
    r"|npm (?:ERR!|error) (?:A complete log|\S+\.log$|path\s|code\s|errno\s|syscall\s))",
)
#: Letters that a telling line has at least.
_LEAST = 6
#: Lines behind a code in which the telling one is looked for.
_NEAR = 6
_BETWEEN = " — "


def is_code(line: str) -> bool:
    """Whether a line is only a code or an exit status."""
    return bool(_CODE.match(line))


def telling_after(quotes: Sequence[str], lines: Sequence[str]) -> str:
    """The line of an error that belongs beside its quotes, because the first of those is only a
    code; "" where none does. `lines`: the error's own, in order.

    It is the next line that tells something, else the nearest one before.
    """
    if not quotes or not is_code(quotes[0]) or any(_tells(line) for line in quotes[1:]):
        return ""
    places = [at for at, line in enumerate(lines) if line.strip() == quotes[0].strip()]
    if not places:
        return ""
    at = places[0]
    near = [*lines[at + 1 : at + 1 + _NEAR], *reversed(lines[max(0, at - _NEAR) : at])]
    return next((line for line in near if _tells(line)), "")


def headline(quote: str) -> str:
    """A quote's first line; with the telling one beside it where the first is only a code."""
    lines = [line.strip() for line in quote.splitlines() if line.strip()]
    if not lines or not is_code(lines[0]):
        return lines[0] if lines else ""
    telling = next((line for line in lines[1:] if _tells(line)), "")
    return f"{lines[0]}{_BETWEEN}{telling}" if telling else lines[0]


def _tells(line: str) -> bool:
    return sum(map(str.isalpha, line)) >= _LEAST and not is_code(line) and not _SILENT.match(line)
