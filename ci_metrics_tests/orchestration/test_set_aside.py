"""One bad thing stays one thing: an hour, a repository, a job that cannot be done is named,
and everything else lands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ci_metrics.commands.launch import run_hours
from ci_metrics.commands.sample_mode import sample_settings
from ci_metrics.errors import IndexWriteError, NotFoundError
from ci_metrics.github.client import GitHub
from ci_metrics.index.document_index import Document
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.models import Run
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST
from ci_metrics.orchestration.partitions import hour_key, hours_between
from ci_metrics.orchestration.parts import open_parts
from ci_metrics.sample.faults import Fault, FaultKind
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.settings import Settings, load_settings

WORLD = scaled_world(runs=6, jobs=3, failure_share=0.5, log_bytes=2000, repos=1, hours=3)
HOURS = hours_between(hour_key(WORLD.start), hour_key(WORLD.start.replace(hour=WORLD.start.hour + 2)))
JOBS_AN_HOUR = 6


@pytest.fixture
def github() -> Iterator[SampleGitHub]:
    with SampleGitHub(WORLD) as server:
        yield server


@pytest.fixture
def settings(github: SampleGitHub, tmp_path: Path) -> Settings:
    return sample_settings(load_settings({"CI_METRICS_HOME": str(tmp_path)}), github.api_url, WORLD.repos)


def ingest(settings: Settings) -> dg.ExecuteInProcessResult:
    with open_instance(settings) as instance:
        return run_hours(settings, instance, INGEST, HOURS[0], HOURS[-1], quiet=True)


def landed(settings: Settings) -> dict[str, int]:
    """How many job documents there are of each hour."""
    with open_parts(settings) as parts:
        parts.index.documents.refresh()
        return dict(parts.index.documents.count_by("jobs", "s_partition"))


def said(result: dg.ExecuteInProcessResult) -> str:
    """What the run's failure says; "" when it succeeded."""
    [*failures] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert len(failures) == (not result.success)
    return "".join(str(failure.user_failure_data.description) for failure in failures if failure.user_failure_data)


def warns_of_nothing(result: dg.ExecuteInProcessResult) -> bool:
    """Whether the check of what was set aside passed."""
    [passed] = [each.passed for each in result.get_asset_check_evaluations() if each.check_name == "nothing_set_aside"]
    return passed


def set_aside(settings: Settings, hour: str) -> dict[str, str]:
    with open_parts(settings) as parts:
        return parts.hours.store.state(hour).set_aside


def test_an_hour_that_github_does_not_list_is_named_and_the_others_land(
    github: SampleGitHub, settings: Settings
) -> None:
    github.faults.add(Fault(kind="status", on="runs", status=404, after=1))
    result = ingest(settings)
    assert landed(settings) == {HOURS[0]: JOBS_AN_HOUR, HOURS[2]: JOBS_AN_HOUR}
    assert f"hour {HOURS[1]}, workflow_runs: " in said(result)
    assert set(set_aside(settings, HOURS[1])) == {"workflow_runs"}
    assert ingest(settings).success
    assert landed(settings) == dict.fromkeys(HOURS, JOBS_AN_HOUR)
    assert set_aside(settings, HOURS[1]) == {}


def test_an_hour_with_a_document_that_the_index_refuses_is_named_and_the_others_land(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert = EmbeddedIndex.upsert

    def refusing(self: EmbeddedIndex, documents: Sequence[Document]) -> Any:
        refused = [each for each in documents if each.body.get("s_partition") == HOURS[0] and each.kind == "jobs"]
        if refused:
            raise IndexWriteError(f"{refused[0].id} was refused: it has too many fields")
        return upsert(self, documents)

    with monkeypatch.context() as patch:
        patch.setattr(EmbeddedIndex, "upsert", refusing)
        result = ingest(settings)
    assert landed(settings) == {HOURS[1]: JOBS_AN_HOUR, HOURS[2]: JOBS_AN_HOUR}
    assert f"hour {HOURS[0]}, indexed_documents: github-job-" in said(result)
    assert "was refused: it has too many fields" in set_aside(settings, HOURS[0])["indexed_documents"]
    assert ingest(settings).success
    assert landed(settings) == dict.fromkeys(HOURS, JOBS_AN_HOUR)


def test_a_document_that_the_index_refuses_is_named_and_all_others_land(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert = EmbeddedIndex.upsert
    refused: list[str] = []

    def refusing(self: EmbeddedIndex, documents: Sequence[Document]) -> Any:
        of_the_hour = [
            each.id for each in documents if each.body.get("s_partition") == HOURS[0] and each.kind == "jobs"
        ]
        refused.extend(of_the_hour[:1])
        bad = [Document("jobs", each.id, {"s_unheard_of": "x"}) if each.id in refused else each for each in documents]
        return upsert(self, bad)

    with monkeypatch.context() as patch:
        patch.setattr(EmbeddedIndex, "upsert", refusing)
        assert ingest(settings).success
    assert landed(settings) == {HOURS[0]: JOBS_AN_HOUR - 1, HOURS[1]: JOBS_AN_HOUR, HOURS[2]: JOBS_AN_HOUR}
    ((name, why),) = set_aside(settings, HOURS[0]).items()
    assert name.endswith(f"document {refused[0]}")
    assert "unknown field [s_unheard_of]" in why
    assert ingest(settings).success
    assert landed(settings) == dict.fromkeys(HOURS, JOBS_AN_HOUR)
    assert set_aside(settings, HOURS[0]) == {}


def test_a_run_that_github_refuses_costs_no_other_run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = GitHub.attempts
    refused = WORLD.runs[0].run_id

    def refusing(self: GitHub, run: Run, known: Collection[int] = ()) -> list[Run]:
        if run.run_id == refused:
            raise NotFoundError("404 Not Found")
        return attempts(self, run, known)

    with monkeypatch.context() as patch:
        patch.setattr(GitHub, "attempts", refusing)
        result = ingest(settings)
    assert result.success
    assert not warns_of_nothing(result)
    assert landed(settings) == {HOURS[0]: JOBS_AN_HOUR // 2, HOURS[1]: JOBS_AN_HOUR, HOURS[2]: JOBS_AN_HOUR}
    assert set_aside(settings, HOURS[0]) == {f"{WORLD.repos[0]} run {refused}": "NotFoundError: 404 Not Found"}
    again = ingest(settings)
    assert again.success
    assert warns_of_nothing(again)
    assert landed(settings) == dict.fromkeys(HOURS, JOBS_AN_HOUR)


@pytest.mark.parametrize(
    ("kind", "documents", "named"),
    [
        ("numbers", 3 * JOBS_AN_HOUR, ""),
        ("hostile", 3 * JOBS_AN_HOUR, ""),
        ("megabyte", 3 * JOBS_AN_HOUR, ""),
        ("ids", 2 * JOBS_AN_HOUR, "field “id”"),  # one of the three jobs of each run
    ],
)
def test_a_job_that_fits_into_no_table_costs_at_most_its_own_document(
    settings: Settings, github: SampleGitHub, kind: FaultKind, documents: int, named: str
) -> None:
    github.faults.add(Fault(kind=kind, on="jobs", times=None, count=1))
    result = ingest(settings)
    assert result.success, said(result)
    assert sum(landed(settings).values()) == documents
    whys = [why for hour in HOURS for why in set_aside(settings, hour).values()]
    assert [named in why for why in whys] == [True] * (len(WORLD.runs) if named else 0)
