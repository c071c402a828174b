"""`ci-metrics top`: what to fix first, and what fails most.

Belongs here: options, and which question they ask. Does not: tables (`top_tables.py`), the order of
causes (`ci_metrics.history.fix_first`), counting (`ci_metrics.history.top`, `failing_tests`), an
issue's text (`ci_metrics.report.fixes`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any

from ci_metrics.commands.open_index import cause_store, no_garbage, reading_index
from ci_metrics.commands.tables import NotNegative, Switch, print_csv, print_json
from ci_metrics.commands.terminal import terminal_text
from ci_metrics.commands.top_tables import (
    COLUMNS,
    FIX_COLUMNS,
    MONEY_COLUMNS,
    RED_COLUMNS,
    TEST_COLUMNS,
    What,
    count_row,
    money_rows,
    red_row,
    show_counts,
    show_fixes,
    show_money,
    show_red,
    show_tests,
)
from ci_metrics.errors import SettingsError
from ci_metrics.history.cause_states import CauseRecords
from ci_metrics.history.failing_tests import failing_tests
from ci_metrics.history.fix_first import Fix, fixes
from ci_metrics.history.money import Money
from ci_metrics.history.search import repositories
from ci_metrics.history.story import Story
from ci_metrics.history.stretch import Stretch
from ci_metrics.history.time_range import Window, asked_window, default_window
from ci_metrics.history.top import top_rows
from ci_metrics.index.document_index import DocumentIndex, Where
from ci_metrics.report.fixes import (
    failed_test_row,
    fix_row,
    issue_text,
)
from ci_metrics.report.story import story, told_of
from ci_metrics.settings import Settings, load_settings


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
    return _Answer(rows, FIX_COLUMNS, partial(show_fixes, found, asked.records, asked.window, asked.now))


def _tests(asked: _Asked) -> _Answer:
    found = failing_tests(asked.index, asked.where, asked.limit or None)
    return _Answer([failed_test_row(test) for test in found], TEST_COLUMNS, partial(show_tests, found, asked.window))


def _red(asked: _Asked) -> _Answer:
    spells = asked.told.spells
    shown = spells[: asked.limit or None]
    show = partial(show_red, shown, len(spells) - len(shown), asked.window)
    return _Answer([red_row(told) for told in shown], RED_COLUMNS, show)


def _costs(asked: _Asked) -> _Answer:
    money = _money(asked.index, asked.where)
    show = partial(show_money, money, asked.settings, asked.window, asked.limit)
    return _Answer(money_rows(money, asked.limit), MONEY_COLUMNS, show)


def _counted(asked: _Asked, what: What) -> _Answer:
    found = top_rows(asked.index, what, asked.where)
    if what == "groups":
        found = [row for row in found if asked.records.standing(row.name, asked.now) != "ignored"]
    found = found[: asked.limit or None]
    return _Answer([count_row(row) for row in found], COLUMNS, partial(show_counts, found, what, asked.window))


#: What is not counted by one thing.
_OWN: Mapping[str, Callable[[_Asked], _Answer]] = {"fixes": _fixes, "tests": _tests, "money": _costs, "red": _red}


def _money(index: DocumentIndex, where: Where) -> Money:
    fields = (
        "s_repo", "s_workflow_name", "s_runner_labels", "l_runner_minutes", "f_runner_cost_usd", "s_status", "s_error_state",
        "s_error_type", "s_classifier_version",
    )  # fmt: skip
    money = Money()
    for document in sorted(index.scan("jobs", where, fields=fields), key=lambda document: document.id):
        money.add(document.body)
    return money
