"""Which repositories are meant, and what holds for each: names, patterns, the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci_metrics.errors import SettingsError
from ci_metrics.repositories import chosen, owners_to_list, read_repo_file, takes_branch
from ci_metrics.settings import load_settings

KNOWN = ("acme/web", "acme/api", "acme/attic-1", "Acme/Docs-en")


@pytest.mark.parametrize(
    ("patterns", "meant"),
    [
        (("octo/one", "octo/two", "octo/one"), ("octo/one", "octo/two")),
        (("acme/*",), KNOWN),
        (("acme/*", "!acme/attic-*"), ("acme/web", "acme/api", "Acme/Docs-en")),
        (("!acme/attic-*", "octo/one", "ACME/docs-??"), ("octo/one", "Acme/Docs-en")),
        (("acme/api", "acme/*", "!acme/web"), ("acme/api", "acme/attic-1", "Acme/Docs-en")),
        (("ACME/api", "acme/a*"), ("ACME/api", "acme/attic-1")),  # named and found: once, as it is named
        (("octo/one", "!octo/one"), ()),
    ],
)
def test_patterns_choose_and_what_is_marked_is_left_out(patterns: tuple[str, ...], meant: tuple[str, ...]) -> None:
    assert chosen(patterns, KNOWN) == meant


def test_only_owners_of_patterns_are_listed() -> None:
    assert owners_to_list(("octo/one", "acme/*", "!big/*", "acme/x?")) == ["acme"]


FILE = """
repos = ["acme/*", "!acme/attic-*"]

[[settings]]
repos = "acme/*"
branches = ["main", "release/*"]

[[settings]]
repos = ["acme/docs-*", "!acme/docs-en"]
classification = false
taxonomy_file = "docs.toml"
"""


def test_of_each_setting_the_last_that_fits_holds(tmp_path: Path) -> None:
    (tmp_path / "docs.toml").touch()
    (tmp_path / "repos.toml").write_text(FILE)
    rules = read_repo_file(tmp_path / "repos.toml")
    docs, english, other = rules.of("acme/docs-de"), rules.of("Acme/Docs-en"), rules.of("octo/one")
    assert (docs.classification, docs.branches, docs.taxonomy_file) == (
        False,
        ("main", "release/*"),
        tmp_path / "docs.toml",
    )
    assert (english.classification, english.branches, english.taxonomy_file) == (None, ("main", "release/*"), None)
    assert (other.classification, other.branches, other.taxonomy_file) == (None, None, None)
    assert takes_branch(docs.branches, "release/7")
    assert not takes_branch(docs.branches, "fix")
    assert takes_branch(other.branches, "fix")


def test_names_of_both_places_are_taken_and_the_file_decides_what_is_judged(tmp_path: Path) -> None:
    (tmp_path / "docs.toml").touch()
    (tmp_path / "repos.toml").write_text(FILE)
    environ = {"REPO": "octo/one", "REPO_FILE": str(tmp_path / "repos.toml"), "GITHUB_TOKEN": "x"}
    settings = load_settings({**environ, "ENABLE_ERROR_CLASSIFICATION": "true"})
    assert settings.repositories == ("octo/one", "acme/*", "!acme/attic-*")
    assert [settings.classifies(repo) for repo in ("octo/one", "acme/docs-de")] == [True, False]
    assert not load_settings(environ).classifies("octo/one")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('repo = ["acme/web"]', "repo: Extra inputs are not permitted .known here: repos, settings"),
        ('repos = ["acme"]', "repos.0: “acme” is not owner/name"),
        ('[[settings]]\nrepos = "acme/*"\nbranch = "main"', "settings.0.branch: .*known here: repos, classification"),
        ("[[settings]]\nclassification = true", "settings.0.repos: Field required"),
        ('[[settings]]\nrepos = "acme/*"\ntaxonomy_file = "no.toml"', "taxonomy_file: no file at .*no.toml"),
        ('[[settings]]\nrepos = "acme/*"\nclassification = true', "ENABLE_ERROR_CLASSIFICATION is not"),
        ("repos = [", "TOMLDecodeError"),
    ],
)
def test_a_wrong_file_says_where_it_is_wrong_and_what_is_known_there(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "repos.toml").write_text(text)
    with pytest.raises(SettingsError, match=f"(?s)REPO_FILE: .*{said}"):
        load_settings({"REPO": "octo/one", "REPO_FILE": str(tmp_path / "repos.toml"), "GITHUB_TOKEN": "x"})


def test_a_file_that_is_not_there_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"REPO_FILE: .*No such file"):
        load_settings({"REPO_FILE": str(tmp_path / "none.toml"), "GITHUB_TOKEN": "x"})
