"""The loop that every asset runs: one hour at a time, each committed as it is finished.

What belongs here: the loop, its per-hour metadata, what is kept when an hour fails. Does not: any asset's work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from ci_metrics.errors import CiMetricsError
from ci_metrics.orchestration.parts import HoursPart, JudgePart, classifier_in_words
from ci_metrics.orchestration.run_messages import classification_enabled

#: What an asset does for one hour: returns the hour's metadata.
HourWork = Callable[[str], Mapping[str, Any]]


def each_hour(
    context: dg.AssetExecutionContext,
    hours: HoursPart,
    work: HourWork,
    *,
    made_of: Sequence[str] = (),
    again: HourWork | None = None,
) -> None:
    """Do `work` for each of the run's hours, oldest first, and put its metadata on that hour's own event.

    `made_of`: the assets whose rows the work reads. Where another run writes one of them anew meanwhile, what was made of
    the older rows may have come last: the hour is worked on again, by `again` if that is another work.

    A failing hour ends the run, but the hours before it stay: their files are committed, and because Dagster marks no
    partition of a failed range run, their materializations are logged here. Raises dg.Failure, which is not retried:
    what could be retried was, inside.
    """
    done: dict[str, Mapping[str, Any]] = {}
    asset, keys = context.asset_key.to_user_string(), list(context.partition_keys)
    for hour in keys:
        hours.on_hour(asset, hour, len(done), len(keys))
        try:
            done[hour] = _until_nothing_moved(hours, hour, work, made_of, again or work)
        except Exception as error:
            for finished, metadata in done.items():
                context.log_event(
                    dg.AssetMaterialization(context.asset_key, partition=finished, metadata=dict(metadata))
                )
            if not isinstance(error, CiMetricsError):
                raise  # a full disk, a mistake of ours: the hours before it are kept all the same
            kept = f"{len(done)} of {len(keys)} hours are done and kept"
            raise dg.Failure(f"{asset}, hour {hour}: {error} ({kept})", allow_retries=False) from error
    hours.on_hour(asset, "", len(done), len(keys))
    for hour, metadata in done.items():
        context.add_asset_metadata(dict(metadata), partition_key=hour)


def _until_nothing_moved(
    hours: HoursPart, hour: str, work: HourWork, made_of: Sequence[str], again: HourWork
) -> Mapping[str, Any]:
    seen = hours.store.commits(hour, made_of)
    metadata = work(hour)
    while (now := hours.store.commits(hour, made_of)) != seen:
        seen, metadata = now, again(hour)
    return metadata


def announce_classifier(context: dg.AssetExecutionContext, judge: JudgePart) -> None:
    """Say in the run log which classifier answers, and why; once a run, whichever of the assets that call this is its first."""
    first = dg.AssetKey("workflow_runs")
    if judge.settings.enable_error_classification and (
        context.asset_key == first or first not in context.job_def.asset_layer.selected_asset_keys
    ):
        context.log.info(classification_enabled(classifier_in_words(judge.settings)))
