"""Secrets that stand on lines after the one that announces them: keys, values below their names, entries of a secret, `.netrc`.

Belongs here: what is remembered from line to line, and for how long. Does not: what announces (`finder.py`), single lines (`places.py`).

Each is fed the lines after its announcement, one by one, until it is done, which it always is after a bounded number of them. None of
them keeps a line from being looked at by everything else.
"""

from __future__ import annotations

import re
from typing import Protocol

from ci_metrics.redaction import keys
from ci_metrics.redaction.names import Kind, kind_of
from ci_metrics.redaction.places import value_at
from ci_metrics.redaction.values import is_readable, is_reference, is_secret, looks_made

Span = tuple[int, int]

#: What tools put before a line of another program: times, BuildKit's step, a service's name, marks of quotes, diffs and prompts.
PREFIX = re.compile(
    r"(?:\udcef\udcbb\udcbf)?(?:[^\t\n]{1,200}\t[^\t\n]{1,200}\t)?(?:\[?\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?\]?[ ]?)?(?:#\d+ \d+\.\d+ )?"
    r"(?:[\w.-]{1,60}[ ]{0,20}\|[ ]?)?(?:[>|+-] ?(?![\w-]))?"
)


class Following(Protocol):
    """What is looked for on the lines to come."""

    done: bool

    def spans(self, text: str) -> list[Span]:
        """Where secrets stand on the next line."""

    def counts(self) -> bool:
        """Whether what the last call found is a secret of its own, not a further line of one."""


class KeyBody:
    """The inside of a private key whose begin has been seen and whose end has not."""

    def __init__(self, lines: int = keys.MOST_LINES) -> None:
        self.done = False
        self._left = lines
        self._others = 0
        self._long = False  # whether the last line was a full one of the key
        self._first = True

    def counts(self) -> bool:
        first, self._first = self._first, False
        return first

    def spans(self, text: str) -> list[Span]:
        self._left -= 1
        end = keys.END.search(text)
        if end:
            self.done = True
            material = keys.inside(text, 0, end.start(), True)
            return [material] if material else []
        found = keys.body(text) or keys.header(text)
        if found is None and self._long and (short := keys.short_body(text)) and not is_readable(text[slice(*short)]):
            prefix = text[: short[0]].rstrip(" \t\"'>|+")
            found = (
                short if not prefix or prefix[-1:].isdigit() or prefix.endswith("Z") or prefix.endswith("|") else None
            )
        if found is None:
            self._others += bool(text.strip())
            self._long = False
        else:
            self._others = 0
            self._long = found[1] - found[0] >= 40
        self.done = self._left <= 0 or self._others > keys.MOST_OTHERS
        return [found] if found else []


class NextValue:
    """A value on the line below its name: ``password:`` and an indented word, also YAML's ``|`` with several lines."""

    def counts(self) -> bool:
        return True

    def __init__(self, kind: Kind, block: bool = False) -> None:
        self.done = False
        self._kind = kind
        self._block = block
        self._left = 30 if block else 3

    def spans(self, text: str) -> list[Span]:
        self._left -= 1
        start = PREFIX.match(text).end()  # type: ignore[union-attr]
        body = text[start:].strip()
        self.done = self._left <= 0
        if not body:
            return []
        if body in ("[", "{", "("):
            return []
        self.done = self.done or not self._block
        start += len(text[start:]) - len(text[start:].lstrip())
        span, quoted = value_at(text, start)
        value = text[span[0] : span[1]]
        rest = text[span[1] :].strip().strip("\"'`,;\\)}]")
        alone = quoted or not rest
        kind = Kind.SECRET if self._kind is Kind.MAYBE else self._kind
        if (
            not alone
            or not is_secret(value, kind)
            or (value.isalpha() and value.islower() and len(value) < 5)
            or value.endswith(":")
        ):
            self.done = True
            return []
        if not quoted and is_readable(value) and not any(c.isdigit() for c in value):
            self.done = True
            return []
        return [span]


class NextPair:
    """``value: …`` on the line below ``name: DB_PASSWORD``."""

    _VALUE = re.compile(r"\b[Vv]alue(?:\\*[\"'])?[ \t]*[:=][ \t]*")

    def counts(self) -> bool:
        return True

    def __init__(self, kind: Kind) -> None:
        self.done = False
        self._kind = kind

    def spans(self, text: str) -> list[Span]:
        self.done = True
        found = self._VALUE.search(text)
        if not found:
            return []
        span, _ = value_at(text, found.end())
        return [span] if is_secret(text[slice(*span)], self._kind) else []


class Machine:
    """``password x`` within a few lines of ``machine host``, as `.netrc` has it."""

    _PASSWORD = re.compile(r"^[ \t]*(?:.{0,60}[ \t])?password[ \t]+(\S+)[ \t]*\r?$")

    def counts(self) -> bool:
        return True

    def __init__(self) -> None:
        self.done = False
        self._left = 4

    def spans(self, text: str) -> list[Span]:
        self._left -= 1
        found = self._PASSWORD.search(text)
        self.done = self._left <= 0 or bool(found)
        return [found.span(1)] if found and not is_reference(found.group(1)) else []


class SecretData:
    """The entries of a Kubernetes Secret, below its ``kind:`` or above."""

    ENTRY = re.compile(r"^([ \t]*)[\"']?([\w.-]{1,250})[\"']?:[ \t]*(.*?)[ \t\r]*$")

    def counts(self) -> bool:
        return True

    def __init__(self, inside: int = -1) -> None:
        self.done = False
        self._left = 60
        self._indent = inside  # of the ``data:`` line, or -1 outside of it

    def spans(self, text: str) -> list[Span]:
        self._left -= 1
        start = PREFIX.match(text).end()  # type: ignore[union-attr]
        line = text[start:]
        self.done = self._left <= 0 or line.startswith("---")
        found = self.ENTRY.match(line)
        if not found:
            return []
        indent, name = len(found.group(1)), found.group(2)
        if name in ("data", "stringData") and not found.group(3):
            self._indent = indent
            return []
        if self._indent < 0 or indent <= self._indent:
            self._indent = -1
            return []
        span, _ = value_at(text, start + found.start(3))
        value = text[slice(*span)]
        return (
            [span]
            if len(value) >= 4 and not is_reference(value) and (looks_made(value) or kind_of(name) or len(value) >= 8)
            else []
        )
