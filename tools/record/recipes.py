"""Recipes: what is run to record one log, read from `recipes/*.toml`.

What belongs here: the record, reading, checking. Does not: running one, or any
category's meaning (contract.md).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from ci_metrics.errors import ContractError

RECIPES = Path(__file__).parent / "recipes"

#: The ten categories of the default taxonomy, in its order.
CATEGORIES = (
    "dependency_error",
    "timeout",
    "resource_exhaustion",
    "network_error",
    "assertion_failure",
    "compilation_error",
    "runtime_error",
    "infrastructure_error",
    "configuration_error",
    "flaky_test",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One command to record, with the project it runs in."""

    slug: str
    tool: str
    run: str  # the step's script, as a workflow file would have it; its output is the log
    kind: Literal["failure", "passing"] = "failure"
    step: str = "Run tests"
    title: str = ""  # one line: what a person would call this failure
    category: str | None = None
    state: str = "classified"
    setup: str = ""  # a script whose output is not recorded
    files: Mapping[str, str] = field(default_factory=dict)  # path in the project -> text
    marks: tuple[tuple[str, ...], ...] = ()  # patterns: (line,) or (first line, last line)
    before: tuple[tuple[str, str], ...] = ()  # (step name, slug of a passing recording) that ran earlier in the job
    serve: str = ""  # a local server's behaviour while it runs, see servers.py
    stop_after: float = 0  # seconds after which the recorder ends it, as a runner does with a job out of time
    user: Literal["", "nobody"] = ""  # run without root's privileges
    conclusion: Literal["failure", "timed_out", "cancelled"] = "failure"
    annotations: tuple[Mapping[str, Any], ...] = ()
    runner_says: tuple[str, ...] = ()  # what a runner writes below the output, in place of the exit code
    note: str = ""


def load_recipes(folder: Path = RECIPES) -> dict[str, Recipe]:
    """All recipes by slug. Raises ContractError naming the file and what is wrong with it."""
    found: dict[str, Recipe] = {}
    known = {item.name for item in fields(Recipe)}
    for path in sorted(folder.glob("*.toml")):
        shared = tomllib.loads(path.read_text(encoding="utf-8"))
        tool = shared.get("tool", path.stem)
        for raw in shared.get("recipe", []):
            unknown = set(raw) - known
            if unknown:
                raise ContractError(f"{path.name}: {raw.get('slug')}: unknown keys {sorted(unknown)}")
            setup = shared.get("setup", "") + raw.get("setup", "")
            recipe = _recipe({"tool": tool, **raw, "setup": setup})
            problem = _problem(recipe)
            if problem or recipe.slug in found:
                raise ContractError(f"{path.name}: {recipe.slug}: {problem or 'there is another of this name'}")
            found[recipe.slug] = recipe
    return found


def _recipe(raw: Mapping[str, Any]) -> Recipe:
    values = dict(raw)
    for name in ("marks", "before"):
        values[name] = tuple(tuple(item) for item in raw.get(name, ()))
    values["runner_says"] = tuple(raw.get("runner_says", ()))
    values["annotations"] = tuple(raw.get("annotations", ()))
    return Recipe(**values)


def _problem(recipe: Recipe) -> str:
    """What is wrong with a recipe, or nothing."""
    if recipe.kind == "passing":
        return "a passing recording has no category and no marks" if recipe.category or recipe.marks else ""
    if recipe.state == "classified":
        if recipe.category not in CATEGORIES:
            return f"category {recipe.category!r} is not one of the ten"
        if not recipe.marks and not recipe.annotations:
            return "a classified failure needs marks, or an annotation that names its cause"
    elif recipe.category is not None:
        return f"state {recipe.state} goes with no category"
    if not recipe.title:
        return "no title"
    return "" if all(len(mark) in (1, 2) for mark in recipe.marks) else "a mark is one pattern or two"
