"""`ci-metrics classify`: what kind of failure each log file shows, by the embedded classifier or
the configured model.

Belongs here: options and printing. Does not: judging a log (`judged_log.py`), reading files
(`log_input.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ci_metrics.classifier import Classifier
from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.commands.judged_log import JudgedLog, opened_judge
from ci_metrics.commands.log_input import LogName, logs_of, named_files, opened, read_background, read_job_file
from ci_metrics.commands.terminal import terminal_json, terminal_lines
from ci_metrics.expressions.databases import only_what_may_match
from ci_metrics.logs import redact
from ci_metrics.models import Extraction, Job
from ci_metrics.report.readable import some
from ci_metrics.report.verdict_reasons import reasons_row as why_as_row
from ci_metrics.report.verdict_reasons import reasons_text as why_as_text
from ci_metrics.settings import Settings, load_settings

#: Other errors of a log, and failed tests, that are printed.
MOST_OTHERS, MOST_TESTS = 4, 5


@only_what_may_match()
def classify(
    *files: LogName,
    json_lines: Annotated[bool, Parameter(name="--json", negative="")] = False,
    job: Path | None = None,
    passing: Path | None = None,
    show_request: Annotated[bool, Parameter(negative="")] = False,
    why: Annotated[bool, Parameter(negative="")] = False,
    model: Annotated[bool, Parameter(negative="")] = False,
    markdown: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Print what kind of failure each log shows, why, and which lines prove it. No network, unless
    a model is asked.

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
    model
        Ask the configured model (ANTHROPIC_API_KEY). Where it fails, the embedded classifier
        answers.
    markdown
        Print GitHub's markdown, as a job summary or a comment takes it.
    """
    settings = load_settings()
    record, background = read_job_file(job), read_background(passing)
    with opened_judge(settings, ask_model=model) as judge:
        for name in named_files(files):
            with opened(name) as stream:  # read once, in memory that does not grow with the log
                if show_request:
                    for each in logs_of(stream, record):
                        extraction = judge.read(each.log, each.job, background, shown_name(name))
                        for shown in requests_of(extraction, each.job, settings, judge.taxonomy, judge.classifier):
                            indent = None if json_lines else 2
                            print(terminal_json({"file": name, **shown}, indent=indent))
                    continue
                judged = judge.judge(stream, job=record, background=background, why=why, name=shown_name(name))
            if json_lines:
                print(terminal_json(verdict_row(name, judged)))
                continue
            for title, own in named_jobs(name, judged):
                if markdown:
                    from ci_metrics.report.verdict_markdown import log_markdown

                    others = [(error.line, verdict) for error, verdict in own.others]
                    print(log_markdown(title, own.verdict, others))
                else:
                    print(terminal_lines(verdict_text(title, own)))


def shown_name(name: str) -> str:
    """A log's name for people."""
    return "standard input" if name == "-" else name


def named_jobs(name: str, judged: JudgedLog) -> list[tuple[str, JudgedLog]]:
    """What is told of a log, by its name for people: each of its jobs that failed, where it holds
    several.
    """
    shown = shown_name(name)
    return [(f"{shown}, job {job}", each) for job, each in judged.jobs] or [(shown, judged)]


def requests_of(
    extraction: Extraction, job: Job | None, settings: Settings, taxonomy: Taxonomy, classifier: Classifier
) -> Iterator[dict[str, object]]:
    """The first question about each error that a model would be asked about; one with neither
    address nor body if none is.
    """
    from ci_metrics.verdicts.judge_request import primary_requests  # what asks models takes 0.1 s to load
    from ci_metrics.verdicts.model_request_preview import render_request

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


def verdict_row(name: str, judged: JudgedLog) -> dict[str, object]:
    """The object that scripts parse (contract, "Command output")."""
    verdict = judged.verdict
    row: dict[str, object] = {
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
        "failed_tests": list(judged.extraction.failed_tests),
        "other_errors": [
            {"line": error.line, "error_type": other.error_type, "state": other.state, "text": error.headline}
            for error, other in judged.others
        ],
    }
    if judged.account is not None:
        row["why"] = why_as_row(judged.account)
    if judged.jobs:
        row["jobs"] = [{"job": job, **verdict_row(name, each)} for job, each in judged.jobs]
    return row


def verdict_text(name: str, judged: JudgedLog) -> str:
    """The same for people."""
    verdict = judged.verdict
    if verdict.error_type is None:
        shown = [f"{name}: {verdict.state}", *([f"   {verdict.summary}"] if verdict.summary else [])]
    else:
        shown = [
            f"{name}: {verdict.error_type} ({verdict.confidence:.0%} confidence)",
            f"   Summary: {verdict.summary}",
        ]
        if verdict.rule or verdict.model:
            shown.append(f"   Decided by: {verdict.rule or verdict.model}")
        shown += [f"   line {quote.line}: {quote.text.strip()[:200]}" for quote in verdict.evidence]
        if verdict.suggested_fix:
            shown.append(f"   Hint: {verdict.suggested_fix}")
    for error, other in judged.others[:MOST_OTHERS]:
        at = f"line {error.line}" if error.line else "an annotation"
        shown.append(f"   Also {at}: {other.error_type or other.state}: {error.headline.strip()[:160]}")
    if len(judged.others) > MOST_OTHERS:
        shown.append(f"   and {len(judged.others) - MOST_OTHERS} more errors (--json lists them)")
    if tests := judged.extraction.failed_tests:
        shown.append(f"   Failed tests ({len(tests)}): {some(tests, MOST_TESTS)}")
    return "\n".join(shown) + (f"\n{why_as_text(judged.account)}\n" if judged.account else "")
