"""Words of a text, as our OpenSearch analyzer (`mappings.py`) makes them, so that
both indices find the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ci_metrics.index.mappings import WORD_CHARACTERS

_WORD = re.compile(r"\w+")


def analyzed_words(text: str) -> frozenset[str]:
    """Runs of letters, digits and underscores, in lower case, cut at a length."""
    return frozenset(word.lower()[:WORD_CHARACTERS] for word in _WORD.findall(text))


def has_all(wanted: frozenset[str], texts: Iterable[str]) -> bool:
    """Whether each wanted word stands in any of the texts. A search
    without a word finds nothing.
    """
    found: set[str] = set()
    for text in texts:
        found |= analyzed_words(text)
    return bool(wanted) and wanted <= found
