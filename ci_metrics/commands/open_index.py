"""Opening the index for commands that only read it: none of them makes one.

Belongs here: that, and the message when there is nothing to read yet. Does not: what is read.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import closing, contextmanager

from ci_metrics.errors import NotFoundError
from ci_metrics.index.document_index import DocumentIndex
from ci_metrics.index.open import EMBEDDED_FILE, open_index
from ci_metrics.orchestration.storage.cause_records import CauseStore
from ci_metrics.settings import Settings


@contextmanager
def reading_index(settings: Settings) -> Iterator[DocumentIndex]:
    """The index that the settings name, closed afterwards. Raises NotFoundError when it was
    never written, or is empty.
    """
    refuse_no_file(settings)
    with closing(open_index(settings, reading=True)) as index:
        if is_empty(index):
            raise NotFoundError(f"the index {index.location} is empty: it holds no job. Run “ci-metrics upload” first")
        yield index


@contextmanager
def no_garbage() -> Iterator[None]:
    """For reading what is kept to the end: to look through it for garbage, again and again as it
    grows, takes a seventh of a report's time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def cause_store(settings: Settings, index: DocumentIndex) -> CauseStore:
    """What people said of causes, where the settings have the hours."""
    return CauseStore(settings.hours_root, lambda: index)


def refuse_no_file(settings: Settings) -> None:
    """Raises NotFoundError when the settings name the embedded index and it was never written:
    opening it would make it.
    """
    file = settings.data_dir / EMBEDDED_FILE
    if not settings.uses_opensearch and not file.exists():
        raise NotFoundError(f"there is no index at {file} yet. Run “ci-metrics upload” first (or “make run”)")


def is_empty(index: DocumentIndex) -> bool:
    """Whether the index holds no job. Raises NotFoundError when an
    OpenSearch has none of that name.
    """
    return next(index.scan("jobs", fields=("s_repo",), limit=1), None) is None
