"""Since which commit a job fails on the default branch, and how long the branch was red. Pure, but
for reading the jobs' attempts.

What belongs here: a job's runs in order, the last good and the first bad commit of each failure,
red spells. Does not: other branches, words (`report/story.py`).

Runs stand in the order in which they were created, whenever a job of theirs was run again: that is
the order of the commits. A run in which the job passed in any attempt has shown that its commit is
good. A failure that is the platform's says nothing of a commit, neither good nor bad, and so does
one whose error names no cause.

All follows from documents of the failure's own hour and the `LOOK_BACK` before it, so that hours
done in another order end with the same.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ci_metrics.history.attempts import ATTEMPT_FIELDS, RAN_FIELDS, Attempt, attempt_of, narrowed
from ci_metrics.history.metrics import MAYBE_FAILED, PASSED
from ci_metrics.history.time_range import TIME, Window
from ci_metrics.index.document_index import DocumentIndex, Where
from ci_metrics.index.times import iso

#: How far back the last passing run of a job is looked for.
LOOK_BACK = timedelta(days=14)

#: How far a job's next passing run is looked for, first near by: most jobs pass within hours.
_REACHES = (timedelta(hours=6), timedelta(days=1), timedelta(days=4), LOOK_BACK)

#: How a partition's key is written (`2026-03-02T05`).
_KEY = "%Y-%m-%dT%H"

#: Jobs in one question: each further one looks at the same hours again, and SQLite allows 32,766
#: values.
_AT_ONCE = 8_000

#: Partitions sort as text: this comes after all of them.
_EVER = "9"

#: Conclusions that say whether the job works at a commit.
_BAD = frozenset({"failure", "timed_out"})

#: repository, workflow, job
JobName = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Regression:
    """Between these commits of the default branch a job began to fail with a cause."""

    last_good: str
    first_bad: str
    run_id: str  # in which it failed first


@dataclass(frozen=True, slots=True, kw_only=True)
class RedSpell:
    """A stretch in which jobs of a default branch failed, from one first bad commit to the run in
    which the last of them passed again.
    """

    repo: str
    branch: str
    began: datetime  # when the first failing job ended
    ended: datetime | None  # when the passing one did; None: no run of theirs has passed since
    seen: datetime  # when the last failing job ended
    last_good: str  # commits; both "" where no passing run is known before, or it passed at the same commit
    first_bad: str
    untested: int  # commits between these two whose runs say nothing of the job: the culprit may be one of them
    run_id: str  # in which it failed first
    runs: int  # of the job that failed most often
    ended_by: str  # commit
    job_names: tuple[JobName, ...]
    groups: tuple[str, ...]  # their causes, as far as they have names
    failures: tuple[str, ...]  # document ids, oldest first
    owners: tuple[str, ...]

    @property
    def jobs(self) -> tuple[str, ...]:
        """Their names alone, each once."""
        return tuple(sorted({name for _, _, name in self.job_names}))

    @property
    def minutes(self) -> float:
        """How long its jobs were red; where they still are, until they were seen to be so last."""
        return ((self.ended or self.seen) - self.began).total_seconds() / 60


@dataclass(frozen=True, slots=True)
class _JobRun:
    """What one run says of a job's commit: nothing, where it neither passed nor failed."""

    run_id: str
    commit: str
    partition: str
    passed: Attempt | None  # the first attempt that did
    failed: tuple[Attempt, ...]  # by the code, as far as known; oldest first


def regressions(attempts: Iterable[Attempt]) -> dict[str, Regression]:
    """The failures (document ids) of which it is known between which commits they began.

    `attempts`: those of jobs on default branches, with the `LOOK_BACK` before each failure.
    """
    found: dict[str, Regression] = {}
    for runs in _runs_by_job(attempts).values():
        good: _JobRun | None = None
        first: dict[str, _JobRun] = {}  # by cause, since the last good run
        for run in runs:
            if run.passed:
                good, first = run, {}
            for failure in () if run.passed else run.failed:
                if not (failure.tells and failure.group):
                    continue
                bad = first.setdefault(failure.group, run)
                if (
                    good is not None
                    and good.partition >= shifted(run.partition, -LOOK_BACK)
                    and good.commit != bad.commit
                ):
                    found[failure.id] = Regression(good.commit, bad.commit, bad.run_id)
    return found


def red_spells(attempts: Iterable[Attempt]) -> list[RedSpell]:
    """The red spells of default branches, oldest first: those of jobs that began at one commit are
    one.

    `attempts`: as for `regressions`. A job that failed and passed at one commit was not broken by
    it: it makes no spell.
    """
    merged: dict[tuple[str, str, str], list[RedSpell]] = defaultdict(list)
    for runs in _runs_by_job(attempts).values():
        for spell in _spells_of(runs):
            merged[spell.repo, spell.branch, spell.first_bad or f"run {spell.run_id}"].append(spell)
    return sorted(map(_one, merged.values()), key=lambda spell: (spell.began, spell.repo, spell.first_bad))


def attempts_on_default(
    index: DocumentIndex,
    jobs: Collection[JobName],
    branches: Collection[str],
    first: str,
    last: str,
    window: Window | None = None,
    failures: Sequence[Attempt] = (),
) -> list[Attempt]:
    """The attempts of these jobs on these default branches in the hours (partitions) from
    `first` to `last`. Of those that did not fail only `RAN_FIELDS` are read.

    `window`: a stretch of which all `failures` are known; none that ended after it are wanted. Of
    those before it the failures of all jobs of these repositories are read: of the jobs of a whole
    stretch, OpenSearch takes a second for that condition.
    """
    asked = list(_runs_of(jobs, branches, first, last))
    maybe = asked
    if window is not None:
        equals = {"s_branch": sorted(branches), "s_repo": sorted({repo for repo, _, _ in jobs})}
        maybe = [Where(equals=equals, ranges={"s_partition": (first, None), TIME: (first, iso(window.start))})]
        asked = [narrowed(where, ranges={TIME: (None, iso(window.end))}) for where in asked]
    known = {failure.id: failure for failure in failures}
    for where in maybe:
        read = index.scan("jobs", narrowed(where, equals={"s_status": MAYBE_FAILED}), fields=ATTEMPT_FIELDS)
        known.update((document.id, attempt_of(document)) for document in read)
    found: list[Attempt] = []
    for where in asked:
        for document in index.scan("jobs", where, fields=RAN_FIELDS):
            attempt = known.get(document.id) or attempt_of(document)
            # Whose status a failure may have, and that is not known to be one, is none.
            found.append(attempt._replace(failed=False) if attempt.failed and attempt.id not in known else attempt)
    return _wanted(found, jobs)


def passes_on_default(
    index: DocumentIndex, jobs: Collection[JobName], branches: Collection[str], first: str
) -> list[Attempt]:
    """The attempts that passed of these jobs on these default branches since an hour (partition),
    with `RAN_FIELDS`.
    """
    found: list[Attempt] = []
    for where in _runs_of(jobs, branches, first, _EVER):
        passed = narrowed(where, equals={"s_status": PASSED.values})
        found += map(attempt_of, index.scan("jobs", passed, fields=RAN_FIELDS))
    return _wanted(found, jobs)


def _wanted(found: Iterable[Attempt], jobs: Collection[JobName]) -> list[Attempt]:
    wanted = set(jobs)
    return [attempt for attempt in found if attempt.on_default and attempt.job_name in wanted]


def _runs_of(jobs: Collection[JobName], branches: Collection[str], first: str, last: str) -> Iterator[Where]:
    """Questions for all runs of these jobs, some jobs each; of one whose workflow has no name, for
    those of all jobs of its name.
    """
    named = [job for job in sorted(set(jobs)) if job[1]]
    nameless = sorted({(repo, job) for repo, workflow, job in jobs if not workflow})
    asked: list[tuple[tuple[str, ...], Sequence[tuple[str, ...]]]] = [
        (("s_repo", "s_workflow_name", "s_job_name"), named),
        (("s_repo", "s_job_name"), nameless),
    ]
    for fields, wanted in asked:
        for start in range(0, len(wanted), _AT_ONCE):
            yield Where(
                equals={"s_branch": sorted(branches)},
                ranges={"s_partition": (first, f"{last}~")},
                together={fields: wanted[start : start + _AT_ONCE]},
            )


def runs_until_passed(
    index: DocumentIndex, jobs: Collection[JobName], branches: Collection[tuple[str, str]], partition: str, way: int
) -> list[Attempt]:
    """The attempts of these jobs on these default branches (with their repositories) before (`way`
    -1) or after (1) an hour, each job's to the hour in which it passed next, and no further than
    `LOOK_BACK`.
    """
    found: list[Attempt] = []
    within = operator.le if way > 0 else operator.ge
    wanted, near = set(jobs), timedelta(hours=1)
    for far in _REACHES:
        if not wanted:
            break
        first, last = sorted((shifted(partition, way * near), shifted(partition, way * far)))
        every = attempts_on_default(index, wanted, {branch for _, branch in branches}, first, last)
        here = [attempt for attempt in every if (attempt.repo, attempt.branch) in branches]
        passed: dict[JobName, str] = {}
        for attempt in sorted(here, key=lambda attempt: attempt.partition, reverse=way < 0):
            if attempt.status == "success":
                passed.setdefault(attempt.job_name, attempt.partition)
        # What lies behind that hour is another spell's, and looked at with its own hours.
        found += (a for a in here if within(a.partition, passed.get(a.job_name, a.partition)))
        wanted -= passed.keys()
        near = far + timedelta(hours=1)
    return found


def shifted(partition: str, by: timedelta) -> str:
    """An hour's key so much later."""
    return (datetime.fromisoformat(partition) + by).isoformat()[:13]


def key_of(moment: datetime) -> str:
    """The key of the hour that a moment lies in."""
    return moment.astimezone(UTC).strftime(_KEY)


def _runs_by_job(attempts: Iterable[Attempt]) -> dict[JobName, list[_JobRun]]:
    by_run: dict[JobName, dict[tuple[str, int, str], list[Attempt]]] = defaultdict(lambda: defaultdict(list))
    for attempt in attempts:
        number = int(attempt.run_id) if attempt.run_id.isdecimal() else 0  # GitHub's ids grow with time
        by_run[attempt.job_name][attempt.partition, number, attempt.run_id].append(attempt)
    return {job: [_job_run(runs[key]) for key in sorted(runs)] for job, runs in sorted(by_run.items())}


def _job_run(attempts: Sequence[Attempt]) -> _JobRun:
    ordered = sorted(attempts, key=lambda attempt: (attempt.number, attempt.id)) if len(attempts) > 1 else attempts
    passed = next((attempt for attempt in ordered if attempt.status == "success"), None)
    failed = tuple(a for a in ordered if a.failed and a.status in _BAD and a.domain != "platform")
    first = ordered[0]
    return _JobRun(first.run_id, first.commit, first.partition, passed, failed)


def _spells_of(runs: Sequence[_JobRun]) -> Iterable[RedSpell]:
    good: _JobRun | None = None
    red: list[_JobRun] = []
    untested: set[str] = set()
    for run in runs:
        if run.passed:
            if red and not any(each.commit == run.commit for each in red):
                yield _spell(good, untested, red, run)
            good, red, untested = run, [], set()
        elif run.failed:
            red.append(run)
        elif not red:
            untested.add(run.commit)
    if red:
        yield _spell(good, untested, red, None)


def _spell(good: _JobRun | None, untested: Collection[str], red: Sequence[_JobRun], end: _JobRun | None) -> RedSpell:
    failures = [failure for run in red for failure in run.failed]
    first = failures[0]
    passed = end.passed if end is not None else None
    known = good is not None and good.commit != red[0].commit
    return RedSpell(
        repo=first.repo,
        branch=first.branch,
        began=min(failure.when for failure in red[0].failed),
        ended=passed.when if passed is not None else None,
        seen=max(failure.when for failure in failures),
        last_good=good.commit if good is not None and known else "",
        first_bad=red[0].commit if known else "",
        untested=len({*untested} - {good.commit, red[0].commit}) if good is not None and known else 0,
        run_id=red[0].run_id,
        runs=len(red),
        ended_by=end.commit if end is not None else "",
        job_names=(first.job_name,),
        groups=tuple(sorted({failure.group for failure in failures if failure.tells and failure.group})),
        failures=tuple(failure.id for failure in failures),
        owners=tuple(sorted({owner for failure in failures for owner in failure.owners})),
    )


def _one(spells: Sequence[RedSpell]) -> RedSpell:
    ends = [spell.ended for spell in spells]
    last = max(spells, key=lambda spell: (spell.ended is None, spell.ended or spell.began, spell.job_names))
    goods = {spell.last_good for spell in spells}
    return RedSpell(
        repo=last.repo,
        branch=last.branch,
        began=min(spell.began for spell in spells),
        ended=None if None in ends else last.ended,
        seen=max(spell.seen for spell in spells),
        last_good=goods.pop() if len(goods) == 1 else "",
        first_bad=last.first_bad,
        run_id=min((spell.began, spell.run_id) for spell in spells)[1],
        untested=min(spell.untested for spell in spells),  # what one job tested, the commit was tested by
        runs=max(spell.runs for spell in spells),
        ended_by="" if None in ends else last.ended_by,
        job_names=tuple(sorted({name for spell in spells for name in spell.job_names})),
        groups=tuple(sorted({group for spell in spells for group in spell.groups})),
        failures=tuple(id_ for spell in spells for id_ in spell.failures),
        owners=tuple(sorted({owner for spell in spells for owner in spell.owners})),
    )
