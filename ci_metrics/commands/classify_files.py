"""`ci-metrics classify`: what kind of failure each log file shows, by the embedded classifier.

Belongs here: wiring extraction and rules for files, and printing. Does not:
extracting, judging, reading files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ci_metrics.catalogue import catalogue_in_force
from ci_metrics.classifier import Classifier
from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.classifier.taxonomy_in_force import taxonomy_in_force
from ci_metrics.commands.log_input import named_files, opened, read_background, read_job_file
from ci_metrics.commands.terminal import terminal_lines
from ci_metrics.logs import extract, redact
from ci_metrics.logs.junit_report import extract_junit, is_junit
from ci_metrics.logs.why import extract_with_ranking
from ci_metrics.models import Extraction, Job, Verdict
from ci_metrics.report.readable import some
from ci_metrics.report.verdict_reasons import WhyOfLog
from ci_metrics.report.verdict_reasons import reasons_row as why_as_row
from ci_metrics.report.verdict_reasons import reasons_text as why_as_text
from ci_metrics.settings import Settings, load_settings
from ci_metrics.verdicts.request import primary_requests
from ci_metrics.verdicts.request_preview import render_request

#: Failed tests that are named to people.
MOST_TESTS = 5


def classify(
    *files: Annotated[str, Parameter(allow_leading_hyphen=True)],
    json_lines: Annotated[bool, Parameter(name="--json", negative="")] = False,
    job: Path | None = None,
    passing: Path | None = None,
    show_request: Annotated[bool, Parameter(negative="")] = False,
    why: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Print what kind of failure each log shows, why, and which lines prove it. No network.

    Parameters
    ----------
    files
        Job logs or JUnit XML reports, in order; - reads standard input; gzip is unpacked.
    json_lines
        One JSON object a file, for scripts.
    job
        The job's JSON as GitHub's API returns it: names the steps.
    passing
        The log of a run in which the same job passed: what it printed too is background, not cause.
    show_request
        Print, instead of a verdict, exactly what would be sent to a model for
        each log; nothing is sent.
    why
        Tell which lines might have named the failure, and what weighed for and
        against each and the category.
    """
    settings = load_settings()
    catalogue = catalogue_in_force(settings.catalogue_dir)
    taxonomy = taxonomy_in_force(settings.taxonomy_file, catalogue)
    classifier = Classifier(taxonomy, catalogue)
    record, background = read_job_file(job), read_background(passing)
    budget = settings.excerpt_budget
    for name in named_files(files):
        with opened(name) as stream:  # read once, in memory that does not grow with the log; the account reads it twice
            data = stream.read() if why and not is_junit(stream.peek()) else stream
            if is_junit(stream.peek()):
                extraction = extract_junit(stream.read(), name, catalogue, budget)
            else:
                extraction = extract(data, job=record, background=background, budget=budget, catalogue=catalogue)
        if show_request:
            for shown in requests_of(extraction, record, settings, taxonomy, classifier):
                print(json.dumps({"file": name, **shown}, ensure_ascii=False, indent=None if json_lines else 2))
            continue
        verdict = classifier.judge(extraction, job=record)
        account = None
        if isinstance(data, bytes):
            again, ranking = extract_with_ranking(
                data, job=record, background=background, budget=budget, catalogue=catalogue
            )
            account = WhyOfLog(ranking=ranking, decision=classifier.explained(again, record))
        if json_lines:
            more = {"why": why_as_row(account)} if account else {}
            row = {**verdict_row(name, verdict), "failed_tests": list(extraction.failed_tests), **more}
            print(json.dumps(row, ensure_ascii=False))
        else:
            text = verdict_text(name, verdict) + tests_text(extraction)
            print(terminal_lines(text + (f"\n{why_as_text(account)}\n" if account else "")))


def requests_of(
    extraction: Extraction, job: Job | None, settings: Settings, taxonomy: Taxonomy, classifier: Classifier
) -> Iterator[dict[str, object]]:
    """The first question about each error that a model would be asked about; one with neither
    address nor body if none is.
    """
    none: dict[str, object] = {"url": None, "body": None}
    asked = 0
    for request in primary_requests(extraction, job):
        rules = classifier.judge(extraction, request.error, job)
        shown = render_request(request, settings=settings, taxonomy=taxonomy, rules=rules, redact=redact)
        if shown is not None:
            asked += 1
            yield shown
    if not asked:
        yield none


def verdict_row(name: str, verdict: Verdict) -> dict[str, object]:
    """The object that scripts parse (contract, "Command output")."""
    return {
        "file": name,
        "state": verdict.state,
        "error_type": verdict.error_type,
        "confidence": verdict.confidence,
        "summary": verdict.summary,
        "evidence": [{"line": quote.line, "text": quote.text} for quote in verdict.evidence],
        "suggested_fix": verdict.suggested_fix,
        "source": verdict.source,
        "fingerprint": verdict.fingerprint,
        "decided_by": verdict.rule,
    }


def tests_text(extraction: Extraction) -> str:
    """A line that names the tests that failed; "" where none is known."""
    names = extraction.failed_tests
    return f"\n   Failed tests ({len(names)}): {some(names, MOST_TESTS)}" if names else ""


def verdict_text(name: str, verdict: Verdict) -> str:
    """The same for people."""
    if verdict.error_type is None:
        return f"{name}: {verdict.state}" + (f"\n   {verdict.summary}" if verdict.summary else "")
    shown = [f"{name}: {verdict.error_type} ({verdict.confidence:.0%} confidence)", f"   Summary: {verdict.summary}"]
    if verdict.rule:
        shown.append(f"   Decided by: {verdict.rule}")
    shown += [f"   line {quote.line}: {quote.text.strip()[:200]}" for quote in verdict.evidence]
    if verdict.suggested_fix:
        shown.append(f"   Hint: {verdict.suggested_fix}")
    return "\n".join(shown)
