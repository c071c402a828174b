"""The sample day in a real OpenSearch: the chain's own documents, and the
seed's queries word for word.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from ci_metrics.commands.launch import run_hours
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import RECLASSIFY
from ci_metrics.settings import Settings
from ci_metrics_tests.index.corpus import JobTruth
from ci_metrics_tests.index.seed_queries import assert_seed_queries
from ci_metrics_tests.orchestration.conftest import Ingested, why_failed

pytestmark = pytest.mark.opensearch


def known(day: Ingested) -> list[JobTruth]:
    """What the embedded index says of each job of the same day: another index,
    other code, the same answers.
    """
    return [
        JobTruth(
            id=document.id,
            workflow_id=document.body["s_workflow_id"],
            job_name=document.body["s_job_name"],
            status=document.body["s_status"],
            error_type=document.body.get("s_error_type"),
            confidence=document.body.get("f_error_confidence"),
        )
        for document in day.parts.index.documents.scan("jobs")
    ]


def test_the_same_definitions_write_the_sample_day_to_opensearch_and_the_seeds_queries_find_it(
    ingested: Ingested, opensearch_settings: Settings, opensearch_client: OpenSearch, tmp_path: Path
) -> None:
    hours = tmp_path / "hours" / "sample"  # the sample keeps to itself wherever HOURS_URL points
    shutil.copytree(ingested.settings.data_dir / "hours", hours)
    settings = ingested.settings.model_copy(
        update={
            "ci_metrics_home": tmp_path / "home",
            "hours_url": str(hours.parent),
            **{
                name: getattr(opensearch_settings, name)
                for name in ("workflow_index", "job_index", "steps_index", "error_classification_index")
            },
        }
    )
    with open_instance(settings) as instance:
        result = run_hours(settings, instance, RECLASSIFY, ingested.hours[0], ingested.hours[-1], quiet=True)
    assert result.success, why_failed(result)
    assert settings.job_index is not None
    name = settings.job_index.rsplit("/", 1)[1]
    truth = known(ingested)
    assert opensearch_client.count(index=name)["count"] == len(truth)
    assert_seed_queries(opensearch_client, name, truth)
