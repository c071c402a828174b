"""Lines as people read them: timestamps, colour codes, byte-order marks and
progress bars taken away.

Belongs here: bytes of one raw line in, clean text out. Does not: which lines matter
(`scored_lines.py`), secrets (`ci_metrics.redaction`).

Formats: GitHub's job logs (each line behind a UTC timestamp; the first behind a byte-order
mark), what `gh run view --log` prints (job, step and timestamp behind tabs), and plain logs of
Travis, Jenkins and terminals.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from ci_metrics.redaction import Care, Masker

#: GitHub's timestamp behind a byte-order mark; before both, ``job<TAB>step<TAB>``
#: of `gh run view --log`.
_STAMP = rb"(?:\xef\xbb\xbf)?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z ?"
_SECOND = re.compile(rb"(?:\xef\xbb\xbf)?(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)")
_STAMPED = re.compile(_STAMP)
_PREFIX = re.compile(rb"(?:([^\t\n]{1,200})\t([^\t\n]{1,200})\t)?" + _STAMP)
_BOM = b"\xef\xbb\xbf"
#: What the first byte of a line with a timestamp but without columns is.
_STARTS = b"0123456789" + _BOM[:1]
_TWO, _DOT = b"2."
#: Colour and cursor codes (ECMA-48), hyperlinks (OSC), and colour codes whose escape character was
#: lost or spelt ``^[`` on the way into a file. Each alternative begins with a character of its own:
#: `re` then skips to the next of those.
_CODES = re.compile(
    r"\x1b\[[0-9;:?]*[ -/]*[@-~]|\^\[\[[0-9;:?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_=>]"
    r"|\[(?:\d{1,3}(?:;\d{1,3})*m|0[KmJ]|[KmJ](?![a-z]))|\x1b"  # `[modernize-use-nullptr]` has lost no escape character
)
#: The only codes of a text without escape characters: `re` looks for the one
#: character that they begin with.
_LOST = re.compile(r"\[(?:\d{1,3}(?:;\d{1,3})*m|0[KmJ]|[KmJ](?![a-z]))")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")
_FOLD = re.compile(r"travis_(?:fold|time):(?:start|end):?[\w.:=,-]*")

#: Characters of one line that are kept; the middle of a longer one is left out, with a mark.
MAX_LINE = 1_600


def text_of(raw: bytes) -> str:
    """The clean text of one raw line (without its newline); carriage returns inside a line
    become line breaks' look-alike ``␍``.
    """
    if raw[27:29] == b"Z " and raw[0] == _TWO and raw[19] == _DOT:  # as GitHub prints it, by far the most often
        raw = raw[29:]
    elif (tabbed := raw.find(b"\t", 0, 400) >= 0) or raw[:1] in _STARTS:
        found = _PREFIX.match(raw) if tabbed else _STAMPED.match(raw)
        if found:
            raw = raw[found.end() :]
        elif raw[:3] == _BOM:
            raw = raw[3:]
    if len(raw) > MAX_LINE:
        raw = Masker(Care.TEXT).masked(raw)  # before any cut: half a secret is one too
    if len(raw) > 4 * MAX_LINE:
        raw = raw[: 2 * MAX_LINE] + raw[-2 * MAX_LINE :]  # a line of megabytes costs no more than its ends
    text = raw.decode("utf-8", "replace")
    if not text.isprintable():
        if "\x1b" in text or "[" in text:
            text = _uncoloured(text)
        if "\r" in text:
            text = overwritten(text)
        if not text.isprintable():
            text = _CONTROL.sub("", text)
    elif "[" in text:
        text = _uncoloured(text)
    text = text.rstrip()
    return middle_cut(text) if len(text) > MAX_LINE else text


def _uncoloured(text: str) -> str:
    """`text` without colour and cursor codes."""
    return (_CODES if "\x1b" in text or "^[[" in text else _LOST).sub("", text)


def line_time(raw: bytes) -> float | None:
    """The timestamp before a line of GitHub's log, in whole seconds since 1970; None without
    one, or when it is no time.
    """
    found = _SECOND.match(raw)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups())
    try:
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC).timestamp()
    except ValueError:  # a program's own, like 24:00:00
        return None


def without_stamp(raw: bytes) -> bytes:
    """One raw line without columns, byte-order mark and timestamp."""
    found = _PREFIX.match(raw)
    return raw[found.end() :] if found else raw.removeprefix(_BOM)


def overwritten(text: str) -> str:
    """A line with lone carriage returns as its parts, without repeats of a progress bar: the
    last state and every distinct part.
    """
    parts = [_FOLD.sub("", part).rstrip() for part in text.split("\r")]
    kept: list[str] = []
    shapes: set[str] = set()
    for part in reversed(parts):
        shape = re.sub(r"[\d\s.#=>-]+", "", part)
        if part.strip() and shape not in shapes:
            shapes.add(shape)
            kept.append(part)
    return " ".join(reversed(kept))


def middle_cut(text: str, limit: int = MAX_LINE) -> str:
    """`text` with its middle left out, visibly, when it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    head, tail = limit * 3 // 4, limit // 4
    return f"{text[:head]} […{len(text) - head - tail} characters…] {text[-tail:]}"


def step_column(raw: bytes) -> tuple[str, str] | None:
    """Job and step that `gh run view --log` prints before each line, or None."""
    found = _PREFIX.match(raw)
    if found is None or found.group(1) is None:
        return None
    return found.group(1).decode("utf-8", "replace"), found.group(2).decode("utf-8", "replace")
