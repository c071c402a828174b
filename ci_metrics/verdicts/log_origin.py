"""Where a failure's log comes from: who could have written what stands in it.

What belongs here: naming that, and whether it is trusted. Does not: what
follows (`reuse.py`, learning).
"""

from __future__ import annotations

from dataclasses import dataclass

from ci_metrics.models import Run

#: Events of runs on code that is in the repository already, caused by people who may write to it
#: (GitHub's "Events that trigger workflows"). Pull requests, comments and what is not listed are
#: not trusted: strangers open and write them.
_TRUSTED_EVENTS = frozenset(
    {
        *(
            "push",
            "schedule",
            "workflow_dispatch",
            "workflow_run",
            "workflow_call",
            "repository_dispatch",
            "merge_group",
        ),
        *("release", "create", "delete", "deployment", "deployment_status", "page_build", "registry_package"),
    }
)

_FROM, _UNKNOWN = " from ", "unknown"


@dataclass(frozen=True, slots=True)
class Origin:
    """A repository, and for a pull request or a fork the repository whose branch ran.

    Written as `acme/shop` or `acme/shop from somebody/shop`. "" where nothing is known, as of
    verdicts kept before this was noted.
    """

    repo: str = ""
    head: str = ""  # "" for the repository's own runs, which are trusted

    @classmethod
    def of_run(cls, repo: str, run: Run | None) -> Origin:
        """That of a run's failures; a run that is not known is not trusted."""
        own = run is not None and (run.head_repo or "").casefold() == repo.casefold()
        if run is not None and own and run.event in _TRUSTED_EVENTS:
            return cls(repo)
        return cls(repo, (run.head_repo if run is not None else None) or _UNKNOWN)

    @classmethod
    def parse(cls, text: str) -> Origin:
        """What `str` gave."""
        repo, _, head = text.partition(_FROM)
        return cls(repo, head)

    @property
    def trusted(self) -> bool:
        """Whether only people who may write to the repository could have written the log."""
        return bool(self.repo) and not self.head

    @property
    def strange(self) -> bool:
        """Whether somebody may have written it who may not write to the repository:
        what ran is no branch of it.
        """
        return self.head.casefold() not in ("", self.repo.casefold())

    def __str__(self) -> str:
        return f"{self.repo}{_FROM}{self.head}" if self.head else self.repo
