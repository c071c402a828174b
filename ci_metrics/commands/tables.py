"""Rows as a table or as cards on a terminal, as a JSON array, as CSV.

Belongs here: printing rows of plain values. Does not: which rows.

Text from CI is data: on a terminal control characters and breaks of lines are shown as
`·`, in CSV what begins as a formula does gets an apostrophe before it, so that no
spreadsheet runs it. JSON is exact.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter, validators
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ci_metrics.commands.terminal import terminal_json, terminal_text

#: Switches for scripts, without a "--no-" form.
Switch = Annotated[bool, Parameter(negative="")]

#: A count; a negative one is refused by the command line.
NotNegative = Annotated[int, Parameter(validator=validators.Number(gte=0))]

TableRow = Mapping[str, Any]

#: What spreadsheets take for a formula's beginning, also as full-width signs and behind
#: blanks that they cut off.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def print_json(rows: Sequence[TableRow]) -> None:
    """One JSON array."""
    print(terminal_json(rows, indent=2, default=str))


def print_csv(rows: Sequence[TableRow], columns: Sequence[str]) -> None:
    """A header and a line a row; absent values are empty."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_harmless(row.get(column)) for column in columns] for row in rows)


def print_table(rows: Sequence[Sequence[Any]], headings: Sequence[str], title: str) -> None:
    """A table as wide as the terminal: numbers to the right, text in the last column. A tuple has a
    line for each part.
    """
    table = Table(header_style="dim", box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings[:-1]:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column(headings[-1], overflow="fold")
    for row in rows:
        cells = (value if isinstance(value, tuple) else (value,) for value in row)
        table.add_row(*(Text("\n".join(map(terminal_text, lines))) for lines in cells))
    console = Console(highlight=False)
    console.print(Text(title, style="bold"))  # not as the table's own, which breaks at the table's width
    console.print(table)


def print_cards(cards: Sequence[Sequence[str]], title: str) -> None:
    """A few lines for each: the first is the heading, the rest is indented;
    addresses are never broken.
    """
    console = Console(highlight=False)
    console.print(Text(title, style="bold"))
    for heading, *lines in cards:
        console.print()
        console.print(Text(terminal_text(heading), style="bold cyan"))
        for line in lines:
            address = line.startswith(("https://", "http://"))
            text = Text(terminal_text(line), style="dim" if address else "")
            console.print(text if address else Padding(text, (0, 0, 0, 2)), soft_wrap=address)


def _harmless(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = "".join(c if c.isprintable() or c in "\n\t" else "·" for c in value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
