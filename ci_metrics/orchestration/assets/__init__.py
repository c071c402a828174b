"""The assets, one module each, in the order of the chain.

Belongs here: one asset per module, range-safe, one hour committed at a time. Does not:
resources, schedules, checks.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import dagster as dg

from ci_metrics.catalogue import catalogue_in_force
from ci_metrics.classifier.active_taxonomy import taxonomy_in_force
from ci_metrics.orchestration.assets import (
    classifications,
    daily_report,
    embedded_model,
    extracted_errors,
    failure_history,
    indexed_documents,
    job_logs,
    workflow_jobs,
    workflow_runs,
)
from ci_metrics.orchestration.due_hours import SILENT_HOURS
from ci_metrics.orchestration.partitions import HOUR, hourly_partitions
from ci_metrics.orchestration.parts import versions_in_force
from ci_metrics.sample import dates as sample
from ci_metrics.settings import Settings

#: Any hour that is indexed counts, an old one too: the alert, which looks at the
#: newest hours, is stricter.
INDEXED_LATELY = dg.FreshnessPolicy.time_window(fail_window=SILENT_HOURS * HOUR)


@dataclass(frozen=True, slots=True)
class Assets:
    """All assets: those of an hour in the order of the chain, that of a day, and that which
    is learned from verdicts.
    """

    hourly: tuple[dg.AssetsDefinition, ...]
    daily: dg.AssetsDefinition
    learned: dg.AssetsDefinition


def build_assets(settings: Settings) -> Assets:
    """The assets as the settings want them: their first hour, and the versions
    of what reads and judges.
    """
    catalogue = catalogue_in_force(settings.catalogue_dir)
    versions = versions_in_force(settings, taxonomy_in_force(settings.taxonomy_file, catalogue), catalogue)
    start, end = (sample.BEGINS, sample.ENDS) if settings.is_sample else (settings.partitions_start, None)
    partitions = hourly_partitions(start, end)
    with warnings.catch_warnings():
        # Backfill policies are "beta" in Dagster's words; the exact pin in
        # pyproject.toml is our answer to that.
        warnings.simplefilter("ignore", dg.BetaWarning)
        runs = workflow_runs.build(partitions)
        jobs = workflow_jobs.build(partitions, runs)
        logs = job_logs.build(partitions, jobs)
        errors = extracted_errors.build(partitions, logs, versions.extractor)
        verdicts = classifications.build(partitions, errors, versions.classifier)
        documents = indexed_documents.build(partitions, verdicts)
        if not settings.is_sample:
            documents = documents.map_asset_specs(lambda spec: dg.apply_freshness_policy(spec, INDEXED_LATELY))
        history = failure_history.build(partitions, documents)
        return Assets(
            hourly=(runs, jobs, logs, errors, verdicts, documents, history),
            daily=daily_report.build(start, end, history),
            learned=embedded_model.build(verdicts),
        )
