"""A whole log masked in one pass, block by block: what a line announces is
remembered for the lines after it.

Belongs here: bytes and texts in, the same with secrets masked out, line for line. Does not:
what a secret looks like.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

import numpy as np

from ci_metrics.redaction import finder, private_keys
from ci_metrics.redaction.decoded_lines import Span, uncoloured, unescaped, without_codes
from ci_metrics.redaction.finder import Care
from ci_metrics.redaction.next_lines import LINE_PREFIX, Following, KeyBody, SecretData
from ci_metrics.redaction.secret_values import MASK

#: Lines before a key's end, and before a Secret's kind, that are looked at once more.
MOST_BEFORE = 120
#: Passes over a short text: masking one secret may bring a second to light (two
#: options of one command).
MOST_PASSES = 4
_MASK = MASK.encode()
_NEWLINE = ord("\n")


class Masker:
    """State of one log: feed it the blocks in order, each with whole lines.

    `care` says how much is looked for.

    A block that ends inside a line (one longer than a block) is masked all the same; what
    straddles the cut may escape.
    """

    def __init__(self, care: Care = Care.LOG) -> None:
        self._care = care
        self.count = 0  # secrets masked so far: a key counts once, however many lines it has
        self._open: list[Following] = []

    def masked(self, data: bytes) -> bytes:
        """The next block with every secret masked: the same lines, the same object when
        there is nothing to mask.
        """
        spans = self.spans(data)
        return with_masks(data, spans) if spans else data

    def spans(self, data: bytes) -> list[Span]:
        """Where secrets stand in the next block: offsets of its bytes,
        ascending, none across a newline.
        """
        whole = data if data.endswith(b"\n") else data + b"\n"  # forms may ask for the line's end
        plain = without_codes(whole) if self._care is Care.TEXT else whole
        if plain is not whole:
            lines = _same_lines(plain, _by_line(plain, finder.matches(plain, self._care)), data)
        else:
            lines = _by_line(data, finder.matches(whole, self._care))
        if not lines and not self._open:
            return []
        spans: list[Span] = []
        todo = sorted(lines, reverse=True)
        at = 0
        while at < len(data):
            if not self._open:
                while todo and todo[-1] < at:
                    todo.pop()
                if not todo:
                    break
                at = todo[-1]
            end = _end(data, at)
            spans += self._of_line(data, at, end, lines.get(at, frozenset()))
            at = end + 1
        return finder.merged_spans(spans)

    def _of_line(self, data: bytes, start: int, end: int, entries: AbstractSet[int]) -> list[Span]:
        view = uncoloured(data[start:end].decode("ascii", "surrogateescape"))
        text = view.text
        in_key = any(isinstance(following, KeyBody) for following in self._open)
        here = self._followed(text)
        spans: list[Span] = []
        if entries:
            own = finder.secret_spans(text, entries)
            if own:
                self.count += len(finder.merged_spans(here + own)) - len(here)
                here += own
            if finder.STRING in entries:
                own = _in_strings(text)
                self.count += len(own)
                here += own
            if finder.KEY_END in entries:
                spans += _key_before(data, start)
                self.count += bool(spans) and not (here or in_key)
            if finder.KIND_SECRET in entries:
                before = _secret_before(data, start)
                self.count += len(before)
                spans += before
            for new in finder.announced(text, entries):  # of each sort the newest
                self._open = [old for old in self._open if type(old) is not type(new)] + [new]
        return spans + [_whole(data, start + first, start + last) for first, last in map(view.back, here)]

    def _followed(self, text: str) -> list[Span]:
        if not self._open:
            return []
        found: list[Span] = []
        for following in self._open:
            counted = following.counts
            new = following.spans(text)
            found += new
            self.count += bool(new) and counted
        self._open = [following for following in self._open if not following.done]
        return found


def _in_strings(text: str) -> list[Span]:
    """Secrets of a text of several lines that stands, with ``\\n`` for its breaks, in a string."""
    view = unescaped(text)
    spans = Masker(Care.TEXT).spans(view.text.encode("ascii", "surrogateescape"))
    return [view.back(span) for span in spans]


def _whole(data: bytes, start: int, end: int) -> Span:
    """The span without half a character of UTF-8 at its ends."""
    while start > 0 and data[start] & 0xC0 == 0x80 and data[start - 1] >= 0x80:
        start -= 1
    while end < len(data) and data[end] & 0xC0 == 0x80:
        end += 1
    return start, end


def _key_before(data: bytes, at: int) -> list[Span]:
    """The lines of a key of which only the end, which stands on the line at `at`, was printed;
    or whose last line is short.
    """
    spans: list[Span] = []
    for start, end in _lines_before(data, at):
        view = uncoloured(data[start:end].decode("ascii", "surrogateescape"))
        found = private_keys.body(view.text) or (None if spans or end + 1 < at else private_keys.short_body(view.text))
        if found is None or private_keys.BEGIN.search(view.text):
            break
        first, last = view.back(found)
        spans.append((start + first, start + last))
    return spans


def _secret_before(data: bytes, at: int) -> list[Span]:
    """The entries of a Secret whose ``data:`` stands above its ``kind:``,
    which is on the line at `at`.
    """
    lines: list[Span] = []
    first = 0
    for start, end in _lines_before(data, at):
        lines.append((start, end))
        text = uncoloured(data[start:end].decode("ascii", "surrogateescape")).text
        found = LINE_PREFIX.match(text)
        body = text[found.end() if found else 0 :]
        if body.startswith("---") or body.lstrip().startswith("kind:"):
            break
        if body.lstrip().startswith(("data:", "stringData:")):
            first = len(lines)
    spans: list[Span] = []
    entries = SecretData()
    for start, end in reversed(lines[:first]):
        view = uncoloured(data[start:end].decode("ascii", "surrogateescape"))
        spans += [(start + a, start + b) for a, b in map(view.back, entries.spans(view.text))]
    return spans


def _by_line(data: bytes, found: list[tuple[int, int]]) -> dict[int, set[int]]:
    """The entries of each line that has one, by where the line starts."""
    lines: dict[int, set[int]] = {}
    end = -1
    here: set[int] = set()
    for at, entry in sorted(found):
        if at > end:
            end = _end(data, at)
            here = lines.setdefault(data.rfind(b"\n", 0, at) + 1, set())
        here.add(entry)
    return lines


def _same_lines(plain: bytes, lines: dict[int, set[int]], data: bytes) -> dict[int, set[int]]:
    """`lines` of `plain` by where the same lines start in `data`, from which it was made
    without touching a newline.
    """
    if not lines:
        return lines
    starts = np.concatenate(([0], np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE) + 1))
    ends = np.flatnonzero(np.frombuffer(plain, np.uint8) == _NEWLINE)
    return {int(starts[np.searchsorted(ends, start)]): entries for start, entries in lines.items()}


def _lines_before(data: bytes, at: int) -> Iterator[Span]:
    """Up to `MOST_BEFORE` lines before the one that starts at `at`, nearest first."""
    for _ in range(MOST_BEFORE):
        if at <= 0:
            return
        start = data.rfind(b"\n", 0, at - 1) + 1
        yield start, at - 1
        at = start


def _end(data: bytes, at: int) -> int:
    """Where the line that holds offset `at` ends: its newline, or the end of `data`."""
    end = data.find(b"\n", at)
    return len(data) if end < 0 else end


def redact(text: str) -> tuple[str, int]:
    """`text` (one line or more) with every secret masked, and how many were masked."""
    raw = text.encode("utf-8", "surrogatepass")
    count = 0
    for _ in range(MOST_PASSES):
        masker = Masker(Care.TEXT)
        masked = masker.masked(raw)
        if masked is raw:
            break
        raw = masked
        count += masker.count
    return (raw.decode("utf-8", "surrogatepass"), count) if count else (text, 0)


def redact_lines(texts: list[str]) -> tuple[list[str], int]:
    """`texts` (lines without their breaks) with every secret masked, also those that run over
    several, and how many were masked.
    """
    if not texts:
        return [], 0
    masked, count = redact("\n".join(texts))
    return masked.split("\n"), count


def with_masks(data: bytes, spans: list[Span]) -> bytes:
    """`data` with each of `spans` (ascending, apart) as the mask."""
    parts: list[bytes] = []
    at = 0
    for start, end in spans:
        parts += (data[at:start], _MASK)
        at = end
    parts.append(data[at:])
    return b"".join(parts)
