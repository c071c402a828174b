"""The taxonomy: which categories a failure can have, read from one data file.

What belongs here: reading, checking and hashing that file (our `taxonomy.toml`, or a
project's own). Does not: deciding a failure's category (`classifier.py`, the model
clients) or wording a prompt.

A project's own file either extends the ten categories (``extends = true``: adds new ones, and
replaces those it names again) or stands alone. A new category may name its ``parent`` among the
ten, so that dashboards on the ten still add up.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from ci_metrics.errors import ContractError, SettingsError

#: A category's name travels in documents, in JSON schemas and in file names.
_NAME = re.compile(r"[a-z][a-z0-9_]{1,47}")
#: Words the states of a verdict already use; a category of that name could
#: not be told from a state.
_RESERVED = frozenset({"unknown", "classified", "no_error_found", "no_log", "pending", "llm_failed", "off"})
_CATEGORY_KEYS = frozenset({"name", "definition", "decisions", "examples", "fix", "parent", "rules"})
_TOP_KEYS = frozenset({"category", "extends"})


@dataclass(frozen=True, slots=True)
class TaxonomyExample:
    """A worked example: a line as a tool prints it, and why it belongs to the category."""

    line: str
    why: str


@dataclass(frozen=True, slots=True)
class Category:
    """One kind of failure.

    `parent`: the one of the ten it is a part of (None for the ten themselves and for kinds of their
    own). `fix`: a hint when nothing more specific is known. `rules`: ids, families or tags of the
    catalogue's messages ("lint", "policy") whose verdicts go to this category instead of their own.
    """

    name: str
    definition: str
    decisions: tuple[str, ...] = ()
    examples: tuple[TaxonomyExample, ...] = ()
    fix: str = ""
    parent: str | None = None
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """The categories, in order, and a short hash of everything in them."""

    categories: tuple[Category, ...]
    version: str

    @property
    def names(self) -> tuple[str, ...]:
        """The categories' names, in the file's order."""
        return tuple(category.name for category in self.categories)

    def get(self, name: str) -> Category | None:
        """The category of that name, or None."""
        return next((category for category in self.categories if category.name == name), None)

    @property
    def parents(self) -> dict[str, str]:
        """The categories that have a parent, with it."""
        return {category.name: category.parent for category in self.categories if category.parent}

    def parent_of(self, name: str) -> str:
        """The category a dashboard on the ten counts `name` under: its parent, else itself."""
        category = self.get(name)
        return category.parent if category and category.parent else name


@cache
def default_taxonomy() -> Taxonomy:
    """The ten categories of the contract."""
    text = files("ci_metrics.classifier").joinpath("taxonomy.toml").read_text(encoding="utf-8")
    return _build(_categories(tomllib.loads(text), "taxonomy.toml"))


def load_taxonomy(path: Path | None) -> Taxonomy:
    """The taxonomy of a file, or the default one when `path` is None.

    Raises SettingsError when the file cannot be read or is no TOML, ContractError when a category
    is wrong; the text names the file, the category, what was seen and what to do.
    """
    if path is None:
        return default_taxonomy()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError("TAXONOMY_FILE", f"{path} cannot be read ({error})", "Give a readable UTF-8 file") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError("TAXONOMY_FILE", f"{path} is not TOML ({error})", "Correct that line") from None
    unknown = sorted(set(content) - _TOP_KEYS)
    if unknown:
        raise ContractError(f"{path}: unknown key “{unknown[0]}”{_nearest(unknown[0], _TOP_KEYS)}")
    extends = content.get("extends", False)
    if not isinstance(extends, bool):
        raise ContractError(f"{path}: extends = {extends!r} must be true or false")
    own = _categories(content, str(path))
    if extends:
        named = {category.name: category for category in own}
        base = tuple(named.pop(category.name, category) for category in default_taxonomy().categories)
        own = base + tuple(named.values())
    if not own:
        raise ContractError(f"{path}: no [[category]]; name at least one, or set extends = true and add to the ten")
    return _build(own)


def _build(categories: tuple[Category, ...]) -> Taxonomy:
    canonical = json.dumps([asdict(category) for category in categories], sort_keys=True)
    return Taxonomy(categories, hashlib.sha256(canonical.encode()).hexdigest()[:10])


def _categories(content: Mapping[str, object], where: str) -> tuple[Category, ...]:
    entries = content.get("category", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ContractError(f"{where}: “category” must be written as [[category]] tables")
    made: dict[str, Category] = {}
    for index, entry in enumerate(entries, start=1):
        category = _category(entry, f"{where}, category {index}")
        if category.name in made:
            raise ContractError(f"{where}: category “{category.name}” is there twice; keep one")
        made[category.name] = category
    for category in made.values():
        if category.parent is not None:
            _check_parent(category, where)
    return tuple(made.values())


def _category(entry: Mapping[str, object], where: str) -> Category:
    name = entry.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ContractError(f"{where}: name {name!r} must be lower-case letters, digits and _, 2 to 48 long")
    where = f"{where} (“{name}”)"
    if name in _RESERVED:
        raise ContractError(f"{where}: “{name}” is the name of a state; choose another")
    unknown = sorted(set(entry) - _CATEGORY_KEYS)
    if unknown:
        raise ContractError(f"{where}: unknown key “{unknown[0]}”{_nearest(unknown[0], _CATEGORY_KEYS)}")
    definition = entry.get("definition")
    if not isinstance(definition, str) or not definition.strip():
        raise ContractError(f"{where}: definition is missing; say in one sentence what belongs there")
    parent = entry.get("parent")
    if parent is not None and not isinstance(parent, str):
        raise ContractError(f"{where}: parent {parent!r} must be the name of one of the ten")
    fix = entry.get("fix", "")
    if not isinstance(fix, str):
        raise ContractError(f"{where}: fix must be a text")
    return Category(
        name=name,
        definition=definition.strip(),
        decisions=_texts(entry, "decisions", where),
        examples=_examples(entry.get("examples", []), where),
        fix=fix.strip(),
        parent=parent,
        rules=_texts(entry, "rules", where),
    )


def _texts(entry: Mapping[str, object], key: str, where: str) -> tuple[str, ...]:
    values = entry.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ContractError(f"{where}: {key} must be a list of texts")
    return tuple(value.strip() for value in values)


def _examples(values: object, where: str) -> tuple[TaxonomyExample, ...]:
    if not isinstance(values, list):
        raise ContractError(f"{where}: examples must be a list of {{ line, why }}")
    made = []
    for value in values:
        if not isinstance(value, dict) or set(value) != {"line", "why"}:
            raise ContractError(f'{where}: an example must be {{ line = "...", why = "..." }}, seen {value!r}')
        made.append(TaxonomyExample(str(value["line"]), str(value["why"])))
    return tuple(made)


def _check_parent(category: Category, where: str) -> None:
    ten = default_taxonomy().names
    if category.parent not in ten:
        hint = _nearest(category.parent or "", ten)
        raise ContractError(f"{where}: “{category.name}” has parent “{category.parent}”, not one of the ten{hint}")
    if category.name in ten:
        raise ContractError(f"{where}: “{category.name}” is one of the ten itself and can have no parent")


def _nearest(word: str, words: object) -> str:
    near = difflib.get_close_matches(word, list(words), n=1)  # type: ignore[call-overload]
    return f"; did you mean “{near[0]}”?" if near else f"; known are {', '.join(sorted(words))}"  # type: ignore[call-overload]
