"""The jobs: selections of assets that a schedule, a sensor or a person runs.

What belongs here: names and selections. Does not: when they run.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

# What define_asset_job returns; Dagster exports no public name for it.
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

__all__ = [
    "INGEST",
    "RECLASSIFY",
    "REEXTRACT",
    "UnresolvedAssetJobDefinition",
    "build_check_job",
    "build_jobs",
    "build_learn_job",
    "build_report_job",
]

#: Names of jobs, as schedules, sensors and commands launch them.
INGEST = "ingest_hours"
RECLASSIFY = "reclassify_hours"
REEXTRACT = "reextract_hours"


#: What comes from GitHub.
_FETCHED = frozenset({"workflow_runs", "workflow_jobs", "job_logs"})


def build_jobs(assets: Sequence[dg.AssetsDefinition]) -> list[UnresolvedAssetJobDefinition]:
    """`ingest_hours`: the whole chain. `reclassify_hours`: verdicts and documents again, with no request to GitHub."""
    whole = dg.AssetSelection.assets(*assets)
    read = [asset for asset in assets if asset.key.to_user_string() not in _FETCHED]
    judged = [asset for asset in read if asset.key.to_user_string() != "extracted_errors"]
    return [
        dg.define_asset_job(INGEST, selection=whole, description="The whole chain for one hour, or a range of hours."),
        dg.define_asset_job(
            REEXTRACT,
            selection=dg.AssetSelection.assets(*read),
            description="Read stored logs again (a new extractor or fingerprint), then judge and write. Asks GitHub for nothing.",
        ),
        dg.define_asset_job(
            RECLASSIFY,
            selection=dg.AssetSelection.assets(*judged),
            description="Judge stored errors again and write the documents again. Asks GitHub for nothing.",
        ),
    ]


def build_report_job(assets: Sequence[dg.AssetsDefinition]) -> UnresolvedAssetJobDefinition:
    """`daily_reports`: what is made once a day."""
    return dg.define_asset_job(
        "daily_reports",
        selection=dg.AssetSelection.assets(*assets),
        description="The HTML report of the week that ends with a day.",
    )


def build_learn_job(learned: dg.AssetsDefinition) -> UnresolvedAssetJobDefinition:
    """`learn_from_verdicts`: what is learned once a week."""
    return dg.define_asset_job(
        "learn_from_verdicts",
        selection=dg.AssetSelection.assets(learned),
        description="Learn the embedded decision again from people's and a sure model's verdicts. Asks GitHub for nothing.",
    )


def build_check_job() -> UnresolvedAssetJobDefinition:
    """`check_silence`: only the check that something is being indexed."""
    key = dg.AssetCheckKey(dg.AssetKey("indexed_documents"), "something_indexed")
    return dg.define_asset_job(
        "check_silence", selection=dg.AssetSelection.checks(key), description="Has anything reached the index lately?"
    )
