"""GitHub's list of a job's steps laid over its log: where each step begins, and which one is
the reason of the failure.

Belongs here: header lines and steps in, ranges out. Does not: finding the header lines
(`structure.py`), reading them (`step_headers.py`), what a pair of both is worth (`step_fit.py`).

The runner names a step in the list but prints only what it runs, and a composite action prints the
headers of its own steps below its own (`CompositeActionHandler.cs` of actions/runner runs them
through the same handlers). So every header either begins a step of the list or goes on with the one
before, and the best such reading of all headers is found by dynamic programming. What it goes by:
columns and names where they say something, times (of one second), the shell (only a workflow's own
step may leave it out), what directly follows an action's header (nothing but the first inner step
does), and the runner's marks of inner steps (`##[start-action`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ci_metrics.logs.step_fit import (
    CLOSED,
    FRESH,
    LOST,
    OPEN,
    SILENT,
    JobHeaders,
    begins,
    belongs,
    goes_on,
    may_hold_headers,
)
from ci_metrics.logs.step_headers import Header
from ci_metrics.models import Step

__all__ = ["Header", "Layout", "StepRange", "laid_out", "reason"]

_RAN = frozenset({"success", "failure", "cancelled", "timed_out", "startup_failure"})
#: A place of the failed step is sure when the next best reading is worth so much less.
SURE_MARGIN = 2.0


@dataclass(frozen=True, slots=True)
class StepRange:
    """A step and where its lines begin; they end where the next range begins."""

    step: Step
    start: int  # offset in the log


@dataclass(frozen=True, slots=True)
class Layout:
    """A job's steps laid over its log."""

    ranges: tuple[StepRange, ...] = ()  # in the log's order; silent and skipped steps are left out
    margin: float = 0.0  # by how much the next best place of the failed step is worth less; 0 where it has none
    reason: Step | None = None  # the step whose failure made the job fail

    @property
    def sure(self) -> bool:
        """Whether the failed step's place is beyond doubt."""
        return self.margin >= SURE_MARGIN

    def span(self, size: int) -> tuple[int, int] | None:
        """Offsets of the failed step's first byte and of the first one behind it;
        None where it has no place.
        """
        for number, found in enumerate(self.ranges):
            if self.reason is not None and found.step.number == self.reason.number:
                following = self.ranges[number + 1 : number + 2]
                return found.start, following[0].start if following else size
        return None


def laid_out(
    headers: Sequence[Header],
    steps: Sequence[Step],
    *,
    marks: Collection[int] = (),
    told: int | None = None,
) -> Layout:
    """The steps laid over the log, and how sure the failed step's place is.

    `marks` are offsets of lines that say that something failed; `told` is that of the header below
    which the log itself says that the job failed. Where the failed step's best place is in doubt
    and holds no mark, the step is laid over that header.
    """
    why = reason(steps)
    ran = [s for s in sorted(steps, key=lambda s: s.number) if s.conclusion in _RAN or s.conclusion is None]
    if not ran or not headers:
        return Layout(reason=why)
    table = _Table(headers, ran)
    best = table.best()
    failed = next((i for i, step in enumerate(ran) if why is not None and step.number == why.number), None)
    if failed is None:
        return Layout(best.ranges(headers, ran), reason=why)
    margin = table.margin(best, failed)
    at = next((j for j, header in enumerate(headers) if header.at == told), None)
    marked = {bisect_right(headers, mark, key=lambda header: header.at) - 1 for mark in marks}
    if margin < SURE_MARGIN and at is not None and marked.isdisjoint(best.owned(failed)):
        best = table.best(owned=(failed, at))
    return Layout(best.ranges(headers, ran), margin, why)


@dataclass(frozen=True, slots=True)
class _Path:
    """One reading of the headers: which step each belongs to, and which of them begin one."""

    score: float
    owners: tuple[int, ...]  # index of the step, by header; -1 before the first step
    starts: tuple[bool, ...]  # whether the header begins it

    def owned(self, step: int) -> list[int]:
        """The headers that belong to the step."""
        return [j for j, owner in enumerate(self.owners) if owner == step]

    def ranges(self, headers: Sequence[Header], steps: Sequence[Step]) -> tuple[StepRange, ...]:
        """The steps that have a first header, in the log's order."""
        found = zip(headers, self.owners, self.starts, strict=True)
        return tuple(StepRange(steps[owner], header.at) for header, owner, starts in found if starts)


_OUT = float("-inf")


class _Table:
    """What each pair of a header and a step is worth, and the best reading of all headers."""

    def __init__(self, headers: Sequence[Header], steps: Sequence[Step]) -> None:
        job = JobHeaders.of(headers)
        self.width, self.depth = len(headers), len(steps)
        self.opening = [FRESH if may_hold_headers(header) else CLOSED for header in headers]
        self.going_on = [
            tuple(goes_on(state, header, before, job) for state in (FRESH, OPEN, CLOSED))
            for before, header in zip([None, *headers[:-1]], headers, strict=True)
        ]
        self.begins = [[begins(step, header, job) for step in steps] for header in headers]
        self.belongs = [[belongs(step, header) for step in steps] for header in headers]

    def best(
        self,
        *,
        owned: tuple[int, int] | None = None,
        foreign: tuple[int, int] | None = None,
        barred: tuple[int, int] | None = None,
    ) -> _Path:
        """The best reading; of those where a header belongs to a step, does not, or does not
        begin it, given as (step, header).
        """
        score = [[_OUT] * 3 for _ in range(self.depth)]
        before = 0.0  # of headers before the first step
        came: list[list[list[tuple[int, int, bool]]]] = []
        for j in range(self.width):
            entry, source = before, (-1, 0)
            fresh: list[list[float]] = []
            links: list[list[tuple[int, int, bool]]] = []
            for i in range(self.depth):
                now, link = [_OUT] * 3, [(-1, 0, False)] * 3
                shut = (owned is not None and owned[1] == j and owned[0] != i) or foreign == (i, j)
                old, add = score[i], self.belongs[j][i]
                if not shut:
                    for state, kept in ((FRESH, OPEN), (OPEN, OPEN), (CLOSED, CLOSED)):
                        value = old[state] + self.going_on[j][state] + add
                        if value > now[kept]:
                            now[kept], link[kept] = value, (i, state, False)
                    if barred != (i, j):
                        value = entry + self.begins[j][i] + add
                        opened = self.opening[j]
                        if value > now[opened]:
                            now[opened], link[opened] = value, (*source, True)
                fresh.append(now)
                links.append(link)
                entry -= SILENT  # this step, or any before it, is followed by the next one that has a header
                for state in range(3):
                    if old[state] > entry:
                        entry, source = old[state], (i, state)
            before = _OUT if owned is not None and owned[1] == j else before - LOST
            score = fresh
            came.append(links)
        return self._path(score, came)

    def _path(self, score: list[list[float]], came: list[list[list[tuple[int, int, bool]]]]) -> _Path:
        """The reading that ends in the best of the last header's scores."""
        value, step, state = max(
            (score[i][state] - SILENT * (self.depth - 1 - i), i, state) for i in range(self.depth) for state in range(3)
        )
        owners, starts = [-1] * self.width, [False] * self.width
        for j in range(self.width - 1, -1, -1):
            if step < 0 or value == _OUT:
                break
            owners[j] = step
            step, state, starts[j] = came[j][step][state]
        return _Path(value, tuple(owners), tuple(starts))

    def margin(self, best: _Path, step: int) -> float:
        """By how much the next best reading is worth less in which the step lies elsewhere,
        begins or ends elsewhere.
        """
        own = best.owned(step)
        if not own:
            return 0.0
        others = [self.best(barred=(step, own[0]))]
        if len(own) > 1:
            others.append(self.best(foreign=(step, own[-1])))
        if own[-1] + 1 < self.width:
            others.append(self.best(owned=(step, own[-1] + 1)))
        return best.score - max(other.score for other in others)


def reason(steps: Sequence[Step]) -> Step | None:
    """The step whose failure made the job fail, or None when no step failed.

    Steps that failed with `continue-on-error` come before it: after those nothing is skipped. Steps
    that failed behind `if: always()` come after it: between them something was skipped.
    """
    ordered = sorted(steps, key=lambda s: s.number)
    for wanted in (("failure", "timed_out", "startup_failure"), ("cancelled",)):
        failed = [s for s in ordered if s.conclusion in wanted]
        if not failed:
            continue
        for here, following in zip(failed, [*failed[1:], None], strict=True):
            between = [
                s for s in ordered if here.number < s.number and (following is None or s.number < following.number)
            ]
            if any(s.conclusion == "skipped" for s in between):
                return here
        return failed[0]
    return None
