"""Versions are hashes of what decides: each file of data or code that can change a result
changes the versions it should, and no other.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ci_metrics.classifier import decision_version
from ci_metrics.logs import extractor_version

PACKAGE = Path(__file__).parents[1] / "ci_metrics"
ASK = (
    "import json; from ci_metrics.logs import extractor_version; from ci_metrics.classifier import decision_version;"
    "print(json.dumps([extractor_version(), decision_version()]))"
)
#: File -> what is added to it, whether the extractor's version changes, whether
#: the classifier's does.
CHANGES: dict[str, tuple[str, bool, bool]] = {
    "README.md": ("a remark", False, False),
    "catalogue/data/zz.toml": (
        'family = "zz"\n[[message]]\nid = "zz-new"\nform = "^zz: broken"\nweight = 8\nfires = ["zz: broken"]\n',
        True,
        True,
    ),
    "logs/ranking.tsv": ("message:zz\t1.0\n", True, False),
    "classifier/weights.tsv": ("word:zz@head" + "\t0.0" * 10 + "\n", False, True),
    "logs/findings.py": ("MORE = 1\n", True, False),
    "logs/scan.py": ('# a remark\n\n"""Another."""\n', False, False),
    "classifier/classifier.py": ("MORE = 1\n", False, True),
    "classifier/features.py": ('# a remark\n\n"""Another."""\n', False, False),
    "classifier/learning.py": ("MORE = 1\n", False, False),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package's parts that decide, copied."""
    for name in ("catalogue", "classifier", "logs", "redaction"):
        shutil.copytree(PACKAGE / name, tmp_path / "ci_metrics" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in PACKAGE.glob("*.py"):
        shutil.copy(file, tmp_path / "ci_metrics" / file.name)
    return tmp_path


def versions(folder: Path) -> list[str]:
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True, cwd=folder)
    told: list[str] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("file", CHANGES)
def test_what_decides_changes_its_version_and_nothing_else_does(file: str, copy: Path) -> None:
    added, extractor, classifier = CHANGES[file]
    with (copy / "ci_metrics" / file).open("a", encoding="utf-8") as opened:
        opened.write(added)
    found = versions(copy)
    assert (found[0] != extractor_version(), found[1] != decision_version()) == (extractor, classifier)
