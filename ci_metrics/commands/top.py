"""`ci-metrics top`: what to fix first, and what fails most.

Belongs here: options and columns. Does not: the order of causes (`ci_metrics.history.fix_first`),
counting (`ci_metrics.history.top`, `failing_tests`), an issue's text (`ci_metrics.report.fixes`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any, Literal

from ci_metrics.commands.open_index import cause_store, no_garbage, reading_index
from ci_metrics.commands.tables import NotNegative, Switch, print_cards, print_csv, print_json, print_table
from ci_metrics.commands.terminal import terminal_text
from ci_metrics.errors import SettingsError
from ci_metrics.history.cause_states import CauseRecords
from ci_metrics.history.failing_tests import DENOMINATOR, FailedTest, failing_tests
from ci_metrics.history.fix_first import Fix, fixes
from ci_metrics.history.money import Cost, Money, dearest
from ci_metrics.history.search import repositories
from ci_metrics.history.story import Story, ToldSpell
from ci_metrics.history.stretch import Stretch
from ci_metrics.history.time_range import Window, asked_window, default_window
from ci_metrics.history.top import TopRow, top_rows
from ci_metrics.index.document_index import DocumentIndex, Where
from ci_metrics.index.runner_prices import load_runner_prices
from ci_metrics.report.fixes import (
    failed_test_in_words,
    failed_test_row,
    fix_row,
    issue_text,
    responsible,
    standing_in_words,
)
from ci_metrics.report.readable import (
    cut,
    dollars,
    failures_in_runs,
    minutes,
    moment,
    percent,
    readable_number,
    some,
    spoken,
)
from ci_metrics.report.story import spell_in_words, story, told_of
from ci_metrics.settings import Settings, load_settings

What = Literal[
    "fixes",
    "tests",
    "money",
    "red",
    "groups",
    "types",
    "states",
    "repos",
    "workflows",
    "jobs",
    "steps",
    "branches",
    "runners",
    "events",
]

#: Characters of a headline that a table shows.
_MOST = 140

#: What rates are told apart by, and its name in columns.
APART = {"default": "default_branch", "pull_request": "pull_request"}

COLUMNS = (
    "name",
    "failed",
    "jobs",
    "failure_rate",
    "default_branch_rate",
    "pull_request_rate",
    "share",
    "lost_minutes",
    "lost_usd",
    "last_seen",
    "error_type",
    "headline",
)
FIX_COLUMNS = ("rank", *COLUMNS, "weight", "certainty", "standing", "owner", "assignee", "hint", "reproduce", "url")
TEST_COLUMNS = (
    "name", "repo", "runs", "failures", "failure_rate", "flakes", "confirmed_flakes", "flake_rate", "unknown_runs", "last_failed",
    "last_passed", "broken", "quarantine", "why", "url",
)  # fmt: skip
RED_COLUMNS = (
    "repo", "branch", "jobs", "began", "ended", "seen", "minutes", "first_bad", "author", "pull_request", "ended_by", "inherited",
    "owners", "headline", "url",
)  # fmt: skip
MONEY_COLUMNS = ("by", "name", "jobs", "minutes", "usd", "failed_usd", "unpriced_minutes")


def top(
    what: What = "fixes",
    *,
    from_: str | None = None,
    to: str | None = None,
    repo: str = "",
    limit: NotNegative = 10,
    issue: NotNegative = 0,
    json: Switch = False,
    csv: Switch = False,
) -> None:
    """What to fix first; or failures counted by one thing, most first, with rate, time and cost.

    Parameters
    ----------
    what
        fixes: causes, by what fixing them is worth. tests: failed and flaky tests, and which to
        quarantine. money: runners at list price, by labels, workflow and repository. red: when
        default branches were red, and by which commit. Any other: what to count failures by.
    from_
        Start: 2026-11-20, 2026-11-20T05:30 (UTC), or 36h, 7d, 2w before now. Default: the
        last four weeks in the index.
    to
        End, written the same way; a date alone means its whole day, an hour alone its whole hour.
    repo
        Only this repository, owner/name, in which * and ? may stand; several separated by commas.
    limit
        At most so many; 0 for all.
    issue
        Print the text of an issue about the cause of this rank, to copy; for fixes.
    json
        A JSON array.
    csv
        A header and a line for each row.
    """
    now = datetime.now(UTC)
    settings = load_settings()
    with no_garbage(), reading_index(settings) as index:
        repos = repositories(index, repo)
        window = asked_window(from_, to, now) or default_window(index, now, repos)
        records = cause_store(settings, index).in_force()
        most = max(limit, issue) if limit else 0
        asked = _Asked(Stretch(index, window, repos), records, now, most, settings)
        if issue:
            print(_issue(asked, issue))
            return
        answer = _OWN[what](asked) if what in _OWN else _counted(asked, what)
        said = [] if json or csv or what == "red" or not answer.rows else story(asked.told)
    if json:
        print_json(answer.rows)
    elif csv:
        print_csv(answer.rows, answer.columns)
    elif not answer.rows:
        print(_NOTHING.get(what, "No failure in {}.").format(window))
    else:
        for sentence in said:
            print(terminal_text(sentence.text))
        print()
        answer.show()


#: What is said where there is nothing to show: what is ignored, resolved or was not counted yet is
#: not said to be none.
_NOTHING = {
    "tests": "No test is known to have failed in {}.",
    "red": "No default branch was red in {}.",
    "fixes": "No failure with an open cause in {}.",
    "groups": "No failure with a cause that is not ignored in {}.",
    "money": "Of no job in {} is known how long a runner took. Hours indexed before this was counted say it when they are "
    "done again: ci-metrics upload --from HOUR --to HOUR.",
}


@dataclass(frozen=True)
class _Asked:
    stretch: Stretch
    records: CauseRecords
    now: datetime
    limit: int  # 0: all
    settings: Settings

    @property
    def index(self) -> DocumentIndex:
        return self.stretch.index

    @property
    def window(self) -> Window:
        return self.stretch.window

    @property
    def where(self) -> Where:
        return self.stretch.where

    @cached_property
    def told(self) -> Story:
        return told_of(self.stretch)

    def fixes(self) -> list[Fix]:
        found, failures = self.stretch.groups, self.stretch.failures
        return fixes(self.index, found, self.records, self.now, self.limit or None, failures=failures)


@dataclass(frozen=True, slots=True)
class _Answer:
    rows: Sequence[Mapping[str, Any]]
    columns: Sequence[str]
    show: Callable[[], None]


def _issue(asked: _Asked, rank: int) -> str:
    found = asked.fixes()
    if rank > len(found):
        seen = f"there is no cause of rank {rank}: {len(found)} in {asked.window}"
        raise SettingsError("--issue", seen, "Write one of the ranks that “ci-metrics top” shows")
    text = issue_text(found[rank - 1])
    return f"{text['title']}\n\n{text['body']}"


def _fixes(asked: _Asked) -> _Answer:
    found = asked.fixes()
    rows = [fix_row(fix, rank) for rank, fix in enumerate(found, 1)]
    return _Answer(rows, FIX_COLUMNS, partial(_show_fixes, found, asked.records, asked.window, asked.now))


def _tests(asked: _Asked) -> _Answer:
    found = failing_tests(asked.index, asked.where, asked.limit or None)
    return _Answer([failed_test_row(test) for test in found], TEST_COLUMNS, partial(_show_tests, found, asked.window))


def _red(asked: _Asked) -> _Answer:
    spells = asked.told.spells
    shown = spells[: asked.limit or None]
    show = partial(_show_red, shown, len(spells) - len(shown), asked.window)
    return _Answer([_red_row(told) for told in shown], RED_COLUMNS, show)


def _red_row(told: ToldSpell) -> Mapping[str, Any]:
    spell, culprit = told.spell, told.culprit
    return {
        "repo": spell.repo,
        "branch": spell.branch,
        "jobs": list(spell.jobs),
        "began": spell.began.isoformat(),
        "ended": spell.ended.isoformat() if spell.ended else None,
        "seen": spell.seen.isoformat(),
        "minutes": round(spell.minutes, 1),
        "first_bad": spell.first_bad,
        "author": culprit.author if culprit else "",
        "pull_request": culprit.pull if culprit else "",
        "ended_by": spell.ended_by,
        "inherited": list(told.inherited),
        "owners": list(spell.owners),
        "headline": told.quote,
        "url": told.compare,
    }


def _costs(asked: _Asked) -> _Answer:
    money = _money(asked.index, asked.where)
    show = partial(_show_money, money, asked.settings, asked.window, asked.limit)
    return _Answer(_money_rows(money, asked.limit), MONEY_COLUMNS, show)


def _counted(asked: _Asked, what: What) -> _Answer:
    found = top_rows(asked.index, what, asked.where)
    if what == "groups":
        found = [row for row in found if asked.records.standing(row.name, asked.now) != "ignored"]
    found = found[: asked.limit or None]
    return _Answer([_plain(row) for row in found], COLUMNS, partial(_show_counts, found, what, asked.window))


#: What is not counted by one thing.
_OWN: Mapping[str, Callable[[_Asked], _Answer]] = {"fixes": _fixes, "tests": _tests, "money": _costs, "red": _red}


def _show_fixes(found: Sequence[Fix], records: CauseRecords, window: Window, now: datetime) -> None:
    cards = []
    for rank, fix in enumerate(found, 1):
        group = fix.group
        money = f", {dollars(group.lost_usd)}" if group.lost_usd else ""
        facts = [
            failures_in_runs(group.count, group.runs),
            f"{minutes(group.lost_minutes * 60)}{money} lost",
            f"{percent(fix.certainty)} sure",
            f"last {moment(group.last_seen)}",
        ]
        words = [standing_in_words(fix), f"whose: {responsible(fix)}" if responsible(fix) else ""]
        lines = [cut(" ".join(fix.quote.split()), _MOST)] if fix.evidence else []
        lines += [" · ".join(facts), f"{some(group.jobs)} in {some(group.repos)}"]
        lines += [" · ".join(filter(None, words))] if any(words) else []
        lines += [f"reproduce: {fix.command}"] if fix.command else []
        lines += [f"hint: {fix.hint}"] if fix.hint else []
        lines += [f"cause {group.id}", *([fix.url] if fix.url else [])]
        cards.append([f"{rank}. {spoken(group.error_type)}: {cut(' '.join(fix.summary.split()), _MOST)}", *lines])
    print_cards(cards, f"Fix these first: {window}")
    ignored = sum(records.standing(record.group, now) == "ignored" for record in records.records)
    note = f" {ignored} ignored for now: ci-metrics cause list." if ignored else ""
    print(f"\nBy lost time, recurrence and certainty. ci-metrics top --issue 1 prints an issue’s text.{note}")


def _show_tests(tests: Sequence[FailedTest], window: Window) -> None:
    cards = [
        [
            test.name,
            failed_test_in_words(test),
            f"{some(sorted(test.jobs))} in {test.repo}",
            *([f"quarantine: {test.quarantine}"] if test.quarantine else []),
        ]
        for test in tests
    ]
    print_cards(cards, f"Failed tests, most flaky first: {window}")
    print(f"\nRuns are {DENOMINATOR}.")


def _show_red(spells: Sequence[ToldSpell], more: int, window: Window) -> None:
    cards = []
    for rank, told in enumerate(spells, 1):
        where, whose_it_is = spell_in_words(told)
        cards.append([f"{rank}. {where}", whose_it_is, *([told.compare] if told.compare else [])])
    print_cards(cards, f"Default branches that are or were red: {window}")
    left = f" {more} more: --limit 0 shows all." if more else ""
    print(f"\nStill red first. Left out: flaky tests, and single red runs that no pull request inherited.{left}")


def _money(index: DocumentIndex, where: Where) -> Money:
    fields = (
        "s_repo", "s_workflow_name", "s_runner_labels", "l_runner_minutes", "f_runner_cost_usd", "s_status", "s_error_state",
        "s_error_type", "s_classifier_version",
    )  # fmt: skip
    money = Money()
    for document in sorted(index.scan("jobs", where, fields=fields), key=lambda document: document.id):
        money.add(document.body)
    return money


def _tables(money: Money, limit: int) -> list[tuple[str, list[Cost]]]:
    tables = (("labels", money.by_labels), ("workflow", money.by_workflow), ("repo", money.by_repo))
    return [(by, dearest(costs.values())[: limit or None]) for by, costs in tables]


def _money_rows(money: Money, limit: int) -> list[Mapping[str, Any]]:
    tables = [*_tables(money, limit), ("all", [money.total] if money.total.jobs else [])]
    return [
        {
            "by": by,
            "name": cost.name,
            "jobs": cost.jobs,
            "minutes": cost.minutes,
            "usd": round(cost.dollars, 4),
            "failed_usd": round(cost.failed_dollars, 4),
            "unpriced_minutes": cost.unpriced,
        }
        for by, costs in tables
        for cost in costs
    ]


def _show_money(money: Money, settings: Settings, window: Window, limit: int) -> None:
    for by, costs in [*_tables(money, limit), ("all", [money.total])]:
        cells = [
            [
                readable_number(cost.jobs),
                readable_number(cost.minutes),
                dollars(cost.dollars),
                dollars(cost.failed_dollars),
                cost.name + (f" ({readable_number(cost.unpriced)} minutes without a price)" if cost.unpriced else ""),
            ]
            for cost in costs
        ]
        title = "Runners, all together" if by == "all" else f"Runners by {by}"
        print_table(cells, ["Jobs", "Minutes", "Cost", "Of failed jobs", by.capitalize()], f"{title}: {window}")
    prices = load_runner_prices(settings.runner_prices_file)
    print(
        "Jobs that a runner has finished. Of failed jobs: without the re-runs that they caused.\n"
        f"List prices of {prices.checked}, not a bill: free and included minutes are not taken off ({prices.source})."
    )


def _show_counts(rows: Sequence[TopRow], what: What, window: Window) -> None:
    rated = any(row.jobs is not None for row in rows)
    headings = [
        "Failed",
        *(["Rate"] if rated else []),
        "Share",
        "Lost",
        "Cost",
        "Last",
        what.removesuffix("s").capitalize(),
    ]
    print_table([_cells(row, what, rated) for row in rows], headings, f"What fails most, by {what}: {window}")


def _cells(row: TopRow, what: What, rated: bool) -> list[object]:
    rate = [percent(row.rate)] if rated else []
    apart = [
        f"{name.replace('_', ' ')} {percent(row.rate_on(kind))}" for kind, name in APART.items() if row.jobs_on[kind]
    ]
    last = moment(row.last_seen) if row.last_seen else ""
    kind = "" if row.error_type == row.name else spoken(row.error_type)
    said = ": ".join(part for part in (kind, cut(" ".join(row.headline.split()), _MOST)) if part)
    lines = (said, row.name) if what == "groups" else (row.name, f"  {said}", f"  {', '.join(apart)}")
    name = tuple(line for line in lines if line.strip())
    return [row.failed, *rate, percent(row.share), minutes(row.lost_minutes * 60), dollars(row.lost_usd), last, name]


def _plain(row: TopRow) -> dict[str, object]:
    return {
        "name": row.name,
        "failed": row.failed,
        "jobs": row.jobs,
        "failure_rate": _rounded(row.rate),
        **{f"{name}_rate": _rounded(row.rate_on(kind)) for kind, name in APART.items()},
        "share": round(row.share, 4),
        "lost_minutes": round(row.lost_minutes, 1),
        "lost_usd": round(row.lost_usd, 4),
        "last_seen": row.last_seen.isoformat() if row.last_seen else None,
        "error_type": row.error_type,
        "headline": row.headline,
    }


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 4)
