"""Settings -> the index they name."""

from __future__ import annotations

from ci_metrics.index.base import DocumentIndex
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.settings import Settings

#: The embedded index's file, in the settings' data folder.
EMBEDDED_FILE = "index.sqlite"


def open_index(settings: Settings) -> DocumentIndex:
    """OpenSearch when the settings name indices, else the embedded index. Connects at the first use; close it when done.

    Raises SettingsError when ERROR_CLASSIFICATION_INDEX is neither an index name nor an index address.
    """
    if not settings.uses_opensearch:
        return EmbeddedIndex(settings.data_dir / EMBEDDED_FILE)
    # Its import costs 0.2 s, which the embedded index need not pay.
    from ci_metrics.index.opensearch import opensearch_from_settings

    return opensearch_from_settings(settings)
