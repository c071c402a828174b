"""`ci-metrics reclassify` and `ci-metrics stale`: history judged again, and which hours need it.

Belongs here: reading arguments, launching, printing. Does not: planning and comparing
(`orchestration/reclassification.py`, `orchestration/stale_hours.py`).
"""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Annotated

import dagster as dg
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from ci_metrics.commands.launch import run_hours
from ci_metrics.errors import ContractError, SettingsError
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import RECLASSIFY, REEXTRACT
from ci_metrics.orchestration.partitions import HOURS_AT_ONCE, chunks_of, hour_start, hours_between
from ci_metrics.orchestration.parts import Parts, classifier_in_words, open_parts
from ci_metrics.orchestration.reclassification import Change, Estimate, category_changes, cost_of, read_categories
from ci_metrics.orchestration.reclassify_filter import Only
from ci_metrics.orchestration.stale_hours import StaleRange, stale_ranges
from ci_metrics.settings import Settings, load_settings

#: States that --type takes too.
_STATES = ("unknown", "no_error_found", "no_log", "pending", "llm_failed", "off")


def reclassify(
    *,
    from_: Annotated[str, Parameter(name="--from")] = "",
    to: str = "",
    model: str = "",
    type_: Annotated[list[str] | None, Parameter(name="--type", negative="")] = None,
    below: float | None = None,
    repo: Annotated[list[str] | None, Parameter(negative="")] = None,
    read_again: Annotated[bool, Parameter(negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Judge stored failures again, by what is in force now. Nothing is asked of GitHub.

    Only verdicts of another version are looked at again; people's verdicts stay.

    Parameters
    ----------
    from_
        First hour, like 2026-03-02T05 (UTC). Default: the first stored one.
    to
        Last hour. Default: the last stored one.
    model
        Ask this model instead of ANTHROPIC_MODEL.
    type_
        Only failures of this category or your own kinds of it, or in this state ("unknown");
        may be given several times.
    below
        Only verdicts of a lower confidence.
    repo
        Only failures of this repository, owner/name; may be given several times.
    read_again
        Read the stored logs again first, where the extractor or the budget has changed since.
    dry_run
        Print what it would cost, and do nothing.
    json_
        Print the result as one JSON object.
    """
    settings = _classifying(load_settings(), model)
    with open_parts(settings) as ci:
        only = _only(ci, type_ or [], below, repo or [])
        hours = _stored_hours(ci, from_, to)
        if dry_run:
            cost = cost_of(ci.hours, ci.judge, hours, only)
            _show_cost(cost, settings, as_json=json_)
            return 0
        before = read_categories(ci.hours.store, hours)
    failed = _run(settings, hours, only, REEXTRACT if read_again else RECLASSIFY, quiet=json_)
    with open_parts(settings) as ci:
        after = read_categories(ci.hours.store, hours)
    waiting = sum(1 for word in after.values() if word == "pending")
    _show_changes(category_changes(before, after), len(hours), len(after), waiting, as_json=json_)
    for (first, last), why in failed.items():
        print(
            f"ci-metrics: the run over {first} to {last} failed: {why} (more in Dagster's UI: ci-metrics ui)",
            file=sys.stderr,
        )
    return 1 if failed else 0


def stale(*, json_: Annotated[bool, Parameter(name="--json", negative="")] = False) -> int:
    """List the hours whose logs were read, or errors judged, by a version not in force now.

    Parameters
    ----------
    json_
        Print them as one JSON list.
    """
    settings = load_settings()
    if settings.is_sample:
        settings = settings.model_copy(update={"enable_error_classification": True})
    with open_parts(settings) as ci:
        in_force = {"extractor": ci.judge.extractor_version}
        if settings.enable_error_classification:
            in_force["classifier"] = ci.judge.hour_version
        hours = ci.hours.store.hours()
        found = stale_ranges(ci.hours.store, in_force, hours)
    if json_:
        print(json.dumps([dataclasses.asdict(each) for each in found]))
        return 0
    if not hours:
        print("No hour is stored yet. Start with: ci-metrics upload")
        return 0
    versions = ", ".join(f"{stage} {version}" for stage, version in in_force.items())
    if not found:
        print(f"Nothing is stale: all {len(hours)} stored hours are of the versions in force ({versions}).")
        return 0
    _show_stale(found, versions)
    return 0


def _classifying(settings: Settings, model: str) -> Settings:
    if settings.is_sample:
        settings = settings.model_copy(update={"enable_error_classification": True})
    if not settings.enable_error_classification:
        raise SettingsError(
            "ENABLE_ERROR_CLASSIFICATION", "false, so there is no classifier to judge with", "Set it to true"
        )
    if not model:
        return settings
    if not settings.uses_model:
        raise SettingsError(
            "--model", f"{model} given, while ANTHROPIC_API_KEY is not set", "Set the key, or leave --model out"
        )
    return settings.model_copy(update={"anthropic_model": model})


def _only(ci: Parts, types: list[str], below: float | None, repos: list[str]) -> Only | None:
    for name in types:
        if ci.judge.categories.get(name) is None and name not in _STATES:
            raise SettingsError(
                "--type", f"“{name}”", f"Write one of {', '.join((*ci.judge.categories.names, *_STATES))}"
            )
    if below is not None and not 0 < below <= 1:
        raise SettingsError("--below", str(below), "Write a confidence above 0 and up to 1, like 0.7")
    if not types and below is None and not repos:
        return None
    return Only(types=types, below=below, repos=repos).with_kinds(ci.judge.categories.parents)


def _stored_hours(ci: Parts, first: str, last: str) -> list[str]:
    """The stored hours of the range that have errors to judge. Raises
    ContractError when there are none.
    """
    for key in (first, last):
        if key:
            hour_start(key)
    if first and last and not hours_between(first, last):
        raise SettingsError("--from", f"{first} lies after --to {last}", "Swap them")
    stored = [hour for hour in ci.hours.store.hours() if (not first or hour >= first) and (not last or hour <= last)]
    found = [hour for hour in stored if ci.hours.store.exists("extracted_errors", hour)]
    if not found:
        between = f" between {first or 'the beginning'} and {last or 'the end'}" if first or last else ""
        raise ContractError(f"no stored hour{between} in {ci.hours.store.root}. Ingest hours first: ci-metrics upload")
    return found


def _run(
    settings: Settings, hours: list[str], only: Only | None, job: str, *, quiet: bool
) -> dict[tuple[str, str], str]:
    """Launch one run a range of hours; the ranges that failed, and why."""
    failed = {}
    with open_instance(settings) as instance:
        for first, last in chunks_of(hours, HOURS_AT_ONCE):
            if not quiet:
                print(f"{first} to {last}: judging again, {classifier_in_words(settings)}", flush=True)
            result = run_hours(settings, instance, job, first, last, quiet=True, only=only)
            if not result.success:
                failed[first, last] = failed_steps(result)
    return failed


def failed_steps(result: dg.ExecuteInProcessResult) -> str:
    """The steps that failed, each with the first line of its innermost error."""
    reasons = []
    for event in result.all_events:
        error = event.step_failure_data.error if event.is_step_failure else None
        while error is not None and error.cause is not None:
            error = error.cause
        if error is not None:
            lines = [line.strip() for line in error.message.splitlines() if line.strip()]
            reasons.append(f"{event.step_key}: {lines[0] if lines else 'no message'}")
    return "; ".join(reasons) or "no step says why"


def _show_cost(cost: Estimate, settings: Settings, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"dry_run": True, **dataclasses.asdict(cost)}))
        return
    table = Table.grid(padding=(0, 2))
    asked = (
        f"{settings.anthropic_model} would be asked about" if settings.uses_model else "a model would be asked about"
    )
    for name, value in (
        ("stored hours", f"{cost.hours:,}"),
        ("failed jobs in them", f"{cost.failed_jobs:,}"),
        ("would be judged again", f"{cost.due_jobs:,}"),
        ("distinct errors", f"{cost.distinct_errors:,}"),
        (asked, f"{cost.to_ask:,}"),
        ("tokens, about", f"{cost.tokens:,}"),
        ("dollars, about", "not known" if cost.usd is None else f"${cost.usd:,.4f}"),
    ):
        table.add_row(name, value)
    Console(highlight=False).print(table)
    if not settings.uses_model:
        print("No model is asked: the embedded classifier answers, for nothing.")
    if cost.usd is None:
        print(f"The price of {settings.anthropic_model} is not known: give it in PRICES_FILE.")
    print("Nothing was done (--dry-run).")


def _show_changes(changes: list[Change], hours: int, jobs: int, waiting: int, *, as_json: bool) -> None:
    changed = sum(change.jobs for change in changes)
    if as_json:
        rows = [{"from": change.before, "to": change.after, "jobs": change.jobs} for change in changes]
        counts = {"hours": hours, "failed_jobs": jobs, "changed_jobs": changed, "pending_jobs": waiting}
        print(json.dumps({"dry_run": False, **counts, "changed": rows}))
        return
    if changes:
        table = Table("From", "To", "Jobs")
        for change in changes:
            table.add_row(change.before, change.after, str(change.jobs))
        Console(highlight=False).print(table)
    print(f"{changed} of {jobs} failed jobs in {hours} hours changed their category or state.")
    if waiting:
        print(
            f"{waiting} are pending: a later tick collects them, from a message batch or with the next hour’s budget."
        )


def _show_stale(found: list[StaleRange], versions: str) -> None:
    table = Table("Stage", "From", "To", "Hours", "Version", title=f"In force: {versions}", title_justify="left")
    for each in found:
        table.add_row(each.stage, each.first, each.last, str(each.hours), each.version)
    Console(highlight=False).print(table)
    judged = [each for each in found if each.stage == "classifier"]
    read = [each for each in found if each.stage == "extractor"]
    if read:
        first, last = min(each.first for each in read), max(each.last for each in read)
        print(
            f"Read again:    ci-metrics reclassify --from {first} --to {last} --read-again   (stored logs; nothing is fetched)"
        )
    if judged:
        first, last = min(each.first for each in judged), max(each.last for each in judged)
        print(f"Judge again:   ci-metrics reclassify --from {first} --to {last}   (--dry-run tells the price)")
