"""The loop over hours: what was finished before a failing hour stays, whatever the failure."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pytest

from ci_metrics.errors import ContractError
from ci_metrics.orchestration.partition_loop import each_hour
from ci_metrics.orchestration.partitions import backfill_policy, hourly_partitions
from ci_metrics.orchestration.parts import HoursPart
from ci_metrics.orchestration.sensors import RANGE_END, RANGE_START
from ci_metrics.settings import load_settings

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")


@pytest.mark.parametrize("error", [ContractError("refused"), OSError("no space left on device")])
def test_the_hours_before_a_failing_one_are_materialized(tmp_path: Path, error: Exception) -> None:
    settings = load_settings({"CI_METRICS_HOME": str(tmp_path)})

    def work(hour: str) -> Mapping[str, object]:
        if hour.endswith("T07"):
            raise error
        return {"hour": hour}

    @dg.asset(partitions_def=hourly_partitions(settings.partitions_start), backfill_policy=backfill_policy())
    def hours(context: dg.AssetExecutionContext) -> None:
        each_hour(context, HoursPart(settings), work)

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [hours],
            instance=instance,
            raise_on_error=False,
            tags={RANGE_START: "2026-03-02T05", RANGE_END: "2026-03-02T09"},
        )
        assert not result.success
        assert instance.get_materialized_partitions(dg.AssetKey("hours")) == {"2026-03-02T05", "2026-03-02T06"}
        assert str(error) in str(result.all_events)
