"""The end of a run on a terminal: the answer in about fifteen lines.

Belongs here: which figures are printed, and how. Does not: counting them
(`orchestration/summary.py`), what a run does (`upload.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape

from ci_metrics.commands.terminal import terminal_text
from ci_metrics.orchestration.summary import Summary
from ci_metrics.report.readable import cut, dollars, minutes, percent, readable_number
from ci_metrics.report.story import rates_apart
from ci_metrics.settings import Settings

#: Characters of a quoted line.
_QUOTE = 90
#: Causes that are shown: fewer beside the story's sentences.
_CAUSES, _BESIDE_A_STORY = 5, 2


def show_answer(
    summary: Summary, settings: Settings, first: str, last: str, seconds: float, *, done: bool = True
) -> None:
    """Print what a person wants to know, and (when the run is `done`) what to type next."""
    console = Console(highlight=False)
    for line in answer_lines(summary, first, last):
        console.print(line, soft_wrap=True)
    unchanged = summary.documents - summary.written
    spent = f"; the model's verdicts cost ${summary.cost_usd:.4f} in all" if summary.cost_usd else ""
    console.print(
        f"{readable_number(summary.written)} documents written, {readable_number(unchanged)} unchanged, in "
        f"{escape(summary.location)}; took {seconds:.1f} s{spent}",
        soft_wrap=True,
        style="dim",
    )
    if not done:
        return
    console.print(
        "Next: [bold]make report[/] (one HTML page), [bold].venv/bin/ci-metrics top[/] (what to fix first), "
        "[bold]make ui[/] (Dagster: hours, causes, backfills)",
        soft_wrap=True,
    )
    if settings.is_sample:
        console.print(
            "Your own: [bold]export GITHUB_TOKEN=... REPO=owner/name ENABLE_ERROR_CLASSIFICATION=true; make run[/]",
            soft_wrap=True,
        )


def answer_lines(summary: Summary, first: str, last: str) -> Iterator[str]:
    """The lines, with Rich's markup; quotes are cut."""
    yield (
        f"\n{readable_number(summary.runs)} runs, {readable_number(summary.jobs)} jobs, {first} to {last} UTC "
        f"({summary.hours} hours)"
    )
    ended = summary.passed_jobs + summary.failed_jobs
    apart = rates_apart({"default": summary.default_branch_rate, "pull_request": summary.pull_request_rate})
    yield (
        f"[bold]{readable_number(summary.failed_jobs)} failed[/] of {readable_number(ended)} "
        f"({percent(summary.failure_rate)}{f': {apart}' if apart else ''}), {readable_number(summary.flaky_jobs)} flaky; "
        f"{minutes(summary.lost_minutes * 60)} lost to them and their re-runs"
    )
    if summary.runner_minutes:
        yield (
            f"Runners: {readable_number(summary.runner_minutes)} billed minutes, {dollars(summary.runner_usd)} at list price, "
            f"{dollars(summary.lost_usd)} of it lost to them and their re-runs"
        )
    if uncounted := list(_uncounted(summary)):
        yield f"[dim]Not counted: {'; '.join(uncounted)}[/]"
    for repo, when in summary.quiet_repositories.items():
        yield f"{escape(terminal_text(repo))}: no run in these hours; {when}"
    yield from (escape(terminal_text(sentence)) for sentence in summary.story)
    for failed in summary.few:
        yield f"❌ {escape(cut(terminal_text(failed), 2 * _QUOTE))}"
    if not summary.few:
        yield from _causes(summary)
    for what, why in summary.problems.items():
        yield f"⚠️ {escape(terminal_text(what))}: {escape(terminal_text(why))}"
    if summary.unfinished_hours:
        hours = summary.unfinished_hours
        more = f" and {len(hours) - 3} more" if len(hours) > 3 else ""
        yield f"⏳ {_hours_are(len(hours))} unfinished (runs still go on): {', '.join(hours[:3])}{more}"


def _uncounted(summary: Summary) -> Iterator[str]:
    """What makes up the difference between all jobs and those that passed or failed."""
    counted = summary.passed_jobs + summary.failed_jobs
    accounted = counted + summary.gates + summary.cancelled_jobs + summary.unfinished_jobs
    for count, what in (
        (summary.gates, f"gate{'s' if summary.gates != 1 else ''}, waiting only for others"),
        (summary.cancelled_jobs, "cancelled without a cause"),
        (summary.unfinished_jobs, "still going"),
        (summary.jobs - accounted, "skipped or neutral"),
    ):
        if count:
            yield f"{readable_number(count)} {what}"


def _causes(summary: Summary) -> Iterator[str]:
    kinds = [f"{name} {readable_number(count)}" for name, count in summary.by_category.items()]
    other = [f"{state} {count}" for state, count in summary.by_state.items() if state != "classified"]
    if kinds or other:
        yield f"By kind: {', '.join([*kinds, *other])}"
    for cause in summary.causes[: _BESIDE_A_STORY if summary.story else _CAUSES]:
        quote = escape(cut(" ".join(terminal_text(cause.quote).split()), _QUOTE))
        yield f"{cause.jobs:>5} × {cause.error_type:<22} {quote}"


def _hours_are(count: int) -> str:
    return "1 hour is" if count == 1 else f"{count} hours are"
