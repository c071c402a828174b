"""The GitHub REST client: requests, paging, conditional requests, rate limits, log
download, JSON into records.

Belongs here: everything that speaks HTTP to GitHub. Does not: Dagster, files of the project, the
text of a log, documents.
"""

from ci_metrics.github.annotations_at_once import MOST_JOBS
from ci_metrics.github.client import GitHub, RepoAccess, open_github
from ci_metrics.github.conditional import ConditionalCache, KeptAnswer, SQLiteConditionalCache
from ci_metrics.github.request_counts import RequestCount
from ci_metrics.github.schemas import RateLimit, job_from_object

__all__ = [
    "MOST_JOBS",
    "ConditionalCache",
    "GitHub",
    "KeptAnswer",
    "RateLimit",
    "RepoAccess",
    "RequestCount",
    "SQLiteConditionalCache",
    "job_from_object",
    "open_github",
]
