"""The labelled failures that the shipped weights were learned from, as features: so that they can
be learned again beside a team's own.

Belongs here: the file `examples.tsv.gz`, written and read. Does not: making examples from logs
(`tools/learn_classifier.py`), learning.

No text of a log is in it, beyond single words that failures of five projects or more show; projects
are numbers. A line names the features, each further line is a failure: its set, its project, how
much it counts, its acceptable categories, its features by number.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from ci_metrics.classifier.learning import Example, learned_features
from ci_metrics.errors import ContractError

FILE = "examples.tsv.gz"
_REAL, _MADE = "real", "recorded"


def packed(examples: Sequence[Example]) -> bytes:
    """The file of these examples, the same for the same examples: only features that
    enough projects show are in it.
    """
    names = learned_features(examples)
    at = {name: number for number, name in enumerate(names)}
    lines = ["\t".join(["features", *names])]
    for example in examples:
        numbers = sorted((at[name], value) for name, value in example.features.items() if name in at)
        seen = " ".join(str(number) if value == 1 else f"{number}={value:g}" for number, value in numbers)
        kind = _REAL if example.real else _MADE
        lines.append("\t".join([kind, str(example.group), f"{example.weight:g}", ",".join(example.categories), seen]))
    return gzip.compress("\n".join(lines).encode(), mtime=0)


def read_examples(data: bytes) -> tuple[Example, ...]:
    """The examples of a file. Raises ContractError when it is damaged."""
    try:
        head, *lines = gzip.decompress(data).decode().split("\n")
        names = head.split("\t")[1:]
        return tuple(_example(line.split("\t"), names) for line in lines)
    except (OSError, EOFError, ValueError, IndexError) as error:
        raise ContractError(f"{FILE} is damaged ({error}). Install the package again") from error


def _example(cells: list[str], names: list[str]) -> Example:
    kind, group, weight, categories, seen = cells
    features = {}
    for each in seen.split():
        number, _, value = each.partition("=")
        features[names[int(number)]] = float(value or 1)
    return Example(features, tuple(categories.split(",")), float(weight), int(group), kind == _REAL)


@cache
def shipped_examples() -> tuple[Example, ...]:
    """Those that come with the package."""
    return read_examples(files("ci_metrics.classifier").joinpath(FILE).read_bytes())
