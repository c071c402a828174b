"""`ci-metrics upload`: the main job, for the sample day or for the last hours of a repository.

Belongs here: choosing the hours, launching, printing the summary. Does not: the chain
itself (`orchestration/`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
import time
from datetime import UTC, datetime
from typing import Annotated, Literal

import dagster as dg
from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ci_metrics.commands.launch import run_hours
from ci_metrics.commands.sample_mode import serve_sample
from ci_metrics.commands.terminal import terminal_text
from ci_metrics.errors import CiMetricsError, ContractError, SettingsError
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST
from ci_metrics.orchestration.partitions import HOUR, hour_key, hour_start, hours_between, last_closed_hour
from ci_metrics.orchestration.parts import OnHour, open_parts, say_nothing
from ci_metrics.orchestration.summary import Summary, summarise
from ci_metrics.report.readable import dollars, minutes, percent, readable_number
from ci_metrics.settings import Settings, load_settings


def upload(
    *,
    from_: Annotated[str, Parameter(name="--from")] = "",
    to: str = "",
    quiet: bool = False,
    verbose: bool = False,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Take what happened in GitHub Actions, find out why jobs failed, write the documents.

    With no settings at all: the sample GitHub's day. With GITHUB_TOKEN and REPO: the
    last HOURS_BACK closed hours.

    Exit code 0: complete, all that GitHub has by now has landed. 3: unfinished, something was not
    to be had; it is named and comes with a later run, the rest has landed. 1: failed, an hour or
    all of them could not be done. 2: wrong settings.

    Parameters
    ----------
    from_
        First hour, like 2026-03-02T05 (UTC). Default: HOURS_BACK hours before --to.
    to
        Last hour. Default: the hour that has just closed.
    quiet
        Print only the summary.
    verbose
        Print what passed, too.
    json_
        Print only the summary, as one JSON object.
    """
    settings = load_settings()
    talk = Talk(quiet=quiet or json_, verbose=verbose, as_json=json_)
    if not settings.is_sample:
        return run(settings, *_hours(settings, from_, to), talk)
    with serve_sample(settings) as (sample, first, last):
        first, last = checked_hours(settings, from_ or first, to or last)
        if not talk.quiet:
            print(f"No REPO is set, so this is the sample GitHub: {', '.join(sample.repo)}, {first} to {last}.")
        return run(sample, first, last, talk)


#: How a run ends: all that is there by now landed; something was not to be had and is named; an
#: hour could not be done.
End = Literal["complete", "unfinished", "failed"]
EXIT_CODES: dict[End, int] = {"complete": 0, "failed": 1, "unfinished": 3}


@dataclasses.dataclass(frozen=True, slots=True)
class Talk:
    """How much is printed."""

    quiet: bool = False
    verbose: bool = False
    as_json: bool = False


def _hours(settings: Settings, from_: str, to: str) -> tuple[str, str]:
    last = to or last_closed_hour(datetime.now(UTC))
    first = from_ or hour_key(max(_start("--to", last) - (settings.hours_back - 1) * HOUR, settings.partitions_start))
    return checked_hours(settings, first, last)


def checked_hours(settings: Settings, first: str, last: str) -> tuple[str, str]:
    """The same hours. Raises SettingsError when one is no hour, has not closed, or
    there is nothing between them.
    """
    if _start("--from", first) < settings.partitions_start:
        seen = f"{first} lies before PARTITIONS_START, {hour_key(settings.partitions_start)}"
        raise SettingsError("--from", seen, "Set PARTITIONS_START to an earlier hour")
    closed = last_closed_hour(datetime.now(UTC))
    if _start("--to", last) > hour_start(closed):
        raise SettingsError("--to", f"{last} has not closed yet", f"The newest closed hour (UTC) is {closed}")
    if hour_start(first) > hour_start(last):
        raise SettingsError("--from", f"{first} lies after the last hour, {last}", "Write the earlier hour first")
    return first, last


def _start(option: str, key: str) -> datetime:
    try:
        return hour_start(key)
    except ContractError as error:
        raise SettingsError(option, f"“{key}” is not an hour", "Write it like 2026-03-02T05 (UTC)") from error


def run(settings: Settings, first: str, last: str, talk: Talk) -> int:
    """Do the main job for the hours `first` to `last` and print the summary; the exit code."""
    began, since = time.monotonic(), datetime.now(UTC).replace(microsecond=0)
    if not talk.quiet and not settings.enable_error_classification:
        print(_off_text())  # when it is on, the run itself says so
    with open_instance(settings) as instance:
        result = run_hours(
            settings, instance, INGEST, first, last, quiet=talk.quiet, verbose=talk.verbose, on_hour=_progress(talk)
        )
    seconds = time.monotonic() - began
    summary = _summary(settings, hours_between(first, last), since, must=result.success)
    ended = ended_as(summary, succeeded=result.success)
    if talk.as_json:
        known = dataclasses.asdict(summary) if summary else {}
        print(json.dumps({**known, "seconds": round(seconds, 1), "state": ended, "success": ended == "complete"}))
    elif summary and (result.success or summary.runs):
        show_summary(summary, settings, first, last, seconds, done=result.success)
    if ended == "failed":
        print(f"ci-metrics: the run failed: {failure_words(result)}", file=sys.stderr)
    return EXIT_CODES[ended]


def ended_as(summary: Summary | None, *, succeeded: bool) -> End:
    """How a run over hours ended. Runs that still go on, and verdicts that wait for
    a batch, are not missing.
    """
    if not succeeded or summary is None:
        return "failed"
    return "unfinished" if summary.problems else "complete"


def _summary(settings: Settings, hours: list[str], since: datetime, *, must: bool) -> Summary | None:
    """The hours as the index has them now. None where a run failed and the index cannot be
    read: the failure says it.
    """
    with contextlib.nullcontext() if must else contextlib.suppress(CiMetricsError), open_parts(settings) as parts:
        return summarise(parts.hours.store, parts.index.documents, hours, since)
    return None


def _progress(talk: Talk) -> OnHour:
    """Progress per asset and hour: a line that moves on a terminal, one line an asset elsewhere."""
    if talk.quiet:
        return say_nothing
    moving = sys.stdout.isatty()

    def on_hour(asset: str, hour: str, done: int, total: int) -> None:
        if moving:
            print(f"\r\x1b[K⏳ {asset} {done}/{total} hours {hour}", end="" if hour else "\n", flush=True)
        elif not hour:
            print(f"⏳ {asset} {done}/{total} hours", flush=True)

    return on_hour


def _off_text() -> str:
    return "Error classification is off. Set ENABLE_ERROR_CLASSIFICATION=true to learn why jobs fail."


def failure_words(result: dg.ExecuteInProcessResult) -> str:
    """The first failed step in the words of who raised it, without class names."""
    for event in result.all_events:
        if not event.is_step_failure:
            continue
        said = event.step_failure_data.user_failure_data
        if said is not None and said.description:
            return said.description
        error = event.step_failure_data.error
        cause = error.cause if error is not None and error.cause is not None else error
        lines = [line.strip() for line in (cause.message if cause is not None else "").splitlines() if line.strip()]
        if lines:
            return lines[0]
    failed = [check.check_name for check in result.get_asset_check_evaluations() if not check.passed and check.blocking]
    return f"the check {', '.join(failed)} did not pass" if failed else "see the run in Dagster's UI (make ui)"


def show_summary(
    summary: Summary, settings: Settings, first: str, last: str, seconds: float, *, done: bool = True
) -> None:
    """Print what a person wants to know, and (when the run is `done`) what to type next."""
    console = Console(highlight=False)
    console.print()
    attempts = f"{readable_number(summary.runs)} runs ({readable_number(summary.attempts)} attempts), {readable_number(summary.jobs)} jobs"
    console.print(f"{attempts}   {first} to {last} UTC, {summary.hours} hours")
    console.print(
        f"[bold]{readable_number(summary.failed_jobs)} failed[/] of "
        f"{readable_number(summary.passed_jobs + summary.failed_jobs)} that passed or "
        f"failed ({percent(summary.failure_rate)}), {readable_number(summary.flaky_jobs)} of them flaky; "
        f"{minutes(summary.lost_minutes * 60)} lost to them and their re-runs"
    )
    uncounted = [
        f"{readable_number(count)} {what}"
        for count, what in (
            (summary.gates, "gates, which only wait for jobs that failed"),
            (summary.cancelled_jobs, "cancelled without a cause of their own"),
            (summary.unfinished_jobs, "still going"),
        )
        if count
    ]
    if uncounted:
        console.print(f"Not counted as failed: {'; '.join(uncounted)}", style="dim")
    if summary.by_category or summary.by_state:
        grid = Table.grid(padding=(0, 6))
        grid.add_row(_counts("Category", summary.by_category), _counts("State", summary.by_state))
        console.print(grid)
    if summary.causes:
        causes = Table(
            "Jobs", "Category", "The line that proves it", title="The biggest causes", title_justify="left", expand=True
        )
        for cause in summary.causes:
            causes.add_row(str(cause.jobs), cause.error_type, escape(terminal_text(cause.quote)))
        console.print(causes)
    for what, why in summary.problems.items():
        console.print(f"⚠️ {escape(terminal_text(what))}: {escape(terminal_text(why))}")
    if summary.unfinished_hours:
        console.print(
            f"⚠️ {_hours_are(len(summary.unfinished_hours))} unfinished and will be redone: {', '.join(summary.unfinished_hours[:6])}"
        )
    unchanged = summary.documents - summary.written
    console.print(
        f"{summary.written} documents written, {unchanged} unchanged, in {escape(summary.location)}", soft_wrap=True
    )
    if summary.runner_minutes:
        console.print(
            f"Runners: {readable_number(summary.runner_minutes)} billed minutes, {dollars(summary.runner_usd)} at list price, "
            f"{dollars(summary.lost_usd)} of it lost to failures and their re-runs.",
            soft_wrap=True,
        )
    if summary.cost_usd:
        console.print(f"The model's verdicts on these hours cost ${summary.cost_usd:.4f} in all.")
    console.print(f"Took {seconds:.1f} s.")
    if not done:
        return
    console.print()
    console.print("Next:  [bold]make ui[/]  the assets, their history and backfills in Dagster's UI")
    console.print("       [bold]make report[/]  one HTML page: rates, causes, flaky jobs")
    if settings.is_sample:
        console.print(
            "       your own repository:  [bold]export GITHUB_TOKEN=... REPO=owner/name ENABLE_ERROR_CLASSIFICATION=true; make run[/]",
            soft_wrap=True,
        )


def _counts(title: str, counts: dict[str, int]) -> Table:
    table = Table(title, "", box=None, pad_edge=False)
    for name, n in counts.items():
        table.add_row(name, str(n))
    return table


def _hours_are(count: int) -> str:
    return "1 hour is" if count == 1 else f"{count} hours are"
