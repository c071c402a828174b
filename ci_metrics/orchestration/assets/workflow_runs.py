"""`workflow_runs`: every attempt of every run created in the hour, of every repository.

What belongs here: fetching runs and keeping what cannot be fetched now. Does not: jobs, logs.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import dagster as dg

from ci_metrics.errors import CiMetricsError, IncompleteError
from ci_metrics.github import GitHub
from ci_metrics.models import Run
from ci_metrics.orchestration.metadata import plot, table
from ci_metrics.orchestration.partition_loop import announce_classifier, each_hour
from ci_metrics.orchestration.partitioned_asset import partitioned_asset
from ci_metrics.orchestration.partitions import HOUR, hour_start
from ci_metrics.orchestration.resources import Workplace
from ci_metrics.orchestration.rows import RepoFetch

NAME = "workflow_runs"


def build(partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset on these partitions."""

    @partitioned_asset(
        NAME,
        partitions,
        rows=Run,
        group="github",
        kinds={"github", "parquet"},
        pool="github",
        description=(
            "Every attempt of every GitHub Actions run **created** in the hour. A run keeps its hour for ever, so a later "
            "attempt appears here when the hour is redone. What could not be fetched is named in the metadata."
        ),
    )
    def workflow_runs(context: dg.AssetExecutionContext, ci: dg.ResourceParam[Workplace]) -> None:
        announce_classifier(context, ci)
        each_hour(context, ci, lambda hour: fetch_hour(ci, hour, context))

    return workflow_runs


def fetch_hour(ci: Workplace, hour: str, context: dg.AssetExecutionContext) -> Mapping[str, Any]:
    """Fetch one hour's runs and commit them; returns the metadata. Raises when not one repository could be fetched."""
    before = ci.github.requests
    kept = ci.store.read_or_none(NAME, hour, Run)
    rows: dict[tuple[str, int, int], Run] = {(run.repo, run.run_id, run.run_attempt): run for run in kept}
    fetches: list[RepoFetch] = []
    problems: list[CiMetricsError] = []
    deleted: list[tuple[int, int]] = []  # stored, and no longer listed
    for repo in ci.settings.repo:
        known = {key: run for key, run in rows.items() if key[0] == repo}
        problem = ""
        try:
            try:
                fetched = fetch_repo(ci.github, repo, hour, known)
            except IncompleteError as error:
                # What came is kept; nothing is taken for deleted, and the hour counts as unfinished.
                fetched, problem = error.found, f"{type(error).__name__}: {error}"
                context.log.warning(f"⚠️ {repo}: {error}")
        except CiMetricsError as error:
            # The other repositories go on; what is stored of this one stays, and the hour counts as unfinished.
            problems.append(error)
            fetches.append(
                RepoFetch(repo=repo, runs=len(known), unfinished=0, problem=f"{type(error).__name__}: {error}")
            )
            context.log.warning(f"⚠️ {repo}: {error}")
            continue
        rows.update({(run.repo, run.run_id, run.run_attempt): run for run in fetched})
        unfinished = len({run.run_id for run in fetched if not run.finished})
        listed = {run.run_id for run in fetched}
        if not problem:
            deleted += sorted((run_id, attempt) for _, run_id, attempt in known if run_id not in listed)
        fetches.append(RepoFetch(repo=repo, runs=len(listed), unfinished=unfinished, problem=problem))
    failing = {fetch.repo: fetch.problem for fetch in fetches if fetch.problem}
    if problems and len(problems) == len(ci.settings.repo):
        # Noted first: an hour that nobody has heard of is an hour that nobody comes back to.
        ci.store.note_status(hour, NAME, {"runs": len(rows), "unfinished": 0, "problems": failing}, ci.now())
        raise problems[0]
    runs = sorted(rows.values(), key=lambda run: (run.repo, run.created_at, run.run_id, run.run_attempt))
    notes = {"fetches": [asdict(fetch) for fetch in fetches], "deleted": deleted}
    spent = ci.github.requests - before
    unfinished = sum(fetch.unfinished for fetch in fetches)
    status = {"runs": len(runs), "unfinished": unfinished, "problems": failing}
    ci.store.commit(NAME, hour, runs, Run, notes=notes, status=status, now=ci.now())
    return {
        "dagster/row_count": len(runs),
        "runs": len({(run.repo, run.run_id) for run in runs}),
        "attempts": len(runs),
        "unfinished_runs": unfinished,
        "deleted_attempts": len(deleted),
        "requests": spent.total,
        "requests_counted": spent.counted,
        "problems": dg.MetadataValue.json(failing),
        "by_conclusion": plot(Counter(run.conclusion or run.status for run in runs)),
        "latest": table(
            [
                {"repo": r.repo, "workflow": r.workflow_name, "attempt": r.run_attempt, "is": r.conclusion or r.status}
                for r in runs
            ],
            ("repo", "workflow", "attempt", "is"),
        ),
    }


def fetch_repo(github: GitHub, repo: str, hour: str, known: Mapping[tuple[str, int, int], Run]) -> list[Run]:
    """All attempts of one repository's runs of the hour; earlier attempts that are finished and `known` are not asked again.

    Raises IncompleteError with what came when GitHub gave less than it says there is.
    """
    start = hour_start(hour)
    found: list[Run] = []
    short: list[str] = []
    try:
        listed = github.runs_created(repo, start, start + HOUR)
    except IncompleteError as error:
        listed = error.found
        short.append(str(error))
    for latest in listed:
        same = {key[2]: run for key, run in known.items() if key[1] == latest.run_id}
        finished = {attempt for attempt, run in same.items() if run.finished and attempt < latest.run_attempt}
        pr_id = next((run.pr_id for run in same.values() if run.pr_id != "N/A"), latest.pr_id)
        if pr_id == "N/A" and latest.event.startswith("pull_request"):
            pr_id = github.pr_id(latest)
        try:
            asked = github.attempts(latest, known=finished)
        except IncompleteError as error:
            asked = error.found
            short.append(str(error))
        attempts = [*(same[n] for n in sorted(finished)), *asked]
        found.extend(replace(run, pr_id=pr_id) for run in attempts)
    if short:
        raise IncompleteError("; ".join(short), found=found)
    return found
