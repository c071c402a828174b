"""`daily_report`: the HTML report of the week that ends with each day, linked from Dagster.

What belongs here: one file a day and its metadata. Does not: the report (`report/page.py`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from ci_metrics.history.cause_states import CauseRecords
from ci_metrics.history.time_range import Window
from ci_metrics.orchestration.atomic_files import put
from ci_metrics.orchestration.metadata import plot
from ci_metrics.orchestration.partition_loop import each_hour
from ci_metrics.orchestration.partitioned_asset import partitioned_asset
from ci_metrics.orchestration.parts import HoursPart, IndexPart, JudgePart
from ci_metrics.report.page import build_report, render_page

NAME = "daily_report"

#: Days that each report looks at, the day itself included.
DAYS = 7

DAY_FORMAT = "%Y-%m-%d"


def daily_partitions(start: datetime) -> dg.DailyPartitionsDefinition:
    """UTC days from the day of `start` on."""
    return dg.DailyPartitionsDefinition(start_date=start.strftime(DAY_FORMAT), timezone="UTC", fmt=DAY_FORMAT)


def build(start: datetime, upstream: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """The asset on days from `start` on; `upstream` is the hourly asset
    that writes the documents.
    """

    @partitioned_asset(
        NAME,
        daily_partitions(start),
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


def report_day(hours: HoursPart, part: IndexPart, records: CauseRecords, day: str) -> Mapping[str, Any]:
    """Make one day's file beside the hours' files; returns the metadata. `records`: what people
    said of causes.
    """
    index = part.documents
    end = datetime.strptime(day, DAY_FORMAT).replace(tzinfo=UTC) + timedelta(days=1)
    index.refresh()
    window = Window(end - timedelta(days=DAYS), end)
    made = build_report(index, hours.now(), window=window, records=records, prices=part.prices)
    target = hours.store.root / NAME / f"{day}.html"
    figures = made.figures
    if figures.jobs or not target.exists():  # an index that lost its documents is no reason to lose the page of them
        put(target, render_page(made).encode())
    return {
        "report": dg.MetadataValue.url(target.as_uri()),
        "path": dg.MetadataValue.path(str(target)),
        "jobs": figures.jobs,
        "failed_jobs": figures.failed,
        "failure_rate": round(figures.rate or 0.0, 4),
        "lost_minutes": round(figures.lost / 60, 1),
        "new_groups": sum(cause.group.new for cause in made.causes),
        "unexplained": figures.unexplained,
        "cost_usd": round(figures.spend.cost, 4),
        "runner_usd": round(figures.money.total.dollars, 2),
        "fix_first": [fix.quote or fix.summary for fix in made.fixes],
        "by_category": plot({row.name: row.failed for row in figures.types}),
    }
