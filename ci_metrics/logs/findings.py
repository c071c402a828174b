"""The errors that chosen lines make: blocks, headlines, repeats, root cause first.

Belongs here: chosen lines in, errors out. Does not: choosing lines (`excerpt.py`), what makes two errors the same
(`fingerprint.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from ci_metrics.logs import catalogue, fingerprint
from ci_metrics.logs.excerpt import spans_of
from ci_metrics.logs.regions import Line
from ci_metrics.models import ExtractedError, LogLine

#: A line begins an error when its own weight is this share of the best one's, and at least so much.
SHARE, LEAST = 0.4, 3.2
#: Errors of one log that are told apart; more are the same flood.
MOST = 25
#: What one rank of "comes before the others" is worth, in weight; below this share of the best weight it is worth nothing.
ROOT, NEAR = 1.0, 0.55
#: Occurrences of an error whose lines are kept.
KEPT = 4


#: What a line weighs at most for generic words and the runner's mark.
MARKED = 4.5


#: Lines that go on with an error, whatever they match.
_INNER = (" ", "\t", "Caused by", "E  ")
#: What services print around the output of a command: what stands above it was said by another.
_FRAME = ("##[", "travis_", "$ ", "+ ", "[Pipeline]", "shell: ")
#: The runner's header of a step, with what it runs.
_HEADER = "##[group]"
#: Python says so between an exception and the one that it led to.
_CHAIN = "was the direct cause of the following exception"


@dataclass(slots=True)
class _Block:
    """Consecutive chosen lines about one error."""

    lines: list[Line]
    head: Line
    kinds: set[tuple[int, ...]] = field(default_factory=set)


@cache
def _headline_worth(ids: tuple[int, ...]) -> float:
    """How well a line that matches the patterns `ids` names an error: titles and wrappers say little."""
    patterns = [catalogue.patterns()[i] for i in ids]
    telling = max((p.weight for p in patterns if p.role not in ("wrapper", "end", "hint")), default=0.0)
    best = telling if telling > 3.0 else min(3.0, max((p.weight for p in patterns), default=0.0))
    if any(p.role == "quiet" for p in patterns):
        best *= 0.6
    if any(p.role == "echo" for p in patterns):
        best = min(best, 2.0)
    return best * 0.3 if any(p.role == "title" for p in patterns) else best


@cache
def _root(ids: tuple[int, ...]) -> int:
    return max((catalogue.patterns()[i].root for i in ids), default=0)


@cache
def _tool(ids: tuple[int, ...]) -> str:
    named = [p for i in ids if (p := catalogue.patterns()[i]).family != "generic" and p.weight >= 5]
    return max(named, key=lambda p: p.weight).family if named else ""


def errors_of(
    lines: list[Line],
    shown: Mapping[int, LogLine],
    step_of: Callable[[int], tuple[str | None, int | None]],
    inside: Callable[[int], bool] | None = None,
) -> tuple[ExtractedError, ...]:
    """Errors in `lines` (in order), root cause first; `shown` are the redacted ones by number, `step_of` names the step at an offset.

    `inside` says whether an offset lies in the step that failed, where GitHub names it: what other steps printed comes
    after it, because a step that passed was no reason to fail.
    """
    runs = _runs(lines, inside)
    ours = [run for run in runs if inside is None or inside(run[0].at)]
    others = [run for run in runs if inside is not None and not inside(run[0].at)]
    found: dict[str, ExtractedError] = {}
    for block in [*_ordered(ours, needed=True), *_ordered(others, needed=not ours)]:
        lines_of = [shown[line.number] for line in block.lines]
        headline = _headline(shown[block.head.number], lines_of)
        mark = fingerprint.of(headline, [line.text for line in lines_of])
        known = found.get(mark.fingerprint)
        if known is not None:
            found[mark.fingerprint] = _repeated(known, lines_of)
        elif len(found) < MOST:
            found[mark.fingerprint] = _error(block.head, headline, mark, lines_of, step_of(block.head.at))
    return tuple(found.values())


def _ordered(runs: list[list[Line]], *, needed: bool) -> list[_Block]:
    """The blocks of these runs that are errors, root cause first; when `needed`, the best one even if it is none."""
    best = max((line.own for run in runs for line in run), default=0.0)
    threshold = max(LEAST, SHARE * best)
    blocks = [part for run in runs for part in _split(run, threshold)]
    errors = [block for block in blocks if block.head.own >= threshold]
    if not errors and needed:
        errors = sorted(blocks, key=lambda b: -max(line.score for line in b.lines))[:1]
        for block in errors:
            block.head = _said_last(block.lines) or block.head
    for block in errors:
        block.head = _said_before(block) or block.head
    return sorted(errors, key=lambda b: (-_rank(b, best), b.head.at))


def _said_before(block: _Block) -> Line | None:
    """The last thing said before a block's head, where that says only that something failed; None where nothing was said.

    Programs that no pattern knows say why they end in their last line.
    """
    if not _wraps(block.head.ids):
        return None
    return _said_last(block.lines[: block.lines.index(block.head)])


def _said_last(lines: list[Line]) -> Line | None:
    """The last of these lines that a program printed and that says more than that something failed; None where a frame comes first."""
    for line in reversed(lines):
        text = line.text.strip()
        if text and not _wraps(line.ids):
            return None if text.startswith(_FRAME) else line
    return None


@cache
def _wraps(ids: tuple[int, ...]) -> bool:
    """Whether a line that matches the patterns `ids` says that something failed, and nothing else."""
    patterns = [catalogue.patterns()[i] for i in ids]
    if any(p.role == "echo" for p in patterns):
        return True
    others = [p.weight for p in patterns if p.role not in ("wrapper", "end")]
    return len(others) < len(patterns) and max(others, default=0.0) <= MARKED


def _rank(block: _Block, best: float) -> float:
    """What comes first, in steps of two: what names a cause, where it stands, and what is known to cause the rest."""
    worth = _headline_worth(block.head.ids)
    if worth <= 3.0:
        return -1.0
    near = block.head.own >= NEAR * best
    bonus = ROOT * _root(block.head.ids) if near else 0.0
    return (worth + bonus) // 2 if near else block.head.own / 100


def _runs(lines: list[Line], inside: Callable[[int], bool] | None) -> list[list[Line]]:
    """Lines that follow each other, without a step's end between them."""
    runs: list[list[Line]] = []
    for line in lines:
        follows = runs and runs[-1][-1].number + 1 == line.number
        if follows and (inside is None or inside(runs[-1][-1].at) == inside(line.at)):
            runs[-1].append(line)
        else:
            runs.append([line])
    return runs


def _split(run: list[Line], threshold: float) -> list[_Block]:
    """A run of lines as one block for each error in it: a kind of line seen again begins the next."""
    blocks: list[_Block] = []
    for line in run:
        begins = line.own >= threshold and not line.text.startswith(_HEADER)  # what is run is no error
        again = begins and blocks and line.ids in blocks[-1].kinds and not line.text.startswith(_INNER)
        chained = again and any(_CHAIN in each.text or "During handling" in each.text for each in blocks[-1].lines[-4:])
        if not blocks or (again and not chained and blocks[-1].lines[-1].ids != line.ids):
            blocks.append(_Block([], line))
        block = blocks[-1]
        block.lines.append(line)
        if begins:
            block.kinds.add(line.ids)
            if _headline_worth(line.ids) > _headline_worth(block.head.ids) or block.head.own < threshold:
                block.head = line
    return blocks


def _headline(head: LogLine, lines: list[LogLine]) -> str:
    """The text of `head`, or the first of these lines that says something."""
    return head.text.strip() or next((text for line in lines if (text := line.text.strip())), "")


def _error(
    head: Line, headline: str, mark: fingerprint.Mark, lines: list[LogLine], step: tuple[str | None, int | None]
) -> ExtractedError:
    return ExtractedError(
        headline=headline,
        line=head.number,
        spans=spans_of(line.number for line in lines),
        lines=tuple(lines),
        step=step[0],
        step_number=step[1],
        fingerprint=mark.fingerprint,
        group=mark.group,
        generic=mark.generic,
        telling=mark.telling,
        tool=_tool(head.ids),
    )


def _repeated(error: ExtractedError, again: list[LogLine]) -> ExtractedError:
    """`error`, seen once more: the first few occurrences keep their lines."""
    repeats = error.repeats + 1
    if repeats > KEPT:
        return replace(error, repeats=repeats)
    lines = tuple(sorted((*error.lines, *again), key=lambda line: line.number))
    return replace(error, repeats=repeats, lines=lines, spans=spans_of(line.number for line in lines))
