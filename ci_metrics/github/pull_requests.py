"""Which pull request a fork's run belongs to: GitHub does not say, so it is looked up
by head owner and branch.

What belongs here: choosing one of the candidates. Does not: asking for them (`client.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from ci_metrics.github.schemas import NO_PULL, Pull
from ci_metrics.models import Run


def needs_lookup(run: Run) -> bool:
    """Whether a pull request may exist that the run's own JSON does not name.

    GitHub leaves `pull_requests` empty for forks, and for pull requests that have been closed
    since. A push to a branch of the repository itself that names none has none.
    """
    if run.pr_id != NO_PULL or not run.head_branch or not run.head_owner:
        return False
    return run.head_repo != run.repo or run.event.startswith("pull_request")


def choose_pull_request(run: Run, pulls: Sequence[Pull]) -> str:
    """The number of the one pull request that fits, else "N/A": same head commit first,
    else open when the run began.
    """
    exact = [pull for pull in pulls if pull.head.sha == run.head_sha]
    open_then = [
        pull
        for pull in pulls
        if (pull.created_at is None or pull.created_at <= run.created_at)
        and (pull.closed_at is None or run.created_at <= pull.closed_at)
    ]
    for fitting in (exact, [pull for pull in exact if pull in open_then], open_then):
        if len(fitting) == 1:
            return str(fitting[0].number)
    return NO_PULL
