"""The shape of a model's answer: the JSON schema that is sent, and the strict
reading of what comes back.

What belongs here: the schema, `ModelAnswer`, and the names of everything that can be wrong with an
answer. Does not: the prompt's words (`prompt.py`), whether quotes stand in the log (`quotes.py`),
what to do about a problem (`verdicts/model_tries.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ci_metrics.llm.free_text import plain_words
from ci_metrics.redaction import redact

#: The type a model gives when no category fits.
UNKNOWN = "unknown"

#: The type a model gives to a job that only repeats that another one failed; the state of its
#: verdict (contract, "States").
NO_CAUSE = "no_error_found"

SCHEMA_NAME = "ci_failure_verdict"

Problem = Literal["refusal", "truncated", "not_json", "wrong_shape", "foreign_category", "no_valid_quote"]

#: What is said of each problem: to people, in a verdict's `detail`.
PROBLEMS: dict[Problem, str] = {
    "refusal": "the model declined to answer",
    "truncated": "the answer was cut off",
    "not_json": "the answer was not JSON",
    "wrong_shape": "the answer did not have the asked-for fields",
    "foreign_category": "the answer named a category that does not exist here",
    "no_valid_quote": "no quoted line stands in the log",
}

_FENCED = re.compile(r"\A\s*```(?:json)?\s*\n(.*)\n\s*```\s*\Z", re.DOTALL)

# Longer texts are cut: a document is not the place for an essay, and a model
# may be talked into one.
_TEXT_CHARS = 600

# Characters of a useless answer that are masked before some of them are shown.
_SHOWN = 4_000


class AnswerProblemError(Exception):
    """An answer cannot be used; `problem` names why, `seen` shows it."""

    def __init__(self, problem: Problem, seen: str = "") -> None:
        seen = redact(seen[:_SHOWN])[0]
        super().__init__(f"{PROBLEMS[problem]}{f' ({seen[:120]})' if seen else ''}")
        self.problem: Problem = problem
        self.seen = seen


def _plain(text: str) -> str:
    """Masked first, so that nothing cuts a secret in two, and once more where taking
    marks out has joined one.
    """
    text = redact(plain_words(redact(text)[0]))[0]
    return text if len(text) <= _TEXT_CHARS else text[: _TEXT_CHARS - 1].rstrip() + "…"


def _share(value: object) -> object:
    """JSON's numbers may be larger than a float, and NaN is neither above nor below anything."""
    if isinstance(value, int | float) and not isinstance(value, bool) and not 0 <= value <= 1:
        raise ValueError(f"{str(value)[:20]} is not between 0 and 1")
    return value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class QuotedLine(_Strict):
    """A line a model quoted: 0 for a line of an annotation."""

    line: int
    text: str


class ModelAnswer(_Strict):
    """A well-formed answer; its quotes are not checked yet."""

    error_type: str  # a category's name, UNKNOWN or NO_CAUSE
    confidence: Annotated[float, BeforeValidator(_share)]
    summary: Annotated[str, AfterValidator(_plain)]
    suggested_fix: Annotated[str, AfterValidator(_plain)]
    quotes: tuple[QuotedLine, ...] = Field(strict=False)


def answer_schema(categories: Sequence[str]) -> dict[str, Any]:
    """The JSON schema of an answer whose type is one of `categories`,
    "unknown" or "no_error_found".

    Only what structured output accepts everywhere: every property required, no additional ones, no
    numeric or length bounds (endpoints refuse `minimum`); bounds are checked on reading.
    """
    quote = {
        "type": "object",
        "properties": {
            "line": {"type": "integer", "description": "the number before the bar; 0 for an annotation"},
            "text": {"type": "string", "description": "that line's text after the bar, copied exactly"},
        },
        "required": ["line", "text"],
        "additionalProperties": False,
    }
    properties: dict[str, Any] = {
        "quotes": {"type": "array", "items": quote, "description": "one to four lines that prove the cause"},
        "summary": {"type": "string", "description": "the root cause in one to three sentences"},
        "error_type": {"type": "string", "enum": [*categories, UNKNOWN, NO_CAUSE]},
        "confidence": {"type": "number", "description": "0.0 to 1.0: how often such a verdict is right"},
        "suggested_fix": {"type": "string", "description": "one sentence, or an empty string"},
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def read_answer(text: str, categories: Sequence[str]) -> ModelAnswer:
    """The answer in `text`, which must be one JSON object (a single code
    fence around it is tolerated).

    Raises AnswerProblemError: not_json, wrong_shape or foreign_category.
    """
    fenced = _FENCED.match(text)
    try:
        answer = ModelAnswer.model_validate(json.loads(fenced.group(1) if fenced else text))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise AnswerProblemError("wrong_shape", f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
    except (ValueError, RecursionError):  # the latter: brackets without end
        raise AnswerProblemError("not_json", text.strip()) from None
    if answer.error_type not in (UNKNOWN, NO_CAUSE, *categories):
        raise AnswerProblemError("foreign_category", answer.error_type)
    return answer
