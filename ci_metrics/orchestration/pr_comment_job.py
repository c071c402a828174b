"""The job that keeps pull requests' comments up to date, off unless ENABLE_PR_COMMENTS is true.

Belongs here: which pull requests the newest hours touched since they were told, and telling
them. Does not: what a comment says (`report/pr_comment.py`), the requests
(`github/comments.py`), when it runs (`sensors.py`).

What is kept says of each hour when it had been indexed as its pull requests were told: one is
looked at again only when one of its hours was indexed since.
"""

import json
from collections.abc import Iterable, Mapping

import dagster as dg
from pydantic import SecretStr
from upath import UPath

from ci_metrics.errors import CiMetricsError, NotFoundError
from ci_metrics.github.comments import PullRequestClient
from ci_metrics.history.pull_request import read_pull_request
from ci_metrics.index.document_index import DocumentIndex, Where
from ci_metrics.orchestration.partitions import HOUR, hour_key
from ci_metrics.orchestration.parts import GitHubPart, HoursPart, IndexPart
from ci_metrics.orchestration.storage.atomic_files import fetch, put
from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.report.pr_comment_posting import post
from ci_metrics.settings import Settings

#: How many hours back pull requests are looked at: later re-runs are told when somebody asks with
#: `ci-metrics pr-comment`.
_HOURS = 48


@dg.op(pool="pr_comments", description="Write or update the one comment of each open pull request that has news.")
def update_comments(
    context: dg.OpExecutionContext,
    hours: dg.ResourceParam[HoursPart],
    github: dg.ResourceParam[GitHubPart],
    index: dg.ResourceParam[IndexPart],
) -> None:
    """Raises dg.Failure when GitHub refused one: its hours are due again at the next run."""
    token = token_of(github.settings)
    if token is None:
        raise dg.Failure("ENABLE_PR_COMMENTS is not true: pull requests get no comment", allow_retries=False)
    indexed, changed = news(hours)
    said: dict[str, str] = {}
    failed: dict[str, str] = {}
    with PullRequestClient(github.settings.github_api_url, token.get_secret_value()) as client:
        for repo, number in pull_requests_of(index.documents, changed):
            name = f"{repo}#{number}"
            gaps = unfinished(hours, index.documents, repo, number)
            try:
                said[name] = post(index.documents, client, repo, number, now=hours.now(), gaps=gaps).done
            except NotFoundError as error:
                said[name] = f"no comment, and it is not tried again: {error}"
            except CiMetricsError as error:
                failed[name] = str(error)
    metadata = {"said": dg.MetadataValue.json(said), "failed": dg.MetadataValue.json(failed)}
    if failed:
        why = "; ".join(f"{name}: {error}" for name, error in failed.items())
        raise dg.Failure(f"{len(failed)} comments will be tried again: {why}", metadata, allow_retries=False)
    put(_file(hours.store), json.dumps(indexed, sort_keys=True).encode())
    context.add_output_metadata(metadata)


@dg.job(description="Bring the comments on pull requests up to date whose runs were indexed since.")
def comment_pull_requests() -> None:
    """`update_comments`, and nothing else."""
    update_comments()


def token_of(settings: Settings) -> SecretStr | None:
    """The token that may write comments; None when they are off."""
    return settings.pr_comment_token if settings.enable_pr_comments else None


def news(hours: HoursPart) -> tuple[Mapping[str, str], list[str]]:
    """When each of the newest hours was indexed last, and those of them that were since
    their pull requests were told.
    """
    oldest = hour_key(hours.now() - _HOURS * HOUR)
    records = ((hour, state.of("indexed_documents")) for hour, state in hours.store.states(oldest).items())
    indexed = {hour: record.seen.isoformat() for hour, record in records if record is not None}
    told = _read(_file(hours.store))
    return indexed, [hour for hour, at in indexed.items() if told.get(hour) != at]


def pull_requests_of(index: DocumentIndex, hours: Iterable[str]) -> list[tuple[str, int]]:
    """The pull requests (repository, number) that have runs in these hours, in order."""
    if not (keys := tuple(hours)):
        return []
    found = index.scan("workflows", Where(equals={"s_partition": keys}), fields=("s_repo", "s_pr_id"))
    pairs = {(str(d.body["s_repo"]), str(d.body.get("s_pr_id") or "")) for d in found}
    return sorted((repo, int(number)) for repo, number in pairs if number.isdecimal())


def unfinished(hours: HoursPart, index: DocumentIndex, repo: str, number: int) -> list[str]:
    """In words, the hours of the pull request's newest commit that are not finished."""
    touched = read_pull_request(index, repo, number, now=hours.now()).partitions
    return [f"the hour {hour} (UTC) is not finished" for hour in touched if not hours.store.state(hour).is_finished]


def _file(store: HourStore) -> UPath:
    return store.root / "pr_comments" / "told.json"


def _read(file: UPath) -> Mapping[str, str]:
    try:
        found = json.loads(fetch(file))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
