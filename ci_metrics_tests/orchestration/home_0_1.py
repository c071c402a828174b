"""A home as version 0.1 left it: an hour's files and the embedded index with its documents, a
verdict, a person's label.

What belongs here: unpacking it. Both were written by 0.1's code and never change.
"""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

from ci_metrics.settings import Settings, load_settings

HERE = Path(__file__).parent
HOUR = "2026-03-02T09"
INDEX = HERE.parent / "index" / "index_0_1" / "index.sqlite.gz"


def home_of_0_1(folder: Path) -> Settings:
    """The settings of a fresh copy below `folder`."""
    settings = load_settings({"CI_METRICS_HOME": str(folder)})
    shutil.copytree(HERE / "hours_0_1", settings.data_dir / "hours")
    (settings.data_dir / "index.sqlite").write_bytes(gzip.decompress(INDEX.read_bytes()))
    return settings


def files_of(settings: Settings) -> dict[str, bytes]:
    """Every file below the home."""
    root = settings.ci_metrics_home
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
