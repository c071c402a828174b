"""`ci-metrics upload`: the main job, for the sample's weeks or for the last hours of a repository.

Belongs here: choosing the hours, launching. Does not: the chain itself (`orchestration/`), what is
printed at the end (`run_answer.py`).
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

from ci_metrics.commands.launch import run_hours
from ci_metrics.commands.run_answer import show_answer
from ci_metrics.commands.sample_mode import serve_sample
from ci_metrics.errors import CiMetricsError, ContractError, SettingsError
from ci_metrics.models import Run
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST, REPORT
from ci_metrics.orchestration.partitions import HOUR, hour_key, hour_start, hours_between, last_closed_hour
from ci_metrics.orchestration.parts import HoursPart, OnHour, classifier_in_words, open_parts, say_nothing
from ci_metrics.orchestration.run_messages import classification_enabled
from ci_metrics.orchestration.stale_hours import changed_hours
from ci_metrics.orchestration.summary import Summary, summarise
from ci_metrics.orchestration.trace_span_job import changed, send_spans
from ci_metrics.sample import dates as sample
from ci_metrics.settings import Settings, load_settings
from ci_metrics.urls import mask_url


def upload(
    *,
    from_: Annotated[str, Parameter(name="--from")] = "",
    to: str = "",
    quiet: bool = False,
    verbose: bool = False,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Take what happened in GitHub Actions, find out why jobs failed, write the documents.

    With no settings at all: the sample GitHub's two weeks. With GITHUB_TOKEN and REPO: the last
    HOURS_BACK closed hours.

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
        Print each failed job and its verdict, too.
    json_
        Print only the summary, as one JSON object.
    """
    settings = load_settings()
    talk = Talk(quiet=quiet or json_, verbose=verbose, as_json=json_)
    if not settings.is_sample:
        return upload_hours(settings, *_hours(settings, from_, to), talk)
    with serve_sample(settings) as (served, first, last):
        first, last = checked_hours(served, from_ or first, to or last)
        if not talk.quiet:
            print(f"No REPO is set, so this is the sample GitHub: {', '.join(served.repo)}, {first} to {last}.")
        return upload_hours(served, first, last, talk, asked=bool(from_ or to))


#: How a run ends: all that is there by now landed; something was not to be had and is named; an
#: hour could not be done.
End = Literal["complete", "unfinished", "failed"]
EXIT_CODES: dict[End, int] = {"complete": 0, "failed": 1, "unfinished": 3}


#: Repositories that are asked when they ran last: a request each.
_MOST_QUIET = 5


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
    if settings.is_sample:
        begins, ends = hour_key(sample.BEGINS), last_closed_hour(sample.ENDS)
        for option, key in (("--from", first), ("--to", last)):
            if not begins <= hour_key(_start(option, key)) <= ends:
                seen = f"{key} is no hour of the sample"
                raise SettingsError(option, seen, f"Choose one from {begins} to {ends}, or set REPO and GITHUB_TOKEN")
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


def upload_hours(settings: Settings, first: str, last: str, talk: Talk, *, asked: bool = True) -> int:
    """Do the main job for the hours `first` to `last` and print the summary; the exit code.

    `asked`: whether a person named the hours. Of the sample's, whose clock stands, those that would
    come out as they are need no second look then.
    """
    began, since = time.monotonic(), datetime.now(UTC).replace(microsecond=0)
    if not talk.quiet:
        if not settings.enable_error_classification:
            print(_off_text())
        elif not talk.verbose:  # else the run itself says so
            print(classification_enabled(classifier_in_words(settings)))
    hours = hours_between(first, last)
    due = _changed_hours(settings, hours) if settings.is_sample and not asked else hours
    result = None
    if due:
        if due != hours and not talk.quiet:
            print(f"{len(hours) - len(due)} of {len(hours)} hours would come out as they are: not done again.")
        with open_instance(settings) as instance:
            result = run_hours(
                settings,
                instance,
                INGEST,
                due[0],
                due[-1],
                quiet=talk.quiet,
                verbose=talk.verbose,
                on_hour=_progress(talk),
            )
            if settings.is_sample and not asked and result.success:
                day = due[-1].partition("T")[0]
                run_hours(settings, instance, REPORT, day, day, quiet=True)
    succeeded = result is None or result.success
    _send_spans(settings, due, quiet=talk.quiet)
    seconds = time.monotonic() - began
    summary = _summary(settings, hours, since, must=succeeded)
    if summary and succeeded and not settings.is_sample:
        summary = dataclasses.replace(summary, quiet_repositories=quiet_repositories(settings, hours))
    ended = ended_as(summary, succeeded=succeeded)
    if talk.as_json:
        known = dataclasses.asdict(summary) if summary else {}
        print(json.dumps({**known, "seconds": round(seconds, 1), "state": ended, "success": ended == "complete"}))
    elif summary and (succeeded or summary.runs):
        show_answer(summary, settings, first, last, seconds, done=succeeded)
    if ended == "failed" and result is not None:
        print(f"ci-metrics: the run failed: {failure_words(result)}", file=sys.stderr)
    return EXIT_CODES[ended]


def _changed_hours(settings: Settings, hours: list[str]) -> list[str]:
    with open_parts(settings) as parts:
        in_force = (parts.judge.extractor_version, parts.judge.hour_version)
        return changed_hours(parts.hours.store, parts.index.documents, in_force, hours)


def quiet_repositories(settings: Settings, hours: list[str]) -> dict[str, str]:
    """The repositories without a run in these hours, and when each ran last."""
    found: dict[str, str] = {}
    with open_parts(settings) as parts:
        ran = {run.repo for hour in hours for run in parts.hours.store.read_or_none("workflow_runs", hour, Run)}
        for repo in [repo for repo in parts.hours.repos if repo not in ran][:_MOST_QUIET]:
            with contextlib.suppress(CiMetricsError):  # what GitHub refuses is named among the problems already
                last = parts.github.client.last_run(repo)
                when = f"the last one was created {last.created_at:%Y-%m-%d %H:%M} UTC" if last else "it never had one"
                found[repo] = when
    return found


def _send_spans(settings: Settings, hours: list[str], *, quiet: bool) -> None:
    """Tell the collector that the settings name; one that is down is said, and changes nothing."""
    if settings.otel_exporter_otlp_endpoint is None:
        return
    try:
        part = HoursPart(settings)
        sent = send_spans(part, changed(part.store, hours))
    except CiMetricsError as error:
        print(f"⚠️ Spans: {error}", file=sys.stderr)
    else:
        if not quiet:
            print(f"Sent {sent} spans to {mask_url(settings.otel_exporter_otlp_endpoint)}.")


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
