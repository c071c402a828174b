"""The errors that kept lines make: blocks of lines, each headed by the line that names it best,
the likeliest cause first.

Belongs here: ranked lines in, errors out. Does not: choosing lines (`excerpt.py`), ranking them
(`ranking.py`), what makes two errors the same (`fingerprint.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ci_metrics.catalogue import Catalogue, Message, Role
from ci_metrics.logs import fingerprint
from ci_metrics.logs.excerpt import line_spans
from ci_metrics.logs.innermost import innermost
from ci_metrics.logs.ranking import GENERIC, ROLES, shares
from ci_metrics.logs.scored_lines import ScoredLine
from ci_metrics.logs.structure import MARK
from ci_metrics.models import ExtractedError, LogLine

#: A line begins an error when its own weight is this share of the best one's, and at least so much.
SHARE, LEAST = 0.4, 3.2
#: Errors of one log that are told apart; more are the same flood.
MOST_ERRORS = 25
#: Occurrences of an error whose lines are kept.
KEPT = 4
#: Lines that go on with an error, whatever they match.
_INNER = (" ", "\t", "Caused by", "E  ")
#: Roles of lines that are no last word of a program.
_NOT_SAID = frozenset({"echo", "status", "step-end", "epilogue", "banner", "step-start", "pass"})
#: What services print around the output of a command: what stands above it was said by another.
_FRAME = ("##[", "travis_", "$ ", "+ ", "[Pipeline]", "shell: ")
#: The runner's header of a step, with what it runs.
_HEADER = "##[group]"
_GROUP_END = "##[endgroup]"
#: Python says so between an exception and the one that it led to.
_CHAIN = ("was the direct cause of the following exception", "During handling")


@dataclass(slots=True, eq=False)  # blocks differ by where they stand
class _Block:
    """Consecutive kept lines about one error, by their places in the list of lines."""

    first: int
    last: int
    head: int
    told: int  # the line that says what happened innermost: the error's headline
    begins: bool  # a line of its own weighs enough to be an error
    kinds: set[tuple[int, ...]]


def ranked_errors(
    lines: Sequence[ScoredLine],
    shown: Mapping[int, LogLine],
    scores: NDArray[np.float32],
    hits: Sequence[tuple[int, ...]],
    catalogue: Catalogue,
    step_of: Callable[[int], tuple[str | None, int | None]],
    inside: Callable[[int], bool] | None = None,
) -> tuple[ExtractedError, ...]:
    """Errors in `lines` (in order), the likeliest cause first; `shown` are the
    redacted lines by number.

    `scores` and `hits` are those of the lines; `step_of` names the step at an offset; `inside` says
    whether an offset lies in the step that failed, where that is known: what other steps printed
    comes after it, because a step that passed was no reason.
    """
    if not len(lines):
        return ()
    blocks = _blocks(lines, scores, inside)
    wanted = [block for block in blocks if block.begins]
    best = max(blocks, key=lambda block: scores[block.head])
    if best not in wanted:
        wanted.append(best)
    if inside is not None and not any(inside(lines[block.head].at) for block in wanted):
        wanted += _last_words([b for b in blocks if inside(lines[b.head].at)], lines, hits, catalogue)
    ours = [block for block in wanted if inside is None or inside(lines[block.head].at)]
    others = [block for block in wanted if block not in ours]
    for block in wanted:
        block.head = _said_last(lines, hits, catalogue, block)
        block.told = _told(lines, scores, hits, catalogue, block)
    likely = shares(scores)
    found: dict[str, ExtractedError] = {}
    for block in (*sorted(ours, key=lambda b: -scores[b.head]), *sorted(others, key=lambda b: -scores[b.head])):
        own = [shown[line.number] for line in lines[block.first : block.last + 1]]
        head = lines[block.told]
        headline = shown[head.number].text.strip() or next((text for line in own if (text := line.text.strip())), "")
        messages = [catalogue.messages[number] for number in hits[block.told]]
        mark = fingerprint.of(headline, [line.text for line in own], role=_role(messages))
        known = found.get(mark.fingerprint)
        if known is not None:
            found[mark.fingerprint] = _repeated(known, own)
        elif len(found) < MOST_ERRORS:
            step = step_of(head.at)
            found[mark.fingerprint] = ExtractedError(
                headline=headline,
                line=head.number,
                spans=line_spans(line.number for line in own),
                lines=tuple(own),
                step=step[0],
                step_number=step[1],
                fingerprint=mark.fingerprint,
                group=mark.group,
                generic=mark.generic,
                telling=mark.telling,
                tool=next((m.family for m in messages if m.tool), ""),
                confidence=round(float(likely[block.first : block.last + 1].sum()), 3),
            )
    return tuple(found.values())


def _last_words(
    blocks: Sequence[_Block], lines: Sequence[ScoredLine], hits: Sequence[tuple[int, ...]], catalogue: Catalogue
) -> list[_Block]:
    """The block with the last words of these, headed by them; none where a program said nothing."""
    for block in reversed(blocks):
        for at in range(block.last, block.first - 1, -1):
            text = lines[at].text.strip()
            if text and not {catalogue.messages[number].role for number in hits[at]} & _NOT_SAID:
                block.head = at
                return [] if text.startswith(_FRAME) else [block]
    return []


def _said_last(
    lines: Sequence[ScoredLine], hits: Sequence[tuple[int, ...]], catalogue: Catalogue, block: _Block
) -> int:
    """The head of a block; where that only says that a command failed, the last thing said before
    it, by programs nobody knows.

    Programs say why they end in their last line.
    """
    said = [catalogue.messages[number] for number in hits[block.head]]
    roles = {m.role for m in said if m.id != MARK and m.family != GENERIC}
    if "step-end" not in roles or "cause" in roles:
        return block.head
    for at in range(block.head - 1, block.first - 1, -1):
        text = lines[at].text.strip()
        beside = {catalogue.messages[number].role for number in hits[at]}
        if text and not beside & _NOT_SAID:
            return block.head if text.startswith(_FRAME) else at
    return block.head


def _told(
    lines: Sequence[ScoredLine],
    scores: NDArray[np.float32],
    hits: Sequence[tuple[int, ...]],
    catalogue: Catalogue,
    block: _Block,
) -> int:
    """The line of a block that says what happened innermost; none that says that something went
    well, where there is another.
    """
    texts = [line.text for line in lines[block.first : block.last + 1]]

    def roles(at: int) -> frozenset[str]:
        return frozenset(catalogue.messages[number].role for number in hits[block.first + at])

    def score(at: int) -> float:
        return float(scores[block.first + at])

    head = block.head - block.first
    if "pass" in roles(head) and not roles(head) & {"cause", "test"}:
        others = (at for at, text in enumerate(texts) if text.strip() and not roles(at) & {"pass", "noise"})
        head = max(others, key=score, default=head)
    return block.first + innermost(texts, head, roles, score)


def _role(messages: Sequence[Message]) -> Role:
    """The role of a headline with these messages: one that names nothing, unless another one
    names a cause of its own.
    """
    roles = {message.role for message in messages if message.family != GENERIC}
    if roles & {"cause", "test", "detail"}:
        return "cause"
    return next((role for role in ROLES if role in roles), "cause")


def _blocks(
    lines: Sequence[ScoredLine], scores: NDArray[np.float32], inside: Callable[[int], bool] | None
) -> list[_Block]:
    """Runs of lines, cut at a step's ends and where a kind of line that
    begins an error is seen again.
    """
    best = max(line.own for line in lines)
    threshold = max(LEAST, SHARE * best)
    blocks: list[_Block] = []
    for at, line in enumerate(lines):
        begins = line.own >= threshold and not line.text.startswith(_HEADER)  # what is run is no error
        follows = bool(blocks) and lines[at - 1].number + 1 == line.number
        if follows:  # lines that only fill an excerpt belong to no error but one of their own
            follows = (line.score > 0) == (lines[at - 1].score > 0)
        if follows and inside is not None:
            follows = inside(lines[at - 1].at) == inside(line.at)
        if follows and line.text.startswith(_HEADER):
            follows = False
        if follows and begins and line.ids in blocks[-1].kinds and not line.text.startswith(_INNER):
            block = blocks[-1]
            chained = any(mark in each.text for each in lines[max(block.first, at - 4) : at] for mark in _CHAIN)
            follows = chained or lines[at - 1].ids == line.ids
        if not follows:
            blocks.append(_Block(at, at, at, at, False, set()))
        block = blocks[-1]
        block.last = at
        if begins:
            block.begins = True
            block.kinds.add(line.ids)
        if scores[at] > scores[block.head] and not line.text.startswith(_GROUP_END):
            block.head = at
    return blocks


def _repeated(error: ExtractedError, again: list[LogLine]) -> ExtractedError:
    """`error`, seen once more: the first few occurrences keep their lines."""
    repeats = error.repeats + 1
    if repeats > KEPT:
        return replace(error, repeats=repeats)
    lines = tuple(sorted((*error.lines, *again), key=lambda line: line.number))
    return replace(error, repeats=repeats, lines=lines, spans=line_spans(line.number for line in lines))
