"""The assets, one module each, in the order of the chain.

Belongs here: one asset per module, range-safe, one hour committed at a time. Does not: resources, schedules, checks.
"""

from __future__ import annotations

import dagster as dg

from ci_metrics.catalogue import catalogue_in_force
from ci_metrics.classifier.taxonomy_in_force import taxonomy_in_force
from ci_metrics.logs import extractor_version
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
from ci_metrics.orchestration.parts import versions_in_force
from ci_metrics.settings import Settings


def build_assets(partitions: dg.PartitionsDefinition, settings: Settings) -> list[dg.AssetsDefinition]:
    """The hourly chain, in order."""
    runs = workflow_runs.build(partitions)
    jobs = workflow_jobs.build(partitions, runs)
    logs = job_logs.build(partitions, jobs)
    catalogue = catalogue_in_force(settings.catalogue_dir)
    errors = extracted_errors.build(partitions, logs, extractor_version(catalogue))
    versions = versions_in_force(settings, taxonomy_in_force(settings.taxonomy_file, catalogue), catalogue)
    verdicts = classifications.build(partitions, errors, versions.classifier)
    documents = indexed_documents.build(partitions, verdicts)
    return [runs, jobs, logs, errors, verdicts, documents, failure_history.build(partitions, documents)]


def build_learning(assets: list[dg.AssetsDefinition]) -> dg.AssetsDefinition:
    """What is learned once a week from the hourly chain's verdicts."""
    return embedded_model.build(next(a for a in assets if a.key == dg.AssetKey(classifications.NAME)))


def build_daily_assets(settings: Settings, history: dg.AssetsDefinition) -> list[dg.AssetsDefinition]:
    """What is made once a day from the hours."""
    return [daily_report.build(settings.partitions_start, history)]
