"""The shape of a model's answer: the JSON schema that is sent, and the strict reading of what comes back.

What belongs here: the schema, `Answer`, and the names of everything that can be wrong with an answer. Does not: the
prompt's words (`prompt.py`), whether quotes stand in the log (`quotes.py`), what to do about a problem (`verdicts/model_tries.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

#: The type a model gives when no category fits.
UNKNOWN = "unknown"

#: The type a model gives to a job that only repeats that another one failed; the state of its verdict (contract, "States").
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

# What a terminal or a page would take for more than text: control characters, and marks that turn the reading direction.
# Half a surrogate pair is no text at all: no file and no index takes it.
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# A hint needs no address, and a log may have talked the model into one.
_LINK = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)

# Longer texts are cut: a document is not the place for an essay, and a model may be talked into one.
_SUMMARY_CHARS = 600
_FIX_CHARS = 600


class AnswerProblemError(Exception):
    """An answer cannot be used; `problem` names why, `seen` shows it."""

    def __init__(self, problem: Problem, seen: str = "") -> None:
        super().__init__(f"{PROBLEMS[problem]}{f' ({seen[:120]})' if seen else ''}")
        self.problem: Problem = problem
        self.seen = seen


@dataclass(frozen=True, slots=True)
class Quote:
    """A line a model quoted: 0 for a line of an annotation."""

    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A well-formed answer; its quotes are not checked yet."""

    error_type: str  # a category's name, UNKNOWN or NO_CAUSE
    confidence: float
    summary: str
    suggested_fix: str
    quotes: tuple[Quote, ...]


def answer_schema(categories: Sequence[str]) -> dict[str, Any]:
    """The JSON schema of an answer whose type is one of `categories`, "unknown" or "no_error_found".

    Only what structured output accepts everywhere: every property required, no additional ones, no numeric or length
    bounds (endpoints refuse `minimum`); bounds are checked on reading.
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


def read_answer(text: str, categories: Sequence[str]) -> Answer:
    """The answer in `text`, which must be one JSON object (a single code fence around it is tolerated).

    Raises AnswerProblemError: not_json, wrong_shape or foreign_category.
    """
    fenced = _FENCED.match(text)
    try:
        data = json.loads(fenced.group(1) if fenced else text)
    except (ValueError, RecursionError):  # the latter: brackets without end
        raise AnswerProblemError("not_json", text.strip()) from None
    if not isinstance(data, dict):
        raise AnswerProblemError("wrong_shape", f"a {type(data).__name__} instead of an object")
    error_type = _text(data, "error_type")
    confidence = data.get("confidence")
    if not isinstance(confidence, int | float) or isinstance(confidence, bool):
        raise AnswerProblemError("wrong_shape", f"confidence {confidence!r}")
    if not 0 <= confidence <= 1:  # nor is NaN
        raise AnswerProblemError("wrong_shape", f"confidence {str(confidence)[:20]} is not between 0 and 1")
    if error_type not in (UNKNOWN, NO_CAUSE, *categories):
        raise AnswerProblemError("foreign_category", error_type)
    return Answer(
        error_type=error_type,
        confidence=float(confidence),
        summary=_cut(_text(data, "summary"), _SUMMARY_CHARS),
        suggested_fix=_cut(_LINK.sub("[link removed]", _text(data, "suggested_fix")), _FIX_CHARS),
        quotes=tuple(_quotes(data.get("quotes"))),
    )


def _text(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str):
        raise AnswerProblemError("wrong_shape", f"{key} {value!r}")
    return " ".join(_UNPRINTED.sub(" ", value).split())


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _quotes(value: object) -> list[Quote]:
    if not isinstance(value, list):
        raise AnswerProblemError("wrong_shape", f"quotes {value!r}")
    quotes = []
    for item in value:
        line = item.get("line") if isinstance(item, dict) else None
        text = item.get("text") if isinstance(item, dict) else None
        if not isinstance(line, int) or isinstance(line, bool) or not isinstance(text, str):
            raise AnswerProblemError("wrong_shape", f"quote {item!r}")
        quotes.append(Quote(line, text))
    return quotes
