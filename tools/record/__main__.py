"""`python -m tools.record [SLUG ...]`: record the named recipes, or those that have no log yet.

What belongs here: arguments, and the data folder's files. Does not: running a recipe (runner.py).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ci_metrics.errors import CiMetricsError
from tools.record.recipes import Recipe, load_recipes
from tools.record.runner import Recording, record
from tools.record.scrub import Places, scrub

DATA = Path(__file__).parents[2] / "ci_metrics" / "sample" / "data"
_NOWHERE = Places(Path("/nowhere/project"), Path("/nowhere/temp"), Path("/nowhere/home"))


def main(arguments: list[str]) -> int:
    """Record, write the logs and the two indices; 1 when a recipe did not do what it says."""
    parser = argparse.ArgumentParser(prog="python -m tools.record", description=__doc__)
    parser.add_argument("slug", nargs="*", help="recipes to record; without any, those that have no log yet")
    parser.add_argument("--scratch", type=Path, default=Path("build/record"), help="a folder to run them in")
    parser.add_argument("--data", type=Path, default=DATA, help="where logs and indices are written")
    parser.add_argument("--all", action="store_true", help="record every recipe anew")
    given = parser.parse_args(arguments)
    recipes = load_recipes()
    wanted = given.slug or [slug for slug in recipes if given.all or not _log_path(given.data, recipes[slug]).exists()]
    unknown = [slug for slug in wanted if slug not in recipes]
    if unknown:
        parser.error(f"no recipe called {', '.join(unknown)}")
    failed = 0
    for slug in wanted:
        recipe = recipes[slug]
        try:
            recording = record(recipe, given.scratch.resolve())
        except CiMetricsError as error:
            failed += 1
            sys.stderr.write(f"FAILED {error}\n")
            continue
        path = _log_path(given.data, recipe)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(recording.text.encode())
        _store(given.data, recipe, recording, recipes)
        sys.stderr.write(f"{slug}: exit {recording.exit_code}, {recording.text.count(chr(10))} lines\n")
    return 1 if failed else 0


def _log_path(data: Path, recipe: Recipe) -> Path:
    return data / ("passing" if recipe.kind == "passing" else "failures") / f"{recipe.slug}.log"


def _store(data: Path, recipe: Recipe, recording: Recording, recipes: dict[str, Recipe]) -> None:
    """Put one entry into its index, which stays in the order of the recipes."""
    path = data / ("passing.jsonl" if recipe.kind == "passing" else "failures.jsonl")
    entries = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            entries[entry["slug"]] = entry
    entries[recipe.slug] = _entry(recipe, recording)
    ordered = [entries[slug] for slug in recipes if slug in entries]
    path.write_text("".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in ordered), encoding="utf-8")


def _entry(recipe: Recipe, recording: Recording) -> dict[str, object]:
    entry: dict[str, object] = {
        "slug": recipe.slug,
        "step": recipe.step,
        "tool": recipe.tool,
        "command": scrub(recipe.run.strip(), _NOWHERE),
    }
    if recipe.kind == "passing":
        return entry
    entry |= {
        "category": recipe.category,
        "state": recipe.state,
        "title": recipe.title,
        "marks": recording.marks,
        "exit_code": recording.exit_code,
        "conclusion": recipe.conclusion,
    }
    if recipe.before:
        entry["before"] = recipe.before
    if recipe.annotations:
        entry["annotations"] = recipe.annotations
    if recipe.runner_says:
        entry["runner_says"] = recipe.runner_says
    if recipe.note:
        entry["note"] = recipe.note
    return entry


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
