"""Where the settings have the hours: a folder or an address, without Dagster and what lies there.

What belongs here: that one place. Does not: files below it (`orchestration/store.py`).
"""

from __future__ import annotations

from upath import UPath

from ci_metrics.settings import Settings


def hours_root(settings: Settings) -> UPath:
    """The folder of the hours; the sample's is apart."""
    if settings.hours_url is None:
        return UPath(settings.data_dir / "hours")
    return UPath(settings.hours_url) / "sample" if settings.is_sample else UPath(settings.hours_url)
