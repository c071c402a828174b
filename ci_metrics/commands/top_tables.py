"""The cards, tables and rows of `ci-metrics top`.

Belongs here: what a person sees of each answer, and the columns and rows that programs are given.
Does not: which answer is asked for (`top.py`), a cause in words (`ci_metrics.report.fixes`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from ci_metrics.commands.tables import print_cards, print_table
from ci_metrics.history.cause_states import CauseRecords
from ci_metrics.history.failing_tests import DENOMINATOR, FailedTest
from ci_metrics.history.fix_first import Fix
from ci_metrics.history.money import Cost, Money, dearest
from ci_metrics.history.story import ToldSpell
from ci_metrics.history.time_range import Window
from ci_metrics.history.top import TopRow
from ci_metrics.index.runner_prices import load_runner_prices
from ci_metrics.report.fixes import (
    failed_test_in_words,
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
from ci_metrics.report.story import spell_in_words
from ci_metrics.settings import Settings

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


def red_row(told: ToldSpell) -> Mapping[str, Any]:
    """A red spell as a program reads it, by the names of `RED_COLUMNS`."""
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


def show_fixes(found: Sequence[Fix], records: CauseRecords, window: Window, now: datetime) -> None:
    """Causes as cards, what to fix first on top."""
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


def show_tests(tests: Sequence[FailedTest], window: Window) -> None:
    """Failed tests as cards."""
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


def show_red(spells: Sequence[ToldSpell], more: int, window: Window) -> None:
    """Red spells as cards; `more`: how many are not shown."""
    cards = []
    for rank, told in enumerate(spells, 1):
        where, whose_it_is = spell_in_words(told)
        cards.append([f"{rank}. {where}", whose_it_is, *([told.compare] if told.compare else [])])
    print_cards(cards, f"Default branches that are or were red: {window}")
    left = f" {more} more: --limit 0 shows all." if more else ""
    print(f"\nStill red first. Left out: flaky tests, and single red runs that no pull request inherited.{left}")


def _tables(money: Money, limit: int) -> list[tuple[str, list[Cost]]]:
    tables = (("labels", money.by_labels), ("workflow", money.by_workflow), ("repo", money.by_repo))
    return [(by, dearest(costs.values())[: limit or None]) for by, costs in tables]


def money_rows(money: Money, limit: int) -> list[Mapping[str, Any]]:
    """Costs as programs read them, by the names of `MONEY_COLUMNS`."""
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


def show_money(money: Money, settings: Settings, window: Window, limit: int) -> None:
    """Costs as tables, with the price list they come from."""
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


def show_counts(rows: Sequence[TopRow], what: What, window: Window) -> None:
    """Counted failures as a table."""
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


def count_row(row: TopRow) -> dict[str, object]:
    """One counted row as a program reads it, by the names of `COLUMNS`."""
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
