"""`ci-metrics dashboards`: OpenSearch Dashboards' saved objects, with the
index names of the settings.

Belongs here: options and names. Does not: the objects (`ci_metrics.report.dashboards`).
"""

from __future__ import annotations

from pathlib import Path

from ci_metrics.errors import PermanentError
from ci_metrics.index.document_index import Kind
from ci_metrics.report.dashboards.saved_objects import DEFAULT_INDICES, as_ndjson, saved_objects
from ci_metrics.settings import Settings, load_settings
from ci_metrics.urls import split_index_url


def dashboards(*, out: Path = Path("ci-metrics.ndjson")) -> None:
    """Write index patterns, charts and a dashboard, to import under Dashboards' Saved objects.

    Parameters
    ----------
    out
        The file.
    """
    names = index_names(load_settings())
    try:
        out.write_text(as_ndjson(saved_objects(names)), encoding="utf-8")
    except OSError as error:
        raise PermanentError(f"cannot write {out}: {error.strerror}. Choose another file with --out") from error
    print(f"{out}: index patterns for {', '.join(names.values())}")


def index_names(settings: Settings) -> dict[Kind, str]:
    """The indices' names: those of the settings, else the documentation's."""
    names = dict(DEFAULT_INDICES)
    for kind, address in (
        ("workflows", settings.workflow_index),
        ("jobs", settings.job_index),
        ("steps", settings.steps_index),
        ("verdicts", settings.error_classification_index),
    ):
        if address:
            names[kind] = split_index_url(address)[1] if "://" in address else address  # type: ignore[index]
    return names
