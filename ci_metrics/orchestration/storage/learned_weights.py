"""The weights that a team's own verdicts made, beside the hours: which are in
force, kept whole, forgotten.

Belongs here: their files. Does not: learning them (`classifier/relearning.py`), when that is
done (`weekly_learning.py`).

    <root>/learned/<version>.tsv       weights, as `Model.read` reads them; never changed
    <root>/learned/in_force.json       which of them judge, and what they were made of

Weights stand on the features and failures of the package that made them. Where that package's own
weights have changed since, they are set aside until they are learned again: what a feature is
worth depends on all others.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files

from pydantic import TypeAdapter, ValidationError
from upath import UPath

from ci_metrics.classifier.model import Model
from ci_metrics.classifier.relearning import version_of
from ci_metrics.orchestration.storage.atomic_files import fetch, put

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """Which weights judge, and what they were made of."""

    version: str
    base: str  # the version of the shipped weights beside which they were learned
    learned_at: datetime
    until: datetime  # when the newest verdict was given that they learned from
    verdicts: dict[str, int]  # by who gave them


class LearnedWeights:
    """The files below one root (that of the hours)."""

    def __init__(self, root: UPath) -> None:
        """`root` need not exist yet."""
        self._folder = root / "learned"

    def note(self) -> InForce | None:
        """What is noted of the weights in force; None where none were learned, or the note is
        damaged (which is logged).
        """
        try:
            return _NOTE.validate_json(fetch(self._folder / "in_force.json"))
        except FileNotFoundError:
            return None
        except ValidationError as error:
            _log.warning(
                "⚠️ the note on learned weights is damaged; the shipped ones judge. Run ci-metrics learn: %s", error
            )
            return None

    def model(self) -> Model | None:
        """The weights in force; None where the shipped ones are: none were learned, or what
        was is set aside or damaged.
        """
        note = self.note()
        if note is None or note.base != shipped_version():
            return None
        try:
            text = fetch(self._folder / f"{note.version}.tsv").decode()
            if version_of(text) == note.version:
                return Model.read(text, note.version)
            why = "they are not what they were"
        except (OSError, ValueError) as error:
            why = str(error)
        _log.warning(
            "⚠️ the learned weights %s are damaged; the shipped ones judge. Run ci-metrics learn: %s", note.version, why
        )
        return None

    def keep(self, text: str, note: InForce) -> None:
        """Put weights in force: at once, as a whole."""
        put(self._folder / f"{note.version}.tsv", text.encode())
        put(self._folder / "in_force.json", _NOTE.dump_json(note, indent=1))

    def forget(self) -> InForce | None:
        """Put the shipped weights in force; gives what was noted of the others,
        None where there were none.
        """
        note = self.note()
        (self._folder / "in_force.json").unlink(missing_ok=True)
        return note


@cache
def shipped_version() -> str:
    """The version of the weights that come with the package."""
    return version_of(files("ci_metrics.classifier").joinpath("weights.tsv").read_text(encoding="utf-8"))


_NOTE = TypeAdapter(InForce)
