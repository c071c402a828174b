"""Bytes that are not UTF-8: logs in UTF-16 and UTF-32, as Windows programs write them, with a
byte-order mark or without; and input that is no log at all.

Belongs here: which encoding a log is in, and its bytes in UTF-8, before anything is masked
or found; why input is no text. Does not: lines.
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

#: How kinds of files begin that people hand over in place of a log, and what to do with each.
_KINDS = (
    (b"PK\x03\x04", "a zip archive: unpack it and give the log in it"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd: unpack it first"),
    (b"BZh", "packed by bzip2: unpack it first"),
    (b"\xfd7zXZ\x00", "packed by xz: unpack it first"),
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG", "a PNG image"),
    (b"\x7fELF", "a program (ELF)"),
    (b"MZ", "a program (Windows)"),
    (b"SQLite format 3\x00", "a SQLite database"),
)

#: Bytes that are looked at.
BEGINNING = 4_096

#: Of a text's bytes at most so many are control characters other than blanks, breaks and escapes;
#: and fewer where so many are no UTF-8. Bytes that were drawn by lot, or packed, are .09 of the one
#: and a third of the other; text in older encodings has no control characters.
_MOST_CONTROL, _SOME_CONTROL, _NO_UTF8 = 0.1, 0.02, 0.1
_PLAIN = frozenset({0x07, 0x08, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x1B})


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


def why_no_text(beginning: bytes) -> str:
    """Why input that begins so is no log; "" when it may be one. Input that is at its end at once
    is empty.
    """
    if not beginning:
        return "it is empty"
    seen = beginning[:BEGINNING]
    for mark, kind in _KINDS:
        # Two letters alone may begin a text.
        if seen.startswith(mark) and (len(mark) > 3 or _is_binary(seen)):
            return f"it is {kind}"
    return "it is binary, no text" if _is_binary(seen) else ""


def _is_binary(seen: bytes) -> bool:
    if encoding_of(seen) is not None:
        return False
    control = sum(byte < 0x20 and byte not in _PLAIN for byte in seen)
    if control > _MOST_CONTROL * len(seen):
        return True
    no_utf8 = seen.decode("utf-8", "replace").count("\ufffd")
    return control > _SOME_CONTROL * len(seen) and no_utf8 > _NO_UTF8 * len(seen)
