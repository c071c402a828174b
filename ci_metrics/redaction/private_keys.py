"""Private keys as text: what begins one, what is the inside of one, what ends it,
on one line and over many.

Belongs here: PEM, OpenSSH, PGP, PuTTY, and the same behind a tool's line prefix or with ``\\n`` for
its breaks. Does not: other values.

Nothing is ever switched off by a key: each of its lines must look like key material, else it is a
line like any other; a key whose end never comes is over after a few lines that are not its own.
"""

from __future__ import annotations

import re

from ci_metrics.redaction.decoded_lines import Span

#: What begins and ends a key that opens something. Certificates, requests, signatures
#: and public keys do not.
BEGIN = re.compile(r"-{4,5} ?BEGIN (?:[A-Z0-9 ]{1,30} )?PRIVATE KEY(?: BLOCK)? ?-{4,5}")
END = re.compile(r"-{4,5} ?END (?:[A-Z0-9 ]{1,30} )?PRIVATE KEY(?: BLOCK)? ?-{4,5}")
#: The same of PuTTY's, which says how many lines follow.
PUTTY = re.compile(r"Private-Lines: (\d{1,3})")
#: Lines of a key: RSA of 16,384 bits has some 200.
MOST_LINES = 400
#: Lines inside a key that are not its own (two processes that write at a time)
#: before it counts as over.
MOST_OTHERS = 3
_HEADER = re.compile(r"(?:Proc-Type|DEK-Info|Key-Derivation|Private-MAC):")
_ABOUT = re.compile(r"(?:Version|Comment|Hash|Charset|Subject|Encryption|X-[\w-]{1,30}):")
_INSIDE = re.compile(r"[A-Za-z0-9+/=]{8,}")
_PIECE = re.compile(r"[A-Za-z0-9+/=]+")
_BREAK = re.compile(r"(?:\\+[nr]|\s|[\"'`,+]|%0[AaDd])+")


def body(text: str) -> Span | None:
    """Where key material stands on a line of its own, behind whatever prefix; None when
    the line is none of a key's.
    """
    found = _last_run(text)
    if found is None:
        return None
    start, end = found
    run = text[start:end]
    if start and text[start - 1] not in " \t\"'`>|+-*:\\nr":
        return None
    if len(run) >= 40:
        return found if _mixed(run) else None
    if "".join(_BREAK.split(text[:start])).isalpha():  # words before it: a sentence
        return None
    if run.endswith("=") or (len(run) == 5 and run.startswith("=")):
        return found
    return found if len(run) >= 12 and _mixed(run) else None


def short_body(text: str) -> Span | None:
    """Where the last, short piece of a key stands on a line that is followed by the key's end."""
    return _last_run(text)


def header(text: str) -> Span | None:
    """A header inside an encrypted key, which names its cipher and salt; or None."""
    found = _HEADER.search(text)
    return (found.start(), len(text)) if found else None


def about(text: str) -> bool:
    """Whether the line is a header inside a key that gives nothing away."""
    return bool(_ABOUT.search(text))


def inside(text: str, start: int, stop: int, ends: bool) -> Span | None:
    """Where the material of a key stands between `start` and `stop` of a line; `ends` says
    whether the key's end stands there.
    """
    at = start
    material = last = -1
    while at < stop:
        gap = _BREAK.match(text, at)
        if gap:
            at = gap.end()
            continue
        piece = _PIECE.match(text, at, stop)
        if not piece or not ((len(piece.group()) >= 16 and _mixed(piece.group())) or (ends and material >= 0)):
            if ends and material < 0 and _INSIDE.search(text, at, stop):
                at += 1  # headers before the material
                continue
            break
        if material < 0:
            material = at
        at = last = piece.end()
    if material < 0:
        return None
    return material, stop if ends else last


def _last_run(text: str) -> Span | None:
    end = len(text)
    while end and (text[end - 1] in "\"'`,;+)\\ \t\r"):
        end -= 1
    # ``\n`` and ``\r`` written out at the end of a line of a string
    while end > 1 and text[end - 1] in "nr" and text[end - 2] == "\\":
        end -= 2
        while end and text[end - 1] == "\\":
            end -= 1
    start = end
    low = max(0, end - 4096)
    while start > low and (text[start - 1].isascii() and (text[start - 1].isalnum() or text[start - 1] in "+/=")):
        start -= 1
    if start > 0 and text[start - 1] == "\\" and start < end and text[start] in "nr":
        start += 1
    # a prefix that is base64's character itself: the `+` of a diff
    if start < end and text[start] == "+" and (end - start - 1) % 4 == 0:
        start += 1
    return (start, end) if end > start else None


def _mixed(run: str) -> bool:
    """Whether `run` has the mixture of characters that base64 of a key has, which
    hashes and words have not.
    """
    upper = sum(c.isupper() for c in run)
    lower = sum(c.islower() for c in run)
    other = len(run) - upper - lower
    return upper * 8 >= len(run) and lower * 8 >= len(run) and other * 24 >= len(run)
