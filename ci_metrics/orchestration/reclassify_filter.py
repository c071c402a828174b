"""Which verdicts a reclassification may touch: by category, confidence, repository; carried by a run's tags.

What belongs here: the choice, its form as tags (so that a run launched in Dagster's UI can carry it too). Does not: judging.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ci_metrics.errors import ContractError
from ci_metrics.orchestration.rows import JobVerdicts

TYPE_TAG = "ci_metrics/only_type"
BELOW_TAG = "ci_metrics/only_below"
REPO_TAG = "ci_metrics/only_repo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Only:
    """The stored verdicts to look at again; an empty field means all of them. The others stay as they are, of whatever version."""

    types: tuple[str, ...] = ()  # categories or states ("unknown")
    below: float | None = None  # confidence
    repos: tuple[str, ...] = ()

    def wants(self, row: JobVerdicts) -> bool:
        """Whether the job's root verdict is one of those."""
        root = row.judged[0].verdict if row.judged else None
        word = root.error_type if root is not None and root.error_type else row.state
        return (
            (not self.types or word in self.types)
            and (self.below is None or (root is not None and root.confidence < self.below))
            and (not self.repos or row.repo in self.repos)
        )

    def with_kinds(self, parents: Mapping[str, str]) -> Only:
        """The same, where one of the ten stands for a project's own kinds of it too; `parents`: kind -> the one of the ten."""
        kinds = (kind for kind, parent in parents.items() if parent in self.types)
        return replace(self, types=tuple(dict.fromkeys((*self.types, *kinds))))

    def tags(self) -> dict[str, str]:
        """The same as a run's tags."""
        made = {TYPE_TAG: ",".join(self.types), REPO_TAG: ",".join(self.repos)}
        made[BELOW_TAG] = "" if self.below is None else str(self.below)
        return {name: value for name, value in made.items() if value}


def only_of(tags: Mapping[str, str]) -> Only | None:
    """What a run's tags choose; None when they choose nothing, so that everything is looked at. Raises ContractError."""
    if not {TYPE_TAG, BELOW_TAG, REPO_TAG} & set(tags):
        return None
    below = tags.get(BELOW_TAG)
    try:
        limit = None if below is None else float(below)
    except ValueError as error:
        raise ContractError(f"the run's tag {BELOW_TAG} is “{below}”. Write a confidence between 0 and 1") from error
    return Only(types=_split(tags.get(TYPE_TAG, "")), below=limit, repos=_split(tags.get(REPO_TAG, "")))


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
