"""A failure's row below its cause, as the page shows it.

What belongs here: the row's markup. Does not: what stands around it (`templates/causes.html`), how
it is narrowed and sorted (`templates/script.html`).

A page has up to 10,000 of them. As a template's macro a row took four times as long: each of its
twenty parts was escaped, tested and joined by itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup, escape

from ci_metrics.history.failures import Failure
from ci_metrics.report.causes import ShownCause
from ci_metrics.report.readable import cut, minute, minutes, moment, some


def failure_row(cause: ShownCause, failure: Failure, values: str, lost: float) -> Markup:
    """What is not said of its cause is said of it. `values`: its numbers among those of the page's
    filters; `lost`: seconds.
    """
    job: Markup | str = escape(failure.job)
    if link := failure.link:
        job = f'<a href="{escape(link)}" target="_blank" rel="noopener">{job}</a>'
    said = failure.cause
    cause_said = f'<span class="said">{escape(cut(said, 500))}</span>' if said and said != cause.summary else ""
    quote = failure.quote
    quoted = f'<code class="quote">{escape(cut(quote, 900))}</code>' if quote and quote != cause.quote else ""
    return Markup(
        f'<li data-v="{escape(values)}" data-lost="{round(lost)}">'
        f'<time datetime="{minute(failure.when)}">{moment(failure.when)}</time> {job} '
        f'<span class="where">{escape(" · ".join(_facts(cause, failure)))}</span>{cause_said}{quoted}</li>'
    )


def _facts(cause: ShownCause, failure: Failure) -> Iterator[str]:
    yield from (failure.repo, failure.workflow, failure.branch)
    if failure.pr:
        yield f"#{failure.pr}"
    if failure.attempt > 1:
        yield f"attempt {failure.attempt}"
    if failure.step and failure.step != cause.step:
        yield f"step “{failure.step}”"
    yield minutes(failure.seconds)
    if failure.line:
        yield f"line {failure.line}"
    if failure.confidence is not None:
        yield f"{failure.confidence:.0%}".replace("%", " % sure")
    if failure.flaky:
        yield f"flaky: {failure.flaky}"
    if failure.source == "human":
        yield "said by a person"
    if failure.gates:
        yield f"gates that failed with it: {some(failure.gates)}"
    if failure.other_errors:
        yield f"{failure.other_errors} more error{'s' if failure.other_errors > 1 else ''} in this job"
    if failure.fix and failure.fix != cause.hint:
        yield f"hint: {failure.fix}"
