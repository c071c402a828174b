"""What a model's tokens cost: the price table, its overrides, and the arithmetic.

What belongs here: reading `prices.toml` and PRICES_FILE, finding a model's entry under a provider's spelling of its
name, tokens -> dollars. Does not: limits on spending (`budget.py`), counting tokens before they are sent.
"""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from ci_metrics.errors import ContractError
from ci_metrics.models import Usage

#: The longest minimum of any model listed: a prefix longer than this is cached by all of them.
LARGEST_CACHE_MINIMUM = 4_096

_MILLION = 1_000_000
_DATED = re.compile(r"[-@](?:20\d{6}|20\d\d-\d\d-\d\d|latest)(?:-v\d+)?$|-v\d+$")


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one call, disjoint: a prompt is `uncached + cache_read + cache_write`."""

    uncached: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0

    @property
    def prompt(self) -> int:
        """All tokens of the prompt."""
        return self.uncached + self.cache_read + self.cache_write


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One model's list price, US dollars per million tokens; `prices.toml` says what each field means."""

    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None
    batch_factor: float = 0.5
    cache_minimum: int | None = None
    above: int | None = None
    above_input: float | None = None
    above_output: float | None = None
    above_cache_read: float | None = None
    above_cache_write: float | None = None

    @property
    def free(self) -> bool:
        """Whether this model never costs anything."""
        rates = (self.input, self.output, self.cache_read, self.cache_write)
        return not any(rates) and not any((self.above_input, self.above_output))

    def cost(self, tokens: Tokens, *, batch: bool = False) -> float:
        """What a call cost, in US dollars; `batch`: it went through a message batch."""
        long = self.above is not None and tokens.prompt > self.above

        def rate(normal: float | None, above: float | None, otherwise: float) -> float:
            chosen = above if long and above is not None else normal
            return otherwise if chosen is None else chosen

        plain = rate(self.input, self.above_input, self.input)
        dollars = (
            tokens.uncached * plain
            + tokens.cache_read * rate(self.cache_read, self.above_cache_read, plain)
            + tokens.cache_write * rate(self.cache_write, self.above_cache_write, plain)
            + tokens.output * rate(self.output, self.above_output, self.output)
        ) / _MILLION
        return dollars * (self.batch_factor if batch else 1.0)


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices by model name, with the day they were checked and where they come from."""

    checked: str
    sources: dict[str, str]
    models: dict[str, Price]

    def find(self, model: str) -> Price | None:
        """The price of `model`, also under a provider's spelling; None when no entry names it.

        Gateways prefix a name with their own path (`aws/anthropic/claude-opus-4-5`, `us.anthropic.claude-…`) and
        suffix it with a date or version (`…-20251001`, `…-v1:0`); both are set aside.
        """
        for name in _spellings(model):
            if name in self.models:
                return self.models[name]
        return None

    def usage(self, model: str, tokens: Tokens, *, batch: bool = False) -> Usage:
        """Tokens and dollars of one call. A model without an entry counts its tokens and no dollars."""
        price = self.find(model)
        dollars = price.cost(tokens, batch=batch) if price else 0.0
        return Usage(tokens.prompt, tokens.output, tokens.cache_read, dollars)


def _spellings(model: str) -> list[str]:
    names = [model]
    last = model.rsplit("/", 1)[-1].split(":", 1)[0]
    names.append(last)
    names.append(re.sub(r"^(?:[a-z]{2,6}\.)?anthropic\.", "", last))
    names.extend([_DATED.sub("", _DATED.sub("", name)) for name in names])
    return [name.lower() for name in dict.fromkeys(names)]


def load_prices(path: Path | None = None) -> PriceTable:
    """The shipped table, with the entries of `path` (PRICES_FILE) added or put in place of it.

    Raises ContractError naming the file, the model and the field when an entry is wrong.
    """
    shipped = _parse(files("ci_metrics.llm").joinpath("prices.toml").read_text("utf-8"), "prices.toml")
    if path is None:
        return shipped
    own = _parse(path.read_text("utf-8"), str(path))
    return PriceTable(
        checked=own.checked or shipped.checked,
        sources={**shipped.sources, **own.sources},
        models={**shipped.models, **own.models},
    )


def _parse(text: str, name: str) -> PriceTable:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ContractError(f"{name}: not TOML ({error}). Write [models.NAME] tables as in prices.toml.") from None
    models = data.get("models", {})
    if not isinstance(models, dict) or not models:
        raise ContractError(f"{name}: no [models.NAME] table. Give at least one, with input and output.")
    return PriceTable(
        checked=str(data.get("checked", "")),
        sources={str(k): str(v) for k, v in data.get("sources", {}).items()},
        models={model.lower(): _price(entry, f"{name}: models.{model}") for model, entry in models.items()},
    )


def _price(entry: Any, where: str) -> Price:
    if not isinstance(entry, dict):
        raise ContractError(f"{where}: {entry!r} is not a table of prices.")
    known = {field.name for field in fields(Price)}
    for key, value in entry.items():
        if key not in known:
            raise ContractError(f"{where}.{key}: not a known field. Known are {', '.join(sorted(known))}.")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value < 0:
            raise ContractError(f"{where}.{key}: {value!r} is not a price. Give dollars per million tokens, 0 or more.")
    missing = {"input", "output"} - set(entry)
    if missing:
        raise ContractError(
            f"{where}: {' and '.join(sorted(missing))} missing. A free model has input = 0, output = 0."
        )
    return Price(**entry)
