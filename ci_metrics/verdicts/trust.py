"""Whether a model's verdict may speak for other failures than the one it was asked about.

What belongs here: the signs that it may have been talked into it; pure. Does not: asking again
(`ask.py`), reuse (`reuse.py`).

A doubted verdict stands for its own failure only, until a second sample says the same: the answer
to a question about another failure, whose log does not speak to a model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ci_metrics.llm.free_text import readings, without_format
from ci_metrics.llm.schema import NO_CAUSE
from ci_metrics.models import Verdict

#: Words by which a log may speak to a model instead of saying what happened. One too many
#: costs a second question.
_SPEAKS = re.compile(
    r"""(?ix)
    \b(?:ignore|disregard|forget|override)\b .{0,40} \b(?:instruction|prompt|previous|above|earlier|prior|rule)s?\b
    | \b(?:instruction|note|message|attention|hint|request)s? \s+ (?:to|for) \s+ (?:the\s+|any\s+|all\s+)?
      (?:ai|llm|model|assistant|classifier|bot|reader)s?\b
    | (?<![\w./-]) (?:ai|llm|gpt|chatgpt|claude|gemini|assistant|language\ model) \s* [:,>]
    | \b(?:language\ model|system\ prompt|ai\ (?:assistant|model)|as\ an\ (?:ai|llm))\b
    | \b(?:classif(?:y|ied)|categori[sz]ed?|label(?:l?ed)?|answer|respond|reply|report|quote|verdict)\b
      .{0,40} \b(?:as|with|is|category|error_type|confidence)\b .{0,40}
      \b(?:timeout|flaky|unknown|no_error_found|\w+_(?:error|failure|exhaustion))\b
    | \b(?:dependency_error|network_error|compilation_error|infrastructure_error|configuration_error|assertion_failure)\b
    | \b(?:resource_exhaustion|no_error_found|flaky_test|suggested_fix)\b
    | \b(?:say|output|pick|choose|call|please)\b .{0,40}
      \b(?:(?:dependency|network|compilation|infrastructure|configuration|runtime)[ -]error
      |assertion[ -]failure|resource[ -]exhaustion|flaky[ -]test)\b
    """
)


def speaks_to_a_model(lines: Iterable[str]) -> bool:
    """Whether a line speaks to a model, or names one of the categories as only an answer does, in
    whatever spelling: a model reads them all.
    """
    return any(_SPEAKS.search(reading) for line in lines for reading in readings(without_format(line)))


def doubted(answer: Verdict, rules: Verdict, *, addressed: bool, sure: float, confirmed_by: Verdict | None) -> bool:
    """Whether an answer may speak for its own failure only.

    It is when its log speaks to a model (`addressed`), or when it contradicts what the
    embedded classifier was sure of (`sure`: LOW_CONFIDENCE) and no answer about
    another failure says the same.
    """
    if addressed:
        return True
    surely = rules.state == "classified" and rules.confidence >= sure
    if not surely or category(answer) == category(rules):
        return False
    return confirmed_by is None or category(confirmed_by) != category(answer)


def category(verdict: Verdict) -> str | None:
    """What a verdict says, also where a threshold withholds it; None when it says nothing."""
    return NO_CAUSE if verdict.state == "no_error_found" else verdict.error_type or verdict.guess
