"""The jobs: selections of assets that a schedule, a sensor or a person runs.

What belongs here: names and selections. Does not: when they run.
"""

from __future__ import annotations

import dagster as dg

# What define_asset_job returns; Dagster exports no public name for it.
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from ci_metrics.orchestration.assets import Assets
from ci_metrics.orchestration.checks import STALE

__all__ = ["INGEST", "LEARN", "RECLASSIFY", "REEXTRACT", "REPORT", "UnresolvedAssetJobDefinition", "build_jobs"]

#: Names of jobs, as schedules, sensors and commands launch them.
INGEST = "ingest_hours"
RECLASSIFY = "reclassify_hours"
REEXTRACT = "reextract_hours"


REPORT = "daily_reports"
LEARN = "learn_from_verdicts"

#: So many of the hour's assets, the first of the chain, come from GitHub.
_FETCHED = 3


def build_jobs(assets: Assets) -> dict[str, UnresolvedAssetJobDefinition]:
    """The jobs over assets, by name."""
    read = assets.hourly[_FETCHED:]
    judged = read[1:]  # all but `extracted_errors`
    once_a_day = dg.AssetSelection.checks(STALE)
    jobs = [
        dg.define_asset_job(
            INGEST,
            selection=dg.AssetSelection.assets(*assets.hourly) - once_a_day,
            description="The whole chain for one hour, or a range of hours.",
        ),
        dg.define_asset_job(
            REEXTRACT,
            selection=dg.AssetSelection.assets(*read) - once_a_day,
            description="Read stored logs again (a new extractor or fingerprint), then judge and write. Asks GitHub for nothing.",
        ),
        dg.define_asset_job(
            RECLASSIFY,
            selection=dg.AssetSelection.assets(*judged) - once_a_day,
            description="Judge stored errors again and write the documents again. Asks GitHub for nothing.",
        ),
        dg.define_asset_job(
            REPORT,
            selection=dg.AssetSelection.assets(assets.daily) | once_a_day,
            description="The HTML report of the week that ends with a day, and whether any stored hour is stale.",
        ),
        dg.define_asset_job(
            LEARN,
            selection=dg.AssetSelection.assets(assets.learned),
            description="Learn the embedded decision again from people's and a sure model's verdicts. Asks GitHub for nothing.",
        ),
    ]
    return {job.name: job for job in jobs}
