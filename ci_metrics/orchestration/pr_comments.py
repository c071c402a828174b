"""The sensor that keeps pull requests' comments up to date, off unless ENABLE_PR_COMMENTS is true.

What belongs here: which pull requests the newest hours touched, and since when. Does not: what a comment says
(`report/pr_comment.py`), the requests (`github/comments.py`).

Its cursor holds, per hour, when that hour was last indexed: a pull request is looked at again only when one of its hours was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import dagster as dg

from ci_metrics.errors import CiMetricsError, NotFoundError
from ci_metrics.github.comments import PullRequestClient
from ci_metrics.history.pull_request import read_pull_request
from ci_metrics.index.base import DocumentIndex, Where
from ci_metrics.orchestration.partitions import HOUR, hour_key
from ci_metrics.orchestration.parts import GitHubPart, HoursPart, IndexPart
from ci_metrics.report.pr_comment_posting import post

#: Seconds between ticks.
INTERVAL = 300

#: How many hours back pull requests are looked at: later re-runs are told when somebody asks with `ci-metrics pr-comment`.
HOURS = 48


def build() -> dg.SensorDefinition:
    """The sensor `pr_comments`. It needs no job: it requests no run."""

    @dg.sensor(
        name="pr_comments",
        minimum_interval_seconds=INTERVAL,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "With ENABLE_PR_COMMENTS: writes or updates the one comment of each open pull request whose runs were indexed "
            "since the last tick. What GitHub refuses is tried again."
        ),
    )
    def pr_comments(
        context: dg.SensorEvaluationContext,
        hours: dg.ResourceParam[HoursPart],
        github: dg.ResourceParam[GitHubPart],
        index: dg.ResourceParam[IndexPart],
    ) -> dg.SkipReason:
        settings = github.settings
        if not settings.enable_pr_comments or settings.pr_comment_token is None:
            return dg.SkipReason("ENABLE_PR_COMMENTS is not true: pull requests get no comment.")
        seen = _read(context.cursor)
        indexed = _indexed_hours(hours)
        changed = [hour for hour, at in indexed.items() if seen.get(hour) != at]
        done: list[str] = []
        failed: list[str] = []
        with PullRequestClient(settings.github_api_url, settings.pr_comment_token.get_secret_value()) as client:
            for repo, number in pull_requests_of(index.documents, changed):
                try:
                    gaps = unfinished(hours, index.documents, repo, number)
                    posted = post(index.documents, client, repo, number, now=hours.now(), gaps=gaps)
                except NotFoundError as error:
                    context.log.warning(f"{repo}#{number}: no comment, and it is not tried again: {error}")
                    continue
                except CiMetricsError as error:
                    context.log.error(f"{repo}#{number}: no comment: {error}")
                    failed.append(f"{repo}#{number}")
                    continue
                if posted.done in ("created", "updated"):
                    done.append(f"{repo}#{number} {posted.done}")
        if not failed:
            context.update_cursor(json.dumps(indexed, sort_keys=True))
        said = f"{len(done)} comments written{': ' + ', '.join(done) if done else ''}"
        return dg.SkipReason(f"{said}; {len(failed)} will be tried again: {', '.join(failed)}" if failed else said)

    return pr_comments


def pull_requests_of(index: DocumentIndex, hours: list[str]) -> list[tuple[str, int]]:
    """The pull requests (repository, number) that have runs in these hours, in order."""
    if not hours:
        return []
    fields = ("s_repo", "s_pr_id")
    found = index.scan("workflows", Where(equals={"s_partition": tuple(hours)}), fields=fields)
    pairs = {(str(d.body["s_repo"]), str(d.body.get("s_pr_id") or "")) for d in found}
    return sorted((repo, int(number)) for repo, number in pairs if number.isdecimal())


def unfinished(hours: HoursPart, index: DocumentIndex, repo: str, number: int) -> list[str]:
    """In words, the hours of the pull request's newest commit that are not finished."""
    touched = read_pull_request(index, repo, number, now=hours.now()).partitions
    return [f"the hour {hour} (UTC) is not finished" for hour in touched if not hours.store.state(hour).is_finished]


def _indexed_hours(hours: HoursPart) -> dict[str, str]:
    """The newest hours, and when each was indexed last."""
    oldest = hour_key(hours.now() - HOURS * HOUR)
    indexed = ((hour, state.of("indexed_documents")) for hour, state in hours.store.states(oldest).items())
    return {hour: record.seen.isoformat() for hour, record in indexed if record is not None}


def _read(cursor: str | None) -> Mapping[str, str]:
    try:
        found = json.loads(cursor or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
