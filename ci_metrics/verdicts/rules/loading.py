"""Rules from their data files: read, checked, hashed.

What belongs here: the shape of a rule and of a data file. Does not: matching (`matching`) or choosing between matches
(`weighing`).

A rule's regex is matched against one line at a time, without its timestamp, colour codes, `##[error]` and indentation, so
`^` is the first visible character. Hyperscan runs them all in one pass in linear time; so no look-around and no back
references. `\\s`, `\\S`, `\\W`, `\\D` and `[^...]` never match the end of a line.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from ci_metrics.errors import ContractError

Scope = Literal["line", "command", "step"]
Kind = Literal["cause", "mark", "noise"]

_RULE_KEYS = frozenset(
    {
        "id", "category", "priority", "regex", "kind", "scope", "tool", "headline", "fix", "tags", "needs", "unless", "mutes", "near",
        "above", "fires", "silent", "printed_by",
    }
)  # fmt: skip
_FILE_KEYS = frozenset({"family", "tool", "printed_by", "tags", "near", "rule"})

#: A gap of at least 30 characters.
_FAR = re.compile(r"\.\{[01],(?:[3-9]\d|\d{3,})\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    `kind`: "cause" names a category; "mark" only makes itself known to other rules' `needs` and `unless`; "noise" takes a
    line out of the running, for the ids, tags and families in `mutes`, or for all when that is empty.
    `scope`: "line" for lines of the log, "command" for what the failed step was asked to run, "step" for the failed step's
    name (a fallback, never confident).
    `priority`: 0 to 100, how surely a match *is* the cause when it stands in the failing part of a log.
    `needs`/`unless`: ids, tags or families of which at least one / none must also match somewhere in the excerpt.
    `near`: a match further than so many lines above the place where a command failed is most likely noise (0: any distance).
    `above`: a noise takes so many lines above it out, too: what a tool says before it tries again is no cause either.
    """

    id: str
    family: str
    kind: Kind
    scope: Scope
    category: str
    priority: int
    regex: str
    tool: str
    headline: str
    fix: str
    printed_by: str
    tags: frozenset[str]
    needs: frozenset[str]
    unless: frozenset[str]
    mutes: frozenset[str]
    near: int
    above: int
    fires: tuple[str, ...]
    silent: tuple[str, ...]


#: Runs of digits, with the longest number that a log is expected to hold.
_DIGITS = {"+": r"\d{1,9}", "*": r"\d{0,9}"}


def by_line(regex: str) -> str:
    """The same regex for hyperscan over many lines at once.

    Classes that would match a line's end no longer do, and a wide gap (`.{0,80}`) becomes `.*`: counting makes big automata,
    and no gap leaves its line anyway. `^` and `$` become the newlines that stand before and behind each line, and numbers get a longest
    length: with its own anchors, and with numbers of any length, the engine (hyperscan 0.9) lost matches at the start of lines
    below others once many rules began with a number.
    """
    out, i, inside = [], 0, False
    while i < len(regex):
        two = regex[i : i + 2]
        if two[0] == "\\" and len(two) == 2:
            if two == r"\s":
                out.append(r" \t" if inside else r"[ \t]")
            elif two in (r"\S", r"\W", r"\D") and not inside:
                out.append({r"\S": r"[^ \t\n]", r"\W": r"[^\w\n]", r"\D": r"[^\d\n]"}[two])
            elif two == r"\d" and not inside and regex[i + 2 : i + 3] in _DIGITS:
                out.append(_DIGITS[regex[i + 2]])
                i += 1
            else:
                out.append(two)
            i += 2
            continue
        if not inside and (far := _FAR.match(regex, i)):
            out.append(".*")
            i = far.end()
            continue
        if not inside and two == "[^":
            out.append(r"[^\n")
            inside, i = True, i + 2
            continue
        if regex[i] == "[" and not inside:
            inside = True
        elif regex[i] == "]" and inside:
            inside = False
        out.append(r"\n" if regex[i] in "^$" and not inside else regex[i])
        i += 1
    return "".join(out)


@cache
def load_rules() -> tuple[Rule, ...]:
    """Every rule, files in order of their names, rules in the order of their file.

    Raises ContractError when a file breaks the shape (a mistake in this package, found by its tests).
    """
    rules: list[Rule] = []
    for name, text in _texts():
        rules += _read(name, tomllib.loads(text))
    ids = [rule.id for rule in rules]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise ContractError(f"rules: id “{twice[0]}” is there twice")
    known = set(ids).union(*(rule.tags for rule in rules), {rule.family for rule in rules})
    for rule in rules:
        for other in rule.needs | rule.unless | rule.mutes:
            if other not in known:
                raise ContractError(f"rules: “{rule.id}” refers to “{other}”, which is no id, tag or family")
    return tuple(rules)


@cache
def _texts() -> tuple[tuple[str, str], ...]:
    folder = files("ci_metrics.verdicts.rules").joinpath("data")
    named = sorted((entry.name, entry) for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return tuple((name, entry.read_text(encoding="utf-8")) for name, entry in named)


def _read(name: str, content: dict[str, object]) -> list[Rule]:
    _only(content, _FILE_KEYS, name)
    family = str(content.get("family", name.removesuffix(".toml")))
    entries = content.get("rule", [])
    if not isinstance(entries, list):
        raise ContractError(f"{name}: rules are written as [[rule]]")
    return [_rule(name, family, content, entry) for entry in entries]


def _rule(name: str, family: str, file: dict[str, object], entry: dict[str, object]) -> Rule:
    where = f"{name}, rule {entry.get('id')}"
    _only(entry, _RULE_KEYS, where)
    kind, scope = entry.get("kind", "cause"), entry.get("scope", "line")
    if kind not in get_args(Kind) or scope not in get_args(Scope):
        raise ContractError(f"{where}: kind {kind!r} or scope {scope!r} is not known")
    priority = entry.get("priority", 0)
    if not isinstance(priority, int) or not 0 <= priority <= 100:
        raise ContractError(f"{where}: priority {priority!r} must be a whole number from 0 to 100")
    regex = str(entry["regex"])
    try:
        re.compile(regex)
    except re.error as error:
        raise ContractError(f"{where}: regex: {error}") from None
    category = str(entry.get("category", ""))
    if (kind == "cause") != bool(category):
        raise ContractError(f"{where}: a cause needs a category, and nothing else may have one")
    tool = str(entry.get("tool", file.get("tool", "")))
    return Rule(
        id=str(entry["id"]),
        family=family,
        kind=kind,  # type: ignore[arg-type]
        scope=scope,  # type: ignore[arg-type]
        category=category,
        priority=priority,
        regex=regex,
        tool=tool,
        headline=str(entry.get("headline", "")),
        fix=str(entry.get("fix", "")),
        printed_by=str(entry.get("printed_by", file.get("printed_by", tool))),
        tags=frozenset(_list(entry, "tags")) | frozenset(_list(file, "tags")),
        needs=frozenset(_list(entry, "needs")),
        unless=frozenset(_list(entry, "unless")),
        mutes=frozenset(_list(entry, "mutes")),
        near=_number(entry.get("near", file.get("near", 0)), where),
        above=_number(entry.get("above", 0), where),
        fires=tuple(_list(entry, "fires")),
        silent=tuple(_list(entry, "silent")),
    )


def _number(value: object, where: str) -> int:
    if not isinstance(value, int) or value < 0:
        raise ContractError(f"{where}: {value!r} must be a whole number, 0 or more")
    return value


def _only(entry: dict[str, object], keys: frozenset[str], where: str) -> None:
    unknown = sorted(set(entry) - keys)
    if unknown:
        raise ContractError(f"{where}: unknown key “{unknown[0]}”")


def _list(entry: dict[str, object], key: str) -> list[str]:
    value = entry.get(key, [])
    if not isinstance(value, list):
        raise ContractError(f"{entry.get('id')}: {key} must be a list")
    return [str(item) for item in value]


#: To be raised when code changes what verdicts are (how lines, places and words are weighed): data is hashed by itself.
_CODE = 2


def _version() -> str:
    digest = hashlib.sha256(b"%d" % _CODE)
    for name, text in _texts():
        digest.update(f"{name}\n{text}\n".encode())
    for name in ("calibration.toml", "precedence.toml"):
        digest.update(files("ci_metrics.verdicts.rules").joinpath(name).read_bytes())
    digest.update(files("ci_metrics.verdicts.words").joinpath("weights.tsv").read_bytes())
    return digest.hexdigest()[:10]


#: Hash of all rules, their precedence, their calibration and the words beside them: changes when any of them does.
RULES_VERSION = _version()
