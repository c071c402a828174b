"""Records with sensible defaults: a run, a job, a step, an error, an extraction, a verdict …

What belongs here: one builder for each record of `ci_metrics.models`; a test names only what it is
about. Does not: logs (`job_logs.py`), documents of an index (`history/history_documents.py`),
GitHub's answers (`github/worlds.py`), assertions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ci_metrics.models import Evidence, ExtractedError, Extraction, Job, JobLog, LogLine, Run, Step, Verdict

HOUR = datetime(2026, 3, 2, 5, tzinfo=UTC)
RUN_ID = 21_689_681_963


def a_run(**changes: Any) -> Run:
    """A finished, failed first attempt of a run that took ten minutes."""
    run = Run(
        repo="octo/widgets",
        run_id=RUN_ID,
        run_attempt=1,
        workflow_name="CI",
        event="push",
        status="completed",
        conclusion="failure",
        head_branch="main",
        head_sha="0123456789abcdef0123456789abcdef01234567",
        head_owner="octo",
        head_repo="octo/widgets",
        actor="ann",
        pr_id="N/A",
        created_at=HOUR,
        run_started_at=HOUR,
        updated_at=HOUR + timedelta(minutes=10, seconds=2),
        check_suite_id=77,
        run_number=5,
        display_title="Count widgets",
        html_url=f"https://github.com/octo/widgets/actions/runs/{RUN_ID}",
    )
    return replace(run, **changes)


def a_step(number: int, conclusion: str | None = "success", **changes: Any) -> Step:
    """A step that began `number` minutes after the hour and took 30 seconds."""
    begun = HOUR + timedelta(minutes=number)
    step = Step(
        number=number,
        name=f"Step {number}",
        status="completed",
        conclusion=conclusion,
        started_at=begun,
        completed_at=begun + timedelta(seconds=30),
    )
    return replace(step, **changes)


def a_job(**changes: Any) -> Job:
    """A failed job: created with its run, begun 20 seconds later, done after ten
    minutes; its second step failed.
    """
    job_id = changes.get("job_id", 500)
    job = Job(
        repo="octo/widgets",
        run_id=RUN_ID,
        run_attempt=1,
        job_id=job_id,
        name="test (3.12)",
        workflow_name="CI",
        status="completed",
        conclusion="failure",
        created_at=HOUR,
        started_at=HOUR + timedelta(seconds=20),
        completed_at=HOUR + timedelta(minutes=10),
        runner_id=9,
        runner_name="GitHub Actions 1000012",
        labels=("ubuntu-latest",),
        head_branch="main",
        head_sha="0123456789abcdef0123456789abcdef01234567",
        html_url=f"https://github.com/octo/widgets/actions/runs/{RUN_ID}/job/{job_id}",
        steps=(a_step(1), a_step(2, "failure")),
    )
    return replace(job, **changes)


def an_error(**changes: Any) -> ExtractedError:
    """An error in the second step, on line 42 of the raw log."""
    error = ExtractedError(
        headline="AssertionError: 3 widgets, not 4",
        line=42,
        spans=((40, 42),),
        lines=(),
        step="Step 2",
        step_number=2,
        fingerprint="v1-aaaa",
        group="v1-gggg",
    )
    return replace(error, **changes)


def an_extraction(
    lines: Sequence[str],
    *,
    headline: int,
    first: int = 1,
    spans: tuple[tuple[int, int], ...] = (),
    error: dict[str, Any] | None = None,
    **changes: Any,
) -> Extraction:
    """An extraction that keeps these lines, numbered from `first`, with one error:
    the line number `headline`.

    `spans` are the error's own lines (default: the headline alone); `error`
    is what else is told of it.
    """
    numbered = tuple(LogLine(number, text) for number, text in enumerate(lines, start=first))
    own = spans or ((headline, headline),)
    made = an_error(
        headline=next((line.text for line in numbered if line.number == headline), ""),
        line=headline,
        spans=own,
        lines=tuple(line for line in numbered if any(begin <= line.number <= end for begin, end in own)),
        **(error or {}),
    )
    last = first - 1 + len(numbered)
    extraction = Extraction(
        state="errors",
        excerpt="\n".join(lines),
        lines=numbered,
        spans=((first, last),),
        errors=(made,),
        failed_step=made.step,
        total_lines=last,
    )
    return replace(extraction, **changes)


def a_job_log(job: Job, **changes: Any) -> JobLog:
    """That job's log is stored."""
    log = JobLog(repo=job.repo, run_id=job.run_id, run_attempt=job.run_attempt, job_id=job.job_id, state="stored")
    return replace(log, **changes)


def a_verdict(**changes: Any) -> Verdict:
    """An assertion failure, by the rules, with one quoted line."""
    verdict = Verdict(
        state="classified",
        error_type="assertion_failure",
        confidence=0.9,
        summary="tests/test_widgets.py expected 4 widgets and got 3.",
        evidence=(Evidence(42, "AssertionError: 3 widgets, not 4"),),
        suggested_fix="Look at how widgets are counted.",
        source="rules",
        fingerprint="v1-aaaa",
        classifier_version="c1",
        rule="pytest-assert",
    )
    return replace(verdict, **changes)
