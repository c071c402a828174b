"""Typed reading of GitHub's JSON: a value of the promised type, or a ContractError that says where it was not.

What belongs here: one object's fields. Does not: which fields a run or a job has (`records.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from ci_metrics.errors import ContractError

#: Times before this are placeholders ("0001-01-01T00:00:00Z" for a step that never ran), not times.
_EPOCH = datetime(1970, 1, 2, tzinfo=UTC)


class Fields:
    """One JSON object, read field by field. A missing field and a null are the same."""

    def __init__(self, value: object, what: str) -> None:
        """`what` names the object in messages. Raises ContractError when `value` is no JSON object."""
        if not isinstance(value, Mapping):
            raise ContractError(f"{what}: expected a JSON object, got {_shown(value)}")
        self._value: Mapping[object, object] = value
        self.what = what

    def text(self, name: str, default: str | None = None) -> str:
        """A string; `default` when there is none. Raises ContractError: absent without a default, or no string."""
        value = self._value.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise self._wrong(name, "a string", value)
        return value

    def text_or_none(self, name: str) -> str | None:
        """A string or None."""
        return None if self._value.get(name) is None else self.text(name)

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number; `default` when there is none."""
        value = self._value.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(name, "a whole number", value)
        return value

    def integer_or_none(self, name: str) -> int | None:
        """A whole number or None."""
        return None if self._value.get(name) is None else self.integer(name)

    def boolean(self, name: str, default: bool) -> bool:
        """True or false; `default` when there is none."""
        value = self._value.get(name, default)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false", value)
        return value

    def time(self, name: str) -> datetime:
        """A time, in UTC. Raises ContractError when there is none."""
        found = self.time_or_none(name)
        if found is None:
            raise self._wrong(name, "a time", self._value.get(name))
        return found

    def time_or_none(self, name: str) -> datetime | None:
        """A time in UTC, or None; GitHub's placeholders before 1970 are None too."""
        text = self.text_or_none(name)
        if not text:
            return None
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            raise self._wrong(name, "a time like 2026-01-31T12:00:00Z", text) from None
        if time.year < 1970:
            return None
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        return time if time >= _EPOCH else None

    def inner(self, name: str) -> Fields | None:
        """An object inside this one, or None."""
        value = self._value.get(name)
        return None if value is None else Fields(value, f"{self.what}.{name}")

    def items(self, name: str) -> list[object]:
        """A list; empty when there is none."""
        value = self._value.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(name, "a list", value)
        return value

    def _wrong(self, name: str, wanted: str, value: object) -> ContractError:
        return ContractError(f"{self.what}: field “{name}” should be {wanted}, but is {_shown(value)}")


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
