"""Why a verdict is what it is, as text and as an object: the lines that might have named the
failure, and the category.

Belongs here: putting together what the extractor and the classifier say of themselves, and wording
it. Does not: ranking (`logs/ranking_reasons.py`), deciding (`classifier`), reading logs.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ci_metrics.classifier.category_reasons import CategoryReason as CategoryReason
from ci_metrics.classifier.category_reasons import Reasoning
from ci_metrics.logs.ranking_reasons import LineReason as LineReason
from ci_metrics.logs.ranking_reasons import RankedLine, Ranking

WIDTH = 100  # columns of a terminal
_REASONS, _FEW = 5, 3  # for something and against it: for what was decided, for other lines


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyOfLog:
    """The two accounts; no decision where there is no error to judge."""

    ranking: Ranking
    decision: Reasoning | None


def reasons_row(why: WhyOfLog) -> dict[str, Any]:
    """The object under `why` that scripts read."""
    ranking, decision = asdict(why.ranking), None
    for line in ranking["lines"]:
        line["messages"] = [{"id": name, "role": role} for name, role in line["messages"]]
    if why.decision is not None:
        decision = asdict(why.decision)
        decision["shares"] = {name: round(share, 3) for name, share in why.decision.shares}
    return {**ranking, "decision": decision}


def reasons_text(why: WhyOfLog) -> str:
    """The same for people, in lines of at most 100 characters."""
    return "\n".join([*_ranking(why.ranking), *_decision(why.decision)])


def _ranking(ranking: Ranking) -> Iterator[str]:
    if not ranking.lines:
        yield "Why: no line of the log tells of a failure, so none was ranked."
        return
    yield f"Which line names the failure: the {len(ranking.lines)} likeliest of {ranking.kept} kept lines"
    passing = "a passing run's log was not used"
    if ranking.background:
        passing = f"{ranking.dimmed} of them dimmed, because the last passing run printed them too"
    yield f"  ({passing})"
    yield "  The first is held against the mean of all kept lines, the others against the first."
    for place, line in enumerate(ranking.lines):
        yield from _line(line, _FEW if place else _REASONS)


def _line(line: RankedLine, most: int) -> Iterator[str]:
    facts = [f"heads error {line.heads}"] if line.heads else []
    if line.in_failed_step is False:
        facts.append("outside the failed step")
    if line.dimmed:
        facts.append("dimmed by the passing run")
    text = " ".join(line.text.split())
    head = f"  line {line.line:<6} {line.score:6.2f} {line.share:5.0%}  "
    yield head + (text if len(head + text) <= WIDTH else text[: WIDTH - len(head) - 1] + "…")
    if facts:
        yield from _wrapped("", [", ".join(facts)])
    if line.messages:
        yield from _wrapped("messages: ", [f"{name} ({role})" for name, role in line.messages])
    yield from _weighed("for: ", line.for_it[:most])
    yield from _weighed("against: ", line.against_it[:most])


def _decision(decision: Reasoning | None) -> Iterator[str]:
    if decision is None:
        return
    yield "Which category, by the embedded classifier:"
    yield "  " + ", ".join(f"{n} {s:.0%}" for n, s in decision.shares)
    by = f"entry {decision.by}" if decision.by != "words" else "no single entry, but words and the like"
    at = f" on line {decision.line}" if decision.line else ""
    yield from _wrapped("", [f"{decision.category}, {decision.confidence:.0%} sure; decided by {by}{at}"])
    for holds, said in (
        (decision.gate, "The job only repeats that another one failed: no category is given."),
        (decision.contract, "The contract decides this one, whatever was learned."),
        (decision.capped, "Less sure than the shares say: nothing but frames or closing words names the failure."),
        (decision.withheld, "Too unsure without an entry that speaks for it: the state is unknown."),
    ):
        if holds:
            yield from _wrapped("", [said])
    yield from _weighed("for: ", [r for r in decision.reasons if r.worth > 0][:_REASONS])
    yield from _weighed("against: ", [r for r in decision.reasons if r.worth < 0][:_REASONS])


def _weighed(label: str, reasons: Sequence[LineReason] | Sequence[CategoryReason]) -> Iterator[str]:
    if reasons:
        yield from _wrapped(label, [f"{each.words} {each.worth:+.2f}" for each in reasons])


def _wrapped(label: str, parts: Sequence[str]) -> list[str]:
    indent = " " * 7
    return textwrap.wrap(
        label + "; ".join(parts), WIDTH, initial_indent=indent, subsequent_indent=indent + " " * len(label),
        break_on_hyphens=False,
    )  # fmt: skip
