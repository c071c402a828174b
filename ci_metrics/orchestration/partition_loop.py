"""The loop that every asset runs: one hour at a time, each committed as it is finished.

What belongs here: the loop, its per-hour metadata, what is kept when an hour fails. Does not: any
asset's work.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import dagster as dg

from ci_metrics.errors import AuthenticationError, CiMetricsError, OvertakenError, SettingsError
from ci_metrics.orchestration.parts import HoursPart, JudgePart, classifier_in_words
from ci_metrics.orchestration.run_messages import classification_enabled
from ci_metrics.orchestration.storage.hours import HourState

#: How often an hour is worked on again because another run has committed meanwhile: each time one
#: of the two has come through.
MOST_REPEATS = 5

#: What would meet every hour alike: nobody is let in, settings are wrong, the disk is full.
STOPS = (AuthenticationError, SettingsError, OSError, MemoryError)
#: So many hours in a row that could not be done are no longer the hours' trouble: a server is down,
#: and each would wait for it.
MOST_IN_A_ROW = 3

#: What an asset does for one hour: returns the hour's metadata.
HourWork = Callable[[str], Mapping[str, Any]]

_Done = TypeVar("_Done")


def each_hour(
    context: dg.AssetExecutionContext,
    hours: HoursPart,
    work: HourWork,
    *,
    made_of: Sequence[str] = (),
    again: HourWork | None = None,
) -> list[str]:
    """Do `work` for each of the run's hours, oldest first; the hours done.

    Each one's metadata stands on its own event.

    `made_of`: the assets that the work rests on. Where another run commits one of them meanwhile,
    the work is done again, by `again` if that is another one.

    An hour that cannot be done is set aside with its reason: the other hours go on, in this asset
    and in the run's later ones. The last asset of the run raises dg.Failure that names all that was
    set aside. So does an asset that could do no hour, and at once what would meet every hour alike
    (`STOPS`, or the same trouble `MOST_IN_A_ROW` times). A failure is not retried: what could be
    retried was, inside. Because Dagster marks no partition of a failed asset, those of the hours
    that were done are logged here.
    """
    try:
        done = _each_hour(context, hours, work, made_of, again or work)
    except BaseException:
        with contextlib.suppress(CiMetricsError, OSError):  # what was in the way is told
            hours.store.write_gathered()
        raise
    if _is_last(context):
        hours.store.write_gathered()
    _give_back_memory()
    return done


def _give_back_memory() -> None:
    """What a large hour's rows took goes back to the system before the next asset begins: glibc
    keeps it, in holes. Elsewhere nothing is done.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _each_hour(
    context: dg.AssetExecutionContext, hours: HoursPart, work: HourWork, made_of: Sequence[str], again: HourWork
) -> list[str]:
    done: dict[str, Mapping[str, Any]] = {}
    aside: dict[str, str] = {}
    asset, keys = context.asset_key.to_user_string(), list(context.partition_keys)
    in_a_row = 0
    for number, hour in enumerate(keys):
        hours.on_hour(asset, hour, number, len(keys))
        earlier = _set_aside(hours.store.look(hour, made_of), context.run.run_id)
        if earlier:
            aside[hour] = earlier
            continue
        try:
            done[hour] = until_not_overtaken(hours, hour, work, made_of, again, gathers=True)
            in_a_row = 0
        except Exception as error:
            aside[hour] = f"{asset}: {_in_words(error)}"
            context.log.warning(f"⚠️ {hour} is set aside: {aside[hour]}", exc_info=not isinstance(error, CiMetricsError))
            with contextlib.suppress(OSError):  # where nothing can be written, the run's own failure tells
                hours.store.set_aside(asset, hour, _in_words(error), run=context.run.run_id, now=hours.now())
            in_a_row += 1
            if isinstance(error, STOPS) or in_a_row == MOST_IN_A_ROW:
                raise _failure(context, done, aside) from error
    hours.on_hour(asset, "", len(keys), len(keys))
    if aside and (not done or _is_last(context)):
        raise _failure(context, done, aside)
    for hour, metadata in done.items():
        context.add_asset_metadata(dict(metadata), partition_key=hour)
    for hour, why in aside.items():
        context.add_asset_metadata({"set_aside": why}, partition_key=hour)
    return list(done)


def _set_aside(state: HourState, run: str) -> str | None:
    """Which asset set an hour aside in a run, and why; None where none did."""
    failed = ((name, record.failed) for name, record in state.assets.items() if record.failed)
    return next((f"{name}: {why.why}" for name, why in failed if why.run == run), None)


def _is_last(context: dg.AssetExecutionContext) -> bool:
    """Whether no later asset of this run reads this one's hours."""
    layer = context.job_def.asset_layer
    return not layer.asset_graph.get(context.asset_key).child_keys & layer.selected_asset_keys


def _failure(
    context: dg.AssetExecutionContext, done: Mapping[str, Mapping[str, Any]], aside: Mapping[str, str]
) -> dg.Failure:
    for hour, metadata in done.items():
        context.log_event(dg.AssetMaterialization(context.asset_key, partition=hour, metadata=dict(metadata)))
    named = "; ".join(f"hour {hour}, {why}" for hour, why in aside.items())
    kept = f"{len(done)} of {len(context.partition_keys)} hours are done and kept"
    return dg.Failure(f"{named} ({kept})", allow_retries=False)


def _in_words(error: Exception) -> str:
    """An error of ours says what was wrong; of any other, its name tells more than its text."""
    return str(error) if isinstance(error, CiMetricsError) else f"{type(error).__name__}: {error}"


def until_not_overtaken(
    hours: HoursPart,
    hour: str,
    work: Callable[[str], _Done],
    made_of: Sequence[str],
    again: Callable[[str], _Done],
    *,
    gathers: bool = False,
) -> _Done:
    """Look at an hour and do the work on it; done again where another run came in between."""
    for number, act in enumerate((work, *[again] * MOST_REPEATS)):
        hours.store.look(hour, made_of, anew=number > 0, gathers=gathers)
        with contextlib.suppress(OvertakenError):
            return act(hour)
    raise OvertakenError(f"other runs wrote hour {hour} anew each of the {MOST_REPEATS + 1} times it was worked on")


def with_checks(*results: dg.AssetCheckResult) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster tells results with checks by the bare type
    """What an asset returns after its loop: the results of its checks over
    the hours that were done.
    """
    return dg.MaterializeResult(check_results=results)


def announce_classifier(context: dg.AssetExecutionContext, judge: JudgePart) -> None:
    """Say in the run log which classifier answers, and why; once a run, by its first asset."""
    first = dg.AssetKey("workflow_runs")
    if judge.settings.enable_error_classification and (
        context.asset_key == first or first not in context.job_def.asset_layer.selected_asset_keys
    ):
        context.log.info(classification_enabled(classifier_in_words(judge.settings)))
