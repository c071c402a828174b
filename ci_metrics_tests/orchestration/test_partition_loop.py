"""The loop over hours: one that cannot be done is set aside and named, and the others land."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pytest

from ci_metrics.errors import AuthenticationError, ContractError, TransientError
from ci_metrics.models import Annotation
from ci_metrics.orchestration.partition_loop import each_hour
from ci_metrics.orchestration.partitions import backfill_policy, hourly_partitions, hours_between
from ci_metrics.orchestration.parts import HoursPart
from ci_metrics.orchestration.sensors import RANGE_END, RANGE_START
from ci_metrics.settings import load_settings

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")


KEYS = hours_between("2026-03-02T05", "2026-03-02T09")
RUN = {RANGE_START: KEYS[0], RANGE_END: KEYS[-1]}


class Chain:
    """Two assets over one store, of which hours fail as the test says;
    `worked` is what they did.
    """

    def __init__(self, home: Path, failing: Mapping[tuple[str, str], Exception]) -> None:
        self.hours = HoursPart(load_settings({"CI_METRICS_HOME": str(home)}))
        self.worked: list[tuple[str, str]] = []
        self._failing = failing

    def run(self) -> tuple[dg.ExecuteInProcessResult, dict[str, set[str]]]:
        """One run over `KEYS`: what became of it, and the hours that Dagster has as
        materialized of each asset.
        """
        partitions, policy = hourly_partitions(self.hours.settings.partitions_start), backfill_policy()

        @dg.asset(partitions_def=partitions, backfill_policy=policy)
        def first(context: dg.AssetExecutionContext) -> None:
            each_hour(context, self.hours, lambda hour: self._work("first", hour))

        @dg.asset(partitions_def=partitions, backfill_policy=policy, deps=[first])
        def second(context: dg.AssetExecutionContext) -> None:
            each_hour(context, self.hours, lambda hour: self._work("second", hour), made_of=["first"])

        with dg.DagsterInstance.ephemeral() as instance:
            result = dg.materialize([first, second], instance=instance, raise_on_error=False, tags=RUN)
            return result, {
                name: instance.get_materialized_partitions(dg.AssetKey(name)) for name in ("first", "second")
            }

    def _work(self, asset: str, hour: str) -> Mapping[str, object]:
        if (asset, hour) in self._failing:
            raise self._failing[asset, hour]
        self.worked.append((asset, hour))
        rows = [Annotation(level="notice", message=hour)]
        self.hours.store.commit(asset, hour, rows, Annotation, notes={}, status={}, now=self.hours.now())
        return {"hour": hour}


def failure_of(result: dg.ExecuteInProcessResult) -> tuple[str, str]:
    """The failed step, and what it says."""
    [event] = [event for event in result.all_events if event.is_step_failure]
    said = event.step_failure_data.user_failure_data
    assert event.step_key is not None and said is not None and said.description is not None
    return event.step_key, said.description


@pytest.mark.parametrize("error", [ContractError("job 7: runner_id is too large"), OverflowError("too large")])
def test_an_hour_that_cannot_be_done_is_set_aside_and_the_others_go_through_the_whole_chain(
    tmp_path: Path, error: Exception
) -> None:
    chain = Chain(tmp_path, {("first", KEYS[2]): error})
    result, materialized = chain.run()
    others = [key for key in KEYS if key != KEYS[2]]
    assert chain.worked == [(asset, key) for asset in ("first", "second") for key in others]
    assert not result.success
    assert materialized["second"] == set(others)
    step, said = failure_of(result)
    assert step == "second", "the run fails at its end"
    assert f"hour {KEYS[2]}, first: " in said
    assert str(error) in said
    assert "4 of 5 hours are done and kept" in said
    failed = chain.hours.store.state(KEYS[2]).assets["first"].failed
    assert failed is not None
    assert (failed.run, failed.tries) == (result.run_id, 1)


def test_an_hour_that_was_set_aside_is_tried_again_by_the_next_run(tmp_path: Path) -> None:
    chain = Chain(tmp_path, {("second", KEYS[1]): ContractError("refused")})
    assert not chain.run()[0].success
    chain = Chain(tmp_path, {})
    result, materialized = chain.run()
    assert result.success
    assert materialized == {"first": set(KEYS), "second": set(KEYS)}
    assert all(record.failed is None for record in chain.hours.store.state(KEYS[1]).assets.values())


def test_every_hour_that_was_set_aside_is_named_with_its_asset(tmp_path: Path) -> None:
    failing = {("first", KEYS[0]): ContractError("a"), ("second", KEYS[3]): ContractError("b")}
    step, said = failure_of(Chain(tmp_path, failing).run()[0])
    assert step == "second"
    assert f"hour {KEYS[0]}, first: a; hour {KEYS[3]}, second: b" in said


@pytest.mark.parametrize(
    ("failing", "tried"),
    [
        ({KEYS[2]: OSError("no space left on device")}, 2),
        ({KEYS[0]: AuthenticationError("the token was refused")}, 0),
        ({key: TransientError("502") for key in KEYS[1:]}, 1),
    ],
)
def test_what_would_meet_every_hour_ends_the_run_and_what_was_done_before_stays(
    tmp_path: Path, failing: Mapping[str, Exception], tried: int
) -> None:
    chain = Chain(tmp_path, {("first", key): error for key, error in failing.items()})
    result, materialized = chain.run()
    step, said = failure_of(result)
    assert step == "first"
    assert str(next(iter(failing.values()))) in said
    assert materialized == {"first": set(KEYS[:tried]), "second": set()}
