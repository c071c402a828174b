"""`daily_report`: the HTML report of the week that ends with each day, linked from Dagster.

What belongs here: one file a day and its metadata. Does not: the report (`report/page.py`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from upath import UPath

from ci_metrics.history.cause_states import CauseRecords
from ci_metrics.history.time_range import Window
from ci_metrics.orchestration.metadata import markdown_table, plot
from ci_metrics.orchestration.page_addresses import report_address
from ci_metrics.orchestration.partition_loop import each_hour
from ci_metrics.orchestration.partitioned_asset import partitioned_asset
from ci_metrics.orchestration.parts import HoursPart, IndexPart, JudgePart
from ci_metrics.orchestration.storage.atomic_files import put
from ci_metrics.report.markdown import inert_cell, link
from ci_metrics.report.page import Report, build_report, render_page
from ci_metrics.report.readable import cut, minutes, percent, readable_number, telling
from ci_metrics.report.story import Sentence

NAME = "daily_report"

#: Days that each report looks at, the day itself included.
DAYS = 7

DAY_FORMAT = "%Y-%m-%d"

#: Causes that the summary in Dagster names, and characters of each; the page has all.
MOST_CAUSES, MOST_WORDS = 5, 80

#: Characters of the summary: of markdown with a thousand or more Dagster shows only a button.
MOST_SUMMARY = 999


def daily_partitions(start: datetime, end: datetime | None = None) -> dg.DailyPartitionsDefinition:
    """UTC days from the day of `start` on, to `end` where there is one."""
    return dg.DailyPartitionsDefinition(
        start_date=start.strftime(DAY_FORMAT),
        end_date=end.strftime(DAY_FORMAT) if end else None,
        timezone="UTC",
        fmt=DAY_FORMAT,
    )


def build(start: datetime, end: datetime | None, upstream: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """The asset on the days from `start` to `end`; `upstream` is the hourly asset that writes the
    documents.
    """

    @partitioned_asset(
        NAME,
        daily_partitions(start, end),
        upstream=upstream,
        group="history",
        kinds={"html"},
        pool="index",
        description=(
            f"One HTML file: what failed in the {DAYS} days that end with this one, why, and what it cost. Read from the "
            "index as it is now, so making a day again shows what is known by now."
        ),
    )
    def daily_report(
        context: dg.AssetExecutionContext,
        hours: dg.ResourceParam[HoursPart],
        index: dg.ResourceParam[IndexPart],
        judge: dg.ResourceParam[JudgePart],
    ) -> None:
        each_hour(context, hours, lambda day: report_day(hours, index, judge.causes.in_force(), day))

    return daily_report


def report_file(root: UPath, day: str) -> UPath:
    """Where the report of a day is, beside the hours' files."""
    return root / NAME / f"{day}.html"


def report_day(hours: HoursPart, part: IndexPart, records: CauseRecords, day: str) -> Mapping[str, Any]:
    """Make one day's file beside the hours' files; returns the metadata. `records`: what people
    said of causes.
    """
    index = part.documents
    end = datetime.strptime(day, DAY_FORMAT).replace(tzinfo=UTC) + timedelta(days=1)
    index.refresh()
    window = Window(end - timedelta(days=DAYS), end)
    made = build_report(index, hours.now(), window=window, records=records, prices=part.prices)
    target = report_file(hours.store.root, day)
    figures = made.figures
    if figures.jobs or not target.exists():  # an index that lost its documents is no reason to lose the page of them
        put(target, render_page(made).encode())
    return {
        "report": dg.MetadataValue.md(f"[Open the report of the week]({report_address(day)})"),
        "summary": dg.MetadataValue.md(summary_markdown(made)),
        "path": dg.MetadataValue.path(str(target)),
        "jobs": figures.jobs,
        "failed_jobs": figures.failed,
        "failure_rate": round(figures.rate or 0.0, 4),
        "lost_minutes": round(figures.lost / 60, 1),
        "new_groups": sum(cause.new for cause in made.causes),
        "unexplained": figures.unexplained,
        "cost_usd": round(figures.spend.cost, 4),
        "runner_usd": round(figures.money.total.dollars, 2),
        "fix_first": [fix.quote or fix.summary for fix in made.fixes],
        "by_category": plot({row.name: row.failed for row in figures.types}),
    }


def _markdown(sentence: Sentence) -> str:
    return f"{inert_cell(sentence.text, 1_000)}{' ' + link('What changed', sentence.link) if sentence.link else ''}"


def summary_markdown(made: Report) -> str:
    """The week in a few lines: how much failed, what happened, and the biggest causes."""
    figures = made.figures
    said = (
        f"**{readable_number(figures.failed)} of {readable_number(figures.jobs)} jobs failed** "
        f"({percent(figures.rate)}) in {figures.window}; {minutes(figures.lost)} lost."
    )
    told = [_markdown(each) for each in made.story if not each.counts]
    fits = (
        text
        for sentences in range(len(told), -1, -1)
        for causes in range(MOST_CAUSES, MOST_CAUSES // 2, -1)
        if len(text := "\n\n".join([said, *told[:sentences], *_causes(made, causes)])) <= MOST_SUMMARY
    )
    return next(fits, said)


def _causes(made: Report, most: int) -> list[str]:
    rows = [
        {
            "failures": len(cause.failures),
            "type": cause.name,
            "lost": minutes(cause.lost),
            "what": cut(telling(cause.quote) or cause.summary, MOST_WORDS),
        }
        for cause in made.causes[:most]
    ]
    return [str(markdown_table(rows, ("failures", "type", "lost", "what")).value)] if rows else []
