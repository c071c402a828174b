"""The special runs of the sample day, one function a story.

What belongs here: what a newcomer and the tests should meet: a big matrix, re-runs, a storm,
forks, runners that die, logs that are gone. Does not: the ordinary runs (`scenario_plan.py`), ids
and times (`scenario.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from ci_metrics.sample.scenario_jobs import JobPlan
from ci_metrics.sample.scenario_plan import (
    GADGETS,
    WEB,
    WIDGETS,
    AttemptPlan,
    RunPlan,
    failing_job,
    passing_job,
)
from ci_metrics.sample.world import AnnotationSpec

_LOST = (
    "The self-hosted runner lost communication with the server. Verify the machine is running and has a healthy network"
    " connection. Anything in your workflow that terminates the runner process, starves it for CPU/Memory, or blocks its"
    " network access can cause this error."
)
_TESTS = (("Run tests", "pytest-errors-ok"),)


def special_runs() -> Iterator[RunPlan]:
    """All of them."""
    yield from _nightly_matrix()
    yield from _broken_main()
    yield from _flaky()
    yield from storm(14, "retry-downloads")
    yield from _late()
    yield from _no_logs()
    yield from _forks()
    yield from _odd_conclusions()


def _nightly_matrix() -> Iterator[RunPlan]:
    """108 jobs; one Python version meets a timeout in each of its six shards on one
    system. A gate closes the run.
    """
    systems, versions = ("ubuntu-24.04", "ubuntu-22.04", "debian-12"), ("3.11", "3.12", "3.13")
    jobs = [job for system in systems for python in versions for job in nightly_shards(system, python)]
    jobs.append(failing_job("all-green-gate", WIDGETS, name="all green", after=True))
    yield RunPlan(repo=WIDGETS, workflow="Nightly", hour=2, minute=17, event="schedule", jobs=tuple(jobs))


def nightly_shards(system: str, python: str) -> Iterator[JobPlan]:
    """The matrix' jobs of one system and Python."""
    for shard in range(1, 13):
        name = f"test ({system}, {python}, shard {shard}/12)"
        if (system, python) == ("debian-12", "3.13") and shard % 2:
            yield failing_job("pytest-timeout", WIDGETS, name=name)
        else:
            yield JobPlan(name=name, passes=_TESTS, waits=5 + shard)


def _broken_main() -> Iterator[RunPlan]:
    """main fails first; pull requests inherit the failure for hours, until a fix is pushed."""
    broken = failing_job("pytest-assert", WIDGETS, name="test (3.11, ubuntu-latest)")
    fixed = JobPlan(name=broken.name, passes=_TESTS)
    yield RunPlan(repo=WIDGETS, workflow="CI", hour=8, minute=50, jobs=(broken, passing_job(WIDGETS, "main")),
                  merges="round-prices", title="Round prices in one place", changes=("shop/price.py",))  # fmt: skip
    for hour, branch in ((9, "add-basket"), (9, "error-pages"), (10, "cache-keys"), (11, "add-basket"), (12, "größen")):
        yield RunPlan(repo=WIDGETS, workflow="CI", hour=hour, event="pull_request", branch=branch, jobs=(broken,))
    yield RunPlan(
        repo=WIDGETS,
        workflow="CI",
        hour=12,
        minute=41,
        jobs=(fixed,),
        merges="half-to-even",
        title="Round half to even, as the invoice does",
        changes=("shop/price.py", "tests/test_price.py"),
    )


def _flaky() -> Iterator[RunPlan]:
    """Tests that fail and then pass at the same commit; one of them in two runs, so
    that history can confirm it.
    """
    name = "test (cache, ubuntu-latest)"
    slow = failing_job("pytest-slow-cache", WIDGETS, name=name, flaky="confirmed")
    passed = JobPlan(name=name, passes=_TESTS)
    again = AttemptPlan(after=timedelta(minutes=22), jobs=(passed,))
    yield RunPlan(repo=WIDGETS, workflow="CI", hour=6, event="pull_request", branch="cache-keys", jobs=(slow,),
                  later=(again,))  # fmt: skip
    yield RunPlan(repo=WIDGETS, workflow="CI", hour=13, event="pull_request", branch="retry-downloads",
                  jobs=(slow, passing_job(WIDGETS, "flaky")), later=(again,))  # fmt: skip
    yield RunPlan(repo=WIDGETS, workflow="CI", hour=16, jobs=(slow,))
    late = failing_job("node-test-timeout", WEB, name="test (node 20)", flaky="suspected")
    yield RunPlan(repo=WEB, workflow="CI", hour=15, event="pull_request", branch="error-pages", jobs=(late,),
                  later=(AttemptPlan(after=timedelta(minutes=35), failed_only=False,
                                     jobs=(JobPlan(name=late.name, passes=(("Run tests", "node-test-ok"),)),)),))  # fmt: skip
    wait = failing_job("wait-for-service", GADGETS, name="integration (linux)", flaky="suspected")
    yield RunPlan(repo=GADGETS, workflow="CI", hour=17, jobs=(wait, passing_job(GADGETS, "wait")),
                  later=(AttemptPlan(after=timedelta(minutes=14), jobs=(wait,)),
                         AttemptPlan(after=timedelta(minutes=41),
                                     jobs=(JobPlan(name=wait.name, passes=(("Build", "make-ok"),)),))))  # fmt: skip


def storm(hour: int, pull: str) -> Iterator[RunPlan]:
    """From five past until ten to the network is gone: unrelated jobs of all repositories fail for
    one reason, on main and in the pull request `pull`.
    """
    stories = (
        (WIDGETS, 5, ("curl-503", "pip-dns")),
        (GADGETS, 9, ("curl-503", "git-dns")),
        (WEB, 14, ("npm-dns", "curl-503")),
        (WIDGETS, 21, ("pip-dns", "curl-503", "apt-dns")),
        (GADGETS, 30, ("curl-503",)),
        (WEB, 37, ("npm-dns", "curl-503")),
        (WIDGETS, 50, ("curl-503", "pip-dns")),
    )
    for place, (repo, minute, slugs) in enumerate(stories):
        jobs = tuple(failing_job(slug, repo) for slug in slugs)
        event, branch = (("push", "main"), ("pull_request", pull))[place % 2]
        yield RunPlan(repo=repo, workflow="CI", hour=hour, minute=minute, jobs=jobs, event=event, branch=branch)


def _late() -> Iterator[RunPlan]:
    """What is not over when the day is: a run that goes on until the morning, and
    a re-run two weeks later.
    """
    jobs = (
        passing_job(WEB, "night 1"),
        failing_job("node-heap", WEB, name="index (full)", seconds=5 * 3600 + 1740),
        failing_job("deadlocked-step", WEB, name="load test", waits=3600, seconds=6 * 3600),
    )
    yield RunPlan(repo=WEB, workflow="Nightly", hour=23, minute=5, event="schedule", jobs=jobs)
    refused = failing_job("go-proxy-refused", GADGETS, name="modules (go)")
    wrong = failing_job("go-checksum-mismatch", GADGETS, name="modules (go)")
    yield RunPlan(repo=GADGETS, workflow="CI", hour=10, minute=26, jobs=(refused, passing_job(GADGETS, "modules")),
                  later=(AttemptPlan(after=timedelta(days=13, hours=23), jobs=(wrong,)),))  # fmt: skip
    load = failing_job("deadlocked-step", WIDGETS, name="load test", seconds=1795)
    yield RunPlan(repo=WIDGETS, workflow="Nightly", hour=3, minute=30, event="schedule", jobs=(load,))


def _no_logs() -> Iterator[RunPlan]:
    """Logs that GitHub does not have: a runner that died, logs that were deleted, jobs
    cancelled before they began.
    """
    lost = AnnotationSpec(level="failure", message=_LOST)
    canceled = AnnotationSpec(level="failure", message="The operation was canceled.")
    died = failing_job("make-keep-going", GADGETS, name="build (self-hosted)", runner="rack-7-x9k2f", answer="not_found",
                       annotations=(lost,))  # fmt: skip
    expired = failing_job("cmake-build", GADGETS, name="build (cmake)", answer="gone")
    never = JobPlan(name="deploy preview", conclusion="cancelled", answer="not_found", annotations=(canceled,))
    yield RunPlan(repo=GADGETS, workflow="CI", hour=7, jobs=(died, passing_job(GADGETS, "died")))
    yield RunPlan(repo=GADGETS, workflow="CI", hour=11, jobs=(expired,))
    yield RunPlan(repo=WIDGETS, workflow="Release", hour=18, event="workflow_dispatch",
                  jobs=(failing_job("missing-secret", WIDGETS, name="deploy production"), never))  # fmt: skip
    yield RunPlan(repo=WEB, workflow="CI", hour=19, jobs=(
        failing_job("npm-eresolve", WEB, name="install", answer="gone"), passing_job(WEB, "gone")))  # fmt: skip


def _forks() -> Iterator[RunPlan]:
    """Runs of forks, whose `pull_requests` are empty: one to be found by its head, one
    ambiguous, one whose fork is gone.
    """
    job = failing_job("ruff-lint", WIDGETS, name="lint")
    yield RunPlan(repo=WIDGETS, workflow="Lint", hour=15, event="pull_request", branch="patch-1",
                  head_repo="gil-stone/widgets", jobs=(job,))  # fmt: skip
    yield RunPlan(repo=WIDGETS, workflow="Lint", hour=16, event="pull_request", branch="main",
                  head_repo="hal-reed/widgets", jobs=(job,))  # fmt: skip
    yield RunPlan(repo=WIDGETS, workflow="Lint", hour=20, event="pull_request", branch="typo", head_repo=None,
                  jobs=(failing_job("codespell-gate", WIDGETS, name="spelling"),))  # fmt: skip


def _odd_conclusions() -> Iterator[RunPlan]:
    """Conclusions beside success and failure; a workflow file that GitHub refuses;
    a job with warnings only.
    """
    warning = AnnotationSpec(level="warning", message="Cache not found for input keys: linux-error-cache-7")
    notice = AnnotationSpec(level="notice", message="Coverage went from 91.2 % to 91.4 %", title="Coverage")
    skipped = JobPlan(name="publish", conclusion="skipped", answer="not_found")
    warned = JobPlan(name="test (warnings only)", passes=_TESTS, annotations=(warning, warning))
    noticed = JobPlan(name="coverage", passes=_TESTS, conclusion="neutral", annotations=(notice,))
    both = failing_job("mypy-errors", WIDGETS, name="types", annotations=(warning,))
    yield RunPlan(repo=WIDGETS, workflow="CI", hour=9, jobs=(warned, noticed, skipped))
    yield RunPlan(repo=WIDGETS, workflow="CI", hour=17, jobs=(both, skipped))
    yield RunPlan(repo=WIDGETS, workflow="CI", hour=5, event="pull_request", branch="first-pr",
                  head_repo="ivo-first/widgets", jobs=(), conclusion="action_required")  # fmt: skip
    yield RunPlan(repo=WEB, workflow="CI", hour=21, jobs=(passing_job(WEB, "stale"),), conclusion="stale")
    yield RunPlan(repo=GADGETS, workflow="Docs", hour=22, jobs=(), conclusion="startup_failure")
