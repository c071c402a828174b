"""GitHub's OpenAPI description as a judge: does an answer fit the schema of its address?"""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

_DESCRIPTION = json.loads((Path(__file__).parent / "actions.json").read_text())
_formats = FormatChecker(formats=())


@_formats.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    if isinstance(value, str):
        if not value.endswith("Z") or "T" not in value:
            raise ValueError(value)
        datetime.fromisoformat(value)
    return True


def _as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0 into JSON Schema: `nullable` becomes a null beside the type,
    the enum and the reference.
    """
    if isinstance(node, list):
        return [_as_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {
        key: _as_json_schema(value) for key, value in node.items() if key not in ("nullable", "example", "examples")
    }
    if node.get("nullable") is True:
        return {"anyOf": [made, {"type": "null"}]}
    return made


_COMPONENTS = _as_json_schema(_DESCRIPTION["components"])


@cache
def _validator(schema: str) -> Draft202012Validator:
    root = {**_as_json_schema(json.loads(schema)), "components": _COMPONENTS}
    Draft202012Validator.check_schema({k: v for k, v in root.items() if k != "components"})
    return Draft202012Validator(root, format_checker=_formats)


def problems(template: str, value: object, *, status: str = "200") -> list[str]:
    """What is wrong with `value` as the answer of the address `template`
    (`/repos/{owner}/{repo}/...`); empty: nothing.
    """
    schema = _DESCRIPTION["paths"][template]["get"]["responses"][status]["content"]["application/json"]["schema"]
    return _found(schema, value)


def component_problems(name: str, value: object) -> list[str]:
    """The same for a named schema, for addresses that the cut does not hold."""
    return _found({"$ref": f"#/components/schemas/{name}"}, value)


def _found(schema: object, value: object) -> list[str]:
    errors = _validator(json.dumps(schema)).iter_errors(value)
    return [f"{'/'.join(str(part) for part in error.absolute_path)}: {error.message[:200]}" for error in errors]
