"""The small world of the campaign: three repositories, two hours, failures, a re-run, annotations.

What belongs here: its runs. Does not: what goes wrong with it (`cases.py`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from ci_metrics.orchestration.partitions import hour_key
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.world import AttemptSpec, JobSpec, RunSpec, World


def _rerun(run: RunSpec) -> RunSpec:
    """The same run with its failed jobs done again, which pass."""
    first = run.attempts[0]
    begun = max(job.completed_at or job.created_at for job in first.jobs) + timedelta(minutes=3)
    failed = [job for job in first.jobs if job.conclusion == "failure"]
    again = tuple(_passing(job, begun) for job in failed)
    return replace(run, attempts=(first, AttemptSpec(number=2, actor="dev-9", created_at=begun, jobs=again)))


def _passing(job: JobSpec, begun: datetime) -> JobSpec:
    later = begun - job.created_at

    def moved(moment: datetime | None) -> datetime | None:
        return moment + later if moment is not None else None

    steps = tuple(
        replace(
            step,
            conclusion="success",
            started_at=moved(step.started_at),
            completed_at=moved(step.completed_at),
        )
        for step in job.steps
    )
    return replace(
        job,
        job_id=job.job_id + 500,
        created_at=begun,
        started_at=moved(job.started_at),
        completed_at=moved(job.completed_at),
        conclusion="success",
        steps=steps,
        annotations=(),
    )


def _small_world() -> World:
    plain = scaled_world(runs=6, jobs=3, failure_share=0.4, log_bytes=3000, repos=3, hours=2)
    rerun = next(run for run in plain.runs if any(job.conclusion == "failure" for job in run.attempts[0].jobs))
    made = replace(plain, runs=tuple(_rerun(run) if run is rerun else run for run in plain.runs))
    made.check()
    return made


WORLD = _small_world()
FIRST, LAST = hour_key(WORLD.start), hour_key(WORLD.end - timedelta(hours=1))
