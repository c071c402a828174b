"""What an hour's materialization shows in Dagster's UI: numbers, a small table, a plot.

What belongs here: turning counts and rows into Dagster metadata. Does not: counting
anything that is not handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from ci_metrics.orchestration.storage.arrow_tables import schema_of
from ci_metrics.report.markdown import inert_cell, link

_BAR = "█"
_BAR_WIDTH = 24

#: Characters of a value in a table: text from CI is data there, not markdown.
_MOST = 160


def table_schema(kind: type) -> dg.TableSchema:
    """A record's columns as Dagster shows them."""
    return dg.TableSchema(columns=[dg.TableColumn(name=field.name, type=str(field.type)) for field in schema_of(kind)])


def plot(counts: Mapping[Any, int]) -> dg.MarkdownMetadataValue:
    """Bars, longest first, as markdown."""
    if not counts:
        return dg.MetadataValue.md("_nothing to show_")
    most = max(counts.values()) or 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = [
        f"| {inert_cell(str(name), _MOST)} | {_BAR * max(1, round(_BAR_WIDTH * n / most)) if n else ''} | {n} |"
        for name, n in ordered
    ]
    return dg.MetadataValue.md("\n".join(["| | | |", "|---|---|---:|", *rows]))


@dataclass(frozen=True, slots=True)
class Linked:
    """A cell of a table that leads somewhere: its words, and an address that is ours or checked."""

    words: str
    url: str


def _cell(value: object) -> str:
    if isinstance(value, Linked):
        return link(inert_cell(value.words, _MOST), value.url)
    return "" if value is None else inert_cell(str(value), _MOST)


def hours_judged(hours: Sequence[str]) -> str:
    """Which hours a check looked at: `2026-03-02T05`, or the first and the last of several."""
    if not hours:
        return "none"
    return hours[0] if len(hours) == 1 else f"{hours[0]} to {hours[-1]} ({len(hours)} hours)"


def markdown_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], most: int = 20, of: int = 0
) -> dg.MarkdownMetadataValue:
    """The first rows as a markdown table; says how many more there are (`of`: where these are not
    all).
    """
    if not rows:
        return dg.MetadataValue.md("_no rows_")
    cells = [[_cell(row.get(name)) for name in columns] for row in rows[:most]]
    lines = [" | ".join(columns), " | ".join("---" for _ in columns), *(" | ".join(row) for row in cells)]
    left = max(of, len(rows)) - most
    more = [f"\n_and {left} more_"] if left > 0 else []
    return dg.MetadataValue.md("\n".join([*(f"| {line} |" for line in lines), *more]))
