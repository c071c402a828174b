"""Which verdicts a reclassification may touch: by category, confidence, repository; the run
configuration of `classifications`.

Belongs here: the choice. Does not: judging.
"""

from collections.abc import Mapping

import dagster as dg
from pydantic import Field

from ci_metrics.orchestration.storage.rows import JobVerdicts


class Only(dg.Config):
    """The stored verdicts to look at again; an empty field means all of them. The others stay, of
    whatever version they are.

    Given in the launchpad, in the dialog of a backfill of hours, or by `ci-metrics reclassify`.
    """

    types: list[str] = Field(default=[], description="Categories, or states like “unknown”.")
    below: float | None = Field(default=None, gt=0, le=1, description="Verdicts of a lower confidence only.")
    repos: list[str] = Field(default=[], description="Failures of these repositories only, owner/name.")

    @property
    def chooses(self) -> bool:
        """Whether it leaves any verdict out."""
        return bool(self.types or self.repos) or self.below is not None

    def wants(self, row: JobVerdicts) -> bool:
        """Whether the job's root verdict is one of those."""
        root = row.judged[0].verdict if row.judged else None
        word = root.error_type if root is not None and root.error_type else row.state
        return (
            (not self.types or word in self.types)
            and (self.below is None or (root is not None and root.confidence < self.below))
            and (not self.repos or row.repo in self.repos)
        )

    def with_kinds(self, parents: Mapping[str, str]) -> "Only":
        """The same, where one of the ten stands for a project's own kinds of it too; `parents`:
        kind -> the one of the ten.
        """
        kinds = (kind for kind, parent in parents.items() if parent in self.types)
        return Only(types=list(dict.fromkeys((*self.types, *kinds))), below=self.below, repos=self.repos)
