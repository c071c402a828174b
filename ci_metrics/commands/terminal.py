"""Text from CI on a terminal: seen as it is, steering nothing.

Belongs here: making text harmless to a terminal. Does not: tables and cards (`tables.py`), pages
and comments (`report/`).
"""

from __future__ import annotations

import json
import re
from typing import Any

#: What steers a terminal beyond what JSON itself escapes: 8-bit control codes, other
#: breaks of lines, marks that turn the reading direction.
_STEERING = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def terminal_text(value: object) -> str:
    """The value on one line, which can neither steer a terminal nor be taken for a line of
    ours: what is not seen is `·`.
    """
    text = "" if value is None else str(value)
    return "".join(c if c.isprintable() else "·" for c in text.replace("\t", "    "))


def terminal_lines(text: str) -> str:
    """The same of a text whose breaks of lines are ours."""
    return "\n".join(map(terminal_text, text.split("\n")))


def terminal_json(value: object, **given: Any) -> str:
    """`value` as JSON that can be read by people and steers no terminal; `given`: for `json.dumps`.
    What it says is the same.
    """
    text = json.dumps(value, ensure_ascii=False, **given)
    return _STEERING.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
