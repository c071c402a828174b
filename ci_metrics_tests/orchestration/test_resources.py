"""The resources: configured by settings, shared within a run, opened when asked for, closed at
its end, each replaceable.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from ci_metrics.definitions import build_definitions
from ci_metrics.github import RequestCount
from ci_metrics.index.document_index import DocumentIndex
from ci_metrics.index.open import open_index
from ci_metrics.orchestration import parts
from ci_metrics.orchestration.jobs import INGEST, RECLASSIFY
from ci_metrics.orchestration.parts import GitHubPart, HoursPart, IndexPart, JudgePart
from ci_metrics.orchestration.resources import build_resources
from ci_metrics.settings import Settings, load_settings

HOUR = "2026-03-02T05"


def look(work: Any, config: dict[str, dict[str, str]], overrides: dict[str, Any] | None = None) -> None:
    """Run an asset that does `work` with all four resources, as production configures them."""

    @dg.asset
    def looking(
        hours: dg.ResourceParam[HoursPart],
        github: dg.ResourceParam[GitHubPart],
        index: dg.ResourceParam[IndexPart],
        judge: dg.ResourceParam[JudgePart],
    ) -> None:
        work(hours, github, index, judge)

    with dg.DagsterInstance.ephemeral() as instance:
        given = {"resources": {name: {"config": values} for name, values in config.items()}}
        assert dg.materialize(
            [looking], instance=instance, resources=build_resources(overrides), run_config=given
        ).success


def test_what_hours_is_given_in_the_launchpad_holds_for_the_others_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI_METRICS_HOME", str(tmp_path / "environment"))
    seen: list[Settings] = []
    look(
        lambda *resources: seen.extend(resource.settings for resource in resources),
        {"hours": {"CI_METRICS_HOME": str(tmp_path / "given")}, "judge": {"MAX_RPM": "7"}},
    )
    assert {settings.ci_metrics_home for settings in seen} == {tmp_path / "given"}
    assert [settings.max_rpm for settings in seen] == [50, 50, 50, 7]


def test_a_wrong_setting_in_the_launchpad_says_what_is_wrong(tmp_path: Path) -> None:
    hours = HoursPart(load_settings({"CI_METRICS_HOME": str(tmp_path)}))
    with pytest.raises(dg.DagsterError) as failed:
        look(lambda *_: None, {"judge": {"MAX_RPM": "many"}}, {"hours": hours})
    assert "MAX_RPM: “many” is not usable. Write a whole number" in str(failed.value.__cause__)


def test_a_run_opens_one_index_when_it_is_asked_for_and_closes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    really = open_index

    def opening(settings: Settings) -> DocumentIndex:
        index = really(settings)
        close = index.close
        said.append("opened")

        def closing() -> None:
            said.append("closed")
            close()

        monkeypatch.setattr(index, "close", closing)
        return index

    def work(hours: HoursPart, github: GitHubPart, index: IndexPart, judge: JudgePart) -> None:
        said.append("asked for")
        assert judge.verdicts.people() == {}
        assert index.documents.count_by("jobs", "s_repo") == {}

    monkeypatch.setattr(parts, "open_index", opening)
    look(work, {}, {"hours": HoursPart(load_settings({"CI_METRICS_HOME": str(tmp_path)}))})
    assert said == ["asked for", "opened", "closed"]


def test_a_stand_in_for_github_is_all_that_an_hour_needs_and_judging_it_again_needs_no_token(tmp_path: Path) -> None:
    without_token = load_settings({"CI_METRICS_HOME": str(tmp_path)})
    settings = without_token.model_copy(update={"repo": ("o/r",), "ci_metrics_sample": True})
    quiet = SimpleNamespace(requests=RequestCount(), runs_created=lambda *_: [], annotations_at_once=lambda _: {})
    nothing = SimpleNamespace(settings=settings, client=quiet)
    with dg.DagsterInstance.ephemeral() as instance:
        for job, overrides in ((INGEST, {"github": nothing}), (RECLASSIFY, {})):
            definitions = build_definitions(settings=settings, resource_overrides=overrides)
            result = definitions.resolve_job_def(job).execute_in_process(instance=instance, partition_key=HOUR)
            assert result.success
    assert HoursPart(settings).store.hours() == [HOUR]
