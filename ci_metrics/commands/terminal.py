"""Text from CI on a terminal: seen as it is, steering nothing.

Belongs here: making text harmless to a terminal. Does not: tables and cards (`tables.py`), pages
and comments (`report/`).
"""

from __future__ import annotations


def terminal_text(value: object) -> str:
    """The value on one line, which can neither steer a terminal nor be taken for a line of
    ours: what is not seen is `·`.
    """
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() else "·" for c in text.replace("\t", "    "))


def terminal_lines(text: str) -> str:
    """The same of a text whose breaks of lines are ours."""
    return "\n".join(map(terminal_text, text.split("\n")))
