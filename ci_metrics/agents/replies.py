"""Replies to agents, made of what history and the report know. Pure.

Belongs here: cutting and filling in. Does not: the form of a reply (`records.py`), which question
is answered with which (`questions.py`), the protocol (`mcp_server.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from ci_metrics.agents.records import (
    FEW_QUOTES,
    LINE,
    MOST,
    MOST_QUOTES,
    NAME,
    SENTENCE,
    BrokenReply,
    CategoryReply,
    FailedJobReply,
    FlakeReply,
    FromCI,
    GroupNames,
    GroupReply,
    Line,
    LinesReply,
    LogReply,
    NamesReply,
    RedBranchReply,
    RedNames,
    ReportReply,
    RunReply,
)
from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.commands.judged_log import JudgedLog
from ci_metrics.history.failures import Failure, web_url
from ci_metrics.history.figures import Figures
from ci_metrics.history.flakiest import Flake
from ci_metrics.history.groups import Group
from ci_metrics.history.pull_request import FailedJob, PullRequest
from ci_metrics.history.story import ToldSpell
from ci_metrics.models import LogLine
from ci_metrics.report.explanation import Explanation
from ci_metrics.report.markdown import visible_text
from ci_metrics.report.readable import cut
from ci_metrics.report.run_explanation import RunExplanation


def taxonomy_reply(taxonomy: Taxonomy) -> tuple[CategoryReply, ...]:
    """The categories in force."""
    return tuple(
        CategoryReply(name=c.name, definition=c.definition, decisions=c.decisions, hint=c.fix, parent=c.parent)
        for c in taxonomy.categories
    )


def explained_reply(found: Explanation) -> FailedJobReply:
    """A job of which everything is known."""
    proof = [quote for quote in found.quotes if quote.proves]
    shown = (found.quotes if len(found.quotes) <= MOST_QUOTES else tuple(proof))[:MOST_QUOTES]
    return FailedJobReply(
        document=found.document,
        repo=found.repo,
        commit=found.commit,
        pull_request=found.pr,
        attempt=found.attempt,
        ended=_time(found.when),
        state=found.state,
        category=found.error_type,
        confidence=found.confidence,
        said_by=_text(found.why.in_words, NAME) if found.why else "",
        flaky=found.flaky.why if found.flaky else "",
        group=found.group.id if found.group else "",
        group_count=found.group.count if found.group else 0,
        group_first_seen=_time(found.group.first_seen) if found.group else "",
        log_url=web_url(found.log_url),
        job_url=web_url(found.job_url),
        untrusted_from_ci=FromCI(
            workflow=_text(found.workflow, NAME),
            job=_text(found.job, NAME),
            step=_text(found.step, NAME),
            branch=_text(found.branch, NAME),
            cause=_text(found.summary, SENTENCE),
            lines=tuple(Line(number=q.line, text=_text(q.text, LINE), proves=q.proves) for q in shown),
            other_errors=tuple(_text(other, LINE) for other in found.other_errors[:5]),
            hint=_text(found.suggested_fix, SENTENCE),
        ),
    )


def failure_reply(failure: Failure, *, flaky: str = "", on_base: str = "") -> FailedJobReply:
    """A failure as its document tells it."""
    quotes = [text for text in failure.quote.split("\n") if text][:FEW_QUOTES]
    return FailedJobReply(
        document=failure.id,
        repo=failure.repo,
        commit=failure.commit,
        pull_request=failure.pr,
        attempt=failure.attempt,
        ended=_time(failure.when),
        state=failure.state,
        category=failure.type,
        confidence=failure.confidence,
        said_by=failure.source,
        flaky=flaky or failure.flaky,
        group=failure.group,
        on_base_branch=on_base,
        log_url=web_url(failure.log_url),
        job_url=web_url(failure.url),
        untrusted_from_ci=FromCI(
            workflow=_text(failure.workflow, NAME),
            job=_text(failure.job, NAME),
            step=_text(failure.step, NAME),
            branch=_text(failure.branch, NAME),
            cause=_text(failure.summary, SENTENCE),
            lines=tuple(
                Line(number=failure.line if n == 0 else None, text=_text(text, LINE), proves=True)
                for n, text in enumerate(quotes)
            ),
            hint=_text(failure.fix, SENTENCE),
        ),
    )


def run_reply(run: RunExplanation) -> RunReply:
    """A run."""
    unfinished = [f"{len(run.unfinished)} jobs have not finished"] if run.unfinished else []
    return RunReply(
        repo=run.repo,
        run_url=run.url,
        commit=run.commit,
        attempt=run.attempt,
        passed=run.passed,
        failed=len(run.jobs) + len(run.more),
        jobs=tuple(map(explained_reply, run.jobs)),
        left_out=len(run.more),
        not_known_yet=tuple(unfinished),
        untrusted_from_ci=NamesReply(
            workflow=_text(run.workflow, NAME),
            branch=_text(run.branch, NAME),
            failed_only_because_of_these=_names(run.gates),
            not_finished=_names(run.unfinished),
        ),
    )


def pull_request_reply(pull: PullRequest) -> RunReply:
    """A pull request's newest commit."""
    return RunReply(
        repo=pull.repo,
        commit=pull.commit,
        passed=pull.passed,
        failed=len(pull.failed),
        jobs=tuple(map(_of_pull_request, pull.failed[:MOST])),
        left_out=max(0, len(pull.failed) - MOST),
        not_known_yet=pull.gaps,
        untrusted_from_ci=NamesReply(failed_only_because_of_these=_names(pull.gates)),
    )


def _of_pull_request(job: FailedJob) -> FailedJobReply:
    known = job.on_base
    also = (
        f"The same error failed on the base branch {known.count} times in two weeks, last {_time(known.last)}."
        if known
        else ""
    )
    return failure_reply(job.failure, flaky=job.flaky.why if job.flaky else "", on_base=also)


def broken_reply(spells: Sequence[ToldSpell], newest: Mapping[str, Failure], now: datetime) -> BrokenReply:
    """What is red, as it is ranked. `newest`: the newest failure of each, by document id."""
    shown = tuple(_red_branch(told, newest[told.spell.failures[-1]]) for told in spells[:MOST])
    return BrokenReply(as_of=_time(now), broken=shown, left_out=len(spells) - len(shown))


def _red_branch(told: ToldSpell, newest: Failure) -> RedBranchReply:
    spell, culprit = told.spell, told.culprit
    return RedBranchReply(
        repo=spell.repo,
        since=_time(spell.began),
        last_seen=_time(spell.seen),
        failures=len(spell.failures),
        first_bad_commit=spell.first_bad,
        last_good_commit=spell.last_good,
        commits_not_run_to_an_end_between=spell.untested,
        merged_pull_request=culprit.pull if culprit else "",
        inherited_by_pull_requests=told.inherited[:MOST],
        compare_url=told.compare,
        newest=failure_reply(newest),
        untrusted_from_ci=RedNames(
            branch=_text(spell.branch, NAME),
            jobs=_names(spell.jobs),
            author=_text(culprit.author or culprit.pushed_by, NAME) if culprit else "",
            owners=_names(spell.owners),
        ),
    )


def group_reply(group: Group) -> GroupReply:
    """A group."""
    return GroupReply(
        group=group.id,
        category=group.error_type,
        count=group.count,
        runs=group.runs,
        first_seen=_time(group.first_seen),
        last_seen=_time(group.last_seen),
        lost_minutes=round(group.lost_minutes, 1),
        new=group.new,
        spiking=group.spiking,
        generic=group.generic,
        repos=group.repos[:MOST],
        examples=group.examples,
        untrusted_from_ci=GroupNames(
            headline=_text(group.headline, LINE),
            step=_text(group.step, NAME),
            jobs=_names(group.jobs[:10]),
            branches=_names(group.branches[:10]),
        ),
    )


def flake_reply(flake: Flake) -> FlakeReply:
    """A flaky job or test."""
    return FlakeReply(
        failures=flake.failures,
        confirmed=flake.confirmed,
        runs=flake.runs,
        lost_minutes=round(flake.minutes, 1),
        last_seen=_time(flake.last_seen),
        repos=flake.repos[:MOST],
        examples=flake.examples,
        untrusted_name=_text(flake.name, LINE),
    )


def report_reply(figures: Figures, groups: Sequence[Group], flakes: Iterable[Flake]) -> ReportReply:
    """The report in short: the ten biggest causes, the five flakiest tests."""
    return ReportReply(
        window=str(figures.window),
        jobs=figures.jobs,
        failed=figures.failed,
        failure_rate=None if figures.rate is None else round(figures.rate, 4),
        lost_hours=round(figures.lost / 3600, 1),
        cancelled=figures.cancelled,
        categories={row.name: row.failed for row in figures.types},
        causes=tuple(map(group_reply, groups[:10])),
        flaky=tuple(flake_reply(flake) for flake, _ in zip(flakes, range(5), strict=False)),
    )


def log_reply(judged: JudgedLog) -> LogReply:
    """One log."""
    verdict = judged.verdict
    return LogReply(
        state=verdict.state,
        category=verdict.error_type or "",
        confidence=verdict.confidence,
        said_by=verdict.model or "the embedded classifier",
        untrusted_from_ci=FromCI(
            step=_text(judged.extraction.failed_step or "", NAME),
            cause=_text(verdict.summary, SENTENCE),
            lines=tuple(
                Line(number=e.line, text=_text(e.text, LINE), proves=True) for e in verdict.evidence[:MOST_QUOTES]
            ),
            other_errors=tuple(
                _text(f"line {error.line}: {other.error_type or other.state}: {error.headline}", LINE)
                for error, other in judged.others[:10]
            )
            + tuple(
                _text(f"job {name}: {each.verdict.error_type or each.verdict.state}: {each.verdict.summary}", LINE)
                for name, each in judged.jobs[1:10]
            ),
            hint=_text(verdict.suggested_fix, SENTENCE),
        ),
    )


def lines_reply(lines: Sequence[LogLine]) -> LinesReply:
    """Lines of a log; there is at least one."""
    return LinesReply(
        first=lines[0].number,
        last=lines[-1].number,
        untrusted_from_ci=tuple(Line(number=line.number, text=_text(line.text, LINE)) for line in lines),
    )


def name_text(name: str) -> str:
    """A name, or a short word of ours that may hold one: on one line, visible, and cut."""
    return _text(name, NAME)


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(name_text, names))[:MOST]


def _text(text: str, most: int) -> str:
    return cut(" ".join(visible_text(text).split("\n")), most)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%MZ")
