"""A whole log masked in one pass, block by block: what a line announces is remembered for the lines after it.

Belongs here: bytes and texts in, the same with secrets masked out, line for line. Does not: what a secret looks like.
"""

from __future__ import annotations

import numpy as np

from ci_metrics.redaction import finder, keys
from ci_metrics.redaction.following import PREFIX, Following, SecretData
from ci_metrics.redaction.values import MASK
from ci_metrics.redaction.views import RAW_CODES, uncoloured

Span = tuple[int, int]

#: Lines before a key's end, and before a Secret's kind, that are looked at once more.
MOST_BEFORE = 120
_MASK = MASK.encode()
_NEWLINE = ord("\n")


class Masker:
    """State of one log: feed it the blocks in order, each with whole lines.

    A block that ends inside a line (one longer than a block) is masked all the same; what straddles the cut may escape.
    """

    def __init__(self) -> None:
        self.count = 0  # secrets masked so far: a key counts once, however many lines it has
        self._open: list[Following] = []

    def masked(self, data: bytes) -> bytes:
        """The next block with every secret masked: the same lines, the same object when there is nothing to mask."""
        spans = self.spans(data)
        return replaced(data, spans) if spans else data

    def spans(self, data: bytes) -> list[Span]:
        """Where secrets stand in the next block: offsets of its bytes, ascending, none across a newline."""
        plain = RAW_CODES.sub(b"", data) if b"\x1b" in data else data
        found = finder.matches(plain)
        if not found and not self._open:
            return []
        ends = _line_ends(plain)
        numbers = np.searchsorted(ends, [at for at, _ in found]).tolist() if found else []
        entries: dict[int, set[int]] = {}
        for line, (_, entry) in zip(numbers, found, strict=True):
            entries.setdefault(line, set()).add(entry)
        return self._walked(data, ends if plain is data else _line_ends(data), entries)

    def _walked(self, data: bytes, ends: np.ndarray, entries: dict[int, set[int]]) -> list[Span]:
        spans: list[Span] = []
        total = len(ends) + (not len(ends) or int(ends[-1]) != len(data) - 1)
        todo = sorted(entries, reverse=True)
        line = 0
        while True:
            if not self._open:
                while todo and todo[-1] < line:
                    todo.pop()
                if not todo:
                    break
                line = todo[-1]
            if line >= total:
                break
            start, text = _line(data, ends, line)
            here = self._followed(text)
            if which := entries.get(line):
                own = finder.line_spans(text, which)
                self.count += len(finder.merged(here + own)) - len(here) if own else 0
                here += own
                if finder.KEY_END in which:
                    spans += self._key_before(data, ends, line)
                if finder.KIND_SECRET in which:
                    spans += self._secret_before(data, ends, line)
                self._open += finder.announced(text, which)
            spans += [(start + first, start + last) for first, last in finder.merged(here)]
            line += 1
        return finder.merged(spans) if spans else spans

    def _followed(self, text: str) -> list[Span]:
        if not self._open:
            return []
        view = uncoloured(text)
        found: list[Span] = []
        for following in self._open:
            new = following.spans(view.text)
            found += new
            self.count += bool(new) and following.counts()
        self._open = [following for following in self._open if not following.done]
        return [view.back(span) for span in found]

    def _key_before(self, data: bytes, ends: np.ndarray, line: int) -> list[Span]:
        """The lines of a key of which only the end was printed, or whose last line is short."""
        spans: list[Span] = []
        for before in range(line - 1, max(-1, line - 1 - MOST_BEFORE), -1):
            start, text = _line(data, ends, before)
            view = uncoloured(text)
            found = keys.body(view.text) or (keys.short_body(view.text) if before == line - 1 else None)
            if found is None or keys.BEGIN.search(view.text):
                break
            first, last = view.back(found)
            spans.append((start + first, start + last))
        return spans

    def _secret_before(self, data: bytes, ends: np.ndarray, line: int) -> list[Span]:
        """The entries of a Secret whose ``data:`` stands above its ``kind:``."""
        first = line
        for before in range(line - 1, max(-1, line - 1 - MOST_BEFORE), -1):
            text = uncoloured(_line(data, ends, before)[1]).text
            body = text[PREFIX.match(text).end() :]  # type: ignore[union-attr]
            if body.startswith("---"):
                break
            if body.lstrip().startswith(("data:", "stringData:")):
                first = before
        spans: list[Span] = []
        entries = SecretData()
        for number in range(first, line):
            start, text = _line(data, ends, number)
            view = uncoloured(text)
            spans += [(start + a, start + b) for a, b in map(view.back, entries.spans(view.text))]
        return spans


def redact(text: str) -> tuple[str, int]:
    """`text` (one line or more) with every secret masked, and how many were masked."""
    raw = text.encode("utf-8", "surrogatepass")
    masker = Masker()
    masked = masker.masked(raw)
    return (text, 0) if masked is raw else (masked.decode("utf-8", "surrogatepass"), masker.count)


def redact_lines(texts: list[str]) -> tuple[list[str], int]:
    """`texts` (lines without their breaks) with every secret masked, also those that run over several, and how many were masked."""
    if not texts:
        return [], 0
    masked, count = redact("\n".join(texts))
    return masked.split("\n"), count


def replaced(data: bytes, spans: list[Span]) -> bytes:
    """`data` with each of `spans` (ascending, apart) as the mask."""
    parts: list[bytes] = []
    at = 0
    for start, end in spans:
        parts += (data[at:start], _MASK)
        at = end
    parts.append(data[at:])
    return b"".join(parts)


def _line_ends(data: bytes) -> np.ndarray:
    return np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE)


def _line(data: bytes, ends: np.ndarray, line: int) -> tuple[int, str]:
    start = int(ends[line - 1]) + 1 if line else 0
    end = int(ends[line]) if line < len(ends) else len(data)
    return start, data[start:end].decode("latin-1")
