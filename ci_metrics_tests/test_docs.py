"""The documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ci_metrics.cli import COMMANDS
from ci_metrics.settings import Settings

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])


def test_the_settings_page_names_every_setting_once_with_its_default() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", (ROOT / "docs/settings.md").read_text(), re.M)
    assert sorted(name for name, _ in rows) == sorted(name.upper() for name in Settings.model_fields)
    for name, shown in rows:
        default = Settings.model_fields[name.lower()].default
        if shown.startswith("`") and name != "PARTITIONS_START":
            assert shown.strip("`").lower() == str(default).lower(), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_and_picture_of_a_document_is_there(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text())
    missing = [t for t in targets if "://" not in t and not (document.parent / t).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_a_document_names_exists(document: Path) -> None:
    text = document.read_text()
    named = set(re.findall(r"(?<![\w./-])ci-metrics ([a-z][a-z-]+)\b", text))
    prose = {"is", "and", "does", "finds", "command", "says", "as", "reads", "or", "test", "in", "to"}
    assert named - set(COMMANDS) - prose == set()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets


def test_every_test_and_file_that_the_table_of_features_names_exists() -> None:
    text = (ROOT / "docs/features.md").read_text()
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", text)
    missing = [
        f"{file}::{test}" for file, test in named if f"def {test}(" not in _text(ROOT / "ci_metrics_tests" / file)
    ]
    assert named and missing == []
    files = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.(?:py|toml))`", text))
    assert files and [file for file in files if not (ROOT / "ci_metrics" / file).exists()] == []


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
