"""What the page's list of causes can be narrowed by, and each failure's values as the page
carries them.

What belongs here: the filters, and their compact form. Does not: applying them
(`templates/script.html`), counting.

A page of 10,000 failures must open, so that names stand in it once: a failure has numbers only,
each the place of its value among those of its filter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ci_metrics.history.failures import Failure
from ci_metrics.history.figures import workflow_name
from ci_metrics.report.causes import ShownCause, owner_names
from ci_metrics.report.readable import spoken


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter: its name in the page's address, its label, what a failure of a cause says.

    `offered`: whether it has a control of its own; the others are set by links.
    """

    name: str
    label: str
    value: Callable[[ShownCause, Failure], str]
    offered: bool = False
    shown: Callable[[str], str] = str


FILTERS = (
    Filter("repo", "Repository", lambda _, failure: failure.repo, True),
    Filter("branch", "Branch", lambda _, failure: failure.branch, True),
    Filter("type", "Category", lambda _, failure: failure.type, True, spoken),
    Filter("state", "State", lambda _, failure: failure.state, True, spoken),
    Filter("owner", "Owner", lambda _, failure: owner_names(failure), True),
    Filter("cause", "Cause", lambda cause, _: str(cause.number)),
    Filter("new", "New", lambda cause, _: _yes(cause.new)),
    Filter("flaky", "Flaky", lambda _, failure: _yes(bool(failure.flaky))),
    Filter("workflow", "Workflow", lambda _, failure: workflow_name(failure.repo, failure.workflow)),
    Filter("job", "Job", lambda _, failure: job_name(failure.repo, failure.workflow, failure.job)),
    Filter("error", "Error", lambda _, failure: failure.fingerprint),
    Filter("model", "Verdict by", lambda _, failure: failure.model),
    Filter("asked", "Model asked", lambda _, failure: _yes(failure.asked)),
)


def job_name(repo: str, workflow: str, job: str) -> str:
    """How a workflow's job is named in filters."""
    return f"{workflow_name(repo, workflow)} · {job}"


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


@dataclass(slots=True)
class Values:
    """The values of the failures of a page, each once, numbered as they were met."""

    numbers: dict[str, dict[str, int]] = field(default_factory=lambda: {each.name: {} for each in FILTERS})

    @classmethod
    def among(cls, causes: Sequence[ShownCause], listed: Iterable[Failure]) -> tuple[Values, dict[str, str]]:
        """The values of the listed failures, and the numbers of each, in the order of `FILTERS`,
        by document id.
        """
        made, ids = cls(), {failure.id for failure in listed}
        rows = ((cause, failure) for cause in causes for failure in cause.failures if failure.id in ids)
        return made, {failure.id: made._of(cause, failure) for cause, failure in rows}

    def _of(self, cause: ShownCause, failure: Failure) -> str:
        known = zip(FILTERS, self.numbers.values(), strict=True)
        return " ".join([str(numbers.setdefault(each.value(cause, failure), len(numbers))) for each, numbers in known])

    def json(self) -> str:
        """The values by filter, in the order of `FILTERS`, for an attribute of the page."""
        return json.dumps({name: list(numbers) for name, numbers in self.numbers.items()}, ensure_ascii=False)

    def controls(self) -> list[tuple[Filter, list[tuple[str, str]]]]:
        """The filters that are offered, with their values and how these are shown; a filter
        that would leave everything or nothing is not.
        """
        offered = []
        for each in FILTERS:
            values = sorted(value for value in self.numbers[each.name] if value)
            if each.offered and (len(values) > 1 or (values and len(self.numbers[each.name]) > 1)):
                offered.append((each, [(value, each.shown(value)) for value in values]))
        return offered
