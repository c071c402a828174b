"""What happened in a stretch of time, as facts for a few sentences: outages, red spells of default
branches, the flakiest test, what is new, what was lost.

What belongs here: finding these facts in the index. Does not: sentences (`report/story.py`), what
an outage, a red spell or a flaky test is (`flakiness.py`, `regressions.py`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ci_metrics.history.attempts import Attempt, attempts_with, failed_attempts, in_order, narrowed
from ci_metrics.history.failures import compare_url
from ci_metrics.history.figures import Counts, Row
from ci_metrics.history.flakiest import Flake, Flakiest
from ci_metrics.history.flakiness import STORM_TIME, storms
from ci_metrics.history.flaky_fields import STORM_TYPES
from ci_metrics.history.groups import Group
from ci_metrics.history.metrics import MAYBE_FAILED, PASSED, share
from ci_metrics.history.period import NEW_FOR
from ci_metrics.history.regressions import LOOK_BACK, RedSpell, attempts_on_default, key_of, red_spells, shifted
from ci_metrics.history.time_range import TIME, Window
from ci_metrics.index.document_index import DocumentIndex, Where
from ci_metrics.index.times import iso
from ci_metrics.telling_quote import headline

#: A flaky failure seen once is a chance, not a test to name.
MIN_FLAKES = 2

#: A job that failed once, in its newest run, is news for so long.
NEWS = timedelta(hours=12)

#: The fields that say which pull request failed with which cause.
_INHERITING_FIELDS = (
    TIME, "s_repo", "s_pr_id", "s_branch", "s_branch_kind", "s_github_event", "s_error_group", "s_status", "s_error_state",
    "s_error_type", "s_classifier_version",
)  # fmt: skip

_OF_COMMIT = ("s_commit_sha", "s_commit_author", "s_commit_pr_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Many jobs failed at once for a reason of the platform."""

    began: datetime  # when the first failing job ended; `ended`: when the last did
    ended: datetime
    repos: tuple[str, ...]
    failures: int
    types: tuple[str, ...]  # most frequent first


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """Who wrote a commit. "" where GitHub did not say."""

    sha: str
    author: str = ""
    pushed_by: str = ""  # who started its run, where a push did
    pull: str = ""  # number of the pull request that it merged


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldSpell:
    """A red spell with what a person asks of it."""

    spell: RedSpell
    first_bad: Commit | None  # None: not known
    inherited: tuple[str, ...]  # numbers of pull requests that failed with its causes while it lasted
    quote: str  # the line that names its first failure; "" where none is known
    compare: str  # address of what changed between the last good and the first bad commit; "" where not known

    @property
    def culprit(self) -> Commit | None:
        """The commit that broke it; None where it is not known, or one before it may have."""
        return None if self.spell.untested else self.first_bad


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldFlake:
    """The flakiest error; `ran`: attempts of the jobs in which it stood that passed or failed."""

    flake: Flake
    ran: int
    headline: str  # of its cause, as every list shows it

    @property
    def rate(self) -> float | None:
        """Flaky failures among all attempts that passed or failed."""
        return share(self.flake.failures, self.ran)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The facts of one stretch of time."""

    window: Window
    jobs: int
    failed: int
    lost: float  # seconds
    biggest: Group | None  # the cause that cost most; None: nothing has one
    branch_kinds: Mapping[str, Row]
    outages: tuple[Outage, ...]  # most failures first
    spells: tuple[ToldSpell, ...]  # still red first, then by what is known, who inherited it, how long it lasted
    flakiest: ToldFlake | None
    new: tuple[Group, ...] | None  # most frequent first; None: there is no week before to compare with
    new_since: datetime  # these were never seen before


def read_story(
    index: DocumentIndex,
    figures: Counts,
    found: Sequence[Group],
    flaky: Flakiest,
    *,
    repos: Sequence[str] = (),
    history_begins: datetime | None,
    storm_types: Collection[str] = STORM_TYPES,
    failures: Sequence[Attempt] | None = None,
) -> Story:
    """The facts of the stretch that `figures` counts; `found`: its groups, `flaky`: its flaky
    failures. `history_begins`: when the index's oldest failure ended; `failures`: of the stretch,
    where they are known already.
    """
    window = figures.window
    attempts = failed_attempts(index, window.where(repos)) if failures is None else failures
    telling = [group for group in found if not group.generic]
    young = history_begins is None or history_begins >= window.end - NEW_FOR
    new_since = max(window.start, window.end - NEW_FOR)
    new = sorted((g for g in telling if g.new and g.first_seen >= new_since), key=lambda g: (-g.count, g.id))
    return Story(
        window=window,
        jobs=figures.jobs,
        failed=figures.failed,
        lost=figures.lost,
        biggest=max(telling, key=lambda group: (group.lost_minutes, group.id), default=None),
        branch_kinds=figures.branch_kinds,
        outages=outages(attempts, storm_types),
        spells=told_spells(index, attempts, window),
        flakiest=_flakiest(index, flaky, window.where(repos), found),
        new=None if young else tuple(new),
        new_since=new_since,
    )


def outages(attempts: Iterable[Attempt], types: Collection[str]) -> tuple[Outage, ...]:
    """The outages among these failures, most failures first: storms that follow each other within
    the time of one are one.
    """
    failed = [attempt for attempt in attempts if attempt.failed]
    stormy = storms(failed, types)
    stretches: list[list[Attempt]] = []
    for attempt in in_order(a for a in failed if a.id in stormy):
        if stretches and attempt.when - stretches[-1][-1].when < STORM_TIME:
            stretches[-1].append(attempt)
        else:
            stretches.append([attempt])
    made = [_outage(stretch) for stretch in stretches]
    return tuple(sorted(made, key=lambda outage: (-outage.failures, outage.began)))


def _outage(stretch: Sequence[Attempt]) -> Outage:
    types = Counter(attempt.type for attempt in stretch)
    return Outage(
        began=stretch[0].when,
        ended=stretch[-1].when,
        repos=tuple(sorted({attempt.repo for attempt in stretch})),
        failures=len(stretch),
        types=tuple(sorted(types, key=lambda name: (-types[name], name))),
    )


def told_spells(index: DocumentIndex, failed: Sequence[Attempt], window: Window) -> tuple[ToldSpell, ...]:
    """The red spells that are worth telling, still red ones first: not those of a flaky test, nor
    of one run alone that no pull request inherited and that is no news. `failed`: the failed
    attempts of the window.
    """
    default = [attempt for attempt in failed if attempt.on_default]
    if not default:
        return ()
    first, last = shifted(min(a.partition for a in default), -LOOK_BACK), key_of(window.end)
    names, branches = {a.job_name for a in default}, {a.branch for a in default}
    flaky = {attempt.group for attempt in failed if attempt.suspected or attempt.confirmed}
    here = {attempt.id for attempt in default}
    spells = [
        spell
        for spell in red_spells(attempts_on_default(index, names, branches, first, last, window, failed))
        if here.intersection(spell.failures) and not (spell.groups and flaky.issuperset(spell.groups))
    ]
    inheriting = _inheriting(index, spells, failed, window)
    newest = max(attempt.when for attempt in failed)
    worth = [
        (spell, numbers)
        for spell, numbers in zip(spells, inheriting, strict=True)
        if spell.runs > 1 or numbers or _is_news(spell, newest)
    ]
    commits = _commits(index, {spell.run_id for spell, _ in worth if spell.first_bad})
    bodies = index.get("jobs", [spell.failures[0] for spell, _ in worth]) if worth else {}
    told = [
        ToldSpell(
            spell=spell,
            first_bad=commits.get(spell.run_id) if spell.first_bad else None,
            quote=headline(str(bodies.get(spell.failures[0], {}).get("s_error_evidence") or "")),
            inherited=tuple(number for number in numbers if number != _pull_of(commits.get(spell.run_id))),
            compare=compare_url(
                str(bodies.get(spell.failures[0], {}).get("s_html_url") or ""), spell.last_good, spell.first_bad
            ),
        )
        for spell, numbers in worth
    ]
    kept = [each for each in told if each.spell.runs > 1 or each.inherited or _is_news(each.spell, newest)]
    return tuple(
        sorted(
            kept,
            key=lambda each: (
                each.spell.ended is not None,
                not each.spell.first_bad,
                -len(each.inherited),
                -each.spell.minutes,
                each.spell.began,
            ),
        )
    )


def _is_news(spell: RedSpell, newest: datetime) -> bool:
    """Whether a branch has just turned red: at a known commit, in its newest run."""
    return spell.ended is None and bool(spell.first_bad) and newest - spell.seen < NEWS


def _pull_of(commit: Commit | None) -> str:
    return commit.pull if commit is not None else ""


def _commits(index: DocumentIndex, run_ids: Collection[str]) -> dict[str, Commit]:
    """The head commits of these runs, by run id."""
    if not run_ids:
        return {}
    fields = ("s_repo", "s_workflow_id", "s_github_event", "s_user_alias", "l_run_attempt", *_OF_COMMIT)
    found: dict[str, Commit] = {}
    documents = sorted(
        index.scan("workflows", Where(equals={"s_workflow_id": sorted(run_ids)}), fields=fields), key=lambda d: d.id
    )
    for document in documents:
        body = document.body
        if int(body.get("l_run_attempt") or 1) == 1:  # who started a later attempt is another one
            found[str(body["s_workflow_id"])] = Commit(
                sha=str(body.get("s_commit_sha") or ""),
                author=str(body.get("s_commit_author") or ""),
                pushed_by=str(body.get("s_user_alias") or "") if body.get("s_github_event") == "push" else "",
                pull=str(body.get("s_commit_pr_id") or ""),
            )
    return found


def _inheriting(
    index: DocumentIndex, spells: Sequence[RedSpell], failed: Sequence[Attempt], window: Window
) -> list[list[str]]:
    """For each spell, the pull requests that failed with one of its causes while it lasted.
    `failed`: all failures of the window; some spells began before it.
    """
    groups = {group for spell in spells for group in spell.groups}
    began = min((spell.began for spell in spells), default=window.start)
    earlier: Iterable[Attempt] = ()
    if began < window.start:
        before = Where(equals={"s_status": MAYBE_FAILED}, ranges={TIME: (iso(began), iso(window.start))})
        earlier = attempts_with(index, "s_error_group", groups, before, _INHERITING_FIELDS)
    by_group: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in (*failed, *earlier):
        if attempt.failed and attempt.group and attempt.pr and not attempt.on_default:
            by_group[attempt.group].append(attempt)
    found: list[list[str]] = []
    for spell in spells:
        end = spell.ended or window.end
        numbers = {
            attempt.pr
            for group in spell.groups
            for attempt in by_group[group]
            if attempt.repo == spell.repo and spell.began <= attempt.when <= end
        }
        found.append(sorted(numbers, key=lambda number: (len(number), number)))
    return found


def _flakiest(index: DocumentIndex, flaky: Flakiest, where: Where, found: Sequence[Group]) -> ToldFlake | None:
    known = [flake for flake in flaky.tests if flake.failures >= MIN_FLAKES]
    if not known:
        return None
    worst = min(known, key=lambda flake: (-flake.failures, -flake.minutes, flake.name))
    equals = {"s_repo": worst.repos, "s_job_name": worst.jobs, "s_status": (*MAYBE_FAILED, *PASSED.values)}
    ran = index.count_by("jobs", "s_status", narrowed(where, equals=equals))
    told = next((group.headline for group in found if worst.fingerprint in group.fingerprints), "")
    return ToldFlake(
        flake=worst, ran=sum(ran[status] for status in ran if status != "cancelled"), headline=told or worst.name
    )
