"""Verdicts as GitHub's markdown: for a job summary, a comment, an issue.

Belongs here: the markdown of one job, a run, one log. Does not: making text from CI inert
(`markdown.py`), the one comment on a pull request (`pr_comment.py`), gathering.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ci_metrics.history.failures import web_url
from ci_metrics.models import Verdict
from ci_metrics.report.explanation import Explanation
from ci_metrics.report.markdown import fenced, inert_text, link
from ci_metrics.report.readable import some, spoken
from ci_metrics.report.run_explanation import RunExplanation

#: What is said where there is no category.
STATES = {
    "unknown": "no known category",
    "no_error_found": "no error in its log",
    "no_log": "no log to look at",
    "pending": "not judged yet",
    "llm_failed": "not judged yet",
    "off": "not classified",
}

#: Other errors of a job that are named.
_MOST_OTHERS = 3

_FOOT = "<sub>By ci-metrics. Categories and causes are found automatically: the log has the last word.</sub>"


def run_headline(run: RunExplanation) -> str:
    """What became of a run, in a line; its names are as CI gave them."""
    failed = len(run.jobs) + len(run.more)
    jobs = f"{failed} job{'' if failed == 1 else 's'} failed, {run.passed} passed"
    return f"{run.workflow} on {run.branch or 'an unknown branch'}: {jobs}"


def run_notes(run: RunExplanation) -> Iterator[str]:
    """What else is to be known of a run: sentences, whose names are as CI gave them."""
    if run.gates:
        yield f"Failed only because the above did: {some(run.gates, 10)}."
    if run.more:
        yield f"Failed too, and not looked at: {some(run.more, 10)}."
    if run.unfinished:
        yield f"Not finished, so their logs are not to be had yet: {some(run.unfinished, 10)}."
    if not run.jobs and not run.gates:
        yield "No job of it has failed so far." if run.unfinished else "No job of it failed with a cause of its own."


def run_markdown(run: RunExplanation) -> str:
    """A run and its failed jobs."""
    heading = f"### CI: {inert_text(run_headline(run))}"
    parts = [_job(found) for found in run.jobs]
    return _page([heading, *parts, *(inert_text(said, 1_000) for said in run_notes(run))])


def job_markdown(found: Explanation) -> str:
    """One failed job."""
    return _page([_job(found)])


def log_markdown(name: str, verdict: Verdict, others: Sequence[tuple[int | None, Verdict]] = ()) -> str:
    """One log that belongs to no job we know. `others`: further errors, each with its line."""
    kind = spoken(verdict.error_type) if verdict.error_type else STATES.get(verdict.state, verdict.state)
    sure = f", {verdict.confidence:.0%} sure" if verdict.error_type else ""
    parts = [f"**{inert_text(name, 120)}** — {inert_text(kind)}{sure}", inert_text(verdict.summary)]
    if verdict.evidence:
        parts.append(fenced("\n".join(quote.text for quote in verdict.evidence)))
    if verdict.suggested_fix:
        parts.append(f"A hint, not a finding: {inert_text(verdict.suggested_fix)}")
    for line, other in others[:_MOST_OTHERS]:
        at = f"line {line}, " if line else ""
        parts.append(f"- Also: {at}{inert_text(spoken(other.error_type or other.state))}: {inert_text(other.summary)}")
    return _page(parts)


def _page(parts: Sequence[str]) -> str:
    return "\n\n".join([*(part for part in parts if part), _FOOT]) + "\n"


def _job(found: Explanation) -> str:
    kind = spoken(found.error_type) if found.error_type else STATES.get(found.state, found.state)
    sure = f", {found.confidence:.0%} sure" if found.confidence is not None and found.error_type else ""
    step = f" · step {inert_text(found.step, 80)}" if found.step else ""
    proof = [quote for quote in found.quotes if quote.proves]
    address = web_url(found.log_url) or web_url(found.job_url)
    where = link(f"log line {proof[0].line}" if proof and found.log_url else "job", address)
    lines = [
        f"**{inert_text(f'{found.workflow} / {found.job}', 160)}** — {inert_text(kind)}{sure} · {where}{step}",
        inert_text(found.summary),
    ]
    if proof:
        lines.append(fenced("\n".join(quote.text for quote in proof)))
    elif found.no_context:
        lines.append(inert_text(found.no_context))
    if found.suggested_fix:
        lines.append(f"A hint, not a finding: {inert_text(found.suggested_fix)}")
    notes = [f"Also in this job: {inert_text(other)}" for other in found.other_errors[:_MOST_OTHERS]]
    if found.flaky is not None and (found.flaky.suspected or found.flaky.storm):
        notes.append(f"Flaky? {inert_text(found.flaky.why)}")
    if found.group is not None and not found.group.generic and found.group.count > 1:
        notes.append(f"Its group failed {found.group.count} times since {found.group.first_seen:%d %b %Y}.")
    lines.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(line for line in lines if line)
