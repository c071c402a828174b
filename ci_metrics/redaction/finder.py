"""One list of everything that is looked for, and the engine made of it: which lines hold what, and where in the line it stands.

A line is text of one character a byte (ASCII, others as lone surrogates), so that places in it are offsets of bytes.

Belongs here: putting issuers' forms, places and announcements into one hyperscan database and acting on what it reports. Does not: any
form (`tokens.py`, `places.py`), bytes and blocks (`masker.py`).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from typing import Any

import hyperscan

from ci_metrics import compiled_patterns
from ci_metrics.redaction import command_lines, encoded, keys, views
from ci_metrics.redaction.following import Following, KeyBody, Machine, NextPair, NextValue, SecretData
from ci_metrics.redaction.names import STEM, Kind, kind_of
from ci_metrics.redaction.places import PLACES
from ci_metrics.redaction.tokens import TOKENS
from ci_metrics.redaction.values import is_readable
from ci_metrics.redaction.writings import WRITINGS

Span = tuple[int, int]
Spans = Callable[[str], Iterator[Span]]
Announces = Callable[[str], Following | None]

#: Characters of a line that are looked at in one piece, and how far the pieces overlap.
PIECE, OVERLAP = 1 << 15, 1 << 13


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that is looked for: by `marks` in the whole log, then on the lines that have one."""

    name: str
    marks: tuple[str, ...]
    caseless: bool = False
    spans: Spans | None = None
    announces: Announces | None = None
    closely: bool = False  # too costly for a whole log: only texts that are about to leave are searched for it


#: Before a form: no letter or digit, unless it is the end of an escape (``\\n``, ``%3D``, ``\\u003d``). A beginning that no word has needs none.
_APART = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2})|(?<=u00[0-9a-f]{2}))"
_DISTINCT = re.compile(r"(?!key-)[A-Za-z0-9]{2,}[_-]|gh\[|gl\(|xox|hv\[|do\[|shp\(|dckr_|[sr]k_|\\\.|\(\?:/|hooks\\|discord|chat\\|maker")
_TAIL = r"[A-Za-z0-9_-]{0,200}"


#: A service's short word, then random characters: most issuers make their tokens like that since scanners look for them.
_PREFIXED = re.compile(
    r"(?<![A-Za-z0-9/+=_.-])(?:[A-Za-z][A-Za-z0-9]{1,11}[_.~-](?:v\d[_-])?){1,4}?([A-Za-z0-9][A-Za-z0-9_-]{19,2000})(?![A-Za-z0-9_+/-]|\.\w)",
    re.ASCII,
)
#: Words before what services call their records by: no secrets.
_IDENTITY = re.compile(
    r"(?:dpl|run|req|request|evt|event|msg|prj|team|usr|user|cus|sub|in|pi|ch|acct|price|prod|file|thread|asst|resp|chatcmpl|toolu|call|org|wf|job|step|task"
    r"|txn|tr|node|id|build|batch|snapshot|sess|trace|span|sha256|sha512|sha384|md5|layer|img|image|ssh-(?:rsa|ed25519)|github|tmp|ssh)[_-]"
)
_BLOCKS = re.compile("[0-9A-Za-z]{20,}")


def _prefixed(text: str) -> Iterator[Span]:
    for found in _PREFIXED.finditer(text):
        body = _BLOCKS.search(found.group())
        if body and _generated(body.group()) and not _IDENTITY.match(found.group()):
            yield found.span()


def _generated(run: str) -> bool:
    """Whether letters of both cases and digits change places as they do in random characters, and in nothing that people write."""
    upper, lower = sum(c.isupper() for c in run), sum(c.islower() for c in run)
    digits = len(run) - upper - lower
    changes = sum(_CLASS[ord(a)] != _CLASS[ord(b)] for a, b in zip(run, run[1:], strict=False))
    return (
        min(upper, lower) * 6 >= len(run)
        and digits * 20 >= len(run)
        and changes * 2.6 >= len(run)
        and not run.startswith(("ZN", "17h"))
    )


_CLASS = ["".join((str(int(chr(n).isupper())), str(int(chr(n).islower())))) for n in range(128)]


def _token(form: str) -> Spans:
    wordless = form.startswith("~")
    form = form.lstrip("~")
    compiled = re.compile(rf"{'' if _DISTINCT.match(form) and not wordless else _APART}(?:{form}){_TAIL}", re.ASCII)

    def spans(text: str) -> Iterator[Span]:
        for found in compiled.finditer(text):
            if not (wordless and is_readable(found.group())):
                yield found.span()

    return spans


def _encoded(text: str) -> Iterator[Span]:
    view = views.decoded(text)
    if view is not None:
        for span in spans_in(view.text):
            yield view.back(span)


def _listed(text: str) -> Iterator[Span]:
    view = views.unlisted(text)
    for span in spans_in(view.text):
        yield view.back(span)


def _base64(text: str) -> Iterator[Span]:
    for found in encoded.RUN.finditer(text):
        inner = encoded.decoded_run(found.group())
        if inner and (keys.BEGIN.search(inner) or any(True for line in inner.split("\n") for _ in spans_in(line))):
            yield found.span()


def _key_begins(text: str) -> Iterator[Span]:
    begins = [begin.end() for begin in keys.BEGIN.finditer(text)]
    ends = [end.start() for end in keys.END.finditer(text)]
    for number, begin in enumerate(begins):
        following = begins[number + 1] if number + 1 < len(begins) else len(text)
        at = bisect_left(ends, begin)
        ended = at < len(ends) and ends[at] < following
        material = keys.inside(text, begin, ends[at] if ended else following, ended)
        if material:
            yield material


def _key_follows(text: str) -> Following | None:
    begins = list(keys.BEGIN.finditer(text))
    return KeyBody() if begins and not keys.END.search(text, begins[-1].end()) else None


def _encoded_key_follows(text: str) -> Following | None:
    for found in encoded.RUN.finditer(text):
        inner = encoded.decoded_run(found.group())
        if inner and keys.BEGIN.search(inner) and not text[found.end() :].strip():
            return KeyBody()
    return None


def _putty_follows(text: str) -> Following | None:
    found = keys.PUTTY.search(text)
    return KeyBody(int(found.group(1))) if found else None


_NAME_ENDS = re.compile(
    r"([\w\udc80-\udcff.-]+)(?:\\*[\"'`])?[ \t]*(?:=|:=|=>|:)[ \t]*([|>][+-]?\d?)?[ \t\r]*\\?[ \t\r]*$", re.ASCII
)
_OPTION_ENDS = re.compile(r"(?:^|[\s\"'])(-{1,2}[A-Za-z][\w.-]*)[ \t]+\\[ \t\r]*$")
_PAIR_NAME = re.compile(
    r"(?:\b[Nn]ame|\b[Kk]ey)(?:\\*[\"'])?[ \t]*[:=][ \t]*\\*[\"']?([\w.:-]{2,80})\\*[\"']?[ \t]*,?[ \t\r]*$"
)


def _value_follows(text: str) -> Following | None:
    found = _NAME_ENDS.search(text, max(0, len(text) - 300))
    if found and (kind := kind_of(found.group(1))):
        return NextValue(kind, block=bool(found.group(2)))
    found = _OPTION_ENDS.search(text, max(0, len(text) - 300))
    if found and (kind := kind_of(found.group(1))) >= Kind.SECRET:
        return NextValue(kind)
    return None


def _pair_follows(text: str) -> Following | None:
    found = _PAIR_NAME.search(text, max(0, len(text) - 300))
    return NextPair(kind) if found and (kind := kind_of(found.group(1))) else None


ENTRIES: tuple[Entry, ...] = (
    *(Entry(issuer, (form.lstrip("~"),), spans=_token(form)) for issuer, form in TOKENS),
    Entry("a service's word before random characters", (r"[A-Za-z0-9][_~-][A-Za-z0-9]{20}",), spans=_prefixed, closely=True),
    Entry("the same beside a word that says so", (r"(?:token|key|secret|credential|auth|passw)[^\n]{0,80}[A-Za-z0-9][_~-][A-Za-z0-9]{20}",), caseless=True, spans=_prefixed),
    *(Entry(place.name, place.marks, caseless=True, spans=place.spans) for place in (*PLACES, *WRITINGS)),
    *(Entry(f"command {number}", (mark,), caseless=True, spans=command_lines.spans_of(form)) for number, (mark, form) in enumerate(command_lines.COMMANDS)),
    Entry("base64", tuple(re.escape(core) for core in encoded.cores()), spans=_base64),
    Entry(
        "percent signs, entities, escapes",
        (rf"{STEM}[\w.-]{{0,40}}\]?(?:(?:%(?:25)?[0-9a-f]{{2}}|&(?:quot|#34|#x22|#39);|\\{{1,4}}u00[0-9a-f]{{2}})[ =:]?){{1,6}}[^ \t\n]{{3}}",
         r"%(?:25)?3a(?:%(?:25)?2f|/){2}[^ \t\n]*(?:%(?:25)?40|@)"),
        caseless=True,
        spans=_encoded,
    ),
    Entry("list of arguments", (r"[\"'],[ ]?[\"']-{1,2}[A-Za-z][\w-]*[\"'],[ ]?[\"'][^\"'\n]{3}",), spans=_listed),
    Entry("private key", ("BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY",), spans=_key_begins, announces=_key_follows),
    Entry("private key in base64", (re.escape("LS0tLS1CRUdJTi"), re.escape("LS0tLSBCRUdJTi")), spans=_base64, announces=_encoded_key_follows),
    Entry("PuTTY's private key", (r"Private-Lines: \d",), announces=_putty_follows),
    Entry("PuTTY's code", (r"Private-MAC: [0-9a-f]{16}",), spans=lambda text: (f.span(1) for f in re.finditer(r"Private-MAC: ([0-9a-f]{16,})", text))),
    Entry(
        "value on the next line",
        (rf"{STEM}[\w.\x80-\xff-]{{0,40}}(?:\\{{0,7}}[\"'`])?[ \t]{{0,8}}(?::=|=>?|:)[ \t]{{0,8}}(?:[|>][+-]?\d?)?[ \t]{{0,8}}\\?[ \t\r]{{0,8}}\n",
         rf"-{STEM}[\w.-]{{0,40}}[ \t]{{1,8}}\\[ \t\r]{{0,8}}\n"),
        caseless=True,
        announces=_value_follows,
    ),
    Entry(
        "pair over two lines",
        (rf"(?:name|key)[\\\"']{{0,4}}[ \t]{{0,8}}[:=][ \t]{{0,8}}[\\\"']{{0,4}}[\w.:-]{{0,60}}{STEM}[\w.:-]{{0,40}}[\\\"', \t\r]{{0,6}}\n",),
        caseless=True,
        announces=_pair_follows,
    ),
    Entry("machine of .netrc", (r"\bmachine[ \t]+[\w.-]+[^\n]{0,80}\n",), announces=lambda text: Machine() if re.search(r"\bmachine[ \t]+[\w.-]+(?:[ \t]+login[ \t]+\S+)?[ \t\r]*$", text) else None),
    Entry("Kubernetes Secret", (r"kind:[ \t]*[\"']?Secret\b",), announces=lambda text: SecretData() if re.search(r"\bkind:[ \t]*[\"']?Secret[\"']?[ \t\r]*$", text) else None),
)  # fmt: skip
#: Entries that also concern lines before theirs: a key's end, a Secret whose entries were printed before its kind.
KEY_END = len(ENTRIES)
KIND_SECRET = KEY_END - 1
_KEY_END_MARK = "END [A-Z0-9 ]{0,30}PRIVATE KEY"


@cache
def engine(closely: bool = False) -> Any:
    """The database of every mark; a match's number is its entry's place in `ENTRIES`, or `KEY_END`."""
    wanted = [
        (mark.encode("latin-1"), number, hyperscan.HS_FLAG_CASELESS if entry.caseless else 0)
        for number, entry in enumerate(ENTRIES)
        for mark in entry.marks
        if closely or not entry.closely
    ]
    wanted.append((_KEY_END_MARK.encode(), KEY_END, 0))
    expressions, ids, flags = zip(*wanted, strict=True)
    return compiled_patterns.compiled(expressions, ids, flags)


def matches(data: bytes, closely: bool = False) -> list[tuple[int, int]]:
    """(offset of the last byte, entry) of each match in `data`."""
    found: list[tuple[int, int]] = []
    add = found.append
    compiled_patterns.scan(engine(closely), data, lambda number, _from, to, _flags, _context: add((to - 1, number)))
    return found


def line_spans(text: str, numbers: AbstractSet[int]) -> list[Span]:
    """Where secrets stand in one line, of which the engine reported these entries."""
    view = views.uncoloured(text)
    found: list[Span] = []
    for piece, offset in _pieces(view.text):
        for number in numbers:
            if number < KEY_END and (spans := ENTRIES[number].spans):
                found += [(start + offset, end + offset) for start, end in spans(piece)]
    return [view.back(span) for span in merged(found)]


def announced(text: str, numbers: AbstractSet[int]) -> list[Following]:
    """What is to be looked for on the lines after this one."""
    plain = views.uncoloured(text).text
    out = []
    for number in numbers:
        if number < KEY_END and (announces := ENTRIES[number].announces) and (following := announces(plain)):
            out.append(following)
    return out


def spans_in(text: str) -> list[Span]:
    """Where secrets stand in a text that is not a line of the log, but was written inside one."""
    numbers = {number for _, number in matches(text.encode("ascii", "surrogateescape"), closely=True)}
    return line_spans(text, numbers) if numbers else []


def merged(spans: list[Span]) -> list[Span]:
    """`spans` in order, those that overlap or touch as one."""
    out: list[Span] = []
    for start, end in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        elif end > start:
            out.append((start, end))
    return out


def _pieces(text: str) -> Iterator[tuple[str, int]]:
    if len(text) <= PIECE + OVERLAP:
        yield text, 0
        return
    for at in range(0, len(text), PIECE):
        yield text[at : at + PIECE + OVERLAP], at
