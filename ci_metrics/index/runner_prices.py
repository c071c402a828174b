"""What a job's runner costs at list price: the price table, its overrides, billed minutes.

What belongs here: reading `runner_prices.toml` and RUNNER_PRICES_FILE, labels -> dollars a minute,
durations -> minutes as GitHub bills them. Does not: adding up (`history/money.py`).
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ci_metrics.errors import ContractError
from ci_metrics.index.document_index import Body
from ci_metrics.index.times import seconds_between
from ci_metrics.models import Job

_UsdPerMinute = Annotated[float, Field(ge=0, allow_inf_nan=False)]

_ADVICE = 'Write [[runner]] rows with label = "pool-*" and usd_per_minute = 0.05, or tables as in runner_prices.toml'
_SYSTEMS = {"ubuntu": "linux", "linux": "linux", "windows": "windows", "macos": "macos"}
#: Words of a hosted runner's label that leave its price as it is.
_PLAIN = re.compile(r"latest|x64|intel|\d{1,4}(?:\.\d+)?|vs\d{4}|preview|cores?")
_CORES = re.compile(r"[-_ ](\d+)[-_ ]?v?(?:cores?|cpus?)\b")
_STANDARD = {"linux": "2", "windows": "2", "macos": "standard"}


class _Runner(BaseModel):
    """A row for labels of one's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str = Field(min_length=1)
    usd_per_minute: _UsdPerMinute


class RunnerPrices(BaseModel):
    """US dollars a minute, by labels; with the day the list is of and where it stands."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    checked: str = ""
    source: str = ""
    usd_per_minute: Mapping[str, Mapping[str, _UsdPerMinute]] = {}
    runner: Sequence[_Runner] = ()

    def per_minute(self, labels: Iterable[str]) -> float | None:
        """The price for a job that asked for these labels; None where none is known."""
        asked = [label.lower() for label in labels]
        for row in self.runner:
            if any(fnmatchcase(label, row.label.lower()) for label in asked):
                return row.usd_per_minute
        if "self-hosted" in asked:
            return 0.0
        return next((price for label in asked if (price := self._hosted(label)) is not None), None)

    def _hosted(self, label: str) -> float | None:
        """The price of a runner whose label says its system and size, as GitHub's own do."""
        found = _CORES.search(label)
        rest = label[: found.start()] + label[found.end() :] if found else label
        system, *words = re.split(r"[-_ ]", rest)
        name, size = _SYSTEMS.get(system, ""), ""
        for word in filter(None, words):
            if word in ("arm", "arm64", "gpu") and name != "macos":
                name = f"{name}-{word.removesuffix('64')}"
            elif word in ("slim", "large", "xlarge"):
                size = "1" if word == "slim" else word
            elif not _PLAIN.fullmatch(word):
                return None
        size = found[1] if found else size or _STANDARD.get(name.split("-")[0], "")
        return self.usd_per_minute.get(name, {}).get(size)


@dataclass(frozen=True, slots=True)
class Billed:
    """What a job's runner was used for: minutes as GitHub bills them, and their price."""

    minutes: int
    dollars: float | None  # None where the price is not known


def billed(job: Job, prices: RunnerPrices) -> Billed | None:
    """What a job is billed for, each begun minute whole; None where no runner has ended it."""
    seconds = seconds_between(job.started_at, job.completed_at)
    if seconds is None or not job.runner_id or job.conclusion == "skipped":
        return None
    minutes = max(1, math.ceil(seconds / 60))
    price = prices.per_minute(job.labels)
    return Billed(minutes, None if price is None else round(minutes * price, 4))


def runner_fields(jobs: Iterable[Job], prices: RunnerPrices | None) -> Body:
    """The fields of these jobs together: dollars only where all their prices are known."""
    found = [each for job in jobs if (each := billed(job, prices or load_runner_prices())) is not None]
    if not found:
        return {}
    known = [each.dollars for each in found if each.dollars is not None]
    return {
        "l_runner_minutes": sum(each.minutes for each in found),
        "f_runner_cost_usd": round(sum(known), 4) if len(known) == len(found) else None,
    }


@cache
def load_runner_prices(path: Path | None = None) -> RunnerPrices:
    """The shipped list, with what `path` (RUNNER_PRICES_FILE) says put before it.

    Raises ContractError naming the file, the place and the fault when something is wrong in it.
    """
    shipped = _parse(files("ci_metrics.index").joinpath("runner_prices.toml").read_bytes(), "runner_prices.toml")
    if path is None:
        return shipped
    try:
        own = _parse(path.read_bytes(), str(path))
    except OSError as error:
        raise ContractError(f"{path}: cannot be read ({error.strerror})") from error
    tables = {name: {**shipped.usd_per_minute.get(name, {}), **own.usd_per_minute[name]} for name in own.usd_per_minute}
    return RunnerPrices(
        checked=own.checked or shipped.checked,
        source=own.source or shipped.source,
        usd_per_minute={**shipped.usd_per_minute, **tables},
        runner=own.runner,
    )


def _parse(data: bytes, name: str) -> RunnerPrices:
    try:
        return RunnerPrices.model_validate(tomllib.loads(data.decode("utf-8")))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ContractError(f"{name}: not TOML ({error}). {_ADVICE}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ContractError(f"{name}: {where}: {first['msg']} (seen: {first['input']!r:.80}). {_ADVICE}") from None
