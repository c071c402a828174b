"""Words of a text, as OpenSearch's built-in `pattern` analyzer makes them, so that both indices find the same."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = re.compile(r"\w+", re.ASCII)


def words_of(text: str) -> frozenset[str]:
    """Runs of ASCII letters, digits and underscores, in lower case."""
    return frozenset(word.lower() for word in _WORD.findall(text))


def has_all(wanted: frozenset[str], texts: Iterable[str]) -> bool:
    """Whether each wanted word stands in any of the texts. A search without a word finds nothing."""
    found: set[str] = set()
    for text in texts:
        found |= words_of(text)
    return bool(wanted) and wanted <= found
