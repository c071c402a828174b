"""The index of a command that looks a job up and does without an index too.

Belongs here: that stand-in. Does not: commands that only read an index (`open_index.py`),
which start without all this.
"""

from __future__ import annotations

import tempfile
from functools import cached_property
from pathlib import Path

from ci_metrics.commands.open_index import is_empty, refuse_no_file
from ci_metrics.errors import NotFoundError
from ci_metrics.index.base import DocumentIndex
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.index.open import EMBEDDED_FILE, open_index
from ci_metrics.orchestration.parts import IndexPart


class IndexForALook(IndexPart):
    """The index for a command that looks things up in it and works without one too: where there
    is none, an empty one stands in.
    """

    @cached_property
    def documents(self) -> DocumentIndex:
        """The index that there is; one that goes with the process where there is none."""
        try:
            refuse_no_file(self.settings)
            index = open_index(self.settings)
            self._opened.callback(index.close)
            is_empty(index)
        except NotFoundError:
            index = _NoIndexYet(Path(self._opened.enter_context(tempfile.TemporaryDirectory())) / EMBEDDED_FILE)
            self._opened.callback(index.close)
        return index


class _NoIndexYet(EmbeddedIndex):
    @property
    def location(self) -> str:
        return "the index, which does not exist yet"
