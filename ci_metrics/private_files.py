"""Folders and files that only their owner may read: raw logs may hold what GitHub did not mask.

What belongs here: making them. Does not: which there are.
"""

from __future__ import annotations

from pathlib import Path

#: Owner only: a folder's mode, and a file's.
FOLDER_MODE, FILE_MODE = 0o700, 0o600


def make_folder(path: Path) -> None:
    """The folder, and those above it that are missing; what is made is its owner's alone.

    Folders that are there keep their mode: somebody may have opened them to a group on purpose.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(mode=FOLDER_MODE, exist_ok=True)


def make_file(path: Path) -> None:
    """An empty file that is its owner's alone, for somebody to write to; one
    that is there becomes so.
    """
    path.touch(mode=FILE_MODE)
    path.chmod(FILE_MODE)


def open_to_others(path: Path) -> bool:
    """Whether others than the owner may look into a folder or file that is there."""
    return path.exists() and bool(path.stat().st_mode & 0o077)
