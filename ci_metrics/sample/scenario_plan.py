"""What happens on the sample day, as plans: the ordinary runs, made from the recordings; the
special ones, written by hand.

What belongs here: who runs what, where, in which hour. Does not: ids, commits, exact
times, logs (`scenario.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from ci_metrics.sample.recordings import RecordedFailure, failures
from ci_metrics.sample.scenario_jobs import JobPlan, stable_number

WIDGETS, GADGETS, WEB = "sample-org/widgets", "sample-org/gadgets", "sample-org/widgets-web"
REPOS = (WIDGETS, GADGETS, WEB)
PEOPLE = ("ada-fern", "bo-lind", "cy-marsh", "dee-holt", "eli-brook", "fay-wood")
BRANCHES = ("add-basket", "error-pages", "fix/rounding", "retry-downloads", "docs/manual", "cache-keys", "größen")
WORKFLOWS = {"CI": "ci.yml", "Lint": "lint.yml", "Docs": "docs.yml", "Release": "release.yml", "Nightly": "nightly.yml"}

#: Ordinary runs in each hour of the day: a working day with a quiet night.
_HOURS = (2, 1, 1, 2, 1, 3, 5, 6, 8, 8, 9, 7, 6, 8, 5, 8, 8, 7, 6, 5, 4, 3, 3, 2)

_HOMES = {
    GADGETS: ("go", "gofmt", "gcc", "g++", "ld", "make", "cmake", "ctest", "cargo", "clippy", "rustfmt", "maven",
              "javac", "java"),
    WEB: ("npm", "node", "tsc", "esbuild", "eslint", "prettier", "markdownlint", "jest", "mocha", "playwright"),
    WIDGETS: ("pip", "python", "pytest", "unittest", "ruff", "mypy", "codespell", "yaml", "yamllint"),
}  # fmt: skip
_RELEASE_WORDS = ("Deploy", "Publish", "Push", "Notify", "Terraform", "Apply", "Package", "Upload", "Flash", "Unpack")
_LINT_WORDS = ("Lint", "Format", "Spelling", "Clippy", "Vet", "Type check", "Check generated", "Check the title")
_DOCS_WORDS = ("Docs", "Doctests", "Render", "Check the release notes", "Build the manual")

#: Recordings that only the special runs use.
SPECIAL = frozenset(
    {"pytest-slow-cache", "pytest-assert", "all-green-gate", "curl-503", "pip-dns", "npm-dns", "deadlocked-step"}
)

#: Steps that pass before the failing one, for each repository and kind of tool.
_WARM_UP = {
    WIDGETS: (("Install dependencies", "pip-install-ok"), ("Smoke test", "python-logging-ok")),
    GADGETS: (("Unit tests of the tools", "go-test-ok"),),
    WEB: (("Install", "npm-ci-ok"), ("Unit tests", "node-test-ok")),
}
_PASSING = {
    WIDGETS: ("pytest-errors-ok", "python-logging-ok", "ruff-ok", "curl-retry-ok", "git-checkout-ok"),
    GADGETS: ("make-ok", "go-test-ok", "cargo-test-ok", "maven-ok"),
    WEB: ("npm-ci-ok", "node-test-ok", "curl-retry-ok"),
}
_PASSING_STEP = {"pytest-errors-ok": "Run tests", "maven-ok": "Build", "npm-ci-ok": "Install"}


#: How long a step takes whose log says it.
_SECONDS = {"step-timed-out": 600, "timeout-command": 5, "wait-for-service": 7, "all-green-gate": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptPlan:
    """A later attempt of a run."""

    after: timedelta  # from the run's creation
    jobs: tuple[JobPlan, ...]
    failed_only: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """One run and what becomes of it."""

    repo: str
    workflow: str
    hour: int
    jobs: tuple[JobPlan, ...]
    event: str = "push"
    branch: str = "main"
    minute: int = -1  # -1: some minute
    commit: str = ""  # runs of a branch with the same word are of one commit
    merges: str = ""  # the branch whose pull request this push to main merged
    changes: tuple[str, ...] = ()  # the paths that its commit changed; (): some
    later: tuple[AttemptPlan, ...] = ()
    head_repo: str | None = ""  # "": the repository itself; None: a fork that is gone
    conclusion: str | None = None
    title: str = ""


def home(failure: RecordedFailure, key: str) -> str:
    """The repository in which such a failure occurs; those of no language occur anywhere."""
    found = [repo for repo, tools in _HOMES.items() if failure.tool in tools]
    return found[0] if found else REPOS[stable_number(f"home {key}", 3)]


def workflow_of(failure: RecordedFailure) -> str:
    """The workflow that has such a step."""
    for words, name in ((_RELEASE_WORDS, "Release"), (_LINT_WORDS, "Lint"), (_DOCS_WORDS, "Docs")):
        if failure.step.startswith(words):
            return name
    return "CI"


def failing_job(slug: str, repo: str, *, name: str = "", **more: object) -> JobPlan:
    """A job that fails with a recording, after steps that pass."""
    failure = failures()[slug]
    passes = failure.before
    if not passes and not failure.step.startswith(("Install", "Checkout", "Download modules")):
        choices = _WARM_UP[repo]
        passes = choices[: stable_number(f"warm-up {slug}", len(choices) + 1)]
    passes = tuple(step for step in passes if step[0] != failure.step)
    more = {"seconds": _SECONDS.get(slug, 0), **more}
    return JobPlan(name=name or _job_name(failure), fails=slug, passes=passes, **more)  # type: ignore[arg-type]


def passing_job(repo: str, key: str) -> JobPlan:
    """A job that passes, with a log that often speaks of errors."""
    choices = _PASSING[repo]
    slug = choices[stable_number(f"passing {key}", len(choices))]
    name = f"{_PASSING_STEP.get(slug, 'Check').lower()} ({slug.removesuffix('-ok')}, ubuntu-latest)"
    return JobPlan(name=name, passes=((_PASSING_STEP.get(slug, "Check"), slug),))


def passing_twin(job: JobPlan, repo: str) -> JobPlan:
    """The same job where it passes: its failing step ends well."""
    if not job.fails:
        return job
    choices = _PASSING[repo]
    step = (failures()[job.fails].step, choices[stable_number(f"twin {job.name}", len(choices))])
    return JobPlan(name=job.name, passes=(*job.passes, step))


def _distinct(jobs: Iterable[JobPlan]) -> Iterator[JobPlan]:
    """The same jobs with names of their own, as GitHub wants them within a run."""
    names: set[str] = set()
    for job in jobs:
        name, place = job.name, 2
        while name in names:
            name, place = f"{job.name} #{place}", place + 1
        names.add(name)
        yield replace(job, name=name)


def _job_name(failure: RecordedFailure) -> str:
    kind = failure.step.lower()
    place = stable_number(f"name {failure.slug}", 5)
    return (
        f"{kind} ({failure.tool}, ubuntu-latest)",
        f"{kind} [{failure.tool}]",
        f"{failure.tool} / {kind}",
        f"{kind} ({failure.tool}) → größe ✓",
        f"{kind} / {failure.tool} (linux, x64, release)",
    )[place]


def ordinary_runs() -> Iterator[RunPlan]:
    """Runs that hold every recording at least once, and runs that pass, spread over the day."""
    grouped: dict[tuple[str, str], list[str]] = {}
    slugs = [slug for slug in failures() if slug not in SPECIAL]
    again = ("npm-etarget", "docker-no-engine", "cargo-test-fail", "disk-full", "superseded", "go-undefined",
             "surefire-fail", "missing-secret", "pip-conflict", "tsc-errors", "segfault", "npm-etarget",
             "docker-no-engine", "superseded", "pip-no-matching-version", "cargo-test-fail")  # fmt: skip
    for place, slug in enumerate([*sorted(slugs, key=lambda s: stable_number(f"order {s}", 2**40)), *again]):
        failure = failures()[slug]
        grouped.setdefault((home(failure, f"{slug} {place}"), workflow_of(failure)), []).append(slug)
    bundles: list[tuple[str, str, tuple[str, ...]]] = []
    for (repo, workflow), members in grouped.items():
        while members:
            size = 1 + stable_number(f"bundle {repo} {workflow} {len(members)}", 3)
            bundles.append((repo, workflow, tuple(dict.fromkeys(members[:size]))))
            members = members[size:]
    wanted = sum(_HOURS)
    for place in range(wanted - len(bundles)):
        workflow = ("CI", "CI", "Lint", "Docs")[stable_number(f"passing workflow {place}", 4)]
        bundles.append((REPOS[stable_number(f"passing repo {place}", 3)], workflow, ()))
    hours = [hour for hour, count in enumerate(_HOURS) for _ in range(count)]
    order = sorted(range(len(bundles)), key=lambda n: stable_number(f"bundle order {n}", 2**40))
    for place, (which, hour) in enumerate(zip(order, hours, strict=False)):
        repo, workflow, members_of = bundles[which]
        yield _ordinary(repo, workflow, tuple(members_of), hour, place)


def _ordinary(repo: str, workflow: str, slugs: tuple[str, ...], hour: int, place: int) -> RunPlan:
    jobs = [failing_job(slug, repo) for slug in slugs]
    wanted = stable_number(f"passing jobs {place}", 3) + (0 if jobs else 1)
    jobs += [passing_job(repo, f"{place} {n}") for n in range(wanted)]
    unique = tuple(_distinct(jobs))
    if workflow == "CI" and len(slugs) > 1 and place % 3 == 0:
        unique = (*unique, failing_job("all-green-gate", repo, name="all green", after=True))
    event = "push"
    branch = "main"
    if workflow == "Release":
        event = "workflow_dispatch"
    elif hour < 5:
        event = "schedule"
    elif stable_number(f"event {place}", 10) < 6:
        event, branch = "pull_request", BRANCHES[stable_number(f"branch {place}", len(BRANCHES))]
    return RunPlan(repo=repo, workflow=workflow, hour=hour, jobs=unique, event=event, branch=branch)
