"""What a model's tokens cost: the price table, its overrides, and the arithmetic.

What belongs here: reading `prices.toml` and PRICES_FILE, finding a model's entry under a
provider's spelling of its name, tokens -> dollars. Does not: limits on spending (`budget.py`),
counting tokens before they are sent.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ci_metrics.errors import ContractError
from ci_metrics.models import Usage

_MILLION = 1_000_000

_ADVICE = (
    "A [models.NAME] table holds dollars per million tokens, 0 or more: input, output and, where they differ from input, "
    "cache_read and cache_write. A free model has input = 0, output = 0."
)
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


_UsdPerMillion = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]


class Price(BaseModel):
    """One model's list price, US dollars per million tokens; `prices.toml`
    says what each field means.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: _UsdPerMillion
    output: _UsdPerMillion
    cache_read: _UsdPerMillion | None = None
    cache_write: _UsdPerMillion | None = None
    batch_factor: _UsdPerMillion = 0.5
    cache_minimum: int | None = None
    above: int | None = None
    above_input: _UsdPerMillion | None = None
    above_output: _UsdPerMillion | None = None
    above_cache_read: _UsdPerMillion | None = None
    above_cache_write: _UsdPerMillion | None = None

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


class PriceTable(BaseModel):
    """Prices by model name (lower case), with the day they were checked
    and where they come from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    checked: str = ""
    sources: dict[str, str] = {}
    models: dict[Annotated[str, AfterValidator(str.lower)], Price] = Field(min_length=1)

    def find(self, model: str) -> Price | None:
        """The price of `model`, also under a provider's spelling; None when no entry names it.

        Gateways prefix a name with their own path (`aws/anthropic/claude-opus-4-5`,
        `us.anthropic.claude-…`) and suffix it with a date or version (`…-20251001`,
        `…-v1:0`); both are set aside.
        """
        for name in _spellings(model):
            if name in self.models:
                return self.models[name]
        return None

    def usage(self, model: str, tokens: Tokens, *, batch: bool = False) -> Usage:
        """Tokens and dollars of one call. A model without an entry counts
        its tokens and no dollars.
        """
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
        return PriceTable.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ContractError(f"{name}: not TOML ({error}). Write [models.NAME] tables as in prices.toml.") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ContractError(f"{name}: {where}: {first['msg']} (seen: {first['input']!r}). {_ADVICE}") from None
