"""Secrets that stand on lines after the one that announces them: keys, values below their names,
entries of a secret, `.netrc`.

Belongs here: what a line announces, what is remembered from line to line, and for how long. Does
not: single lines (`places.py`).

Each is fed the lines after its announcement, one by one, until it is done, which it always is after
a bounded number of them. None of them keeps a line from being looked at by everything else.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import product

from ci_metrics.redaction import encoded, private_keys
from ci_metrics.redaction.decoded_lines import Span
from ci_metrics.redaction.places import value_at
from ci_metrics.redaction.secret_names import NameKind, name_kind
from ci_metrics.redaction.secret_values import is_readable, is_reference, is_secret, looks_chosen, looks_made

#: The columns, times and BuildKit's step before a line.
_TIME = (
    r"(?:\udcef\udcbb\udcbf)?(?:[^\t\n]{1,200}\t[^\t\n]{1,200}\t(?=\ufeff?\d{4}-))?"
    r"(?:\[?\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?\]?[ ]?)?(?:#\d+ \d+\.\d+ )?"
)
#: Where a table may begin on its line: behind times alone, for what else tools put there may be its
#: first cell; behind a label; behind all that tools put there.
_TABLE_STARTS = (
    re.compile(_TIME),
    re.compile(_TIME + r"(?:\[[^\]\n]{1,80}\]|[\w./\[\]-]{1,80}(?: \([\w -]{1,40}\))?:)[ ]"),
)
#: What tools put before a line of another program: times, BuildKit's step, a service's name, marks
#: of quotes, diffs and prompts.
LINE_PREFIX = re.compile(
    _TIME.replace(r"(?=\ufeff?\d{4}-)", "") + r"(?:[ ]{0,8}[\w.-]{1,60}[ ]{0,20}\|[ ]?)?(?:[>|+-] ?(?![\w-]))?"
)


_SHAPE = {ord(digit): "0" for digit in "123456789"}


class Following(ABC):
    """What is looked for on the lines to come."""

    def __init__(self, lines: int, lead: str = "") -> None:
        self.done = False
        self._left = lines
        self._lead = lead  # what stood before the announcement: the next lines may begin with the like of it

    def _start(self, text: str) -> int:
        """Where the line's own text begins, behind what a tool put before it."""
        if self._lead and text[: len(self._lead)].translate(_SHAPE) == self._lead.translate(_SHAPE):
            return len(self._lead)
        found = LINE_PREFIX.match(text)
        return found.end() if found else 0

    @property
    def counts(self) -> bool:
        """Whether what the next line holds is a secret of its own, not a further line of one."""
        return True

    @abstractmethod
    def spans(self, text: str) -> list[Span]:
        """Where secrets stand on the next line."""


class KeyBody(Following):
    """The inside of a private key whose begin has been seen and whose end has not."""

    def __init__(self, lines: int = private_keys.MOST_LINES) -> None:
        super().__init__(lines)
        self._others = 0
        self._long = False  # whether the last line was a full one of the key
        self._begun = False  # whether some of it was found

    @property
    def counts(self) -> bool:  # noqa: D102
        return not self._begun

    def spans(self, text: str) -> list[Span]:  # noqa: D102
        self._left -= 1
        end = private_keys.END.search(text)
        if end:
            self.done = True
            material = private_keys.inside(text, 0, end.start(), True)
            self._begun = self._begun or bool(material)
            return [material] if material else []
        found = private_keys.body(text) or private_keys.header(text)
        if (
            found is None
            and self._long
            and (short := private_keys.short_body(text))
            and not is_readable(text[slice(*short)])
        ):
            prefix = text[: short[0]].rstrip(" \t\"'>+")
            found = short if not prefix or prefix[-1].isdigit() or prefix[-1] in "Z|" else None
        if found is None:
            self._others += bool(text.strip()) and not private_keys.about(text)
            self._long = False
        else:
            self._begun = True
            self._others = 0
            self._long = found[1] - found[0] >= 40
        self.done = self._left <= 0 or self._others > private_keys.MOST_OTHERS
        return [found] if found else []


#: What PHP writes before a string.
_TYPED = re.compile(r"string\(\d+\) (?=\")")
_NAMED = re.compile(r"(?:\$ |\+ )?(?:export )?[A-Za-z_][\w.-]*[=:](?=[^=])")


class NextValue(Following):
    """A value on the line below its name: ``password:`` and an indented word, also YAML's
    ``|`` with several lines.
    """

    def __init__(self, kind: NameKind, lead: str = "", *, block: bool = False) -> None:
        super().__init__(30 if block else 3, lead)
        self._kind = kind
        self._block = block

    def spans(self, text: str) -> list[Span]:  # noqa: D102
        self._left -= 1
        start = self._start(text)
        body = text[start:].strip()
        self.done = self._left <= 0
        if not body:
            return []
        if body in ("[", "{", "("):
            return []
        self.done = self.done or not self._block
        start += len(text[start:]) - len(text[start:].lstrip())
        if typed := _TYPED.match(text, start):
            start = typed.end()
        span, quoted = value_at(text, start)
        value = text[span[0] : span[1]]
        rest = text[span[1] :].strip().strip("\"'`,;\\)}]")
        alone = quoted or not rest
        kind = NameKind.SECRET if self._kind is NameKind.MAYBE else self._kind
        if (
            not alone
            or not is_secret(value, kind)
            or (value.isalpha() and value.islower() and len(value) < 5)
            or value.endswith(":")
            or _NAMED.match(body)
        ):
            self.done = True
            return []
        if not quoted and is_readable(value) and not any(c.isdigit() for c in value):
            self.done = True
            return []
        return [span]


class NextPair(Following):
    """``value: …`` on the line below ``name: DB_PASSWORD``."""

    _VALUE = re.compile(r"\b[Vv]alue(?:\\*[\"'])?[ \t]*[:=][ \t]*|<string>")

    def __init__(self, kind: NameKind) -> None:
        super().__init__(1)
        self._kind = kind

    def spans(self, text: str) -> list[Span]:  # noqa: D102
        self.done = True
        found = self._VALUE.search(text)
        if not found:
            return []
        span, _ = value_at(text, found.end())
        return [span] if is_secret(text[slice(*span)], self._kind) else []


class Machine(Following):
    """``password x`` within a few lines of ``machine host``, as `.netrc` has it."""

    _PASSWORD = re.compile(r"^[ \t]*(?:.{0,60}[ \t])?password[ \t]+(\S+)[ \t]*\r?$")

    def __init__(self) -> None:
        super().__init__(4)

    def spans(self, text: str) -> list[Span]:  # noqa: D102
        self._left -= 1
        found = self._PASSWORD.search(text)
        self.done = self._left <= 0 or bool(found)
        return [found.span(1)] if found and not is_reference(found.group(1)) else []


class PasswordFile(Following):
    """Lines of `.pgpass`, as they are written to it."""

    _LINE = re.compile(r"[^\s:]{1,200}:(?:\d{2,5}|\*):[^\s:]{1,60}:[^\s:]{1,60}:(\S{3,200}?)[ \t\r]*$")

    def __init__(self) -> None:
        super().__init__(8)

    def spans(self, text: str) -> list[Span]:  # noqa: D102
        self._left -= 1
        found = self._LINE.search(text)
        self.done = self._left <= 0 or not found
        return [found.span(1)] if found and not is_reference(found.group(1)) else []


class NextWord(Following):
    """A word of its own below a sentence that announces it: ``Use the following password:``."""

    def __init__(self, lead: str = "") -> None:
        super().__init__(3, lead)

    def spans(self, text: str) -> list[Span]:  # noqa: D102
        self._left -= 1
        start = self._start(text)
        word = text[start:].strip()
        self.done = self._left <= 0 or bool(word)
        at = text.find(word, start)
        value = word.strip("\"'`")
        if (
            not value
            or not is_secret(value, NameKind.SECRET)
            or any(c.isspace() for c in value)
            or _PLACE.search(value)
        ):
            return []
        at += word.index(value)
        return [(at, at + len(value))]


#: What a value is not: a place in a file, a call, an address.
_PLACE = re.compile(r"[(){}<>]|:\d|//|::")


class NextItem(Following):
    """The argument of an option where a list of arguments has one on each line: ``"--password",``,
    ``6: --password (10 bytes)``, ``- --password``.
    """

    _ITEM = re.compile(
        r"[ \t]*(?:\d{1,4}:|\[\d{1,4}\]|-)?[ \t]*[\"']?([^\s\"',]{6,2000})[\"']?(?: \(\d{1,4} bytes\))?,?[ \t\r]*$"
    )

    def __init__(self, kind: NameKind, lead: str = "") -> None:
        super().__init__(1, lead)
        self._kind = kind

    def spans(self, text: str) -> list[Span]:  # noqa: D102
        self.done = True
        found = self._ITEM.match(text, self._start(text)) or self._ITEM.match(text)
        if not found or found.group(1).startswith("--"):  # the next option
            return []
        if not looks_chosen(found.group(1)) or not is_secret(found.group(1), self._kind):
            return []
        return [found.span(1)]


#: How the cells of a row stand apart.
_COMMAS, _SEMICOLONS, _TABS, _BARS, _GAPS = (
    re.compile(form) for form in (r"[^,]+", r"[^;]+", r"[^\t]+", r"[^|]+", r"\S+(?: \S+)*")
)
_RULE = re.compile(r"(?:^|\|)[\s|:+=-]{3,}$")


class Rows(Following):
    """The values of columns whose heading says that they are secret."""

    def __init__(self, kinds: tuple[NameKind, ...], cells: re.Pattern[str], lead: str) -> None:
        super().__init__(100, lead)
        self._kinds, self._cells = kinds, cells

    def spans(self, text: str) -> list[Span]:  # noqa: D102
        self._left -= 1
        starts = self._starts(text)
        if self._left > 0 and any(_RULE.search(text[start:]) for start in starts):
            return []
        rows = (list(_cells_of(text, self._cells, start)) for start in starts)
        cells = next((row for row in rows if len(row) == len(self._kinds)), [])
        self.done = self._left <= 0 or not cells
        found: list[Span] = []
        for (first, last), kind in zip(cells, self._kinds, strict=False):
            value = text[first:last]
            if not self.done and kind >= NameKind.SECRET and is_secret(value, kind) and looks_chosen(value):
                found.append((first, last))
        return found

    def _starts(self, text: str) -> list[int]:
        """Where the row may begin: behind what stood before the headings, or what tools put there,
        which looks like a first cell too.
        """
        if text[: len(self._lead)].translate(_SHAPE) == self._lead.translate(_SHAPE):
            return [len(self._lead)]
        return [found.end() for before in (*_TABLE_STARTS, LINE_PREFIX) if (found := before.match(text))]


def _cells_of(text: str, cells: re.Pattern[str], start: int) -> Iterator[Span]:
    """Where the cells of a row stand, without their quotes."""
    for cell in cells.finditer(text.rstrip(), start + len(text[start:]) - len(text[start:].lstrip(" "))):
        bare = cell.group().strip(" \t\"'`")
        at = cell.start() + cell.group().index(bare)
        if bare or cells is not _BARS:
            yield at, at + len(bare)


class SecretData(Following):
    """The entries of a Kubernetes Secret, below its ``kind:`` or above."""

    ENTRY = re.compile(r"^([ \t]*)[\"']?([\w.-]{1,250})[\"']?:[ \t]*(.*?)[ \t\r]*$")

    def __init__(self, lead: str = "") -> None:
        super().__init__(60, lead)
        self._indent = -1  # of the ``data:`` line, or -1 outside of it

    def spans(self, text: str) -> list[Span]:  # noqa: D102
        self._left -= 1
        start = self._start(text)
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
            if len(value) >= 4 and not is_reference(value) and (looks_made(value) or name_kind(name) or len(value) >= 8)
            else []
        )


def key_follows(text: str) -> Following | None:
    """A key that begins on this line and does not end on it."""
    begins = list(private_keys.BEGIN.finditer(text))
    return KeyBody() if begins and not private_keys.END.search(text, begins[-1].end()) else None


def encoded_key_follows(text: str) -> Following | None:
    """The further lines of a key in base64 that is wrapped."""
    for found in encoded.RUN.finditer(text):
        inner = encoded.decoded_run(found.group())
        if inner and private_keys.BEGIN.search(inner) and not text[found.end() :].strip():
            return KeyBody()
    return None


def putty_follows(text: str) -> Following | None:
    """The lines that PuTTY's header counts."""
    found = private_keys.PUTTY.search(text)
    return KeyBody(int(found.group(1))) if found else None


_NAME_ENDS = re.compile(
    r"([\w\udc80-\udcff.-]+)(?:\\*[\"'`])?\]?[ \t]*(?:=|:=|=>|:)[ \t]*([|>][+-]?\d?)?[ \t\r]*(?:\\|@[\"'])?[ \t\r]*$",
    re.ASCII,
)
_OPTION_ENDS = re.compile(r"(?:^|[\s\"'])(-{1,2}[A-Za-z][\w.-]*)[ \t]+\\[ \t\r]*$")
_ITEM_ENDS = re.compile(r"(?:^|[\s\"'\[(])(-{1,2}[A-Za-z][\w.-]*)(?:[\"'],?|[ ]\(\d{1,4} bytes\))[ \t\r]*$")
_YAML_ITEM_ENDS = re.compile(r"(?:^|[ \t])- (--[A-Za-z][\w.-]*)[ \t\r]*$")
_ELEMENT_ENDS = re.compile(r"<([\w:.-]{2,60})>[ \t\r]*$")
_FORM_ENDS = re.compile(r"form-data;.{0,80}?name=\"?([\w.-]{2,60})\"?[ \t\r]*$")
_HERE_ENDS = re.compile(r"([\w.-]{2,80})<<-?[\"']?[\w-]{1,80}[\"']?[ \t\r]*$")
_PLIST_NAME = re.compile(r"<key>([\w.:-]{2,80})</key>[ \t\r]*$")
_PAIR_NAME = re.compile(
    r"(?:\b[Nn]ame|\b[Kk]ey)(?:\\*[\"'])?[ \t]*[:=][ \t]*\\*[\"']?([\w.:-]{2,80})\\*[\"']?[ \t]*,?[ \t\r]*$"
)


def _lead(text: str, at: int) -> str:
    return text[:at].rstrip(" \t\"'{[(")


def value_follows(text: str) -> Following | None:
    """The value of a name, an option, an element, a part of a form or a here-document
    with which this line ends.
    """
    found = _NAME_ENDS.search(text, max(0, len(text) - 300))
    if found and (kind := name_kind(found.group(1))):
        if found.group(1) in ("pass", "pw"):
            kind = NameKind.PASSWORD
        return NextValue(kind, _lead(text, found.start(1)), block=bool(found.group(2)))
    found = _OPTION_ENDS.search(text, max(0, len(text) - 300))
    if found and (kind := name_kind(found.group(1))) >= NameKind.SECRET:
        return NextValue(kind, _lead(text, found.start(1)))
    found = _ITEM_ENDS.search(text, max(0, len(text) - 300)) or _YAML_ITEM_ENDS.search(text, max(0, len(text) - 300))
    if found and (kind := name_kind(found.group(1))) >= NameKind.SECRET:
        return NextItem(kind)
    for form in (_ELEMENT_ENDS, _FORM_ENDS, _HERE_ENDS):
        if (found := form.search(text, max(0, len(text) - 300))) and (kind := name_kind(found.group(1))):
            return NextValue(kind, _lead(text, found.start()))
    return None


def pair_follows(text: str) -> Following | None:
    """The value of a name that is itself a value: ``name: DB_PASSWORD``."""
    found = _PAIR_NAME.search(text, max(0, len(text) - 300)) or _PLIST_NAME.search(text, max(0, len(text) - 300))
    return NextPair(kind) if found and (kind := name_kind(found.group(1))) else None


_MACHINE = re.compile(r"\bmachine[ \t]+[\w.-]+(?:[ \t]+login[ \t]+\S+)?[ \t\r]*$")
_KIND = re.compile(r"\bkind:[ \t]*[\"']?Secret[\"']?[ \t\r]*$")


def machine_follows(text: str) -> Following | None:
    """The login of a machine of `.netrc`."""
    return Machine() if _MACHINE.search(text) else None


def password_lines_follow(text: str) -> Following | None:  # noqa: ARG001
    """The lines of `.pgpass` in a here-document."""
    return PasswordFile()


_HEADING = r"[\"']?[A-Za-z][\w.-]*(?:[ ][\w.-]+){0,3}[\"']?"
#: The headings of a table, by what stands between them; in columns without a line between them, as
#: terminals show them, they are in capitals or begin with one.
_HEADINGS = tuple(
    (re.compile(rf"[ ]*{form}[ \t\r]*$"), cells)
    for form, cells in (
        (rf"{_HEADING}(?:,[ ]?{_HEADING}){{1,30}}", _COMMAS),
        (rf"{_HEADING}(?:;[ ]?{_HEADING}){{1,30}}", _SEMICOLONS),
        (rf"{_HEADING}(?:\t{_HEADING}){{1,30}}", _TABS),
        (rf"\|?[ ]*{_HEADING}(?:[ ]*\|[ ]*{_HEADING}){{1,30}}[ ]*\|?", _BARS),
        (r"[A-Z][\w.-]*(?: [A-Z][\w.-]*)*(?:[ ]{2,60}[A-Z][\w.-]*(?: [A-Z][\w.-]*)*){1,30}", _GAPS),
    )
)


def rows_follow(text: str) -> Following | None:
    """The rows below the headings of a table."""
    for before, (headings, cells) in product((*_TABLE_STARTS, LINE_PREFIX), _HEADINGS):
        start = found.end() if (found := before.match(text)) else 0
        if found := headings.match(text, start):
            kinds = tuple(name_kind(text[first:last]) for first, last in _cells_of(text, cells, found.start()))
            return Rows(kinds, cells, text[:start]) if max(kinds) >= NameKind.SECRET else None
    return None


_ANNOUNCED = re.compile(r"(?i:\b(?:password|passphrase|passcode|secret|token|api[ _-]?key))\b[^:]{1,160}:[ \t\r]*$")


def word_follows(text: str) -> Following | None:
    """A word that a sentence announces."""
    found = _ANNOUNCED.search(text, max(0, len(text) - 300))
    return NextWord(_lead(text, found.start())) if found else None


def entries_follow(text: str) -> Following | None:
    """The entries of a Kubernetes Secret."""
    found = _KIND.search(text)
    return SecretData(_lead(text, found.start())) if found else None
