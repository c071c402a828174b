"""What is known of repositories themselves, beside the hours: default branch and CODEOWNERS.

What belongs here: asking GitHub once a day a repository, keeping the answers, reading them. Does
not: what CODEOWNERS says (`history/owners.py`).

An hour's documents follow from what is kept, so that a backfill asks GitHub nothing. What could not
be had stays what it was.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from upath import UPath

from ci_metrics.errors import AuthenticationError, CiMetricsError, TransientError
from ci_metrics.github import GitHub
from ci_metrics.history.owners import CODEOWNERS_PATHS, MOST_CODEOWNERS_BYTES, CodeOwnersFile, Owners, read_owners_file
from ci_metrics.orchestration.storage.atomic_files import fetch, put
from ci_metrics.orchestration.storage.store import HourStore
from ci_metrics.settings import Settings

_log = logging.getLogger(__name__)

#: How long what was asked holds.
FRESH = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRepository:
    """What GitHub said of a repository when it was asked last."""

    asked: str  # when everything was had last, ISO 8601; "": never
    default_branch: str = ""  # "": not known
    owners_path: str = ""  # of its CODEOWNERS; "": it has none
    owners_text: str = ""


def ask_repositories(store: HourStore, github: GitHub, repos: Iterable[str], now: datetime) -> dict[str, str]:
    """Bring what is known of these repositories up to date: at most four requests a day for each,
    one or two of them 304s as long as nothing changes.

    A CODEOWNERS that the token may not read is asked for again a day later, what could not be said
    now at the next call; until then what was known holds. Returns why, for each repository of which
    nothing was known and now not everything could be said: its documents may lack their kind of
    branch and owners.
    """
    lacking: dict[str, str] = {}
    for repo in repos:
        known = known_repository(store, repo) or KnownRepository(asked="")
        if known.asked and abs(now - datetime.fromisoformat(known.asked)) < FRESH:
            continue
        found, error = _asked(github, repo, known, now)
        if error is not None:
            _log.warning("⚠️ %s: its default branch or CODEOWNERS is not known: %s", repo, error)
        if error is not None and not _for_good(found, error):
            found = dataclasses.replace(found, asked=known.asked)
            if not known.asked:
                lacking[repo] = f"{type(error).__name__}: {error}"
        put(_file(store, repo), json.dumps(dataclasses.asdict(found), ensure_ascii=False).encode())
    return lacking


def known_repository(store: HourStore, repo: str) -> KnownRepository | None:
    """What is known of a repository; None when it was never asked for."""
    try:
        return KnownRepository(**json.loads(fetch(_file(store, repo))))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def known_repositories(store: HourStore, repos: Iterable[str]) -> dict[str, KnownRepository]:
    """What is known of these repositories, those that were asked for."""
    found = ((repo, known_repository(store, repo)) for repo in repos)
    return {repo: known for repo, known in found if known is not None}


def owners_in_force(settings: Settings, known: Mapping[str, KnownRepository]) -> Owners:
    """Whose what is in these repositories. Raises SettingsError when OWNERS_FILE is wrong."""
    files = {repo: CodeOwnersFile(each.owners_text) for repo, each in known.items() if each.owners_path}
    return Owners(files=files, entries=read_owners_file(settings.owners_file))


def default_branches(known: Mapping[str, KnownRepository]) -> dict[str, str]:
    """The default branches of these repositories, where they are known."""
    return {repo: each.default_branch for repo, each in known.items() if each.default_branch}


def _asked(
    github: GitHub, repo: str, known: KnownRepository, now: datetime
) -> tuple[KnownRepository, CiMetricsError | None]:
    """What GitHub says now; what could not be had stays what it was, with the reason."""
    found = dataclasses.replace(known, asked=now.astimezone(UTC).isoformat())
    try:
        found = dataclasses.replace(found, default_branch=github.default_branch(repo))
        for place in CODEOWNERS_PATHS:
            text = github.file_text(repo, place, MOST_CODEOWNERS_BYTES)
            if text is not None:
                return dataclasses.replace(found, owners_path=place, owners_text=text), None
    except CiMetricsError as error:
        return found, error
    return dataclasses.replace(found, owners_path="", owners_text=""), None


def _for_good(found: KnownRepository, error: CiMetricsError) -> bool:
    """Whether asking again soon cannot help: the token reads runs, not files. A repository that is
    not to be seen itself while its runs were just listed (made private, a token revoked in
    between) is another matter.
    """
    if isinstance(error, TransientError) or (isinstance(error, AuthenticationError) and error.everywhere):
        return False
    return bool(found.default_branch)


def _file(store: HourStore, repo: str) -> UPath:
    owner, _, name = repo.partition("/")
    return store.root / "repositories" / owner / f"{name}.json"
