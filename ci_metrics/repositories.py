"""Which repositories are meant, and what holds for each: names, patterns, a file of them.

What belongs here: reading `REPO` and the file, and deciding. Does not: asking GitHub which
repositories there are (`github/`), keeping what it said
(`orchestration/storage/repository_list.py`).

    repos = ["acme/*", "!acme/attic-*", "octo/widgets"]

    [[settings]]
    repos = ["acme/docs-*"]
    classification = false
    branches = ["main", "release/*"]
    taxonomy_file = "docs.toml"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

#: owner/name, where the name may hold `*` and `?`; `!` before it leaves out what it fits.
_FORM = re.compile(r"!?[\w.-]+/[\w.*?-]+", re.ASCII)


def pattern(text: str) -> str:
    """`text`, when it is a name or a pattern of names. Raises ValueError, which says what it is."""
    if not _FORM.fullmatch(text):
        raise ValueError(f"“{text}” is not owner/name")
    return text


def is_name(text: str) -> bool:
    """Whether it names one repository."""
    return bool(_FORM.fullmatch(text)) and not set("*?!") & set(text)


def owners_to_list(patterns: Iterable[str]) -> list[str]:
    """The accounts whose repositories must be known to tell which ones are meant, each once."""
    wild = (each for each in patterns if not each.startswith("!") and not is_name(each))
    return list(dict.fromkeys(each.partition("/")[0] for each in wild))


def chosen(patterns: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """The repositories that are meant, of those named and those `known` of their owners; each once.

    What a pattern with `!` fits is left out, wherever it stands. Capitals do not count, as for
    GitHub.
    """
    without = [each[1:] for each in patterns if each.startswith("!")]
    wild = [each for each in patterns if not each.startswith("!") and not is_name(each)]
    meant = [each for each in patterns if is_name(each)] + [repo for repo in known if _fits_any(repo, wild)]
    alone = {repo.lower(): repo for repo in reversed(meant)}
    return tuple(repo for repo in dict.fromkeys(meant) if alone[repo.lower()] == repo and not _fits_any(repo, without))


def _fits_any(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name.lower(), each.lower()) for each in patterns)


def _means(patterns: Sequence[str], repo: str) -> bool:
    """Whether a pattern fits, and none with `!` does."""
    without = [each[1:] for each in patterns if each.startswith("!")]
    return _fits_any(repo, patterns) and not _fits_any(repo, without)


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Patterns = Annotated[tuple[Annotated[str, AfterValidator(pattern)], ...], BeforeValidator(_names)]
Branches = Annotated[tuple[str, ...], BeforeValidator(_names)]


class RepoSettings(BaseModel):
    """What holds for the repositories that `repos` fits; what is None holds as elsewhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    repos: Patterns
    classification: bool | None = None  # whether errors are judged
    branches: Branches | None = None  # only runs of these head branches are taken (patterns)
    taxonomy_file: Path | None = None  # in place of TAXONOMY_FILE


class RepoFile(BaseModel):
    """The file of repositories."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    repos: Patterns = ()
    settings: tuple[RepoSettings, ...] = ()

    def of(self, repo: str) -> RepoSettings:
        """What holds for one repository: of each setting the last that fits."""
        found: dict[str, Any] = {}
        for each in self.settings:
            if _means(each.repos, repo):
                found.update({name: value for name, value in each if value is not None})
        return RepoSettings(**{**found, "repos": (repo,)})

    def taxonomy_files(self) -> tuple[Path, ...]:
        """All that are named, each once."""
        return tuple(dict.fromkeys(each.taxonomy_file for each in self.settings if each.taxonomy_file))


def takes_branch(branches: Collection[str] | None, branch: str) -> bool:
    """Whether runs of a head branch are taken."""
    return branches is None or any(fnmatchcase(branch, each) for each in branches)


def read_repo_file(path: Path) -> RepoFile:
    """The file at `path`; the files that it names are beside it.

    Raises ValueError that says what is wrong, and where.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
        read = RepoFile.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        said = str(first["msg"]).removeprefix("Value error, ")
        known = ", ".join(RepoSettings.model_fields if "settings" in first["loc"] else RepoFile.model_fields)
        more = f" (known here: {known})" if first["type"] == "extra_forbidden" else ""
        raise ValueError(f"{where}: {said}{more}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None
    settings = tuple(_beside(path, each) for each in read.settings)
    return read.model_copy(update={"settings": settings})


def _beside(path: Path, settings: RepoSettings) -> RepoSettings:
    if settings.taxonomy_file is None:
        return settings
    file = path.parent / settings.taxonomy_file
    if not file.is_file():
        raise ValueError(f"taxonomy_file: no file at {file}")
    return settings.model_copy(update={"taxonomy_file": file})
