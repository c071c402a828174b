"""`ci-metrics pr-comment`: the one comment on a pull request that says why its CI failed.

Belongs here: options, the switch, which hours are unfinished. Does not: what it says
(`ci_metrics.report.pr_comment`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from ci_metrics.commands.open_index import reading_index
from ci_metrics.errors import SettingsError
from ci_metrics.github.comments import PullRequestClient
from ci_metrics.history.pull_request import read_pull_request
from ci_metrics.history.search import repositories
from ci_metrics.orchestration.parts import HoursPart
from ci_metrics.report.pr_comment_posting import post, preview
from ci_metrics.settings import Settings, load_settings


def pr_comment(*, pr: int, repo: str, base: str = "", dry_run: bool = False) -> None:
    """Write or update the comment. Needs ENABLE_PR_COMMENTS=true and PR_COMMENT_TOKEN.

    Parameters
    ----------
    pr
        The pull request's number.
    repo
        Its repository, owner/name.
    base
        The branch it goes to, for “also failing on the base branch”. Default: what GitHub says; in
        a dry run what the index suggests.
    dry_run
        Only print it. Asks nothing of GitHub and needs no token.
    """
    settings = load_settings()
    now = datetime.now(UTC)
    if not dry_run and (not settings.enable_pr_comments or settings.pr_comment_token is None):
        raise SettingsError(
            "ENABLE_PR_COMMENTS",
            "not true: comments are off",
            "Set it to true and set PR_COMMENT_TOKEN, or look with --dry-run",
        )
    with reading_index(settings) as index:
        found = repositories(index, repo)
        if len(found) != 1:
            raise SettingsError(
                "--repo", f"{', '.join(found) or 'none'}", "Write the one repository of the pull request"
            )
        (repo,) = found
        hours = read_pull_request(index, repo, pr, base=base, now=now).partitions
        gaps = unfinished_hours(settings, hours)
        if dry_run:
            pull, body = preview(index, repo, pr, base=base, now=now, gaps=gaps)
            said = (
                body
                if pull.failed
                else f"{body}\n(Only where an earlier comment says otherwise; good news gets no new one.)"
            )
            print(said)
            return
        assert settings.pr_comment_token is not None
        with PullRequestClient(settings.github_api_url, settings.pr_comment_token.get_secret_value()) as client:
            posted = post(index, client, repo, pr, base=base, now=now, gaps=gaps)
    print(f"{repo}#{pr}: {posted.done}{f', {posted.url}' if posted.url else ''}")


def unfinished_hours(settings: Settings, hours: Iterable[str]) -> list[str]:
    """In words, those of these hours that are known not to be finished: another
    look at them would find more.
    """
    store = HoursPart(settings).store
    open_hours = [hour for hour in hours if not store.state(hour).is_finished]
    return [f"the hour {hour} (UTC) is not finished" for hour in open_hours]
