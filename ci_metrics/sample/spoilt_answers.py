"""What a fault makes of a good answer: a page that is short, a count that is wrong, an object of
somebody else, hostile values.

What belongs here: from a reply to a reply. Does not: which request a fault meets (`faults.py`),
what goes wrong on the way (`server_http.py`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ci_metrics.sample.server_question import Reply

#: One more than the largest number that 64 bits hold.
TOO_LARGE = 2**64

#: What no name should hold: half a character, a NUL, a bell, the beginning of a colour, a turn of
#: the direction of writing.
HOSTILE = "\ud83d\x00\x07\x1b[31m\u202e"


def _entries(value: Any) -> list[Any]:
    """The entries of a listing; the object itself, alone, when it is none."""
    if isinstance(value, list):
        return value
    return next((held for held in value.values() if isinstance(held, list)), [value]) if isinstance(value, dict) else []


def _jobs_and_runs(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in ([value] if _is_one(value) else _entries(value)) if isinstance(entry, dict)]


def _is_one(value: Any) -> bool:
    return isinstance(value, dict) and "id" in value


def _short(value: Any, count: int) -> None:
    entries = _entries(value)
    del entries[max(len(entries) - count, 0) :]


def _counted(by: int) -> Callable[[Any, int], None]:
    def change(value: Any, count: int) -> None:
        if isinstance(value, dict) and "total_count" in value:
            value["total_count"] = max(value["total_count"] + by * count, 0)

    return change


def _foreign(value: Any, count: int) -> None:
    """The first entries are those of another run, in another repository."""
    for entry in _jobs_and_runs(value)[:count]:
        entry["id"] += 5_000_000_000
        entry["run_id"] = entry.get("run_id", 0) + 5_000_000_000
        entry["repository"] = {"full_name": "somebody/else"}


def _numbers(value: Any, count: int) -> None:
    """Numbers that nothing depends on are out of range."""
    for entry in _jobs_and_runs(value)[:count]:
        entry |= {
            name: TOO_LARGE for name in ("runner_id", "runner_group_id", "run_number", "start_line") if name in entry
        }


def _ids(value: Any, count: int) -> None:
    """The first entries' own numbers are out of range."""
    for entry in _jobs_and_runs(value)[:count]:
        entry["id"] = TOO_LARGE


def _stepless(value: Any, count: int) -> None:
    for place, entry in enumerate(_jobs_and_runs(value)[:count]):
        if place % 2:
            entry.pop("steps", None)
        else:
            entry["steps"] = None


def _elsewhen(value: Any, count: int) -> None:
    for entry in _jobs_and_runs(value)[:count]:
        created = datetime.fromisoformat(entry["created_at"]) - timedelta(days=1)
        entry["created_at"] = created.strftime("%Y-%m-%dT%H:%M:%SZ")


def _attempts(value: Any, count: int) -> None:
    for entry in _jobs_and_runs(value)[:count]:
        entry["run_attempt"] = 1000


def _texts(text: Callable[[str], str]) -> Callable[[Any, int], None]:
    def change(value: Any, count: int) -> None:
        for entry in _jobs_and_runs(value)[:count]:
            for name in ("name", "display_title", "head_branch", "runner_name", "message", "title"):
                if isinstance(entry.get(name), str):
                    entry[name] = text(entry[name])
            for step in entry.get("steps", []):
                step["name"] = text(step["name"])
            if "labels" in entry:
                entry["labels"] = [text(label) for label in entry["labels"]]

    return change


_VALUES: dict[str, Callable[[Any, int], None]] = {
    "short": _short,
    "overcount": _counted(1),
    "undercount": _counted(-1),
    "foreign": _foreign,
    "numbers": _numbers,
    "ids": _ids,
    "hostile": _texts(lambda text: HOSTILE + text),
    "megabyte": _texts(lambda text: text + "x" * 1_000_000),
    "stepless": _stepless,
    "elsewhen": _elsewhen,
    "attempts": _attempts,
}

#: The faults that change a good answer, and what else they touch than its value.
SPOILING = frozenset({*_VALUES, "lost_page", "endless"})


def spoilt(kind: str, reply: Reply, count: int, url: str) -> Reply:
    """The reply to a request for `url` as the fault `kind` leaves it;
    `count`: of how many entries.
    """
    if kind == "lost_page":
        return replace(reply, headers={name: text for name, text in reply.headers.items() if name != "link"})
    if kind == "endless":
        return replace(reply, headers={**reply.headers, "link": f'<{url}>; rel="next"'})
    value = copy.deepcopy(reply.value)
    _VALUES[kind](value, count)
    return replace(reply, value=value)
