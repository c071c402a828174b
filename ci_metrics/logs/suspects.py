"""Lines that may hold a secret, found quickly: few of the marks of secrets occur at all.

Belongs here: what stands in a line before `redact.py` needs to look at it. Does not: what a secret looks like.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cache
from itertools import accumulate
from typing import Any

import hyperscan

from ci_metrics import compiled_patterns

#: Without one of these in a line there is nothing to look for: what tokens begin with, and, in any case of letters, the names.
_TOKENS = (
    "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "glptt-", "gldt-", "glcbt-", "glrt-", "AKIA", "ASIA", "AROA",
    "AIDA", "AIza", "ya29.", "xox", "xapp-", "hooks.slack.com", "npm_", "pypi-", "sk-", "sk_", "rk_", "SG.", "dop_v1_", "doo_v1_",
    "hf_", "dckr_pat_", "dapi", "eyJ", "sq0", "age-secret-key",
)  # fmt: skip
#: A name and what must stand behind it. The engine sees bytes: any beyond ASCII may be part of a letter or of a space.
_NAMES = (
    "authorization",
    "bearer",
    r"(?:passw(?:or)?d|passphrase|secret|token|key|credential|connection[_-]?string|pwd)"
    r"[\w.\x80-\xff-]{0,120}['\"]?[ \t\r\x0b\x0c\x1c-\x1f\x80-\xff]{0,9}[=:]",
    "-(?:password|token|secret|api-key|pass)[ =]",
)
#: Addresses with a password.
_ADDRESS = "://.*@"
#: The letters beyond ASCII that stand for one of ASCII when the case does not matter: with them a name is spelt otherwise.
_LETTERS = "\u0130\u0131\u017f\u212a"


@cache
def _engine() -> Any:
    """The database of all those marks."""
    plain = [*(re.escape(text) for text in (*_TOKENS, *_LETTERS)), _ADDRESS]
    expressions = [text.encode() for text in (*plain, *_NAMES)]
    flags = [0] * len(plain) + [hyperscan.HS_FLAG_CASELESS] * len(_NAMES)
    return compiled_patterns.compiled(expressions, range(len(expressions)), flags)


def suspects_of(texts: list[str]) -> set[int]:
    """The numbers of the lines among `texts` (each without a line break) that may hold a secret: every one that does is among them."""
    whole = "\n".join(texts).encode("utf-8", "replace")
    found: list[int] = []  # where matches end
    add = found.append
    compiled_patterns.scan(_engine(), whole, lambda _number, _from, to, _flags, _context: add(to))
    if not found:
        return set()
    ends = list(accumulate(len(text.encode("utf-8", "replace")) + 1 for text in texts))
    return {bisect_left(ends, to) for to in found}
