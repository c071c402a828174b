"""A GitHub in which every string that a run takes from outside carries secrets of every kind, and
what a model answers too.

Belongs here: the world, its model, and which secrets were put where. Does not: the kinds
(`redaction/`), looking for them.

A kind's values differ from place to place, so that a secret that is seen says where it came in.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from ci_metrics.sample.world import AnnotationSpec, JobSpec, RunSpec, StepSpec, World
from ci_metrics_tests.github.worlds import REPO, at, attempt, job, pull, run, world
from ci_metrics_tests.llm.model_server import answer_of
from ci_metrics_tests.redaction.leaks import example

#: Kinds of secrets in one job: a log whose excerpt has room for all of them.
KINDS_A_JOB = 12
#: Jobs of one run: each run has names of its own.
JOBS_A_RUN = 4
PULL = 7

T = TypeVar("T")


@dataclass
class LeakingGitHub:
    """The world, and the secrets in it by (place, kind)."""

    kinds: Mapping[str, str]
    secrets: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    asked: int = 0  # how often the model was

    def text(self, place: str, kind: str) -> str:
        """A text with a secret of `kind`, which is remembered as of `place`."""
        text, secrets = example(self.kinds[kind], random.Random(f"{place} {kind}"))
        self.secrets[place, kind] = secrets
        return text

    def in_one_line(self, place: str, kinds: Iterable[str]) -> list[str]:
        """The same of those of `kinds` that stand on one line: names have no more."""
        return [self.text(place, kind) for kind in kinds if "\n" not in self.kinds[kind]]

    def answer(self, user: str) -> dict[str, Any]:
        """What a model answers that repeats secrets of a dozen kinds."""
        kinds = list(self.kinds)
        first = self.asked * KINDS_A_JOB % len(kinds)
        self.asked += 1
        texts = self.in_one_line("answer", kinds[first : first + KINDS_A_JOB])
        half = len(texts) // 2
        return {
            **answer_of(user),
            "summary": f"It says {', '.join(texts[:half])}.",
            "suggested_fix": f"Take away {', '.join(texts[half:])}.",
        }

    def note(self) -> str:
        """What a person pastes who labels a failure."""
        return "; ".join(self.in_one_line("note", list(self.kinds)[:12]))

    def world(self) -> World:
        """Failing runs of a pull request, each after a passing one of the same jobs."""
        mixed = random.Random(5).sample(list(self.kinds), len(self.kinds))  # those of several lines in no one job
        runs = _parts(_parts(mixed, KINDS_A_JOB), JOBS_A_RUN)
        failed = [self._run(number, kinds) for number, kinds in enumerate(runs)]
        passed = [self._passed(number, kinds, failed[number]) for number, kinds in enumerate(runs[:3])]
        head = failed[-1]
        pulls = [
            pull(
                PULL, REPO, head.head_branch, sha=head.head_sha, title=self.in_one_line("title", self.kinds)[0], begin=0
            )
        ]
        return world(*passed, *failed, pulls=pulls)

    def log(self, place: str, kinds: Iterable[str], number: int) -> bytes:
        """A job's log with these kinds, each beside a line that says it failed."""
        lines = ["##[group]Run make deploy", "##[endgroup]"]
        for position, kind in enumerate(kinds):
            lines += [f"Deploying part {position} of {number}", *self.text(place, kind).split("\n")]
            if place == "log":
                lines.append(f"Error: {probe(kind)} was not deployed")
        lines += ["##[error]Process completed with exit code 1."] * (place == "log")
        begun = at(1)
        stamped = (f"{begun + timedelta(milliseconds=n):%Y-%m-%dT%H:%M:%S.%f}0Z {x}" for n, x in enumerate(lines))
        return "".join(line + "\n" for line in stamped).encode()

    def _run(self, number: int, jobs: Sequence[Sequence[str]]) -> RunSpec:
        made = [self._job(1_000 + number * 100 + n, kinds) for n, kinds in enumerate(jobs)]
        kinds = [kind for kinds in jobs for kind in kinds]
        one_line = iter(self.in_one_line("run", kinds))
        return run(
            10 + number,
            [attempt(1, made, 30)],
            30,
            event="pull_request",
            workflow_id=100 + number,
            workflow_name=f"CI {number} {next(one_line)}",
            head_branch=f"topic-{number}-{next(one_line)}",
            display_title=f"Change {next(one_line)}",
            head_sha=f"{number:040x}",
            pull_numbers=(PULL,),
        )

    def _passed(self, number: int, jobs: Sequence[Sequence[str]], like: RunSpec) -> RunSpec:
        made = []
        for n, kinds in enumerate(jobs):
            name = like.attempts[0].jobs[n].name
            made.append(job(500_000 + number * 100 + n, name, 1, 2, log=self.log("passing log", kinds, n)))
        return run(
            100_000 + number,
            [attempt(1, made, 0)],
            0,
            workflow_id=like.workflow_id,
            workflow_name=like.workflow_name,
            event="pull_request",
        )

    def _job(self, job_id: int, kinds: Sequence[str]) -> JobSpec:
        names = self.in_one_line("name", kinds)
        begun, ended = at(31), at(35)
        steps = [StepSpec(number=1, name="Set up job", started_at=begun, completed_at=begun)]
        for number, name in enumerate(names[4:], start=2):
            steps.append(StepSpec(number=number, name=name, started_at=begun, completed_at=begun))
        steps.append(
            StepSpec(
                number=len(steps) + 1,
                name="Run make deploy",
                conclusion="failure",
                started_at=begun,
                completed_at=ended,
            )
        )
        notes = [
            AnnotationSpec(
                level="failure" if n % 2 else "warning",
                message=f"{probe(kind)}: {self.text('annotation', kind)}",
                title=f"Note {n}",
            )
            for n, kind in enumerate(kinds)
        ]
        return job(
            job_id,
            f"deploy {job_id} {names[0]}",
            31,
            35,
            conclusion="failure",
            runner_name=names[1],
            labels=("ubuntu-latest", *names[2:4]),
            steps=tuple(steps),
            annotations=tuple(notes),
            log=self.log("log", kinds, job_id),
        )


def _parts(whole: Sequence[T], size: int) -> list[Sequence[T]]:
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def probe(kind: str) -> str:
    """A word that is no secret and stands beside one: where it is seen, the
    secret's line was looked at.
    """
    chosen = random.Random(kind)
    return "".join(chosen.choice("bdfgklmnprstvz") + chosen.choice("aeiou") for _ in range(5))


def by_place(found: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The kinds of each place."""
    places = defaultdict(list)
    for place, kind in found:
        places[place].append(kind)
    return {place: sorted(kinds) for place, kinds in places.items()}
