"""Small logs of GitHub Actions jobs, written as the runner frames them.

What belongs here: test data. Does not: what is expected of it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ci_metrics.models import Job
from ci_metrics_tests.builders import a_job, a_step

START = datetime(2026, 5, 4, 8, 0, 0, tzinfo=UTC)
BEGIN = (
    "Current runner version: '2.331.0'",
    "##[group]Operating System",
    "Ubuntu",
    "##[endgroup]",
    "Prepare all required actions",
    "Complete job name: check",
)
END = ("Post job cleanup.", "Cleaning up orphan processes")


def failed_with(code: int = 1) -> str:
    """The runner's last word on a script that failed."""
    return f"##[error]Process completed with exit code {code}."


def script(*output: str, run: str = "./ci/check", code: int = 0) -> tuple[str, ...]:
    """A step that runs a script: its header, what it printed, and the
    runner's mark when it failed.
    """
    header = (f"##[group]Run {run}", f"\x1b[36;1m{run}\x1b[0m", "shell: /usr/bin/bash -e {0}", "##[endgroup]")
    return (*header, *output, *((failed_with(code),) if code else ()))


def action(*output: str, uses: str) -> tuple[str, ...]:
    """A step that uses an action."""
    return (f"##[group]Run {uses}", "with:", "  token: ***", "##[endgroup]", *output)


def job_log(*steps: tuple[str, ...]) -> bytes:
    """The whole log of a job of these steps, a line a second."""
    lines = [*BEGIN, *(line for step in steps for line in step), *END]
    stamped = (f"{START + timedelta(seconds=n):%Y-%m-%dT%H:%M:%S}.1234567Z {line}\n" for n, line in enumerate(lines))
    return "".join(stamped).encode()


def failing(*output: str, run: str = "./ci/check", code: int = 1) -> bytes:
    """The log of a job whose only script printed this and failed."""
    return job_log(script(*output, run=run, code=code))


def failed_job(*steps: tuple[str, str], conclusion: str = "failure") -> Job:
    """A job as GitHub describes it: the names of its steps with their
    conclusions, without times.
    """
    made = tuple(
        a_step(n, end, name=name, started_at=None, completed_at=None) for n, (name, end) in enumerate(steps, start=1)
    )
    return a_job(conclusion=conclusion, created_at=START, started_at=START, completed_at=START, steps=made)
