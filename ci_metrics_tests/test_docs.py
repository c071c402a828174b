"""The documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ci_metrics.cli import COMMANDS
from ci_metrics.settings import Settings

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])

#: What a stranger looks for first, and what the table of CONTRIBUTING.md leads to.
CHANGES = {
    "a category",
    "a tool's message",
    "a field of the documents",
    "the retry policy for logs",
    "a chart",
    "another CI system",
}


@pytest.fixture(params=DOCUMENTS, ids=lambda path: path.name)
def document(request: pytest.FixtureRequest) -> Path:
    """Each document in turn."""
    path: Path = request.param
    return path


def prose(text: str) -> list[str]:
    """The lines that people read as sentences: no tables, no commands, no code."""
    without_code = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return [line for line in without_code.splitlines() if not line.startswith(("|", "    ", "!["))]


def anchors(text: str) -> set[str]:
    """The names that GitHub gives to the headings."""
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_the_settings_page_names_every_setting_once_with_its_default() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", (ROOT / "docs/settings.md").read_text(), re.M)
    assert sorted(name for name, _ in rows) == sorted(name.upper() for name in Settings.model_fields)
    for name, shown in rows:
        default = Settings.model_fields[name.lower()].default
        if shown.startswith("`") and name != "PARTITIONS_START":
            assert shown.strip("`").lower() == str(default).lower(), name


def test_every_link_and_picture_of_a_document_is_there(document: Path) -> None:
    missing = []
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", document.read_text()):
        if "://" in target:
            continue
        path = document.parent / target if target else document
        if not path.exists() or (anchor and anchor not in anchors(path.read_text())):
            missing.append((target, anchor))
    assert missing == []


def test_every_command_a_document_names_exists(document: Path) -> None:
    text = document.read_text()
    named = set(re.findall(r"(?<![\w./-])ci-metrics ([a-z][a-z-]+)\b", text))
    words = {"is", "and", "does", "finds", "command", "says", "as", "reads", "or", "test", "in", "to"}
    assert named - set(COMMANDS) - words == set()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets


def test_every_file_a_document_names_exists(document: Path) -> None:
    if document.name == "CHANGELOG.md":
        pytest.skip("it tells of files that were")
    named = re.findall(
        r"`((?:ci_metrics|ci_metrics_tests|tools|bench|docs|scripts|deploy)/[^`\s*]*)`", document.read_text()
    )
    files = [name for name in named if name.endswith("/") or "." in name.rpartition("/")[2]]  # the rest are run tags
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_prose_is_at_most_100_characters_wide(document: Path) -> None:
    if document.name == "CHANGELOG.md":
        pytest.skip("old entries stay as they were written")
    assert [line for line in prose(document.read_text()) if len(line) > 100] == []


def test_every_test_that_the_table_of_features_names_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", (ROOT / "docs/features.md").read_text())
    missing = [
        f"{file}::{test}" for file, test in named if f"def {test}(" not in _text(ROOT / "ci_metrics_tests" / file)
    ]
    assert named and missing == []


def test_contributing_names_every_package_once() -> None:
    named = re.findall(r"^\| `([a-z_]+)/` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    assert sorted(named) == sorted(file.parent.name for file in (ROOT / "ci_metrics").glob("*/__init__.py"))


def test_contributing_leads_to_the_file_of_each_change() -> None:
    rows = re.findall(r"^\| (.+?) \| (`.+`) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    files = {change: re.findall(r"`([^`]+)`", cell) for change, cell in rows}
    assert files.keys() >= CHANGES
    assert [file for named in files.values() for file in named if not (ROOT / file).exists()] == []


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
