"""`ci-metrics explain`: one verdict, from the category down to the log line; or all of a run.

Belongs here: printing. Does not: finding or fetching the job (`job_lookup.py`), gathering what is
known (`report/explanation.py`).
"""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ci_metrics.commands.job_lookup import explained_job, explained_run
from ci_metrics.commands.terminal import terminal_json, terminal_lines, terminal_text
from ci_metrics.commands.ui_address import ui_address
from ci_metrics.history.job_reference import read_reference, read_run
from ci_metrics.report.explanation import Explanation, Why
from ci_metrics.report.readable import counted, dollars, failures_in_runs
from ci_metrics.report.run_explanation import RunExplanation
from ci_metrics.report.verdict_markdown import job_markdown, run_headline, run_markdown, run_notes
from ci_metrics.report.verdict_reasons import reasons_row as why_as_row
from ci_metrics.report.verdict_reasons import reasons_text as why_as_text
from ci_metrics.settings import load_settings


def explain(
    job: str,
    *,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
    store: Annotated[bool, Parameter(negative="")] = False,
    why: Annotated[bool, Parameter(negative="")] = False,
    markdown: Annotated[bool, Parameter(negative="")] = False,
    dagster: str = "",
) -> int:
    """Say why a job failed, how sure that is, who said so, by which lines, and what failed like it.

    A job that was never ingested is fetched and judged, and not stored: GITHUB_TOKEN is enough for
    that. Of a run, all failed jobs are told.

    Parameters
    ----------
    job
        Its id, its document's id, or the address of its page on GitHub; or the address of a run's
        page.
    json_
        One JSON object instead of text.
    store
        Ingest the hour of a job that was never ingested, so that it stays.
    why
        Read the log again and tell which lines might have named the failure, and what weighed
        for each and the category.
    markdown
        Print GitHub's markdown, as a job summary or a comment takes it.
    dagster
        Address of Dagster's UI, for the links to the run and the partition. Default: where
        `ci-metrics ui` serves it.
    """
    settings = load_settings()
    link = (dagster or ui_address(settings)).rstrip("/")
    run = read_run(job)
    if run is not None:
        return _explain_run(explained_run(settings, run), link, as_json=json_, as_markdown=markdown)
    found = explained_job(settings, read_reference(job), store=store, why=why)
    if json_:
        print(terminal_json({**explanation_row(found), "links": links(found, link)}))
    elif markdown:
        print(job_markdown(found))
    else:
        show_explanation(found, link)
    return 0


def _explain_run(run: RunExplanation, dagster: str, *, as_json: bool, as_markdown: bool) -> int:
    if as_json:
        jobs = [{**explanation_row(found), "links": links(found, dagster)} for found in run.jobs]
        print(terminal_json({**dataclasses.asdict(dataclasses.replace(run, jobs=())), "jobs": jobs}))
        return 0
    if as_markdown:
        print(run_markdown(run))
        return 0
    out = Console(highlight=False, soft_wrap=True)
    out.print(Text(terminal_text(run_headline(run)), style="bold"))
    for found in run.jobs:
        out.print()
        show_explanation(found, dagster, out)
    for said in run_notes(run):
        out.print(Text(terminal_text(said)))
    return 0


def links(found: Explanation, dagster: str) -> dict[str, str]:
    """Where to look further; only those there are."""
    partition = quote(found.partition)
    made = {
        "log_line": found.log_url,
        "job": found.job_url,
        "what_changed": found.compare_url,
        "dagster_run": f"{dagster}/runs/{found.dagster_run_id}" if found.dagster_run_id else "",
        "dagster_partition": f"{dagster}/assets/classifications?view=partitions&partition={partition}"
        if found.in_index and found.partition
        else "",
    }
    return {name: address for name, address in made.items() if address}


def explanation_row(found: Explanation) -> dict[str, Any]:
    """The object that scripts read."""

    def plain(value: Any) -> Any:
        if isinstance(value, datetime):
            return value.strftime("%Y-%m-%dT%H:%M:%SZ")
        if isinstance(value, dict):
            return {name: plain(each) for name, each in value.items()}
        return [plain(each) for each in value] if isinstance(value, (list, tuple)) else value

    row: dict[str, Any] = plain(dataclasses.asdict(dataclasses.replace(found, account=None)))
    del row["account"]
    if found.account is not None:
        row["why"] = {**(row["why"] or {}), **why_as_row(found.account)}
    if found.flaky is not None:
        row["flaky"] |= {"suspected": found.flaky.suspected, "confirmed": found.flaky.confirmed, "why": found.flaky.why}
    return row


def show_explanation(found: Explanation, dagster: str, console: Console | None = None) -> None:
    """The same for people. Every text from CI is printed as it is, never as markup and
    never as a line of its own.
    """
    out = console or Console(highlight=False, soft_wrap=True)
    out.print(_headline(found))
    if found.summary:
        out.print(Text(terminal_text(found.summary)))
    out.print()
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in _facts(found):
        facts.add_row(name, Text(terminal_text(value)))
    out.print(facts)
    if found.quotes:
        out.print()
        width = len(str(found.quotes[-1].line))
        before = found.quotes[0].line
        for each in found.quotes:
            if each.line > before + 1:
                out.print(Text(f"  {'⋮':>{width}}", style="dim"))
            before = each.line
            mark, style = (">", "bold") if each.proves else (" ", "dim")
            out.print(Text(f"{mark} {each.line:>{width}} │ {terminal_text(each.text)}", style=style), soft_wrap=True)
    if found.no_context:
        out.print(Text(f"({terminal_text(found.no_context)})", style="dim"))
    if found.suggested_fix:
        out.print()
        out.print(Text.assemble(("A hint, not a finding: ", "italic"), terminal_text(found.suggested_fix)))
    for other in found.other_errors:
        out.print(Text(f"Also in this job: {terminal_text(other)}", style="dim"))
    if found.account is not None:
        out.print()
        out.print(Text(terminal_lines(why_as_text(found.account))))
    out.print()
    for name, address in links(found, dagster).items():
        out.print(Text(f"{name.replace('_', ' '):<18} {terminal_text(address)}"))
    if not found.in_index:
        out.print(Text("Fetched and judged now; nothing was stored (--store ingests its hour).", style="dim"))


def _headline(found: Explanation) -> Text:
    where = terminal_text(f"{found.repo} · {found.workflow} · {found.job} (attempt {found.attempt})")
    if found.error_type:
        sure = "" if found.confidence is None else f" ({found.confidence:.0%} confidence)"
        text = Text.assemble((found.error_type, "bold"), sure, "  ", where)
    else:
        states = {
            "unknown": "unknown: looked at, and no category fits or none surely enough",
            "no_error_found": "no error found: nothing in its log caused the failure",
            "no_log": "no log: there is nothing to look at",
            "pending": "pending: it will be judged in a later tick",
            "llm_failed": "the model failed: it will be asked again",
            "off": "not classified: ENABLE_ERROR_CLASSIFICATION was off",
        }
        text = Text.assemble((states.get(found.state, found.state), "bold"), "  ", where)
    return text


def _facts(found: Explanation) -> list[tuple[str, str]]:
    pr = f", pull request {found.pr}" if found.pr else ""
    by = f", started by {found.actor}" if found.actor else ""
    facts = [
        ("document", found.document if found.in_index else f"{found.document} (not stored)"),
        ("ended", f"{found.when:%Y-%m-%d %H:%M} UTC as “{found.status}”, after {found.minutes:.1f} minutes"),
        ("of", f"branch {found.branch or 'unknown'}{pr}, commit {found.commit[:12]}{by}"),
        ("step", found.step or "not known"),
    ]
    if found.why is not None:
        facts += _why(found.why)
    if found.guess:
        facts.append(("withheld", f"{found.guess}: below the confidence threshold"))
    if found.type_by_log:
        facts.append(("the log alone", f"says {found.type_by_log}; history says {found.error_type}"))
    if found.group is not None:
        group = found.group
        generic = ". It is generic: it says nothing of the cause" if group.generic else ""
        facts.append(("cause", f"{group.id}, fingerprint {found.fingerprint}{generic}"))
        facts.append(("first seen", f"{group.first_seen:%Y-%m-%d %H:%M} UTC"))
        facts.append(("last seen", f"{group.last_seen:%Y-%m-%d %H:%M} UTC"))
        spread = ", ".join(
            [
                counted(len(group.jobs), "job"),
                counted(len(group.branches), "branch", "branches"),
                counted(len(group.repos), "repository", "repositories"),
            ]
        )
        facts.append(
            (
                "how often",
                f"{failures_in_runs(group.count, group.runs)}: {spread}; {group.lost_minutes:.0f} minutes lost",
            )
        )
    for n, other in enumerate(found.others):
        line = f"{other.when:%Y-%m-%d} {other.repo} · {other.job} on {other.branch} ({other.document})"
        facts.append(("also hit" if n == 0 else "", line))
    facts += _whose(found)
    facts.append(("flaky", flaky_in_words(found)))
    return facts


def _whose(found: Explanation) -> list[tuple[str, str]]:
    if not found.domain:
        return []
    facts = [
        ("who acts", found.domain if found.domain != "unknown" else "unknown: the code or the platform"),
        ("owner", ", ".join(found.owners) or "unknown"),
    ]
    if found.path:
        facts.append(("names", found.path))
    if found.first_bad:
        facts.append(("fails since", f"commit {found.first_bad[:12]}; the job passed last at {found.last_good[:12]}"))
    if found.whereabouts is not None:
        facts.append(("stands", found.whereabouts.in_words))
    return facts


def flaky_in_words(found: Explanation) -> str:
    """Flaky or not, and why, in a sentence."""
    if found.flaky is None:
        return "Cannot be said: the error has no telling fingerprint."
    if found.error_type == "flaky_test" and not found.flaky.suspected and not found.flaky.storm:
        return "By the log's own word. History has no later attempt of the same job that passed at this commit."
    return found.flaky.why


def _why(why: Why) -> list[tuple[str, str]]:
    facts = [("said by", why.in_words)]
    if why.note:
        facts.append(("note", why.note))
    if why.detail:
        facts.append(("because", why.detail))
    extractor = f", extractor {why.extractor_version}" if why.extractor_version else ""
    facts.append(("versions", f"classifier {why.classifier_version or 'unknown'}{extractor}"))
    cached = f", {why.cached_tokens} of them cached" if why.cached_tokens else ""
    tokens = (
        f"{why.prompt_tokens} tokens in{cached}, {why.completion_tokens} out, " if why.prompt_tokens else "no tokens, "
    )
    facts.append(("cost", f"{tokens}{dollars(why.cost_usd)}"))
    return facts
