"""What an hour's materialization shows in Dagster's UI: numbers, a small table, a plot.

What belongs here: turning counts and rows into Dagster metadata. Does not: counting
anything that is not handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from ci_metrics.orchestration.arrow_tables import schema_of
from ci_metrics.report.markdown import inert_cell

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


def markdown_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], most: int = 20
) -> dg.MarkdownMetadataValue:
    """The first rows as a markdown table; says how many more there are."""
    if not rows:
        return dg.MetadataValue.md("_no rows_")
    cells = [
        ["" if row.get(name) is None else inert_cell(str(row[name]), _MOST) for name in columns] for row in rows[:most]
    ]
    lines = [" | ".join(columns), " | ".join("---" for _ in columns), *(" | ".join(row) for row in cells)]
    more = [f"\n_and {len(rows) - most} more_"] if len(rows) > most else []
    return dg.MetadataValue.md("\n".join([*(f"| {line} |" for line in lines), *more]))
