"""Messages that need more than a line's form: words that it relays from elsewhere, and when it was
printed.

Belongs here: prefixes of task runners and remotes, the tail behind a wrapper's last
colon, what ended a silence. Does not: forms (`catalogue`), what a message is worth
(`ranking.py`, the classifier).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from ci_metrics.catalogue import Catalogue
from ci_metrics.catalogue.engine import match_lines
from ci_metrics.logs.lines import line_time
from ci_metrics.logs.scored_lines import ScoredLine
from ci_metrics.logs.structure import SERVICES_END
from ci_metrics.logs.whole_log import Reading

#: Prefixes behind which task runners and remotes relay a program's line: mise, concurrently, yarn
#: (`[lint] `), turborepo (`web:build: `), lerna (`@shop/web: `), pnpm (`packages/web build: `),
#: moon and foreman (`web:build | `), git (`remote: `). A level in brackets, and what a logger puts
#: there, is no task.
_TASK = re.compile(
    r"(?:\[(?!(?i:error|err|fatal|fail(?:ed)?|warn(?:ing)?|info|debug|notice|trace|critical|severe|output|result)\b)[a-z@][\w@./:-]{0,60}\]:?"
    r"|@?[\w./-]{1,60}:[a-z][\w:-]{0,40}:|@[\w.-]{1,40}/[\w.-]{1,60}:|(?:packages|apps|libs|examples)/[\w./-]{1,80} [\w:-]{1,40}[:$]"
    r"|[a-z][\w-]{0,30}[.:][\w:-]{1,20} +\||remote:|std(?:out|err):|gyp ERR! stack|err:) +(?=\S)"
)
#: The role of messages that say which part failed, around another's words.
_AROUND = "frame"
#: Roles of messages that name what went wrong.
_NAMES = frozenset({"cause", "test"})
#: Characters of a tail that may say something.
_TAIL = 8
#: Seconds of silence before a cancel behind which something hung, and how far from a round limit a
#: cancel by that limit comes.
SILENCE, LATE = 600, 15
#: Limits that people set, in minutes.
LIMITS = (5, 10, 15, 20, 25, 30, 40, 45, 50, 60, 75, 90, 100, 120, 150, 180, 240, 300, 360)


def messages_of(reading: Reading, lines: Sequence[ScoredLine], catalogue: Catalogue) -> list[tuple[int, ...]]:
    """The numbers of the messages on each of these kept lines, ascending; what is relayed on a line
    counts as a line of its own.

    Of a wrapper and the cause that stands behind its last colon, the cause alone counts. A closing
    word that ends a silence is what the catalogue says of it as a `late` one.
    """
    found = match_lines(catalogue, [line.text for line in lines])
    inner = _Inner(catalogue)
    if reading.structure.headers or reading.structure.whole:
        ours = {number for number, message in enumerate(catalogue.messages) if message.id == SERVICES_END}
        found = [tuple(number for number in hits if number not in ours) for hits in found]
    return [
        late if (late := _late(reading, line, hits, catalogue)) else inner.messages(line.text, hits)
        for line, hits in zip(lines, found, strict=True)
    ]


class _Inner:
    """What stands inside lines, by a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._around, self._names = _numbers(catalogue)

    def messages(self, text: str, hits: tuple[int, ...]) -> tuple[int, ...]:
        """The messages of a line with `hits`, with those of what it relays."""
        if prefix := _TASK.match(text):
            hits = tuple(sorted({*hits, *self._on(text[prefix.end() :])}))
        if self._around.isdisjoint(hits):
            return hits
        tail = text.rpartition(": ")[2]
        if tail == text or len(tail) < _TAIL:
            return hits
        said = self._on(tail)
        kept = hits if self._names.isdisjoint(said) else [number for number in hits if number not in self._around]
        return tuple(sorted({*kept, *said}))

    def _on(self, text: str) -> tuple[int, ...]:
        return match_lines(self._catalogue, [text])[0]


@lru_cache(maxsize=8)
def _numbers(catalogue: Catalogue) -> tuple[frozenset[int], frozenset[int]]:
    """Numbers of the messages that stand around another's words, and of those that name what
    went wrong, by a category.
    """
    numbered = list(enumerate(catalogue.messages))
    return (
        frozenset(i for i, m in numbered if m.role == _AROUND),
        frozenset(i for i, m in numbered if m.role in _NAMES and m.category and m.family != "generic"),
    )


def _late(reading: Reading, line: ScoredLine, hits: tuple[int, ...], catalogue: Catalogue) -> tuple[int, ...]:
    """The `late` messages of a line that a long silence or a round limit's end stands
    before; none of any other line.
    """
    if not hits or all(catalogue.messages[number].role != "epilogue" for number in hits):
        return ()
    late = match_lines(catalogue, [line.text], "late")[0]
    return late if late and _hung(reading, line.at) else ()


def _hung(reading: Reading, at: int) -> bool:
    """Whether nothing was printed for long before offset `at`, or the step had run for
    a round number of minutes.
    """
    block = reading.block(at)
    now = line_time(block.data[at - block.offset : at - block.offset + 40]) if block else None
    if block is None or now is None:
        return False
    before = block.data.rfind(b"\n", 0, max(0, at - block.offset - 1)) + 1
    last = line_time(block.data[before : before + 40])
    if last is not None and now - last >= SILENCE:
        return True
    structure = reading.structure
    start = structure.starts[structure.segment(at)]
    first = reading.block(start)
    begun = line_time(first.data[start - first.offset : start - first.offset + 40]) if first else None
    return begun is not None and any(0 <= now - begun - 60 * limit <= LATE for limit in LIMITS)
