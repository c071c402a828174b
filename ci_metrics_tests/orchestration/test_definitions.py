"""The definitions load as the server loads them, and hold what the documents promise."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml

from ci_metrics.definitions import build_definitions
from ci_metrics.orchestration.partitions import last_closed_hour
from ci_metrics.orchestration.resources import build_resources
from ci_metrics.settings import SECRETS, Settings, load_settings

ROOT = Path(__file__).parents[2]

HOURLY = (
    "workflow_runs",
    "workflow_jobs",
    "job_logs",
    "extracted_errors",
    "classifications",
    "indexed_documents",
    "failure_history",
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    (tmp_path / "dagster").mkdir()
    return {**keep, "CI_METRICS_HOME": str(tmp_path), "DAGSTER_HOME": str(tmp_path / "dagster")}


def definitions(home: Path, **settings: str) -> dg.Definitions:
    return build_definitions(settings=load_settings({"CI_METRICS_HOME": str(home), **settings}))


def test_every_hourly_asset_has_the_same_partitions_and_the_same_backfill_policy_of_a_day_a_run(tmp_path: Path) -> None:
    graph = definitions(tmp_path).resolve_asset_graph()
    nodes = [graph.get(dg.AssetKey(name)) for name in HOURLY]
    assert len({str(node.partitions_def) for node in nodes}) == 1
    assert {node.backfill_policy for node in nodes} == {dg.BackfillPolicy.multi_run(max_partitions_per_run=24)}


def test_partition_keys_are_safe_as_file_names(tmp_path: Path) -> None:
    node = definitions(tmp_path).resolve_asset_graph().get(dg.AssetKey("workflow_runs"))
    assert node.partitions_def is not None
    assert node.partitions_def.get_first_partition_key() == "2026-02-17T00"


@pytest.mark.parametrize(
    ("asset", "count", "first", "last"),
    [("workflow_runs", 336, "2026-02-17T00", "2026-03-02T23"), ("daily_report", 14, "2026-02-17", "2026-03-02")],
)
def test_the_samples_partitions_are_its_two_weeks(
    tmp_path: Path, asset: str, count: int, first: str, last: str
) -> None:
    node = definitions(tmp_path).resolve_asset_graph().get(dg.AssetKey(asset))
    assert node.partitions_def is not None
    keys = node.partitions_def.get_partition_keys()
    assert (len(keys), keys[0], keys[-1]) == (count, first, last)


def test_a_repositorys_partitions_go_on_until_the_hour_that_has_just_closed(tmp_path: Path) -> None:
    graph = definitions(tmp_path, REPO="o/r", GITHUB_TOKEN="t").resolve_asset_graph()
    partitions = graph.get(dg.AssetKey("workflow_runs")).partitions_def
    assert partitions is not None
    now = datetime.now(UTC)
    assert partitions.get_first_partition_key() == "2026-01-01T00"
    assert partitions.get_last_partition_key() in (last_closed_hour(now), last_closed_hour(datetime.now(UTC)))


def test_every_asset_is_described_owned_grouped_and_has_a_kind(tmp_path: Path) -> None:
    graph = definitions(tmp_path).resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert len(node.description or "") > 60, key
        assert node.owners, key
        assert node.group_name != "default", key
        assert node.kinds, key


def test_stages_carry_their_own_code_version(tmp_path: Path) -> None:
    def version(asset: str, **settings: str) -> str | None:
        return definitions(tmp_path, **settings).resolve_asset_graph().get(dg.AssetKey(asset)).code_version

    model = {"ENABLE_ERROR_CLASSIFICATION": "true", "ANTHROPIC_API_KEY": "k", "ANTHROPIC_MODEL": "another"}
    assert version("extracted_errors") == version("extracted_errors", **model)
    assert version("classifications") != version("classifications", **model)


@pytest.mark.parametrize(("settings", "hours"), [({"REPO": "o/r", "GITHUB_TOKEN": "t"}, 6), ({}, None)])
def test_a_repositorys_documents_are_stale_after_six_hours_without_any(
    tmp_path: Path, settings: dict[str, str], hours: int | None
) -> None:
    node = definitions(tmp_path, **settings).resolve_asset_graph().get(dg.AssetKey("indexed_documents"))
    assert node.freshness_policy == (hours and dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=hours)))


def test_the_schedule_asks_for_the_last_closed_hour_with_the_tick_in_its_run_key(tmp_path: Path) -> None:
    settings = {"REPO": "o/r", "GITHUB_TOKEN": "t"}
    built = definitions(tmp_path, **settings)
    tick = datetime(2026, 3, 10, 5, 15, tzinfo=UTC)
    with dg.DagsterInstance.ephemeral() as instance:
        schedule = built.resolve_schedule_def("hourly")
        with dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=tick,
            repository_def=built.get_repository_def(),
            resources=built.get_repository_def().get_top_level_resources(),
        ) as context:
            (request,) = schedule.evaluate_tick(context).run_requests or []
    assert request.partition_key == "2026-03-10T04"
    assert request.run_key == "2026-03-10T04@2026-03-10T05:15"


def test_a_wrong_setting_is_one_message_on_the_code_location(tmp_path: Path, environment: dict[str, str]) -> None:
    done = run(
        ["dagster", "definitions", "validate", "-m", "ci_metrics.definitions"],
        tmp_path,
        {**environment, "REPO": "nonsense"},
    )
    assert done.returncode != 0
    assert "REPO: “nonsense” is not owner/name. Write owner/name" in done.stdout + done.stderr


def test_dagster_definitions_validate_passes_without_a_warning(environment: dict[str, str]) -> None:
    done = run(["dagster", "definitions", "validate", "-w", "workspace.yaml"], ROOT, environment)
    assert done.returncode == 0, done.stderr[-2000:]
    # Dagster says that this command itself is superseded by `dg check defs`; that is
    # not about the definitions.
    said = [
        line
        for line in (done.stdout + done.stderr).splitlines()
        if "superseded" not in line and "callback(" not in line
    ]
    assert not [line for line in said if "arning" in line]


def test_dg_check_defs_passes_without_a_warning(environment: dict[str, str]) -> None:
    named = {
        **environment,
        "REPO": "o/r",
        "GITHUB_TOKEN": "t",
    }  # a repository's definitions have more than the sample's
    done = run(["dagster_dg_cli.cli", "check", "defs"], ROOT, named, module=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    assert "arning" not in done.stdout + done.stderr


def test_the_instance_settings_load_with_telemetry_off_and_only_crashed_workers_retried(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert not instance.telemetry_enabled
        assert instance.run_retries_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure
    settings = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert settings["run_monitoring"]["free_slots_after_run_end_seconds"] > 0
    assert settings["retention"]["schedule"]["purge_after_days"] == 30


def test_every_setting_configures_one_resource_and_no_secret_does() -> None:
    resources = [resource.get_resource_definition() for resource in build_resources().values()]
    fields = [name for resource in resources for name in resource.config_schema.config_type.fields]
    assert sorted(fields) == sorted(name.upper() for name in Settings.model_fields if name not in SECRETS)


def run(
    command: list[str], folder: Path, environment: dict[str, str], module: bool = True
) -> subprocess.CompletedProcess[str]:
    start = [sys.executable, "-m", *command] if module else [str(Path(sys.executable).with_name("dg")), *command[1:]]
    return subprocess.run(start, cwd=folder, env=environment, capture_output=True, text=True, timeout=180)
