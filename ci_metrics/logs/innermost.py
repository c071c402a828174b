"""Which line of an error says what went wrong innermost, where the error's own form tells: the last
of a chain of causes, what a command said itself whose end an image's build reports.

Belongs here: these forms, which no weight is needed for. Does not: ranking lines (`ranking.py`),
cutting errors (`findings.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

#: One of a numbered chain of causes, the outermost first (anyhow, eyre, wasmtime): number, colon,
#: a sentence. A stack's frame has an address, or a name that goes on without a space.
_LINK = re.compile(r"( *)(?:[╰│├─▶ ]*)(\d{1,2}): +(?!0x|<)\S+ \S")
#: What stands above a chain's causes, or above each of them (cargo).
_CAUSED_BY = re.compile(r"\s*Caused by:\s*$")
#: A frame's second line.
_AT = re.compile(r"\s+at ")
#: Lines below a head within which its chain begins, and lines of a chain.
_NEAR, _LONGEST = 3, 60
#: What a command inside an image's build prints, as BuildKit relays it: its step, seconds.
_RELAYED = re.compile(r"(?:#\d{1,4} +)?\d{1,6}\.\d{1,4} +(?=\S)")
#: A line without a word of three letters says nothing.
_SPELLED = re.compile(r"[^\W\d_]{3}")
#: How a builder says that such a command ended.
_ENDED = re.compile(r"did not complete successfully|executor failed running|returned a non-zero code")
#: Roles of lines that say nothing of a failure.
BESIDE_IT = frozenset({"noise", "pass", "echo", "warning", "hint", "retry", "stack", "source", "banner"})


def innermost(
    texts: Sequence[str], head: int, roles: Callable[[int], frozenset[str]], score: Callable[[int], float]
) -> int:
    """The line to head an error by: `head` itself where no other one tells more.

    `texts`: the error's lines, of which `head` is the best-ranked; `roles` and `score`: those of a
    line.
    """
    if _ENDED.search(texts[head]):
        inside = [
            at
            for at in range(head)
            if (relayed := _RELAYED.match(texts[at]))
            and _SPELLED.search(texts[at], relayed.end())
            and not roles(at) & BESIDE_IT
        ]
        return max(inside, key=score, default=head)
    return _last_cause(texts, head)


def _last_cause(texts: Sequence[str], head: int) -> int:
    """The last of the chain of causes below a head, or that a head is one of."""
    last, number, indent = head, 0, -1
    if begun := _LINK.match(texts[head]):
        number, indent = int(begun[2]) + 1, len(begun[1])
    named = False  # right behind “Caused by:”
    for at in range(head + 1, min(len(texts), head + _LONGEST)):
        text = texts[at]
        if not text.strip():
            continue
        if _CAUSED_BY.match(text):
            named = True
            continue
        link = _LINK.match(text)
        framed = at + 1 < len(texts) and _AT.match(texts[at + 1]) is not None
        if link and int(link[2]) == number and not framed and indent in (-1, len(link[1])):
            last, number, indent = at, number + 1, len(link[1])
        elif named and indent < 0 and text.startswith(" "):
            last = at
        elif indent >= 0 and len(text) - len(text.lstrip()) > indent:
            pass  # what belongs to one of the causes
        elif indent >= 0 or not text.startswith(" ") or (last == head and at - head > _NEAR):
            break
        named = False
    return last
