"""`workflow_runs`: every attempt of every run created in the hour, of every repository.

What belongs here: fetching runs and keeping what cannot be fetched now. Does not: jobs, logs.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import dagster as dg

from ci_metrics.errors import CiMetricsError
from ci_metrics.github import GitHub
from ci_metrics.models import Run
from ci_metrics.orchestration.metadata import plot, table
from ci_metrics.orchestration.partition_loop import announce_classifier, each_hour
from ci_metrics.orchestration.partitioned_asset import partitioned_asset
from ci_metrics.orchestration.partitions import HOUR, hour_start
from ci_metrics.orchestration.parts import GitHubPart, HoursPart, JudgePart
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
    def workflow_runs(
        context: dg.AssetExecutionContext,
        hours: dg.ResourceParam[HoursPart],
        github: dg.ResourceParam[GitHubPart],
        judge: dg.ResourceParam[JudgePart],
    ) -> None:
        announce_classifier(context, judge)
        each_hour(context, hours, lambda hour: fetch_hour(hours, github, hour, context))

    return workflow_runs


def fetch_hour(hours: HoursPart, github: GitHubPart, hour: str, context: dg.AssetExecutionContext) -> Mapping[str, Any]:
    """Fetch one hour's runs and commit them; returns the metadata. Raises when not one repository could be fetched."""
    before = github.client.requests
    kept = hours.store.read_or_none(NAME, hour, Run)
    rows: dict[tuple[str, int, int], Run] = {(run.repo, run.run_id, run.run_attempt): run for run in kept}
    fetches: list[RepoFetch] = []
    problems: list[CiMetricsError] = []
    deleted: list[tuple[int, int]] = []  # stored, and no longer listed
    for repo in github.settings.repo:
        known = {key: run for key, run in rows.items() if key[0] == repo}
        try:
            fetched = fetch_repo(github.client, repo, hour, known)
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
        deleted += sorted((run_id, attempt) for _, run_id, attempt in known if run_id not in listed)
        fetches.append(RepoFetch(repo=repo, runs=len(listed), unfinished=unfinished))
    failing = {fetch.repo: fetch.problem for fetch in fetches if fetch.problem}
    if problems and len(problems) == len(github.settings.repo):
        # Noted first: an hour that nobody has heard of is an hour that nobody comes back to.
        hours.store.note_status(hour, NAME, {"runs": len(rows), "unfinished": 0, "problems": failing}, hours.now())
        raise problems[0]
    runs = sorted(rows.values(), key=lambda run: (run.repo, run.created_at, run.run_id, run.run_attempt))
    notes = {"fetches": [asdict(fetch) for fetch in fetches], "deleted": deleted}
    spent = github.client.requests - before
    unfinished = sum(fetch.unfinished for fetch in fetches)
    status = {"runs": len(runs), "unfinished": unfinished, "problems": failing}
    hours.store.commit(NAME, hour, runs, Run, notes=notes, status=status, now=hours.now())
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
    """All attempts of one repository's runs of the hour; earlier attempts that are finished and `known` are not asked again."""
    start = hour_start(hour)
    found: list[Run] = []
    for latest in github.runs_created(repo, start, start + HOUR):
        same = {key[2]: run for key, run in known.items() if key[1] == latest.run_id}
        finished = {attempt for attempt, run in same.items() if run.finished and attempt < latest.run_attempt}
        pr_id = next((run.pr_id for run in same.values() if run.pr_id != "N/A"), latest.pr_id)
        if pr_id == "N/A" and latest.event.startswith("pull_request"):
            pr_id = github.pr_id(latest)
        attempts = [*(same[n] for n in sorted(finished)), *github.attempts(latest, known=finished)]
        found.extend(replace(run, pr_id=pr_id) for run in attempts)
    return found
