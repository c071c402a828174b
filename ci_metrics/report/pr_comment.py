"""What the one comment on a pull request says.

What belongs here: the comment's markdown, and when there is none. Does not:
reading (`history/pull_request.py`), posting (`github/comments.py`), making text
from logs inert (`markdown.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from ci_metrics.history.pull_request import FailedJob, PullRequest
from ci_metrics.report.markdown import fenced, inert_text, link
from ci_metrics.report.readable import some, spoken
from ci_metrics.report.responsibility import owners_in_words

#: How our own comment is found again; it is its first line, and not shown.
MARKER = "<!-- ci-metrics: why CI failed -->"

#: Failures written out; the rest is named in one line.
MOST_SHOWN = 10

_STATES = {
    "unknown": "no known category",
    "no_error_found": "no error in the log",
    "no_log": "no log",
    "pending": "not judged yet",
    "llm_failed": "not judged yet",
    "off": "not classified",
}


def comment_body(pull: PullRequest, *, exists: bool) -> str | None:
    """The comment's markdown; None when there is nothing to say.

    Failures are always said. Without any, a comment that `exists` is updated: that all
    passed, or, when something is not known yet, that nothing failed so far. A new comment is
    never made for good news.
    """
    at = f" at `{pull.commit[:7]}`" if pull.commit.isalnum() else ""
    if pull.failed:
        return _page(_heading(pull, at), *_failures(pull), _gates(pull), _gaps(pull))
    if not exists:
        return None
    if pull.green:
        return _page(f"### CI: all {pull.passed} jobs passed{at}", "What failed before does not fail any more.")
    return _page(f"### CI: not finished{at}", "No result yet that could be called final.", _gaps(pull))


def _page(*parts: str) -> str:
    foot = "<sub>By ci-metrics, updated in place. Categories and causes are found automatically: the log has the last word.</sub>"
    return "\n\n".join([MARKER, *(part for part in parts if part), foot]) + "\n"


def _heading(pull: PullRequest, at: str) -> str:
    known = [job for job in pull.failed if job.on_base]
    jobs = f"{len(pull.failed)} job{'s' if len(pull.failed) > 1 else ''} failed{at}"
    passed = f", {pull.passed} passed" if pull.passed else ""
    some = f"{len(known)} of them also" if len(known) < len(pull.failed) else "also"
    also = f" · {some} on the base branch" if known else ""
    return f"### CI: {jobs}{passed}{also}"


def _failures(pull: PullRequest) -> list[str]:
    """One part per error: jobs of a matrix that failed for the same reason share it. Those not
    on the base branch come first.
    """
    same: dict[str, list[FailedJob]] = {}
    for job in pull.failed:
        same.setdefault(job.failure.fingerprint or job.failure.id, []).append(job)
    ordered = sorted(same.values(), key=lambda jobs: (jobs[0].on_base is not None, -len(jobs)))
    parts = [_failure(jobs, pull.base) for jobs in ordered[:MOST_SHOWN]]
    rest = [job.failure.job for jobs in ordered[MOST_SHOWN:] for job in jobs]
    if rest:
        names = ", ".join(inert_text(name, 80) for name in rest[:MOST_SHOWN])
        more = f" and {len(rest) - MOST_SHOWN} more" if len(rest) > MOST_SHOWN else ""
        parts.append(f"**Also failed:** {names}{more}")
    return parts


def _failure(jobs: Sequence[FailedJob], base: str) -> str:
    first = jobs[0]
    failure = first.failure
    kind = spoken(failure.type) if failure.type else _STATES.get(failure.state, failure.state)
    sure = f", {failure.confidence:.0%} sure" if failure.confidence is not None and failure.type else ""
    names = ", ".join(inert_text(f"{job.failure.workflow} / {job.failure.job}", 120) for job in jobs[:5])
    more = f" and {len(jobs) - 5} more" if len(jobs) > 5 else ""
    where = link(f"log line {failure.line}" if failure.line else "job", failure.link)
    step = f" · step {inert_text(failure.step, 80)}" if failure.step else ""
    lines = [f"**{names}{more}** — {inert_text(kind)}{sure} · {where}{step}", _cause(first)]
    if failure.quote:
        lines.append(fenced(failure.quote))
    notes = [_base_note(first, base), _flaky_note(first), _owner_note(first)]
    lines.append("\n".join(f"- {note}" for note in notes if note))
    return "\n\n".join(line for line in lines if line)


def _cause(job: FailedJob) -> str:
    failure = job.failure
    if failure.summary:
        return inert_text(failure.cause)
    if failure.state == "no_log":
        return "GitHub has no log of this job, so its cause is not known."
    if failure.state in ("pending", "llm_failed"):
        return "Its cause has not been judged yet."
    return "Nothing in its log says why." if failure.state == "no_error_found" else ""


def _base_note(job: FailedJob, base: str) -> str:
    known = job.on_base
    if known is None:
        return ""
    times = "once" if known.count == 1 else f"{known.count} times"
    last = link(f"{known.last:%d %b %H:%M}", known.url)
    since = f", since commit {link(inert_text(known.first_bad[:7]), known.compare)}" if known.first_bad else ""
    where = f"**Also failing on the base branch** {inert_text(base, 80)}"
    return f"{where}: {times} in two weeks{since}, last {last}. Probably not caused here."


def _owner_note(job: FailedJob) -> str:
    """Named so that nobody is notified."""
    failure = job.failure
    if failure.domain == "platform":
        return f"**The platform's, not the code's.** Owner: {inert_text(some(failure.owners) or 'unknown', 200)}."
    return f"Owner: {inert_text(owners_in_words(failure).removeprefix('owner '), 300)}." if failure.owners else ""


def _flaky_note(job: FailedJob) -> str:
    if job.flaky is None or not (job.flaky.suspected or job.flaky.storm):
        return ""
    return f"**Outage, not this change:** {job.flaky.why}" if job.flaky.storm else f"**Flaky.** {job.flaky.why}"


def _gates(pull: PullRequest) -> str:
    if not pull.gates:
        return ""
    names = ", ".join(inert_text(name, 80) for name in pull.gates[:MOST_SHOWN])
    return f"**Failed only because of the above:** {names}"


def _gaps(pull: PullRequest) -> str:
    if not pull.gaps:
        return ""
    return f"⏳ Not everything is known: {'; '.join(pull.gaps)}."
