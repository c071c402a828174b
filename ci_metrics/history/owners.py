"""Whose a failure is: by the team's own mapping (OWNERS_FILE), else by the repository's CODEOWNERS.

What belongs here: reading both, and what they say of documents. Does not: fetching CODEOWNERS
(`orchestration/storage/repository_facts.py`), which file an error names (`index/error_paths.py`).

In both the last entry that fits decides (GitHub's documentation, "About code owners"), also one
that names nobody. Where none fits the owner is unknown, and the field absent.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from codeowners import CodeOwners
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ci_metrics.errors import SettingsError
from ci_metrics.history.job_documents import Changes, differing
from ci_metrics.index.document_index import Body, Document
from ci_metrics.index.error_domains import domain_of

#: Where a repository may have its CODEOWNERS, the first one found counts.
CODEOWNERS_PATHS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")

#: GitHub loads no larger file.
MOST_CODEOWNERS_BYTES = 3_000_000

#: More `**` than this in a pattern nobody wrote: trying them takes a path's depth to that power.
_MOST_FOLDERS = 3
#: A longer path, which may be of a hostile log, is nobody's.
_MOST_PATH = 255
#: Of a rule's expression: `*`, and one with what follows it between the same slashes.
_STAR = r"\[\^/\]\*"
_STARS, _STAR_AND_WORD = (
    re.compile(f"(?:{_STAR})+"),
    re.compile(rf"{_STAR}((?:\\.|[^\\/\[(]|\[\^/\](?!\*))+)(?={_STAR})"),
)
_COMMENT = re.compile(r"(?:^|\s)#.*")
#: @user, @org/team, or an address (RFC 5322, "atom", without what markdown reads).
_OWNER = re.compile(r"@[A-Za-z0-9][\w.-]*(?:/[\w.-]+)?|[\w.!#$%&'+/=?^{}-]+@[\w.-]+")


class CodeOwnersFile:
    """A repository's CODEOWNERS. A line that GitHub would skip (its syntax is wrong, or it names
    somebody in another way than @user, @org/team or an address) is skipped.
    """

    def __init__(self, text: str) -> None:
        lines = (_COMMENT.sub("", line).strip() for line in text[:MOST_CODEOWNERS_BYTES].split("\n"))
        self._kept = [line for line in lines if line and _is_usable(line)]
        self._rules = CodeOwners("\n".join(self._kept))
        self._rules.paths = [(_tried_once(each[0]), *each[1:]) for each in self._rules.paths]

    def of(self, path: str) -> tuple[str, ...]:
        """The owners of a file; () where nobody is named. `path` "": of a file nobody knows: those
        who own everything.
        """
        if not path:
            return self._of_everything
        if len(path) > _MOST_PATH:
            return ()
        return tuple(name for _, name in self._rules.of(path))

    @cached_property
    def _of_everything(self) -> tuple[str, ...]:
        owners = {tuple(line.split()[1:]) for line in self._kept}
        return owners.pop() if len(owners) == 1 and self._kept[0].split()[0] in ("*", "/**", "**") else ()


def _tried_once(rule: re.Pattern[str]) -> re.Pattern[str]:
    """The same rule: what stands between two `*` is looked for once, where it comes first."""
    text = _STAR_AND_WORD.sub(r"(?>[^/]*?\1)", _STARS.sub("[^/]*", rule.pattern))
    return rule if text == rule.pattern else re.compile(text)


def _is_usable(line: str) -> bool:
    pattern, *owners = line.replace("\\ ", "_").split()
    if pattern.startswith("!") or "[" in pattern or not pattern.strip("/"):
        return False
    if pattern.count("**") > _MOST_FOLDERS:
        return False
    return all(_OWNER.fullmatch(owner) for owner in owners)


class _Entry(BaseModel):
    """One `[[owner]]` of OWNERS_FILE: what is given must all fit; `*` and `?` may stand."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    owners: tuple[str, ...] = Field(min_length=0)
    repo: str = "*"
    path: str = ""  # a pattern as in CODEOWNERS
    workflow: str = "*"
    job: str = "*"
    domain: str = "*"

    @field_validator("path")
    @classmethod
    def _is_pattern(cls, path: str) -> str:
        if path and (path != path.strip() or "\n" in path or not _is_usable(f"{path} @them")):
            raise ValueError(f"“{path:.60}” is no pattern that CODEOWNERS may have")
        return path

    @cached_property
    def _paths(self) -> CodeOwnersFile:
        return CodeOwnersFile(f"{self.path} @them")

    def fits(self, body: Body, domain: str) -> bool:
        """Whether a document is of what this entry names."""
        asked = (
            (self.repo, str(body.get("s_repo") or "")),
            (self.workflow, str(body.get("s_workflow_name") or "")),
            (self.job, str(body.get("s_job_name") or "")),
            (self.domain, domain),
        )
        if not all(fnmatchcase(value.lower(), pattern.lower()) for pattern, value in asked):
            return False
        path = str(body.get("s_error_path") or "")
        return not self.path or (bool(path) and bool(self._paths.of(path)))


class _Mapping(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    owner: tuple[_Entry, ...] = ()


@dataclass(frozen=True)
class Owners:
    """Whose what is. `files`: CODEOWNERS by repository, those that are known."""

    files: Mapping[str, CodeOwnersFile] = field(default_factory=dict)
    entries: Sequence[_Entry] = ()

    def of(self, body: Body, domain: str) -> tuple[str, ...]:
        """The owners of a failed job or step; () where unknown.

        CODEOWNERS says whose a file is, and so nothing of a failure of the platform.
        """
        for entry in reversed(self.entries):
            if entry.fits(body, domain):
                return entry.owners
        file = self.files.get(str(body.get("s_repo") or ""))
        if file is None or domain == "platform":
            return ()
        return file.of(str(body.get("s_error_path") or ""))


def read_owners_file(path: Path | None) -> Sequence[_Entry]:
    """The entries of OWNERS_FILE; () without one. Raises SettingsError: what is wrong in it."""
    if path is None:
        return ()
    try:
        with path.open("rb") as file:
            return _Mapping.model_validate(tomllib.load(file)).owner
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError("OWNERS_FILE", f"{path}: {error}", "Write TOML with [[owner]] entries") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        advice = 'An entry is [[owner]] with owners = ["@org/team"] and any of repo, path, workflow, job, domain'
        raise SettingsError("OWNERS_FILE", f"{path}: {where}: {first['msg']}", advice) from None


def answering(documents: Iterable[Document], owners: Owners) -> Changes:
    """Who has to act on each failed job and step, and whose it is, as changes to documents that say
    what their logs alone (and people) say: before history's flags.
    """
    changes: dict[tuple[str, str], Body] = {}
    for document in documents:
        domain = domain_of(document.body)
        if domain is None or document.kind not in ("jobs", "steps"):
            continue
        wanted: Body = {"s_error_domain": domain, "s_owner": list(owners.of(document.body, domain)) or None}
        if diff := differing(document.body, wanted):
            changes[document.kind, document.id] = diff
    return changes  # type: ignore[return-value]
