"""GitHub's JSON, field by field: the types of fields, what all objects have in common, and reading
one.

What belongs here: what a field may hold, and the message where it does not. Does not: which objects
have which fields (`schemas.py`), cleaning text (`text.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from ci_metrics.errors import ContractError
from ci_metrics.github import text

_log = logging.getLogger(__name__)

#: The largest whole number that Parquet, SQLite and OpenSearch store.
LARGEST = 2**63 - 1

#: Characters of a file that are kept.
LONGEST_FILE = 1_000_000


def _number(value: object, info: ValidationInfo) -> object:
    """A number that nothing depends on: left out where it is out of range."""
    if isinstance(value, int) and not isinstance(value, bool) and not 0 <= value <= LARGEST:
        whose = object_name(*info.context) if info.context else "an answer"
        _log.warning("⚠️ %s: field “%s” is %.40s, more than fits: left out", whose, info.field_name, value)
        return None
    return value


def _time(value: object) -> object:
    """A time in UTC; None for GitHub's placeholders ("0001-01-01T00:00:00Z" for a step that never
    ran).
    """
    if isinstance(value, str):
        if not value:
            return None
        try:
            time = datetime.fromisoformat(value)
            time = time.replace(tzinfo=UTC) if time.tzinfo is None else time
            return time.astimezone(UTC) if 1970 < time.year < 2200 else None  # Parquet's nanoseconds end in 2262
        except (ValueError, OverflowError):
            pass
    raise PydanticCustomError("time", "should be a time like 2026-01-31T12:00:00Z")


def _text(clean: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: clean(value) if isinstance(value, str) else value)


Id = Annotated[int, Field(strict=True, ge=0, le=LARGEST)]
Number = Annotated[Annotated[int, Field(strict=True)] | None, BeforeValidator(_number)]
Name = Annotated[str, _text(text.name)]
MessageText = Annotated[str, _text(text.message)]
LongText = Annotated[str, _text(lambda value: text.lines(value, LONGEST_FILE))]
Title = Annotated[str, _text(lambda value: text.name(value.strip().partition("\n")[0]))]
#: Kept as it is, but for what UTF-8 cannot say.
RawText = Annotated[str, _text(lambda value: value.encode("utf-8", "replace").decode())]
Time = Annotated[datetime | None, BeforeValidator(_time)]
KnownTime = Annotated[datetime, BeforeValidator(_time)]


class GitHubObject(BaseModel):
    """One object of GitHub's."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    noun: ClassVar[str] = "object"
    identity: ClassVar[str] = "id"  # the field by which it is known in a listing; "": none

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: object) -> object:
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, Mapping) else value


M = TypeVar("M", bound=GitHubObject)

#: What was wanted, in words, by pydantic's type of the error.
_WANTED = {
    "missing": "there",
    "string_type": "a string",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "model_type": "an object",
    "datetime_type": "a time",
    "greater_than_equal": "a whole number that is not negative",
    "less_than_equal": "a smaller number",
}


def read(model: type[M], value: object, where: str) -> M:
    """`value` as a `model` of `where` (a repository, a run of one …). ContractError: names the
    object, the field, what was seen.
    """
    try:
        return model.model_validate(value, context=(model, value, where))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        wanted = _WANTED.get(first["type"], "")
        said = f"should be {wanted}" if wanted else first["msg"]
        seen = None if first["type"] == "missing" else first["input"]
        field = ".".join(str(part) for part in first["loc"])
        raise ContractError(
            f"{object_name(model, value, where)}: field “{field}” {said}, but is {text.shown(seen)}"
            if field
            else f"{object_name(model, value, where)}: expected a JSON object, got {text.shown(value)}"
        ) from None


def object_name(model: type[GitHubObject], value: object, where: str) -> str:
    """The object as messages name it: "job 5 of acme/basket run 1"."""
    given = value.get("id", value.get("number")) if isinstance(value, Mapping) else None
    number = f" {given}" if type(given) is int and 0 <= given <= LARGEST else ""
    return f"{model.noun}{number} of {where}"
