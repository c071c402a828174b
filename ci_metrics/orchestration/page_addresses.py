"""Addresses of our pages beside Dagster's, and of Dagster's own, below the UI's root.

What belongs here: the paths, so that what links and what serves agree. Does not: the pages
(`commands/webserver.py`). They name no host: a link that a run stored holds whatever the port.
"""

from __future__ import annotations

#: Below this our pages are; Dagster has no such path.
PREFIX = "/ci-metrics"


def verdict_address(hour: str, job_id: int, attempt: int) -> str:
    """The page of one failed job: its verdict and the lines of the log."""
    return f"{PREFIX}/jobs/{hour}/{job_id}/{attempt}"


def report_address(day: str) -> str:
    """The report of the week that ends with a day."""
    return f"{PREFIX}/reports/{day}"


def partition_address(asset: str, partition: str) -> str:
    """An asset's partition in Dagster's UI."""
    return f"/assets/{asset}?view=partitions&partition={partition}"
