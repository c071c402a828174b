"""Logs that are not UTF-8: what Windows programs write in UTF-16 and UTF-32, with a
byte-order mark or without.

Belongs here: which encoding a log is in, and its bytes in UTF-8, before anything is masked
or found. Does not: lines.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

#: Byte-order marks, the longer ones first: UTF-32's begins as UTF-16's does. (mark, encoding, bytes
#: a character, where the letters below U+0100 have theirs)
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32", 4, 0),
    (codecs.BOM_UTF32_BE, "utf-32", 4, 3),
    (codecs.BOM_UTF16_LE, "utf-16", 2, 0),
    (codecs.BOM_UTF16_BE, "utf-16", 2, 1),
)
#: Without a mark: (encoding, bytes a character, the letter's place).
_PLACES = (("utf-32-le", 4, 0), ("utf-32-be", 4, 3), ("utf-16-le", 2, 0), ("utf-16-be", 2, 1))
#: Bytes that are looked at, at a log's beginning, and the share of zeros beside the letters
#: that is most: logs are words and paths, mostly ASCII. A log in UTF-8 has no zeros, or a few
#: that a program printed.
_LOOKED_AT, _MOST = 1_024, 0.8
#: The share that is enough behind a mark: the same two bytes may begin a log that is
#: in no encoding at all.
_SOME = 0.25


def encoding_of(beginning: bytes) -> str | None:
    """The encoding that a log is to be decoded from; None for UTF-8 and everything like it."""
    for mark, encoding, width, letter in _MARKS:
        if beginning.startswith(mark):
            seen = beginning[len(mark) : len(mark) + _LOOKED_AT]
            if width == 4 and not _are_characters(seen, letter):
                continue  # UTF-16 that begins with a NUL
            return encoding if _zeros(seen, width, letter) >= _SOME else None
    seen = beginning[: min(len(beginning), _LOOKED_AT) // 4 * 4]
    if b"\0" not in seen:
        return None
    for encoding, width, letter in _PLACES:
        letters = seen[letter::width]
        if _zeros(seen, width, letter) >= _MOST and letters.count(0) <= (1 - _MOST) * len(letters):
            return encoding
    return None


def _are_characters(seen: bytes, letter: int) -> bool:
    """Whether bytes are characters of UTF-32, of which none is beyond U+10FFFF."""
    try:
        seen[: len(seen) // 4 * 4].decode("utf-32-le" if letter == 0 else "utf-32-be", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _zeros(seen: bytes, width: int, letter: int) -> float:
    """The share of zeros among the bytes that are not the letters'; 1 where there are none."""
    others = [seen[place::width] for place in range(width) if place != letter]
    count = sum(map(len, others))
    return sum(each.count(0) for each in others) / count if count else 1.0


def in_utf8(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A log's chunks, its first bytes in the first one, in UTF-8; those of a
    log in UTF-8 as they are.
    """
    decoder: codecs.IncrementalDecoder | None = None
    known = False
    for chunk in chunks:
        if not known:
            encoding = encoding_of(chunk)
            decoder, known = codecs.getincrementaldecoder(encoding)("replace") if encoding else None, True
        yield chunk if decoder is None else decoder.decode(chunk).encode("utf-8", "replace")
    if decoder is not None and (rest := decoder.decode(b"", final=True)):
        yield rest.encode("utf-8", "replace")
