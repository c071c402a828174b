"""The annotations of jobs: by GraphQL, a request a hundred jobs, where it answers, else by REST.

What belongs here: which of both, what is remembered for it. Does not: the question to GraphQL
(`annotations_at_once.py`), JSON (`schemas.py`), sending (`transport.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from itertools import islice

from ci_metrics.errors import ContractError, IncompleteError, NotFoundError
from ci_metrics.github.annotations_at_once import MOST_JOBS, annotations_at_once
from ci_metrics.github.identities import Identities
from ci_metrics.github.listings import another, attempt_name, read_listing, whole
from ci_metrics.github.pages import Shape
from ci_metrics.github.schemas import CheckAnnotation, CheckRun
from ci_metrics.github.transport import Transport
from ci_metrics.models import Annotation, Job, Run

#: Check suites whose finished check runs are remembered, so that a run's later
#: attempts need not ask again.
_SUITES_KEPT = 256
#: Jobs whose ids for GraphQL are remembered: those of an hour.
_NODES_KEPT = 200_000


class JobAnnotations:
    """Annotations of jobs, as one GitHub's identities see them. Safe for many threads."""

    def __init__(self, identities: Identities) -> None:
        """`identities`: which transport asks for a repository."""
        self._identities = identities
        self._lock = threading.Lock()
        self._suites: dict[tuple[str, int], dict[int, int]] = {}
        self._without_graphql: set[Transport] = set()  # until the client is closed
        self._nodes: dict[tuple[str, int], str] = {}

    def listed(self, nodes: Mapping[tuple[str, int], str]) -> None:
        """Remember the GraphQL ids of jobs, by repository and job id."""
        with self._lock:
            self._nodes.update(nodes)
            while len(self._nodes) > _NODES_KEPT:
                del self._nodes[next(iter(self._nodes))]

    def at_once(self, jobs: Sequence[Job]) -> dict[int, tuple[Annotation, ...]]:
        """Annotations of jobs that are `listed` and have ended, by job id: a request for
        a hundred.

        A job that is not in the result is to be asked for by `one_by_one`. Raises nothing.
        """
        by_identity: dict[int, tuple[Transport, dict[str, int]]] = {}
        for job in jobs:
            with self._lock:
                node = self._nodes.pop((job.repo, job.job_id), "")
            if node and job.finished:
                transport = self._identities.of(job.repo)
                by_identity.setdefault(id(transport), (transport, {}))[1][node] = job.job_id
        found: dict[int, tuple[Annotation, ...]] = {}
        for transport, nodes in by_identity.values():
            for first in range(0, len(nodes), MOST_JOBS):
                if transport in self._without_graphql:
                    break
                answer = annotations_at_once(transport, dict(islice(nodes.items(), first, first + MOST_JOBS)))
                if answer is None:
                    self._without_graphql.add(transport)
                found.update(answer or {})
        return found

    def one_by_one(self, repo: str, run: Run, jobs: Sequence[Job]) -> dict[int, tuple[Annotation, ...]]:
        """Each job's annotations, by job id; empty for a job without any.

        One listing of the run's check suite says how many each job has; only jobs that have some
        are asked for them. Raises IncompleteError with those that came when a job has more than are
        listed, or nobody knows how many it has.
        """
        if not jobs:
            return {}
        counts = self._annotation_counts(repo, run, jobs)
        found: dict[int, tuple[Annotation, ...]] = {}
        missing: list[str] = []
        for job in jobs:
            try:
                count = counts[job.job_id] if job.job_id in counts else self._count_directly(repo, job.job_id)
                found[job.job_id] = self._annotations_of(repo, job.job_id, count) if count else ()
            except IncompleteError as error:
                found[job.job_id] = error.found
                missing.append(str(error))
            except (NotFoundError, ContractError) as error:
                missing.append(f"annotations of job {job.job_id}: {error}")
        return whole(found, attempt_name(run), missing)

    def _annotation_counts(self, repo: str, run: Run, jobs: Sequence[Job]) -> dict[int, int]:
        """Check run id -> number of annotations. Those of finished check runs are
        remembered: they do not change.

        What the listing lacks is no loss: such a job is asked for directly.
        """
        suite = run.check_suite_id
        if suite is None:
            return {}
        with self._lock:
            remembered = self._suites.get((repo, suite), {})
        if all(job.finished and job.job_id in remembered for job in jobs):
            return remembered
        path = f"/repos/{repo}/check-suites/{suite}/check-runs"
        shape = Shape(CheckRun, f"{repo} check suite {suite}", "check_runs")
        checks = read_listing(self._identities.of(repo), "check_runs", path, shape, {"filter": "all"}, keep=False).items
        with self._lock:
            self._suites[repo, suite] = {check.id: check.output.annotations_count for check in checks if check.finished}
            while len(self._suites) > _SUITES_KEPT:
                del self._suites[next(iter(self._suites))]
        return {check.id: check.output.annotations_count for check in checks}

    def _count_directly(self, repo: str, job_id: int) -> int:
        shape = Shape(CheckRun, repo, misplaced=lambda check: another("check run", check.id, job_id))
        try:
            check = self._identities.of(repo).one("check_run", f"/repos/{repo}/check-runs/{job_id}", shape, keep=False)
        except NotFoundError as error:
            if error.status == 410:
                return 0
            raise
        return check.output.annotations_count

    def _annotations_of(self, repo: str, job_id: int, count: int) -> tuple[Annotation, ...]:
        path, where = f"/repos/{repo}/check-runs/{job_id}/annotations", f"job {job_id} of {repo}"
        listing = read_listing(
            self._identities.of(repo), "annotations", path, Shape(CheckAnnotation, where, ""), claimed=count, keep=False
        )
        return whole(tuple(note.record() for note in listing.items), where, [listing.missing])
