"""Logs as Hypothesis makes them: lines as tools and runners print them, mixed with anything at all.

What belongs here: strategies. Does not: properties.
"""

from __future__ import annotations

import random

from hypothesis import strategies as st

from ci_metrics_tests.redaction.leaks import COMMON, LEAKS, example

STAMP = "2026-03-02T09:00:00.1234567Z "

#: What decides how a line is read.
_PIECES = (
    "##[group]Run pytest", "##[endgroup]", "##[error]", "##[error]Process completed with exit code 1.", "error: ", "FAILED ",
    "E   ", "Traceback (most recent call last):", '  File "a.py", line 3, in f', "ValueError: bad", "npm ERR! ", "\x1b[31m",
    "\x1b[0m", "\r", "\t", "\0", "\x85", "\u2028", "\ufeff", "::error file=a.py,line=3::", "src/a.c:12:1: error: x", " ", "  ",
    "assert 1 == 2", "password=", "token: ", "https://user:", "@host/", "-----BEGIN ", "PRIVATE KEY-----", '{"a": "', '"}',
    "%3D", "\\n", "exit 137", "Killed", "timed out after 30 s", "No space left on device", "100% |####", "0123456789abcdef" * 2,
)  # fmt: skip

_ANY = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=40)
_PART = st.sampled_from(_PIECES) | _ANY
_BODY = st.lists(_PART, max_size=6).map("".join)

#: One line without its end.
LINES = st.tuples(st.sampled_from(("", STAMP, STAMP, "job\tstep\t" + STAMP)), _BODY).map("".join)

#: A log in UTF-8, its last line with an end or without.
TEXTS = st.tuples(st.lists(LINES, max_size=40), st.sampled_from(("\n", "\r\n")), st.booleans()).map(
    lambda log: log[1].join(log[0]) + (log[1] if log[2] else "")
)

#: Bytes that need not be text.
LOGS = TEXTS.map(str.encode) | st.lists(st.binary(max_size=60) | LINES.map(str.encode), max_size=30).map(b"\n".join)

#: A secret of a common kind as it stands in a log, and what must not be seen of it.
SECRETS = st.tuples(st.sampled_from(sorted(COMMON)), st.integers(0, 2**32)).map(
    lambda drawn: example(COMMON[drawn[0]], random.Random(drawn[1]))
)
#: The same of all kinds.
RARE_SECRETS = st.tuples(st.sampled_from(sorted(LEAKS)), st.integers(0, 2**32)).map(
    lambda drawn: example(LEAKS[drawn[0]], random.Random(drawn[1]))
)
