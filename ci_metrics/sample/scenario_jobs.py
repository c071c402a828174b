"""One job of the sample day: its steps with their times, its log, its
annotations, and what is true of it.

What belongs here: from "this recording fails in this job" to the records of the world and the
marked lines of the raw log. Does not: which jobs there are, when, and in which run
(`scenario.py`, `scenario_plan.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ci_metrics.models import LineSpan
from ci_metrics.sample.log_format import (
    StepText,
    as_shown,
    checkout_lines,
    command_header,
    complete_lines,
    post_lines,
    render_log,
    said_commands,
    setup_lines,
    varied,
)
from ci_metrics.sample.recordings import RecordedFailure, Recording, failures, passing
from ci_metrics.sample.world import AnnotationSpec, JobSpec, LogAnswer, StepSpec

_CHECKOUT = "Run actions/checkout@v5"
#: Where the failing step stands among a job's: before checkout's post step and "Complete job".
_FAILING = -3
_CANCELED = "The operation was canceled."
_OLD_NODE = "Node.js 20 actions are deprecated. Please update the following actions to use Node.js 24: actions/cache@v4"


def stable_number(key: str, below: int) -> int:
    """A number from 0 to `below` - 1 that depends on `key` alone, on every machine and Python."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % below


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """What one job does. The recording that fails, if any, is its last step with a command."""

    name: str
    fails: str = ""  # slug of a recorded failure
    passes: tuple[tuple[str, str], ...] = ()  # (step, slug of a passing recording), before it
    conclusion: str = ""  # "": failure's own, or success
    seconds: int = 0  # how long the last command takes; 0: some time
    waits: int = 6  # seconds until a runner takes it
    after: bool = False  # created when the run's other jobs have completed (`needs:`)
    answer: LogAnswer = "stored"
    annotations: tuple[AnnotationSpec, ...] = ()  # besides those that follow from the failure
    runner: str = ""  # "": one of the hosted ones
    flaky: str = ""  # what history says: "", suspected, confirmed


@dataclass(frozen=True, slots=True, kw_only=True)
class JobScript:
    """A planned job at its place in a run, with everything that can be derived from it."""

    plan: JobPlan
    job_id: int
    repo: str
    sha: str
    branch: str
    created_at: datetime
    recorded: RecordedFailure | None = field(default=None)

    @property
    def started_at(self) -> datetime:
        """When a runner took it."""
        return self.created_at + timedelta(seconds=self.plan.waits)

    @property
    def runner(self) -> str:
        """The runner's name."""
        return self.plan.runner or f"GitHub Actions {1000 + stable_number(f'runner {self.job_id}', 900)}"

    @property
    def conclusion(self) -> str:
        """The job's conclusion."""
        return self.plan.conclusion or (self.recorded.conclusion if self.recorded else "success")

    def _commands(self) -> Iterator[tuple[str, Recording]]:
        for step, slug in self.plan.passes:
            yield step, passing()[slug]
        if self.recorded is not None:
            yield self.recorded.step, self.recorded

    def texts(self, *, vary: bool = True) -> list[tuple[str, StepText]]:
        """(step's name, its lines and times) in order; `vary`=False leaves out what
        does not change line counts.
        """
        at = self.started_at
        made: list[tuple[str, StepText]] = []

        def add(name: str, lines: tuple[str, ...], seconds: int, output_at: int = 0) -> None:
            nonlocal at
            end = at + timedelta(seconds=seconds)
            made.append((name, StepText(lines=lines, started_at=at, completed_at=end, output_at=output_at)))
            at = end

        add("Set up job", setup_lines(self.plan.name), 2)
        add(_CHECKOUT, checkout_lines(self.repo, self.sha), 3)
        for place, (name, recording) in enumerate(self._commands()):
            header = command_header(recording.command)
            shown = tuple(as_shown(line) for line in recording.lines)
            if vary:
                shown = varied(shown, self.repo, f"{self.job_id} {place}")
            failed = recording is self.recorded
            seconds = (self.plan.seconds if failed else 0) or 8 + stable_number(f"{self.job_id} {place} takes", 150)
            ending = tuple(f"##[error]{text}" for text in self._last_words()) if failed else ()
            add(name, header + shown + ending, seconds, len(header))
        add(f"Post {_CHECKOUT}", post_lines(), 1)
        add("Complete job", complete_lines(), 1)
        return made

    def _last_words(self) -> tuple[str, ...]:
        if self.recorded is None:
            return ()
        return self.recorded.runner_says or (f"Process completed with exit code {self.recorded.exit_code}.",)

    def read_log(self) -> bytes:
        """The job's whole log."""
        return render_log([text for _, text in self.texts()])

    def marks(self) -> tuple[LineSpan, ...]:
        """The lines of the raw log that a person would mark as the cause."""
        if self.recorded is None or self.plan.answer != "stored":
            return ()
        texts = [text for _, text in self.texts(vary=False)]
        failing = texts[_FAILING]
        start = sum(len(text.lines) for text in texts[:_FAILING]) + failing.output_at
        spans = [(start + first, start + last) for first, last in self.recorded.marks]
        causes = {note.message for note in self.recorded.annotations} - {_CANCELED}
        below = start + len(self.recorded.lines)
        for place, words in enumerate(self._last_words(), 1):
            if words in causes:
                spans.append((below + place, below + place))
        return tuple(spans)

    def annotations(self) -> tuple[AnnotationSpec, ...]:
        """What its check run is annotated with."""
        made = list(self.plan.annotations)
        if self.recorded is not None:
            for note in self.recorded.annotations:
                message = note.message.format(runner=self.runner, branch=self.branch)
                made.append(AnnotationSpec(level=note.level, message=message, title=note.title, path=note.path))
            if not self.recorded.annotations and self.plan.answer != "not_found":
                line = 40 + stable_number(f"{self.job_id} line", 200)
                exit_code = f"Process completed with exit code {self.recorded.exit_code}."
                made.append(AnnotationSpec(level="failure", message=exit_code, start_line=line))
                made += list(_commanded(self.recorded))
        if not self.plan.annotations and stable_number(f"{self.job_id} old", 9) == 0:
            made.append(AnnotationSpec(level="warning", message=_OLD_NODE))
        return tuple(made)

    def steps(self) -> tuple[StepSpec, ...]:
        """The steps as the API lists them."""
        made: list[StepSpec] = []
        texts = self.texts(vary=False)
        failing = len(texts) + _FAILING if self.recorded is not None else -1
        for place, (name, text) in enumerate(texts):
            conclusion = "success"
            if place == failing:
                conclusion = "failure" if self.conclusion == "failure" else "cancelled"
            gap = 3 if place == len(texts) - 2 else 1
            last = made[-1].number if made else 0
            if place == failing + 1 and failing >= 0:
                made.append(StepSpec(number=last + 1, name="Upload the results", conclusion="skipped",
                                     started_at=text.started_at, completed_at=text.started_at))  # fmt: skip
            made.append(
                StepSpec(
                    number=last + gap,
                    name=name,
                    conclusion=conclusion,
                    started_at=text.started_at,
                    completed_at=text.completed_at,
                )
            )
        return tuple(made)

    def spec(self) -> JobSpec:
        """The job as the world holds it."""
        if self.conclusion == "skipped":
            return JobSpec(
                job_id=self.job_id, name=self.plan.name, created_at=self.created_at, started_at=self.created_at,
                completed_at=self.created_at, conclusion="skipped", runner_id=None, runner_name=None,
                log_answer="not_found",
            )  # fmt: skip
        steps = self.steps()
        hosted = not self.plan.runner
        return JobSpec(
            job_id=self.job_id,
            name=self.plan.name,
            created_at=self.created_at,
            started_at=self.started_at,
            completed_at=steps[-1].completed_at,
            conclusion=self.conclusion,
            runner_id=stable_number(self.runner, 5000) + 1,
            runner_name=self.runner,
            labels=("ubuntu-latest",) if hosted else ("self-hosted", "linux", "x64"),
            steps=steps,
            annotations=self.annotations(),
            log=self.read_log,
            log_answer=self.plan.answer,
        )


def recorded(slug: str) -> RecordedFailure | None:
    """The recorded failure called `slug`, or None when a job does not fail with one."""
    return failures()[slug] if slug else None


def _commanded(failure: RecordedFailure) -> Iterator[AnnotationSpec]:
    """The annotations that the failing command asked for itself."""
    for level, said, message in said_commands(failure.lines):
        yield AnnotationSpec(
            level="failure" if level == "error" else "warning" if level == "warning" else "notice",
            message=message,
            title=said.get("title", ""),
            path=said.get("file", ".github").removeprefix("/home/runner/work/widgets/widgets/"),
            start_line=int(said.get("line", "1")),
        )
