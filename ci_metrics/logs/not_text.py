"""Input that is no log: nothing, or bytes that are no text.

Belongs here: telling it by its beginning, in words. Does not: encodings (`encodings.py`), reading.
"""

from __future__ import annotations

from ci_metrics.logs.encodings import encoding_of

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
