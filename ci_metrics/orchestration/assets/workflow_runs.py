"""`workflow_runs`: every attempt of every run created in the hour, of every repository.

What belongs here: fetching runs and keeping what cannot be fetched now. Does not: jobs, logs.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import dagster as dg

from ci_metrics.errors import AuthenticationError, CiMetricsError, IncompleteError, SettingsError, TransientError
from ci_metrics.github import GitHub, RequestCount
from ci_metrics.models import Run
from ci_metrics.orchestration.due_hours import REASON_TAG, REASONS, repositories_to_ask
from ci_metrics.orchestration.fair_order import fairly
from ci_metrics.orchestration.metadata import markdown_table, plot
from ci_metrics.orchestration.partition_loop import announce_classifier, each_hour
from ci_metrics.orchestration.partitioned_asset import partitioned_asset
from ci_metrics.orchestration.partitions import HOUR, hour_start
from ci_metrics.orchestration.parts import FETCH_THREADS, GitHubPart, HoursPart, JudgePart
from ci_metrics.orchestration.storage.failing_repositories import Failing
from ci_metrics.orchestration.storage.hours import Outcome
from ci_metrics.orchestration.storage.repository_facts import ask_repositories
from ci_metrics.orchestration.storage.repository_list import RepositoryList
from ci_metrics.orchestration.sweeps import listing_digest
from ci_metrics.repositories import owners_to_list, takes_branch

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
        if owners := owners_to_list(hours.settings.repositories):
            RepositoryList(hours.store.root).bring_up_to_date(owners, github.client.repositories, hours.now())
        if not hours.repos:
            meant = ", ".join(hours.settings.repositories)
            raise SettingsError("REPO", f"no repository fits {meant}", "See what `ci-metrics doctor` finds")
        each_hour(context, hours, lambda hour: fetch_hour(hours, github, hour, context))

    return workflow_runs


def fetch_hour(hours: HoursPart, github: GitHubPart, hour: str, context: dg.AssetExecutionContext) -> Mapping[str, Any]:
    """Fetch one hour's runs and commit them; returns the metadata.

    Raises when not one repository could be fetched.
    """
    before, began = github.client.requests, hours.now()
    repos = hours.repos
    stored = hours.store.read_or_none(NAME, hour, Run)
    failing = hours.failing.read()
    asked, resting = _whom_to_ask(hours, hour, context.run.tags.get(REASON_TAG, ""), began, failing)
    known: dict[tuple[str, int], dict[int, Run]] = {}
    for run in stored:
        known.setdefault((run.repo, run.run_id), {})[run.run_attempt] = run
    with ThreadPoolExecutor(FETCH_THREADS) as pool:
        rules = hours.settings.repo_rules
        found = pool.map(lambda repo: fetch_repo(github.client, repo, hour, known, rules.of(repo).branches), asked)
        answers = dict(zip(asked, found, strict=True))
    for repo, answer in answers.items():
        for what, why in answer.failures.items():
            context.log.warning(f"⚠️ {repo}: {what}: {why}")
    hours.failing.note({repo: answer.error for repo, answer in answers.items()}, began, failing)
    gone = {tuple(pair) for pair in hours.store.notes(NAME, hour).get("deleted", [])}
    errors = [answer.error for answer in answers.values() if answer.error]
    if errors and len(errors) == len(repos):
        raise errors[0]
    with_runs = [repo for repo in asked if answers[repo].runs]
    for repo, why in ask_repositories(hours.store, github.client, with_runs, hours.now()).items():
        failures = {**answers[repo].failures, "default branch and CODEOWNERS": why}
        answers[repo] = replace(answers[repo], failures=failures)
    runs, deleted = merged_runs(stored, answers, gone)
    outcome = Outcome(
        repos=repos,
        asked=[*asked, *resting],
        unfinished={repo: answer.unfinished for repo, answer in answers.items()},
        failures={repo: answer.failures for repo, answer in answers.items()} | resting,
        notes_finished=True,
    )
    listed = hours.store.notes(NAME, hour).get("listed", {})
    listed.update({repo: answer.listing for repo, answer in answers.items() if not answer.error})
    notes = {"deleted": deleted, "listed": {repo: said for repo, said in listed.items() if said}}
    # As of before GitHub was asked: what is seen to change from then on is looked at again.
    hours.store.commit(NAME, hour, runs, Run, notes=notes, status={"runs": len(runs)}, now=began, outcome=outcome)
    return _metadata(runs, deleted, outcome, github.client.requests - before)


def _whom_to_ask(
    hours: HoursPart, hour: str, reason: str, now: datetime, failing: Mapping[str, Failing]
) -> tuple[list[str], dict[str, dict[str, str]]]:
    """The repositories to ask, in order, and what is noted of those that are set aside.

    These are asked once a day, by a schedule's run; a person's run asks for all.
    """
    state, repos, awaited = hours.store.looked_at(hour), hours.repos, hours.awaited_but(failing)
    among = awaited if reason in REASONS else repos
    due = repositories_to_ask(now, hour, state, among, reason, hours.marked.read().get(hour))
    if not reason:
        return fairly(due, str, hour), {}
    aside = {repo: failing[repo].why for repo in set(repos) - set(awaited) if failing[repo].rests(now)}
    record = state.of(NAME)
    unknown = [repo for repo in repos if repo in aside and (record is None or repo not in record.repos)]
    noted = {repo: {"listing of runs": f"set aside, asked once a day: {aside[repo]}"} for repo in unknown}
    return fairly((repo for repo in due if repo not in aside), str, hour), noted


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedRuns:
    """What GitHub said of one repository's runs of an hour."""

    listed: Collection[int] = ()  # ids of its runs
    runs: Sequence[Run] = ()  # all their attempts
    error: CiMetricsError | None = None  # why there is no answer
    failures: Mapping[str, str] = field(default_factory=dict)  # what could not be had, and why
    listing: str = ""  # names what was listed (`listing_digest`)
    whole: bool = True  # whether `listed` are all there are: a stored run that is not among them was deleted

    @property
    def unfinished(self) -> int:
        """Runs that will still change."""
        return len({run.run_id for run in self.runs if not run.finished})


def fetch_repo(
    github: GitHub,
    repo: str,
    hour: str,
    known: Mapping[tuple[str, int], Mapping[int, Run]],
    branches: Sequence[str] | None = None,
) -> FetchedRuns:
    """One repository's runs, or why they could not be had; one run does not lose the others.

    `known`: the attempts that are stored, by repository and run; of them, finished earlier ones are
    not asked for again. `branches`: patterns of head branches that alone are taken; None: all are.
    """
    start = hour_start(hour)
    runs: list[Run] = []
    failures: dict[str, str] = {}
    whole = True
    try:
        try:
            latest_attempts = github.runs_created(repo, start, start + HOUR)
        except IncompleteError as error:  # what came is kept, and nothing is taken for deleted
            latest_attempts, whole = error.found, False
            failures["listing of runs"] = str(error)
        for latest in latest_attempts:
            if not takes_branch(branches, latest.head_branch):
                continue
            same = known.get((repo, latest.run_id), {})
            try:
                try:
                    found = _attempts(github, latest, same)
                except IncompleteError as error:
                    found = error.found
                    failures[f"run {latest.run_id}"] = str(error)
                runs += found
            except (TransientError, AuthenticationError):
                raise  # the next run would fare no better
            except CiMetricsError as error:
                failures[f"run {latest.run_id}"] = f"{type(error).__name__}: {error}"
    except CiMetricsError as error:
        return FetchedRuns(error=error, failures={"listing of runs": f"{type(error).__name__}: {error}"})
    return FetchedRuns(
        listed={run.run_id for run in latest_attempts},
        runs=runs,
        failures=failures,
        listing=listing_digest(latest_attempts) if whole else "",
        whole=whole,
    )


def _attempts(github: GitHub, latest: Run, same: Mapping[int, Run]) -> list[Run]:
    """All attempts of a run, of which those in `same` are stored. Raises
    IncompleteError with those that came.
    """
    finished = {attempt for attempt, run in same.items() if run.finished and attempt < latest.run_attempt}
    pr_id = next((run.pr_id for run in same.values() if run.pr_id != "N/A"), latest.pr_id)
    if pr_id == "N/A" and latest.event.startswith("pull_request"):
        pr_id = github.pr_id(latest)
    earlier = [same[n] for n in sorted(finished)]
    try:
        asked = github.attempts(latest, known=finished)
    except IncompleteError as error:
        came = [replace(run, pr_id=pr_id) for run in (*earlier, *error.found)]
        raise IncompleteError(str(error), found=came) from error
    return [replace(run, pr_id=pr_id) for run in (*earlier, *asked)]


def merged_runs(
    stored: Sequence[Run], answers: Mapping[str, FetchedRuns], gone: Collection[tuple[int, ...]]
) -> tuple[list[Run], list[tuple[int, int]]]:
    """All runs of the hour in order, and the attempts (run, attempt) that GitHub lists no more.

    `gone`: those of the last time; it still holds for a repository that has not answered now.
    """
    rows = {_key(run): run for run in stored}
    listed = {repo: answer.listed for repo, answer in answers.items() if answer.whole and not answer.error}
    deleted = sorted(
        (run_id, attempt)
        for repo, run_id, attempt in rows
        if (run_id not in listed[repo] if repo in listed else (run_id, attempt) in gone)
    )
    rows.update({_key(run): run for answer in answers.values() for run in answer.runs})
    return sorted(rows.values(), key=lambda run: (run.repo, run.created_at, run.run_id, run.run_attempt)), deleted


def _key(run: Run) -> tuple[str, int, int]:
    """What makes two rows the same attempt."""
    return run.repo, run.run_id, run.run_attempt


def _metadata(
    runs: Sequence[Run], deleted: Sequence[tuple[int, int]], outcome: Outcome, spent: RequestCount
) -> Mapping[str, Any]:
    return {
        "dagster/row_count": len(runs),
        "runs": len({(run.repo, run.run_id) for run in runs}),
        "attempts": len(runs),
        "unfinished_runs": sum(outcome.unfinished.values()),
        "deleted_attempts": len(deleted),
        "repositories_asked": len(outcome.asked),
        "requests": spent.total,
        "requests_counted": spent.counted,
        "problems": dg.MetadataValue.json(outcome.problems),
        "by_conclusion": plot(Counter(run.conclusion or run.status for run in runs)),
        "latest": markdown_table(
            [
                {"repo": r.repo, "workflow": r.workflow_name, "attempt": r.run_attempt, "is": r.conclusion or r.status}
                for r in runs
            ],
            ("repo", "workflow", "attempt", "is"),
        ),
    }
