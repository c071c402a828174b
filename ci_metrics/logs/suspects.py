"""Lines that may hold a secret, found quickly: few of the marks of secrets occur at all.

Belongs here: what stands in a line before `redact.py` needs to look at it. Does not: what a secret looks like.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

#: Without one of these in a line there is nothing to look for: what tokens begin with, and, in any case of letters, the names.
_TOKEN_MARKS = (
    "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "glptt-", "gldt-", "glcbt-", "glrt-", "AKIA", "ASIA", "AROA",
    "AIDA", "AIza", "ya29.", "xox", "xapp-", "hooks.slack.com", "npm_", "pypi-", "sk-", "sk_", "rk_", "SG.", "dop_v1_", "doo_v1_",
    "hf_", "dckr_pat_", "dapi", "eyJ", "sq0", "age-secret-key",
)  # fmt: skip
_NAME_MARKS = (
    "authorization", "bearer", "passw", "passphrase", "pwd", "secret", "token", "key", "credential", "connection", "-pass",
)  # fmt: skip
#: What must stand behind such a name, in lower case.
_FOLLOWED = re.compile(
    r"authorization|bearer|(?:passw(?:or)?d|passphrase|secret|token|key|credential|connection[_-]?string|pwd)[\w.-]{0,30}['\"]?\s{0,3}[=:]"
    r"|-(?:password|token|secret|api-key|pass)[ =]"
)
#: The letters beyond ASCII that stand for one of ASCII when the case does not matter.
_LETTERS = "\u0130\u0131\u017f\u212a"


def suspects_of(texts: list[str], whole: str) -> set[int]:
    """The numbers of the lines among `texts` (`whole` when joined) that may hold a secret: every one that does is among them.

    The marks are looked for in the whole, and only the lines that hold one are looked at.
    """
    starts = list(accumulate((len(text) + 1 for text in texts), initial=0))
    found: set[int] = set()
    for mark in _TOKEN_MARKS:
        if mark in whole:
            found.update(_holding(mark, whole, starts))
    if "@" in whole:
        found.update(number for number in _holding("://", whole, starts) if "@" in texts[number])
    if not whole.isascii():
        for letter in _LETTERS:
            found.update(_holding(letter, whole, starts))
        whole = whole.replace("\u0130", "i")  # the one letter that is two in lower case
    lower = whole.lower()
    named = {number for mark in _NAME_MARKS if mark in lower for number in _holding(mark, lower, starts)}
    found.update(n for n in named - found if _FOLLOWED.search(lower, starts[n], starts[n + 1] - 1))
    return found


def _holding(mark: str, whole: str, starts: list[int]) -> Iterator[int]:
    """The number of each line that holds `mark`; `starts` are the lines' offsets in `whole`."""
    at = whole.find(mark)
    while at >= 0:
        number = bisect_right(starts, at) - 1
        yield number
        at = whole.find(mark, starts[number + 1])
