"""All rules over a few hundred lines, in one linear-time pass.

What belongs here: compiling the rules and finding which of them match which lines. Does not: deciding what matters.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ci_metrics.compiled_patterns import compiled, scan
from ci_metrics.verdicts.rules.loading import Rule, by_line, load_rules

#: A longer line is matched by its beginning and its end; tools put what matters there.
_HEAD, _TAIL = 1_500, 500

#: What stands before a tool's own words: the runner's mark, BuildKit's and Compose's prefixes, a clock.
_PREFIX = re.compile(
    r"\s*(?:##\[(?:error|warning|command|notice)\]\s*)?"
    r"(?:#\d{1,4} {1,6}\d{1,6}\.\d{1,4} )?"
    r"(?:\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\d]{0,12}Z?\]? ?|\[?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?\]? )?"
    r"(?:[a-z0-9][\w.-]{0,40}[_-]\d{1,3} {0,20}\| )?"
    r"\s*"
)

#: Colour codes, also those whose escape character some archive dropped.
_COLOUR = re.compile(r"\x1b\[[0-9;]{0,12}[A-Za-z]|\[[0-9;]{1,12}[mK]|\[[mK](?!\w)")


@dataclass(frozen=True, slots=True)
class Hit:
    """One rule on one line; `index` counts the lines given to `match_lines`, from 0."""

    rule: Rule
    index: int


@dataclass(frozen=True, slots=True)
class _Compiled:
    database: Any
    rules: tuple[Rule, ...]


@cache
def _of_scope(scope: str) -> _Compiled:
    rules = tuple(rule for rule in load_rules() if rule.scope == scope)
    expressions = [by_line(rule.regex).encode() for rule in rules]
    return _Compiled(compiled(expressions, range(len(rules)), [0] * len(rules)), rules)


def bare(text: str) -> str:
    """The line as rules see it: without indentation and the prefixes that wrap a tool's own words; capped."""
    if "[" in text:
        text = _COLOUR.sub("", text)
    prefix = _PREFIX.match(text)
    text = text[prefix.end() :] if prefix else text
    if len(text) > _HEAD + _TAIL:
        text = text[:_HEAD] + " " + text[-_TAIL:]
    return text.rstrip()


def match_lines(lines: Sequence[str], scope: str = "line") -> list[Hit]:
    """Every (rule, line) pair that matches, in the order of the lines, each once. `lines` as `bare` gives them."""
    known = _of_scope(scope)
    if not known.rules or not lines:
        return []
    starts, parts, at = [], [], 1
    for line in lines:
        raw = line.encode("utf-8", "replace")
        starts.append(at)
        parts.append(raw)
        at += len(raw) + 1
    found: set[tuple[int, int]] = set()

    def on_match(rule: int, _start: int, end: int, _flags: int, _context: object) -> None:
        found.add((bisect_right(starts, max(0, end - 1)) - 1, rule))

    scan(known.database, b"\n" + b"\n".join(parts) + b"\n", on_match)  # newlines are the rules' anchors
    return [Hit(known.rules[rule], index) for index, rule in sorted(found)]
