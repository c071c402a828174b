"""The loop that every asset runs: one hour at a time, each committed as it is finished.

What belongs here: the loop, its per-hour metadata, what is kept when an hour fails. Does not: any asset's work.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from ci_metrics.errors import CiMetricsError, OvertakenError
from ci_metrics.orchestration.resources import Workplace, classifier_in_words
from ci_metrics.orchestration.run_messages import classification_enabled

#: How often an hour is worked on again because another run has committed meanwhile: each time one of the two has come through.
MOST_REPEATS = 5

#: What an asset does for one hour: returns the hour's metadata.
HourWork = Callable[[str], Mapping[str, Any]]


def each_hour(
    context: dg.AssetExecutionContext,
    ci: Workplace,
    work: HourWork,
    *,
    made_of: Sequence[str] = (),
    again: HourWork | None = None,
) -> None:
    """Do `work` for each of the run's hours, oldest first, and put its metadata on that hour's own event.

    `made_of`: the assets that the work rests on. Where another run commits one of them meanwhile, the work is done again,
    by `again` if that is another one.

    A failing hour ends the run, but the hours before it stay: their files are committed, and because Dagster marks no
    partition of a failed range run, their materializations are logged here. Raises dg.Failure, which is not retried:
    what could be retried was, inside.
    """
    done: dict[str, Mapping[str, Any]] = {}
    asset, hours = context.asset_key.to_user_string(), list(context.partition_keys)
    for hour in hours:
        ci.on_hour(asset, hour, len(done), len(hours))
        try:
            done[hour] = _until_nothing_moved(ci, hour, work, made_of, again or work)
        except Exception as error:
            for finished, metadata in done.items():
                context.log_event(
                    dg.AssetMaterialization(context.asset_key, partition=finished, metadata=dict(metadata))
                )
            if not isinstance(error, CiMetricsError):
                raise  # a full disk, a mistake of ours: the hours before it are kept all the same
            kept = f"{len(done)} of {len(hours)} hours are done and kept"
            raise dg.Failure(f"{asset}, hour {hour}: {error} ({kept})", allow_retries=False) from error
    ci.on_hour(asset, "", len(done), len(hours))
    for hour, metadata in done.items():
        context.add_asset_metadata(dict(metadata), partition_key=hour)


def _until_nothing_moved(
    ci: Workplace, hour: str, work: HourWork, made_of: Sequence[str], again: HourWork
) -> Mapping[str, Any]:
    for act in (work, *[again] * MOST_REPEATS):
        ci.store.look(hour, made_of)
        with contextlib.suppress(OvertakenError):
            return act(hour)
    raise OvertakenError(f"other runs wrote hour {hour} anew each of the {MOST_REPEATS + 1} times it was worked on")


def announce_classifier(context: dg.AssetExecutionContext, ci: Workplace) -> None:
    """Say in the run log which classifier answers, and why; once a run, whichever of the assets that call this is its first."""
    first = dg.AssetKey("workflow_runs")
    if ci.settings.enable_error_classification and (
        context.asset_key == first or first not in context.job_def.asset_layer.selected_asset_keys
    ):
        context.log.info(classification_enabled(classifier_in_words(ci.settings)))
