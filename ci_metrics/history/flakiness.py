"""Whether a failure is flaky: decided by history, never by one log. Pure.

What belongs here: the tests (passed later, storm, elsewhere, base branch) and the evidence they
give. Does not: reading the index and changing documents (`flaky_evidence.py`).

    suspected   the same commit and job passed in a later attempt of the run
    confirmed   suspected, and the same fingerprint also passed on a re-run of another commit,
                or stood on a base branch before, at another commit
    storm       many jobs failed at once with one infrastructure or network group: that is an
                outage, not flakiness

A generic fingerprint ("exit code 1") proves nothing: such a failure is never suspected.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from ci_metrics.history.attempts import Attempt, in_order
from ci_metrics.history.metrics import BASE_BRANCHES

#: So many different jobs within so long, with one infrastructure or network group, are an outage.
STORM_JOBS = 5
STORM_TIME = timedelta(hours=1)

#: A job cancelled by a person that passes later proves nothing, and neither does a
#: workflow that could not start.
_FLIPS = frozenset({"failure", "timed_out"})

#: (repository, branch)
Branch = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlakyEvidence:
    """What history says of one failed attempt; document ids, oldest first."""

    passed_in: str = ""  # the later attempt of the same job that passed
    elsewhere: tuple[str, ...] = ()  # failures of the same fingerprint that passed on re-run, at other commits
    on_base: tuple[str, ...] = ()  # the same fingerprint on a base branch before, at other commits
    storm: int = 0  # so many jobs failed with it at once; 0: no storm

    @property
    def suspected(self) -> bool:
        """Whether the job passed later, outside of a storm."""
        return bool(self.passed_in) and not self.storm

    @property
    def confirmed(self) -> bool:
        """Whether something beyond this run says so too."""
        return self.suspected and bool(self.elsewhere or self.on_base)

    @property
    def why(self) -> str:
        """In a sentence."""
        if self.storm:
            return f"No: {self.storm} jobs failed with this group within an hour. That is an outage, not a flaky test."
        if not self.passed_in:
            return "No sign of it: no later attempt of the same job passed at this commit."
        more = []
        if self.elsewhere:
            more.append(f"the same error passed on re-run at {_times(len(self.elsewhere), 'other commit')}")
        if self.on_base:
            more.append(f"it stood on a base branch before ({_times(len(self.on_base), 'failure')})")
        if more:
            return f"Confirmed: a later attempt passed at the same commit, and {' and '.join(more)}."
        return "Suspected: a later attempt passed at the same commit; nothing elsewhere confirms it yet."


def later_passes(attempts: Iterable[Attempt]) -> dict[str, str]:
    """Failed attempt -> the first later attempt of the same run, job and commit
    that passed (document ids).
    """
    passed: dict[tuple[str, str, str, str], list[Attempt]] = defaultdict(list)
    failed: list[Attempt] = []
    for attempt in attempts:
        if attempt.status == "success":
            passed[attempt.same_job].append(attempt)
        elif attempt.failed and attempt.status in _FLIPS:
            failed.append(attempt)
    found: dict[str, str] = {}
    for attempt in failed:
        later = [each for each in passed[attempt.same_job] if each.number > attempt.number]
        if later and attempt.commit:
            found[attempt.id] = min(later, key=lambda each: each.number).id
    return found


def storms(attempts: Iterable[Attempt], types: Collection[str]) -> dict[str, int]:
    """Failed attempt -> how many different jobs failed with its group within an hour around
    it; only those in a storm.

    `types`: the categories that an outage may have (infrastructure and network, and a
    taxonomy's kinds of them).
    """
    groups: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        if attempt.failed and attempt.group and attempt.type in types:
            groups[attempt.group].append(attempt)
    found: dict[str, int] = {}
    for members in groups.values():
        ordered = in_order(members)
        start = 0
        for end, last in enumerate(ordered):
            while last.when - ordered[start].when >= STORM_TIME:
                start += 1
            at_once = ordered[start : end + 1]
            jobs = len({(each.repo, each.commit, each.workflow, each.job) for each in at_once})
            if jobs >= STORM_JOBS:
                for each in at_once:
                    found[each.id] = max(found.get(each.id, 0), jobs)
    return found


def on_base_branch(attempt: Attempt, scheduled: Collection[Branch]) -> bool:
    """Whether the attempt ran on a base branch; `scheduled`: those where scheduled runs ran, which
    GitHub starts on the default branch.

    A pull request's head branch may be called main too (in a fork): such a run
    is not on the base branch.
    """
    if attempt.event.startswith("pull_request"):
        return False
    return attempt.branch in BASE_BRANCHES or (attempt.repo, attempt.branch) in scheduled


def flaky_evidence(
    failures: Iterable[Attempt],
    *,
    passes: Mapping[str, str],
    stormy: Mapping[str, int],
    scheduled: Collection[Branch] = (),
) -> dict[str, FlakyEvidence]:
    """What history says of each of these failed attempts, which stand for all that
    shares their fingerprints.

    `passes` is from `later_passes`, `stormy` from `storms`. Generic fingerprints are
    left out: they prove nothing.
    """
    telling = [attempt for attempt in in_order(failures) if attempt.tells]
    flips: dict[str, list[Attempt]] = defaultdict(list)
    base: dict[tuple[str, str], list[Attempt]] = defaultdict(list)
    for attempt in telling:
        if attempt.id in stormy:
            continue
        if attempt.id in passes:
            flips[attempt.fingerprint].append(attempt)
        if on_base_branch(attempt, scheduled):
            base[attempt.repo, attempt.fingerprint].append(attempt)
    found: dict[str, FlakyEvidence] = {}
    for attempt in telling:
        if attempt.id not in passes or attempt.id in stormy:
            found[attempt.id] = FlakyEvidence(passed_in=passes.get(attempt.id, ""), storm=stormy.get(attempt.id, 0))
            continue
        here = (attempt.repo, attempt.commit)
        found[attempt.id] = FlakyEvidence(
            passed_in=passes[attempt.id],
            elsewhere=_one_a_commit(each for each in flips[attempt.fingerprint] if (each.repo, each.commit) != here),
            on_base=_one_a_commit(
                each
                for each in base[attempt.repo, attempt.fingerprint]
                if each.when < attempt.when and each.commit != attempt.commit
            ),
        )
    return found


def _one_a_commit(attempts: Iterable[Attempt]) -> tuple[str, ...]:
    first: dict[tuple[str, str], str] = {}
    for attempt in attempts:
        first.setdefault((attempt.repo, attempt.commit), attempt.id)
    return tuple(first.values())


def _times(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
