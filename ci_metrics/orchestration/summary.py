"""What a person wants to know of a range of hours, after a run.

What belongs here: the hours' figures as the index has them now, beside what only the hours' files
know. Does not: what is counted (`history/metrics.py`), printing (`commands/run_answer.py`).

The figures are those of the report, `top` and `search`: read from the index after history
has corrected its documents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ci_metrics.history.failures import Failure
from ci_metrics.history.figures import Figures
from ci_metrics.history.flakiest import flakiest
from ci_metrics.history.groups import Group, groups
from ci_metrics.history.job_counts import collect_hours, where_hours
from ci_metrics.history.period import oldest_failure
from ci_metrics.history.story import read_story
from ci_metrics.index.document_index import Body, DocumentIndex
from ci_metrics.models import Run
from ci_metrics.orchestration.storage.rows import JobVerdicts
from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.report.story import story
from ci_metrics.telling_quote import headline
from ci_metrics.verdicts.judge import MODEL_FAILED, model_failed

#: How many of the biggest causes are shown.
MOST_CAUSES = 5
#: Failures that are shown one by one; more are causes.
_MOST_LINES = 8


@dataclass(frozen=True, slots=True)
class BigCause:
    """One group of failures: how often, what, and one line that proves it."""

    group: str
    jobs: int
    error_type: str
    headline: str
    quote: str
    example: str  # the address of one of its jobs


@dataclass(frozen=True, slots=True)
class Summary:
    """A range of hours in numbers. `documents` counts what the index holds of them."""

    hours: int
    runs: int = 0
    attempts: int = 0
    jobs: int = 0  # of all conclusions, and of none yet
    passed_jobs: int = 0
    failed_jobs: int = 0
    gates: int = 0  # failed only because others did: not among the failed jobs; nor are the next two
    cancelled_jobs: int = 0
    unfinished_jobs: int = 0
    failure_rate: float | None = None  # failed among passed and failed
    lost_minutes: float = 0.0  # of failed attempts and the re-runs they caused
    flaky_jobs: int = 0  # of the failed ones
    documents: int = 0
    written: int = 0
    location: str = ""  # of the index
    unfinished_hours: tuple[str, ...] = ()
    problems: dict[str, str] = field(default_factory=dict)
    by_category: dict[str, int] = field(default_factory=dict)  # of the failed jobs; by_state too
    by_state: dict[str, int] = field(default_factory=dict)
    causes: tuple[BigCause, ...] = ()
    default_branch_rate: float | None = None  # failed among passed and failed there
    pull_request_rate: float | None = None
    cost_usd: float = 0.0  # of the model
    runner_minutes: int = 0  # as GitHub bills them, of all jobs
    runner_usd: float = 0.0  # their list price, as far as it is known
    lost_usd: float = 0.0  # of these, for failed attempts and the re-runs they caused
    few: tuple[str, ...] = ()  # the failures, a line each, where there are at most _MOST_LINES
    story: tuple[str, ...] = ()  # what happened, in sentences, but for the counts above; empty: nothing stands out
    quiet_repositories: dict[str, str] = field(default_factory=dict)  # without a run in these hours: when the last was


def summarise(store: HourStore, index: DocumentIndex, hours: Sequence[str], since: datetime) -> Summary:
    """Count these hours, which follow one another; `written` counts since a moment.

    An hour not stored yet counts as unfinished.
    """
    runs: list[Run] = []
    rows: list[JobVerdicts] = []
    documents = written = 0
    unfinished: list[str] = []
    problems: dict[str, str] = {}
    for hour in hours:
        runs += store.read_or_none("workflow_runs", hour, Run)
        rows += store.read_or_none("classifications", hour, JobVerdicts)
        state = store.state(hour)
        indexed = state.of("indexed_documents")
        if indexed is not None:
            documents += int(indexed.said.get("documents", 0))
            written += int(indexed.said.get("written", 0)) if indexed.seen >= since else 0
        problems.update(state.set_aside)
        if not state.is_finished:
            unfinished.append(hour)
    problems.update(_failing_model(rows))
    index.refresh()
    figures = collect_hours(index, hours[0], hours[-1])
    found = groups(index, where_hours(hours[0], hours[-1])) if figures.failed else []
    return Summary(
        hours=len(hours),
        runs=len({(run.repo, run.run_id) for run in runs}),
        attempts=len(runs),
        jobs=figures.seen,
        passed_jobs=figures.passed,
        failed_jobs=figures.failed,
        gates=figures.gates,
        cancelled_jobs=figures.cancelled,
        unfinished_jobs=figures.unfinished,
        failure_rate=None if figures.rate is None else round(figures.rate, 4),
        lost_minutes=round(figures.lost / 60, 1),
        flaky_jobs=sum(bool(failure.flaky) for failure in figures.failures),
        documents=documents,
        written=written,
        location=index.location,
        unfinished_hours=tuple(unfinished),
        problems=problems,
        by_category={row.name: row.failed for row in figures.types},
        by_state=figures.states,
        causes=_big_causes(index, found),
        story=_story(index, figures, found, hours),
        default_branch_rate=_rate_on(figures, "default"),
        pull_request_rate=_rate_on(figures, "pull_request"),
        cost_usd=figures.spend.cost,
        runner_minutes=figures.money.total.minutes,
        runner_usd=round(figures.money.total.dollars, 2),
        lost_usd=round(figures.lost_usd, 2),
        few=tuple(_line(f) for f in figures.failures) if len(figures.failures) <= _MOST_LINES else (),
    )


def _story(index: DocumentIndex, figures: Figures, found: Sequence[Group], hours: Sequence[str]) -> tuple[str, ...]:
    flaky = flakiest(index, where_hours(hours[0], hours[-1]))
    told = read_story(index, figures, found, flaky, history_begins=oldest_failure(index))
    return tuple(sentence.text for sentence in story(told) if not sentence.counts)


def _rate_on(figures: Figures, kind: str) -> float | None:
    row = figures.branch_kinds.get(kind)
    return None if row is None or row.rate is None else round(row.rate, 4)


def _line(failure: Failure) -> str:
    """One failed job: where, what, and the line that proves it."""
    sure = f", {failure.confidence:.0%}" if failure.type and failure.confidence is not None else ""
    quote = " ".join((failure.quote.splitlines() or [failure.summary])[0].split())
    return f"{failure.repo} {failure.job}: {failure.type or failure.state}{sure}  {quote}"


def _failing_model(rows: Iterable[JobVerdicts]) -> dict[str, str]:
    """What a person must know of a model that does not answer: nothing else shows it."""
    verdicts = [judged.verdict for row in rows for judged in row.judged]
    failed = [verdict for verdict in verdicts if model_failed(verdict)]
    if not failed:
        return {}
    why = failed[0].detail.removeprefix(f"{MODEL_FAILED}: ")
    instead = sum(v.state != "llm_failed" for v in failed)
    return {
        "the model": f"no usable answer on {len(failed)} errors; {instead} have the embedded classifier's verdict until then: {why}"
    }


def _big_causes(index: DocumentIndex, found: Iterable[Group]) -> tuple[BigCause, ...]:
    """The biggest groups; a generic one ("exit code 1") is many causes, so
    it is never shown as one.
    """
    biggest = [group for group in found if not group.generic and group.error_type][:MOST_CAUSES]
    bodies = index.get("jobs", [example for group in biggest for example in group.examples])
    return tuple(_big_cause(group, [bodies[id_] for id_ in group.examples if id_ in bodies]) for group in biggest)


def _big_cause(group: Group, examples: Sequence[Body]) -> BigCause:
    quotes = Counter(_telling_line(body) or group.headline for body in examples)
    return BigCause(
        group=group.id,
        jobs=group.count,
        error_type=group.error_type,
        headline=group.headline,
        quote=quotes.most_common(1)[0][0] if quotes else group.headline,
        example=next((str(body["s_html_url"]) for body in examples if body.get("s_html_url")), ""),
    )


def _telling_line(body: Body) -> str:
    """The first quoted line that says something: a banner's rule proves nothing."""
    quotes = (line.strip() for line in str(body.get("s_error_evidence") or "").splitlines())
    return headline("\n".join(quote for quote in quotes if sum(map(str.isalpha, quote)) * 2 > len(quote)))
