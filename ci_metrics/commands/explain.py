"""`ci-metrics explain`: one verdict, from the category down to the log line.

Belongs here: finding or fetching the job, and printing. Does not: gathering what is known
(`report/explanation.py`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ci_metrics.commands.index_for_a_look import IndexForALook
from ci_metrics.commands.launch import run_hours
from ci_metrics.commands.sample_mode import serve_sample
from ci_metrics.commands.terminal import terminal_lines, terminal_text
from ci_metrics.errors import CiMetricsError, NotFoundError, SettingsError
from ci_metrics.history.flaky_flags import flag_rules
from ci_metrics.history.job_reference import JobReference, find_job, read_reference
from ci_metrics.index.base import Document
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.job_details import account_of, fetch_job, stored_details
from ci_metrics.orchestration.jobs import INGEST
from ci_metrics.orchestration.partitions import hour_key
from ci_metrics.orchestration.parts import Parts, open_parts
from ci_metrics.report.explanation import Explanation, Why, explain_job
from ci_metrics.report.verdict_reasons import reasons_row as why_as_row
from ci_metrics.report.verdict_reasons import reasons_text as why_as_text
from ci_metrics.settings import Settings, load_settings

#: Where `ci-metrics ui` serves Dagster's pages, unless told otherwise.
DAGSTER_URL = "http://127.0.0.1:3000"


def explain(
    job: str,
    *,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
    store: Annotated[bool, Parameter(negative="")] = False,
    why: Annotated[bool, Parameter(negative="")] = False,
    dagster: str = DAGSTER_URL,
) -> int:
    """Say why a job failed, how sure that is, who said so, by which lines, and what failed like it.

    A job that was never ingested is fetched and judged, and not stored.

    Parameters
    ----------
    job
        Its id, its document's id, or the address of its page on GitHub.
    json_
        One JSON object instead of text.
    store
        Ingest the hour of a job that was never ingested, so that it stays.
    why
        Read the log again and tell which lines might have named the failure, and what weighed
        for each and the category.
    dagster
        Address of Dagster's UI, for the links to the run and the partition.
    """
    reference = read_reference(job)
    settings = load_settings()
    with contextlib.ExitStack() as stack:
        ci = stack.enter_context(open_parts(settings, index_part=IndexForALook))
        document = find_job(ci.index.documents, reference)
        if document is None:
            if settings.is_sample:
                settings, _, _ = stack.enter_context(serve_sample(settings))
                ci = stack.enter_context(open_parts(settings, index_part=IndexForALook))
            found = _never_ingested(ci, settings, reference, store=store, why=why)
        else:
            found = _ingested(ci, document, why=why)
    link = dagster.rstrip("/")
    if json_:
        print(json.dumps({**explanation_row(found), "links": links(found, link)}, ensure_ascii=False))
    else:
        show_explanation(found, link)
    return 0


def _ingested(ci: Parts, document: Document, *, why: bool) -> Explanation:
    details = stored_details(ci.hours.store, document)
    if why:
        details = dataclasses.replace(details, account=account_of(ci, document))
    return explain_job(ci.index.documents, document, details, storm_types=flag_rules(ci.judge.categories).storm_types)


def _never_ingested(ci: Parts, settings: Settings, reference: JobReference, *, store: bool, why: bool) -> Explanation:
    _check_host(settings, reference)
    try:
        run, document, details = fetch_job(ci, reference, why=why)
    except NotFoundError as error:
        raise NotFoundError(
            f"job {reference.job_id} is neither in {ci.index.documents.location} nor at {settings.github_api_url}: {error}"
        ) from error
    if not store:
        types = flag_rules(ci.judge.categories).storm_types
        return explain_job(ci.index.documents, document, details, in_index=False, storm_types=types)
    if run.repo not in ci.hours.repos:
        raise SettingsError(
            "REPO",
            f"{run.repo} is not among {', '.join(settings.repositories) or 'none'}",
            "Add it there to store its jobs",
        )
    hour = hour_key(run.created_at)
    with open_instance(settings) as instance:
        result = run_hours(settings, instance, INGEST, hour, hour, quiet=True)
    with open_parts(settings, index_part=IndexForALook) as stored:  # the one of before may have been none
        kept = find_job(stored.index.documents, reference)
        if not result.success or kept is None:
            raise CiMetricsError(f"hour {hour} could not be ingested: see its run in Dagster's UI (ci-metrics ui)")
        return _ingested(stored, kept, why=why)


def _check_host(settings: Settings, reference: JobReference) -> None:
    """A page of another host than the one that GITHUB_API_URL serves would be
    asked for in the wrong place.
    """
    if reference.host is None or settings.is_sample:
        return
    api = urlsplit(settings.github_api_url).netloc
    if reference.host not in (api, api.removeprefix("api."), f"www.{api.removeprefix('api.')}"):
        raise SettingsError(
            "JOB", f"the page is on {reference.host}, while GITHUB_API_URL is {settings.github_api_url}", "Set it to that host's API"
        )  # fmt: skip


def links(found: Explanation, dagster: str) -> dict[str, str]:
    """Where to look further; only those there are."""
    partition = quote(found.partition)
    made = {
        "log_line": found.log_url,
        "job": found.job_url,
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
        generic = " The group is generic: it says nothing of the cause." if group.generic else ""
        facts.append(("group", f"{group.id}, fingerprint {found.fingerprint}.{generic}"))
        facts.append(("first seen", f"{group.first_seen:%Y-%m-%d %H:%M} UTC"))
        facts.append(("last seen", f"{group.last_seen:%Y-%m-%d %H:%M} UTC"))
        spread = f"{len(group.jobs)} jobs, {len(group.branches)} branches, {len(group.repos)} repositories"
        facts.append(
            (
                "how often",
                f"{group.count} failures in {group.runs} runs: {spread}; {group.lost_minutes:.0f} minutes lost",
            )
        )
    for n, other in enumerate(found.others):
        line = f"{other.when:%Y-%m-%d} {other.repo} · {other.job} on {other.branch} ({other.document})"
        facts.append(("also hit" if n == 0 else "", line))
    facts.append(("flaky", flaky_in_words(found)))
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
    facts.append(("cost", f"{tokens}${why.cost_usd:.4f}"))
    return facts
